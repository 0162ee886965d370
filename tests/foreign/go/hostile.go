package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

const soReusePort = 15 // Linux; package syscall does not name it

// gossip publishes `count` messages of `repeat` times the text `send`, in which {n} is the number of the message.
func (f *foreign) gossip(ctx context.Context, c command) error {
	for n := range max(c.Count, 1) {
		text := strings.ReplaceAll(strings.Repeat(c.Send, max(c.Repeat, 1)), "{n}", fmt.Sprint(n))
		if err := f.topic.Publish(ctx, []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

// rawStreams opens `count` streams of `protocol` at once, writes `first` and then `send` `repeat` times on each, leaves the own side open
// for `hold_ms`, and tells how many were opened, how many bytes went out and in, and how many the other side ended.
func (f *foreign) rawStreams(ctx context.Context, c command) fields {
	var lock sync.Mutex
	var all sync.WaitGroup
	opened, ended, sent, received, head := 0, 0, 0, 0, ""
	for range max(c.Count, 1) {
		all.Go(func() {
			s, err := f.open(ctx, c.Peer, protocol.ID(c.Protocol))
			if err != nil {
				return
			}
			out, in, text, end := talk(s, c)
			lock.Lock()
			defer lock.Unlock()
			opened, sent, received, head = opened+1, sent+out, received+in, text
			if end {
				ended++
			}
		})
	}
	all.Wait()
	return fields{"opened": opened, "ended": ended, "sent": sent, "received": received, "head": head}
}

// talk writes while the other side takes it, and reads until that side ends the stream or the time is over.
func talk(s network.Stream, c command) (sent, received int, head string, ended bool) {
	defer s.Reset()
	_ = s.SetDeadline(time.Now().Add(time.Duration(c.HoldMs) * time.Millisecond))
	wrote := make(chan int)
	go func() {
		total, err := io.WriteString(s, c.First)
		for n := 0; err == nil && n < c.Repeat; n++ {
			var more int
			more, err = io.WriteString(s, c.Send)
			total += more
		}
		wrote <- total
	}()
	answer, err := io.ReadAll(io.LimitReader(s, largestMessage))
	ended = err == nil || !strings.Contains(err.Error(), "deadline")
	_ = s.SetWriteDeadline(time.Now())
	return <-wrote, len(answer), string(answer[:min(len(answer), 200)]), ended
}

// connections opens `count` TCP connections to `addr`, says nothing on them, and tells after `hold_ms` how many the other side
// took and how many of those it has closed by then.
func connections(ctx context.Context, c command) fields {
	open := []net.Conn{}
	dialer := net.Dialer{Timeout: 3 * time.Second}
	for range c.Count {
		if conn, err := dialer.DialContext(ctx, "tcp", c.Addr); err == nil {
			open = append(open, conn)
		}
	}
	deadline := time.Now().Add(time.Duration(c.HoldMs) * time.Millisecond)
	var all sync.WaitGroup
	var lock sync.Mutex
	ended := 0
	for _, conn := range open {
		all.Go(func() {
			defer conn.Close()
			_ = conn.SetReadDeadline(deadline)
			if _, err := io.Copy(io.Discard, conn); err == nil || !strings.Contains(err.Error(), "timeout") {
				lock.Lock()
				defer lock.Unlock()
				ended++
			}
		})
	}
	all.Wait()
	return fields{"opened": len(open), "ended": ended}
}

// datagrams sends each of `hex` to the UDP address `addr`, `count` times over, from port 5353 as an mDNS responder does.
func datagrams(ctx context.Context, c command) error {
	shared := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soReusePort, 1)
		})
	}}
	socket, err := shared.ListenPacket(ctx, "udp4", ":5353")
	if err != nil {
		return err
	}
	defer socket.Close()
	to, err := net.ResolveUDPAddr("udp4", c.Addr)
	if err != nil {
		return err
	}
	for range max(c.Count, 1) {
		for _, text := range c.Hex {
			packet, err := hex.DecodeString(text)
			if err != nil {
				return err
			}
			if _, err = socket.WriteTo(packet, to); err != nil {
				return err
			}
		}
	}
	return nil
}
