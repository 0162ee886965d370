package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// command is one line on stdin. Every command is answered by one event, `done` or `failed`, that carries its id.
type command struct {
	ID       int      `json:"id"`
	Cmd      string   `json:"cmd"`
	Peer     string   `json:"peer"`
	Addr     string   `json:"addr"`
	Paths    []string `json:"paths"`
	Parallel int      `json:"parallel"`
	Content  string   `json:"content"`
	All      bool     `json:"all"`
	From     string   `json:"from"`
	Protocol string   `json:"protocol"`
	First    string   `json:"first"`
	Send     string   `json:"send"`
	Repeat   int      `json:"repeat"`
	Count    int      `json:"count"`
	HoldMs   int      `json:"hold_ms"`
	Hex      []string `json:"hex"`
}

func (f *foreign) obey(ctx context.Context, c command) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	answer, err := f.run(ctx, c)
	if answer == nil {
		answer = fields{}
	}
	answer["id"], answer["cmd"] = c.ID, c.Cmd
	if err != nil {
		answer["error"] = err.Error()
		f.emit("failed", answer)
		return
	}
	f.emit("done", answer)
}

func (f *foreign) run(ctx context.Context, c command) (fields, error) {
	switch c.Cmd {
	case "dial":
		return nil, f.dial(ctx, c.Addr)
	case "content":
		label, err := f.fetchContent(ctx, c.Peer)
		return fields{"content": label}, err
	case "avatar":
		got, err := f.fetchAvatar(ctx, c.Peer)
		return fields{"size": got.Size, "sha256": got.Sha256}, err
	case "fetch":
		return fields{"files": f.fetchAll(ctx, c)}, nil
	case "chat":
		return nil, f.sendChat(ctx, c)
	case "mq":
		return nil, f.sendMq(ctx, c)
	case "publish": // presence of the kind `content`, about `peer`: a lie unless that is this peer
		f.publish(ctx, c.Content, c.Peer)
		return nil, nil
	case "gossip":
		return nil, f.gossip(ctx, c)
	case "streams":
		return f.rawStreams(ctx, c), nil
	case "connections":
		return connections(ctx, c), nil
	case "datagrams":
		return nil, datagrams(ctx, c)
	default:
		return nil, fmt.Errorf("no such command: %q", c.Cmd)
	}
}

func (f *foreign) dial(ctx context.Context, addr string) error {
	info, err := peer.AddrInfoFromString(addr)
	if err != nil {
		return err
	}
	return f.host.Connect(network.WithAllowLimitedConn(ctx, "as goop2"), *info)
}

// fetchAll fetches every path, `parallel` at a time.
func (f *foreign) fetchAll(ctx context.Context, c command) []fetched {
	files := make([]fetched, len(c.Paths))
	places := make(chan struct{}, max(c.Parallel, 1))
	var all sync.WaitGroup
	for i, name := range c.Paths {
		places <- struct{}{}
		all.Go(func() {
			files[i] = f.fetchFile(ctx, c.Peer, name)
			<-places
		})
	}
	all.Wait()
	return files
}
