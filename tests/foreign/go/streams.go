package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

const (
	contentProtocol = protocol.ID("/goop/content/1.0.0")
	siteProtocol    = protocol.ID("/goop/site/1.0.0")
	avatarProtocol  = protocol.ID("/goop/avatar/1.0.0")
	chatProtocol    = protocol.ID("/goop/chat/1.0.0")
	mqProtocol      = protocol.ID("/goop/mq/1.0.0")

	streamTimeout  = 20 * time.Second
	mqTimeout      = 3 * time.Second
	largestMessage = 1 << 20
)

// serveStreams answers what a goop2 peer of this generation answers.
func (f *foreign) serveStreams() {
	f.serve(contentProtocol, func(s network.Stream) error { _, err := fmt.Fprintf(s, "%s\n", f.label); return err })
	f.serve(siteProtocol, f.serveSite)
	f.serve(avatarProtocol, f.serveAvatar)
	if f.generation == "seed" {
		f.serve(chatProtocol, f.takeChat)
	} else {
		f.serve(mqProtocol, f.takeMq)
	}
}

func (f *foreign) serve(id protocol.ID, answer func(network.Stream) error) {
	f.host.SetStreamHandler(id, func(s network.Stream) {
		defer s.Close()
		_ = s.SetDeadline(time.Now().Add(streamTimeout))
		if err := answer(s); err != nil {
			f.emit("served-badly", fields{"protocol": string(id), "peer": s.Conn().RemotePeer().String(), "error": err.Error()})
		}
	})
}

func (f *foreign) serveSite(s network.Stream) error {
	line, err := bufio.NewReader(s).ReadString('\n')
	if err != nil {
		return err
	}
	wanted, ok := strings.CutPrefix(strings.TrimSpace(line), "GET ")
	if !ok {
		_, err = io.WriteString(s, "ERR bad request\n")
		return err
	}
	name := strings.TrimPrefix(path.Clean("/"+wanted), "/")
	if name == "" {
		name = "index.html"
	}
	return f.sendFile(s, name)
}

func (f *foreign) sendFile(s network.Stream, name string) error {
	root, err := os.OpenRoot(f.site)
	if err != nil {
		_, err = io.WriteString(s, "ERR site disabled\n")
		return err
	}
	defer root.Close()
	body, err := root.ReadFile(name)
	if err != nil {
		_, err = io.WriteString(s, "ERR not found\n")
		return err
	}
	kind := mime.TypeByExtension(path.Ext(name))
	if kind == "" {
		kind = "application/octet-stream"
	}
	if _, err = fmt.Fprintf(s, "OK %s %d\n", kind, len(body)); err == nil {
		_, err = s.Write(body)
	}
	return err
}

func (f *foreign) serveAvatar(s network.Stream) error {
	picture, err := os.ReadFile(f.avatar)
	if err != nil {
		_, err = io.WriteString(s, "NONE\n")
		return err
	}
	if _, err = fmt.Fprintf(s, "OK %d\n", len(picture)); err == nil {
		_, err = s.Write(picture)
	}
	return err
}

// takeChat hears one message of the older dialect; a sender who is not who it claims to be is dropped.
func (f *foreign) takeChat(s network.Stream) error {
	var message struct{ ID, From, To, Type, Content string }
	if err := json.NewDecoder(io.LimitReader(s, largestMessage)).Decode(&message); err != nil {
		return err
	}
	if message.From != s.Conn().RemotePeer().String() {
		return fmt.Errorf("from is %q", message.From)
	}
	f.emit("chat", fields{"dialect": "chat", "from": message.From, "to": message.To, "type": message.Type, "content": message.Content})
	return nil
}

// takeMq hears one message of the newer dialect and acknowledges it before looking at the payload.
func (f *foreign) takeMq(s network.Stream) error {
	_ = s.SetDeadline(time.Now().Add(mqTimeout))
	var message struct {
		Type, ID, Topic string
		Seq             int64
		Payload         json.RawMessage
	}
	if err := json.NewDecoder(bufio.NewReader(s)).Decode(&message); err != nil {
		return err
	}
	if len(message.ID) < 8 {
		return errors.New("an id this short would end a goop2 process")
	}
	if err := json.NewEncoder(s).Encode(fields{"type": "ack", "id": message.ID, "seq": message.Seq}); err != nil {
		return err
	}
	var said struct{ Content string }
	_ = json.Unmarshal(message.Payload, &said)
	f.emit("chat", fields{"dialect": "mq", "from": s.Conn().RemotePeer().String(), "topic": message.Topic, "content": said.Content})
	return nil
}

func (f *foreign) open(ctx context.Context, to string, id protocol.ID) (network.Stream, error) {
	who, err := peer.Decode(to)
	if err != nil {
		return nil, err
	}
	s, err := f.host.NewStream(network.WithAllowLimitedConn(ctx, "as goop2"), who, id)
	if err == nil {
		_ = s.SetDeadline(time.Now().Add(streamTimeout))
	}
	return s, err
}

func (f *foreign) fetchContent(ctx context.Context, to string) (string, error) {
	s, err := f.open(ctx, to, contentProtocol)
	if err != nil {
		return "", err
	}
	defer s.Close()
	line, err := bufio.NewReader(s).ReadString('\n')
	return strings.TrimSpace(line), err
}

// fetched is one answer to GET: what was said about it, and the digest of what came.
type fetched struct {
	Path   string `json:"path"`
	Mime   string `json:"mime,omitempty"`
	Size   int64  `json:"size"`
	Sha256 string `json:"sha256,omitempty"`
	Error  string `json:"error,omitempty"`
}

func (f *foreign) fetchFile(ctx context.Context, to, name string) fetched {
	got := fetched{Path: name}
	s, err := f.open(ctx, to, siteProtocol)
	if err != nil {
		return got.failed(err)
	}
	defer s.Close()
	if _, err = fmt.Fprintf(s, "GET %s\n", name); err != nil {
		return got.failed(err)
	}
	answer := bufio.NewReader(s)
	head, err := answer.ReadString('\n')
	if err != nil {
		return got.failed(fmt.Errorf("no answer line: %w", err))
	}
	kind, ok := strings.CutPrefix(strings.TrimSpace(head), "OK ")
	if !ok {
		return got.failed(errors.New(strings.TrimSpace(head)))
	}
	got.Mime, got.Size, err = splitSize(kind)
	if err != nil {
		return got.failed(err)
	}
	return got.body(answer)
}

func (got fetched) body(answer io.Reader) fetched {
	digest := sha256.New()
	read, err := io.Copy(digest, answer)
	if err != nil || read != got.Size {
		return got.failed(fmt.Errorf("%d of %d bytes: %v", read, got.Size, err))
	}
	got.Sha256 = hex.EncodeToString(digest.Sum(nil))
	return got
}

func (got fetched) failed(err error) fetched {
	got.Error = err.Error()
	return got
}

// splitSize cuts at the last space, because a media type may hold one.
func splitSize(head string) (string, int64, error) {
	at := strings.LastIndexByte(head, ' ')
	if at < 0 {
		at = 0
	}
	size, err := strconv.ParseInt(strings.TrimSpace(head[at:]), 10, 64)
	return head[:at], size, err
}

func (f *foreign) fetchAvatar(ctx context.Context, to string) (fetched, error) {
	got := fetched{Path: "avatar"}
	s, err := f.open(ctx, to, avatarProtocol)
	if err != nil {
		return got, err
	}
	defer s.Close()
	answer := bufio.NewReader(s)
	head, err := answer.ReadString('\n')
	if err != nil {
		return got, err
	}
	size, ok := strings.CutPrefix(strings.TrimSpace(head), "OK ")
	if !ok {
		return got, nil
	}
	if got.Size, err = strconv.ParseInt(size, 10, 64); err != nil {
		return got, err
	}
	return got.body(answer), nil
}

func (f *foreign) sendChat(ctx context.Context, c command) error {
	s, err := f.open(ctx, c.Peer, chatProtocol)
	if err != nil {
		return err
	}
	defer s.Close()
	from, kind, to := f.host.ID().String(), "direct", c.Peer
	if c.From != "" {
		from = c.From
	}
	if c.All {
		kind, to = "broadcast", ""
	}
	now := time.Now()
	return json.NewEncoder(s).Encode(fields{"id": now.Format("20060102150405.000000"), "from": from, "to": to, "type": kind,
		"content": c.Content, "timestamp": now.UnixMilli(), "site_id": ""})
}

func (f *foreign) sendMq(ctx context.Context, c command) error {
	s, err := f.open(ctx, c.Peer, mqProtocol)
	if err != nil {
		return err
	}
	defer s.Close()
	topic, id := "chat", rand.Text()
	if c.All {
		topic = "chat.broadcast"
	}
	if err = json.NewEncoder(s).Encode(fields{"type": "msg", "id": id, "seq": 1, "topic": topic, "payload": fields{"content": c.Content}}); err != nil {
		return err
	}
	var ack struct{ Type, ID string }
	if err = json.NewDecoder(s).Decode(&ack); err != nil {
		return fmt.Errorf("no ack: %w", err)
	}
	if ack.Type != "ack" || ack.ID != id {
		return fmt.Errorf("ack was %+v", ack)
	}
	return nil
}
