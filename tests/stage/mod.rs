//! A viewer whose peer is played by a script: rows, sites and avatars are what the test says, streams are in-memory pipes.
//!
//! [`Stage::ask`] speaks HTTP by hand, because no client library sends the heads that attackers send.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use goop::clock::UnixMillis;
use goop::config::reload::{ReloadHandle, Reloaded};
use goop::config::{Config, Sources};
use goop::peer::files::Folders;
use goop::peer::memory::Memory;
use goop::peer::site_root::SiteRoot;
use goop::peer::streams::{self, avatar, mq};
use goop::peer::{Command, OpenError, Path, PeerEvent, PeerHandle, PeerRow, PeerStream, SelfInfo};
use goop::proto::chat::Limits;
use goop::shutdown::Tasks;
use goop::viewer::{Options, Viewer};
use libp2p::PeerId;
use libp2p::identity::Keypair;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

/// What a scripted peer answers on `/goop/site`, head line included.
#[derive(Clone)]
pub enum Script {
    /// These bytes, then the end.
    Bytes(Vec<u8>),
    /// This head, then zeros without end; how many were taken is counted.
    Endless(String, Arc<std::sync::atomic::AtomicU64>),
    /// No stream can be opened.
    Fails(OpenError),
}

impl Script {
    /// A file of this type, as its owner calls it.
    pub fn file(mime: &str, body: &str) -> Self {
        Self::Bytes(format!("OK {mime} {}\n{body}", body.len()).into_bytes())
    }
}

/// What the script says.
#[derive(Default)]
pub struct Play {
    /// The peer list.
    pub rows: Vec<PeerRow>,
    /// By peer and path; anything else is `ERR not found`.
    pub files: HashMap<(PeerId, String), Script>,
    /// By peer; anyone else has none.
    pub avatars: HashMap<PeerId, Vec<u8>>,
    /// The own avatar as it was announced last.
    pub announced: Option<Option<Bytes>>,
    /// Who was cut off or let in again.
    pub blocked: Vec<(PeerId, bool)>,
    /// How it goes with the peer's rendezvous servers.
    pub servers: Vec<goop::clients::rendezvous::Status>,
    /// Every path that was asked of any peer.
    pub asked: Vec<String>,
}

/// A viewer and the peer behind it.
pub struct Stage {
    pub viewer: Viewer,
    pub peer: PeerHandle,
    pub me: PeerId,
    pub play: Arc<Mutex<Play>>,
    pub events: broadcast::Sender<PeerEvent>,
    pub tasks: Tasks,
    pub stop: CancellationToken,
    pub home: tempfile::TempDir,
    reload: ReloadHandle,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}\n{}", self.head, self.text()))
    }

    /// The value of a header that stands there once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.head.lines().filter_map(|line| line.split_once(": ")).filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value);
        assert!(found.next().is_none(), "{name} stands twice:\n{}", self.head);
        value
    }
}

pub fn new_peer() -> PeerId {
    Keypair::generate_ed25519().public().to_peer_id()
}

pub fn row(peer_id: PeerId, label: &str) -> PeerRow {
    PeerRow {
        peer_id,
        label: label.into(),
        email: None,
        avatar_hash: None,
        online: true,
        last_seen: UnixMillis(1),
        path: Path::Lan,
        reason: None,
        signed: true,
        sources: vec!["lan".into()],
        addrs: vec![],
    }
}

/// The node around the viewer: has what the files say count whenever it is asked, unless the test says who does.
fn reading(options: &mut Options) -> ReloadHandle {
    let (reload, mut wishes) = ReloadHandle::new();
    let (tell, told) = watch::channel(options.current.borrow().clone());
    options.current = told;
    options.reload.get_or_insert(reload.clone());
    tokio::spawn(async move {
        while let Some(answer) = wishes.recv().await {
            let read = tell.borrow().again();
            let reloaded = read.map(|fresh| drop(tell.send_replace(fresh))).map_err(|faults| faults.to_string());
            let _ = answer.send(reloaded.map(|()| Reloaded::default()));
        }
    });
    reload
}

impl Stage {
    /// Writes the configuration file, and has it count.
    pub async fn configure(&self, toml: &str) {
        std::fs::write(self.home.path().join("goop.toml"), toml).unwrap();
        self.reload.ask().await;
    }

    pub async fn set() -> Self {
        Self::set_with(|_| {}).await
    }

    /// With options of the test's own; must be called inside a runtime.
    pub async fn set_with(change: impl FnOnce(&mut Options)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let me = new_peer();
        let play = Arc::new(Mutex::new(Play::default()));
        let (commands, inbox) = mpsc::channel(64);
        let (events, _) = broadcast::channel(4);
        let folders = Folders { downloads: home.path().join("downloads"), spool: home.path().join("spool") };
        let memory = Memory::in_memory(me, Limits::default()).unwrap();
        let peer = PeerHandle::new(commands, events.clone(), SiteRoot::new(home.path().join("site")), memory, folders);
        tokio::spawn(act(me, play.clone(), inbox));
        let stop = CancellationToken::new();
        tokio::spawn(goop::peer::files::run(peer.clone(), stop.clone()));
        let sources = Sources { data: Some(home.path().to_owned()), ..Sources::default() };
        let mut options = Options::new(&Config::load(&sources).unwrap());
        (options.addr, options.explicit) = ("127.0.0.1:0".parse().unwrap(), true);
        change(&mut options);
        let reload = reading(&mut options);
        let mut tasks = Tasks::default();
        let viewer = Viewer::bind(options, peer.clone(), || "# EOF\n".into(), &mut tasks, stop.clone()).unwrap();
        Self { viewer, peer, me, play, events, tasks, stop, home, reload }
    }

    pub fn addr(&self) -> SocketAddr {
        self.viewer.addr()
    }

    pub fn host(&self) -> String {
        format!("localhost:{}", self.addr().port())
    }

    /// The `Host` of a peer's site, as the viewer itself writes it.
    pub async fn site_host(&self, peer: PeerId) -> String {
        let before = std::mem::replace(&mut self.play.lock().unwrap().rows, vec![row(peer, "x")]);
        let peers = self.get("/api/v1/peers").await.json();
        self.play.lock().unwrap().rows = before;
        let url = peers["peers"][0]["site"].as_str().unwrap().to_owned();
        url.strip_prefix("http://").unwrap().trim_end_matches('/').to_owned()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", self.host()), b"").await
    }

    /// A request of the page's own, with the token.
    pub async fn write(&self, method: &str, path: &str, more: &str, body: &[u8]) -> Answer {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nX-Goop-Token: {}\r\nContent-Length: {}\r\n{more}",
            self.host(),
            self.viewer.token(),
            body.len()
        );
        self.ask(&head, body).await
    }

    pub async fn post_json(&self, path: &str, body: &str) -> Answer {
        self.write("POST", path, "Content-Type: application/json\r\n", body.as_bytes()).await
    }

    /// Sends `head` (without its empty line) and `body` on a connection of its own, and reads the answer.
    pub async fn ask(&self, head: &str, body: &[u8]) -> Answer {
        ask(self.addr(), head, body).await
    }

    /// An open event stream.
    pub async fn listen(&self) -> Listening {
        let mut socket = TcpStream::connect(self.addr()).await.unwrap();
        socket.write_all(format!("GET /api/v1/events HTTP/1.1\r\nHost: {}\r\n\r\n", self.host()).as_bytes()).await.unwrap();
        let mut reader = BufReader::new(socket);
        let (status, head) = read_head(&mut reader).await.unwrap();
        Listening { status, head, reader }
    }
}

/// An event stream as a client sees it.
pub struct Listening {
    pub status: u16,
    pub head: String,
    pub reader: BufReader<TcpStream>,
}

impl Listening {
    /// Name and data of the next event; `None` when the stream has ended.
    pub async fn next(&mut self) -> Option<(String, serde_json::Value)> {
        let mut event = String::new();
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            if let Some(name) = line.strip_prefix("event: ") {
                event = name.trim_end().to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Some((event, serde_json::from_str(data).unwrap()));
            }
        }
    }
}

pub async fn ask(addr: SocketAddr, head: &str, body: &[u8]) -> Answer {
    let socket = TcpStream::connect(addr).await.unwrap();
    let (reader, mut writer) = socket.into_split();
    let message = [head.as_bytes(), b"Connection: close\r\n\r\n", body].concat();
    let sending = tokio::spawn(async move {
        let _ = writer.write_all(&message).await;
        writer
    });
    let mut reader = BufReader::new(reader);
    let (status, head) = read_head(&mut reader).await.unwrap();
    let mut body = Vec::new();
    let _ = reader.read_to_end(&mut body).await;
    drop(sending);
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        body = unchunked(&body);
    }
    Answer { status, head, body }
}

pub async fn read_head(reader: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<(u16, String)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).await? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, head));
        }
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or_else(|| io::Error::other(head.clone()))?, head))
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if size == 0 || body.len() < end + 2 + size {
            break;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[(end + 4 + size).min(body.len())..];
    }
    whole
}

async fn act(me: PeerId, play: Arc<Mutex<Play>>, mut inbox: mpsc::Receiver<Command>) {
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Peers(reply) => _ = reply.send(play.lock().unwrap().rows.clone()),
            Command::Me(reply) => {
                let info = SelfInfo {
                    peer_id: me,
                    label: "Me <b>myself</b>".into(),
                    avatar_hash: None,
                    listen: vec![],
                    nat: goop::p2p::nat::Nat::Unknown,
                    external: vec![],
                    version: "0",
                    rendezvous: play.lock().unwrap().servers.clone(),
                };
                _ = reply.send(info);
            }
            Command::Dial { addr, reply } => {
                let peer = addr.iter().last();
                let Some(libp2p::multiaddr::Protocol::P2p(peer)) = peer else { continue };
                _ = reply.send(Ok(peer));
            }
            Command::Block { peer, blocked } => play.lock().unwrap().blocked.push((peer, blocked)),
            Command::AvatarChanged(avatar) => play.lock().unwrap().announced = Some(avatar),
            Command::Moves(reply) => _ = reply.send(vec![]),
            Command::NameChanged { .. } | Command::UseRelay { .. } | Command::Serve(_) => {}
            Command::Members { community, reply } => {
                let members = |of: &str| play.lock().unwrap().rows.iter().filter(|row| row.sources.iter().any(|s| s == of)).count();
                _ = reply.send((members(&community) > 0).then(Vec::new));
            }
            Command::Open { peer, protocols, reply } => _ = reply.send(open(&play, peer, &protocols[0]).await),
        }
    }
}

async fn open(play: &Arc<Mutex<Play>>, peer: PeerId, protocol: &libp2p::StreamProtocol) -> Result<PeerStream, OpenError> {
    let unreachable = play.lock().unwrap().files.get(&(peer, String::new())).cloned();
    if let Some(Script::Fails(error)) = unreachable {
        return Err(error);
    }
    if *protocol == streams::FILE {
        return Err(OpenError::Unsupported);
    }
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let play = play.clone();
    if *protocol == streams::AVATAR {
        let avatar = play.lock().unwrap().avatars.get(&peer).cloned();
        tokio::spawn(async move { avatar::serve(theirs, avatar.as_deref()).await });
    } else if *protocol == streams::MQ {
        tokio::spawn(async move { mq::receive(theirs).await.map(drop) });
    } else {
        tokio::spawn(answer_site(play, peer, theirs));
    }
    Ok(PeerStream { protocol: protocol.clone(), io: Box::new(ours) })
}

async fn answer_site(play: Arc<Mutex<Play>>, peer: PeerId, io: DuplexStream) {
    let mut io = BufReader::new(io);
    let mut line = String::new();
    io.read_line(&mut line).await.unwrap();
    let path = line.trim_end_matches('\n').strip_prefix("GET ").unwrap_or("?").to_owned();
    let script = {
        let mut play = play.lock().unwrap();
        play.asked.push(path.clone());
        play.files.get(&(peer, path)).cloned()
    };
    match script {
        Some(Script::Bytes(bytes)) => _ = io.write_all(&bytes).await,
        Some(Script::Endless(head, taken)) => {
            let _ = io.write_all(head.as_bytes()).await;
            while io.write_all(&[0; 4096]).await.is_ok() {
                taken.fetch_add(4096, std::sync::atomic::Ordering::Relaxed);
            }
        }
        _ => _ = io.write_all(b"ERR not found\n").await,
    }
    let _ = io.shutdown().await;
}
