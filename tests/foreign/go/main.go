// Command goop-foreign is a peer on go-libp2p that goop must get along with: the same library versions, mDNS tag, gossip topic
// and stream protocols as the Go program goop2 has on the wire. It says everything that happens as JSON lines on stdout and
// takes commands as JSON lines on stdin (commands.go), so that one test driver serves it and its JavaScript sister.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"flag"
	"log"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
	"github.com/libp2p/go-libp2p/p2p/host/autorelay"
	"github.com/libp2p/go-libp2p/p2p/protocol/holepunch"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

const (
	presenceTopic = "goop.presence.v1"
	dialTimeout   = 3 * time.Second
	heartbeat     = 5 * time.Second
	longestLine   = 8 << 20
)

type fields map[string]any

// foreign is the running peer and what it was told to be.
type foreign struct {
	host       host.Host
	topic      *pubsub.Topic
	label      string
	site       string
	avatar     string
	generation string

	stdout sync.Mutex
}

// emit writes one event; events are whole lines, whoever writes them.
func (f *foreign) emit(event string, more fields) {
	line := fields{"event": event}
	for key, value := range more {
		line[key] = value
	}
	f.stdout.Lock()
	defer f.stdout.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(line)
}

func main() {
	f := &foreign{}
	listen := flag.String("listen", "/ip4/0.0.0.0/tcp/0", "multiaddr to listen on")
	tag := flag.String("mdns", "goop-mdns", "mDNS service name; empty: no mDNS")
	seed := flag.Int("key", 0, "1-255: an identity made from 32 such bytes; 0: a new one")
	security := flag.String("security", "both", "both, tls or noise; one of them alone is offered over TCP alone, since QUIC brings its own")
	relay := flag.String("relay", "", "multiaddr of a relay to use as goop2's newest does: a place on it, punching, never public; empty: none")
	flag.StringVar(&f.label, "label", "foreign", "name to announce")
	flag.StringVar(&f.site, "site", "", "folder to serve; empty: site disabled")
	flag.StringVar(&f.avatar, "avatar", "", "picture file to serve; empty: none")
	flag.StringVar(&f.generation, "generation", "new", "which goop2 to be: seed (/goop/chat) or new (/goop/mq)")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	must(f.start(*listen, *security, *relay, *seed))
	f.serveStreams()
	must(f.joinPresence(ctx))
	if *tag != "" {
		must(mdns.NewMdnsService(f.host, *tag, f).Start())
	}
	f.emit("listening", fields{"peer": f.host.ID().String(), "addrs": f.ownAddrs()})
	go f.readCommands(ctx, stop)
	<-ctx.Done()
	_ = f.host.Close()
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func (f *foreign) start(listen, security, relay string, seed int) (err error) {
	options := []libp2p.Option{libp2p.ListenAddrStrings(listen)}
	if seed > 0 {
		key, _, err := crypto.KeyPairFromStdKey(ptr(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(seed)}, ed25519.SeedSize))))
		if err != nil {
			return err
		}
		options = append(options, libp2p.Identity(key))
	}
	switch security {
	case "tls":
		options = append(options, libp2p.Transport(tcp.NewTCPTransport), libp2p.Security(libp2ptls.ID, libp2ptls.New))
	case "noise":
		options = append(options, libp2p.Transport(tcp.NewTCPTransport), libp2p.Security(noise.ID, noise.New))
	}
	if relay != "" {
		info, err := peer.AddrInfoFromString(relay)
		if err != nil {
			return err
		}
		places := libp2p.EnableAutoRelayWithStaticRelays([]peer.AddrInfo{*info}, autorelay.WithBootDelay(0), autorelay.WithBackoff(500*time.Millisecond))
		options = append(options, libp2p.EnableRelay(), libp2p.EnableHolePunching(), places, libp2p.ForceReachabilityPrivate())
	}
	if f.host, err = libp2p.New(options...); err != nil {
		return err
	}
	f.host.Network().Notify(&network.NotifyBundle{ConnectedF: f.connected, DisconnectedF: f.disconnected})
	if relay != "" {
		go f.tellPunching()
	}
	return nil
}

// tellPunching tells when the library is ready to punch: once it knows an address of its own. Who comes earlier stays relayed.
func (f *foreign) tellPunching() {
	ready := false
	for !ready {
		ready = slices.Contains(f.host.Mux().Protocols(), holepunch.Protocol)
		time.Sleep(50 * time.Millisecond)
	}
	f.emit("punching", fields{})
}

func ptr[T any](value T) *T { return &value }

func (f *foreign) ownAddrs() []string {
	out := []string{}
	for _, addr := range f.host.Addrs() {
		out = append(out, addr.String()+"/p2p/"+f.host.ID().String())
	}
	return out
}

func (f *foreign) connected(_ network.Network, c network.Conn) {
	f.emit("connected", fields{"peer": c.RemotePeer().String(), "addr": c.RemoteMultiaddr().String(),
		"security": string(c.ConnState().Security), "muxer": string(c.ConnState().StreamMultiplexer)})
}

func (f *foreign) disconnected(_ network.Network, c network.Conn) {
	f.emit("disconnected", fields{"peer": c.RemotePeer().String()})
}

// HandlePeerFound dials whatever mDNS names, as goop2 does, and does not ask twice.
func (f *foreign) HandlePeerFound(found peer.AddrInfo) {
	if found.ID == f.host.ID() {
		return
	}
	addrs := []string{}
	for _, addr := range found.Addrs {
		addrs = append(addrs, addr.String())
	}
	f.emit("found", fields{"peer": found.ID.String(), "addrs": addrs})
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	_ = f.host.Connect(ctx, found)
}

func (f *foreign) joinPresence(ctx context.Context) error {
	gossip, err := pubsub.NewGossipSub(ctx, f.host)
	if err != nil {
		return err
	}
	if f.topic, err = gossip.Join(presenceTopic); err != nil {
		return err
	}
	heard, err := f.topic.Subscribe()
	if err != nil {
		return err
	}
	go f.hearPresence(ctx, heard)
	go f.tellPresence(ctx)
	return nil
}

func (f *foreign) hearPresence(ctx context.Context, heard *pubsub.Subscription) {
	for {
		message, err := heard.Next(ctx)
		if err != nil {
			return
		}
		if message.GetFrom() == f.host.ID() {
			continue
		}
		var payload fields
		_ = json.Unmarshal(message.Data, &payload)
		f.emit("presence", fields{"from": message.GetFrom().String(), "bytes": len(message.Data), "payload": payload})
	}
}

func (f *foreign) tellPresence(ctx context.Context) {
	f.publish(ctx, "online", f.host.ID().String())
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			f.publish(ctx, "update", f.host.ID().String())
		}
	}
}

// publish sends a presence message signed by this peer, about whomever the caller says.
func (f *foreign) publish(ctx context.Context, kind, about string) {
	said := fields{"type": kind, "peerId": about, "ts": time.Now().UnixMilli()}
	if kind != "offline" {
		said["content"] = f.label
	}
	if kind != "offline" && f.generation == "new" {
		said["goopClientVersion"] = "dev"
		said["addrs"] = f.ownAddrs()
	}
	data, _ := json.Marshal(said)
	_ = f.topic.Publish(ctx, data)
}

func (f *foreign) readCommands(ctx context.Context, stop func()) {
	defer stop()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			f.emit("failed", fields{"error": "command: " + err.Error()})
			continue
		}
		if c.Cmd == "quit" {
			return
		}
		go f.obey(ctx, c)
	}
}
