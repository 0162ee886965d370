//! How fast files travel between two peers over TCP and Noise, beside what libp2p alone moves in the same run.
//!
//! ```text
//! cargo bench --bench transfer
//! ```
//!
//! The server is the real binary; the client is a process that asks through [`PeerHandle`], as the viewer does. "libp2p alone" is a
//! swarm with nothing but TCP, Noise, Yamux and libp2p-stream, which writes zeros from memory. Prints rows for docs/PERFORMANCE.md.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods, reason = "a program that measures; a failed step ends it")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt};
use goop::peer::files::Folders;
use goop::peer::{self, PeerHandle, Profile};
use goop::shutdown::Tasks;
use libp2p::identity::Keypair;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, StreamProtocol, SwarmBuilder, noise, tcp, yamux};
use tokio::io::AsyncReadExt as _;
use tokio_util::sync::CancellationToken;

const GIB: u64 = 1 << 30;
const SMALL_FILES: usize = 1000;
const AT_A_TIME: usize = 30;
const ROUNDS: usize = 5;
const RAW: StreamProtocol = StreamProtocol::new("/bench/raw/1");

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["raw-serve"] => raw_serve().await,
        ["raw-fetch", addr] => raw_fetch(addr.parse().unwrap()).await,
        ["big", addr] => big(addr.parse().unwrap()).await,
        ["small", addr] => small(addr.parse().unwrap()).await,
        flags if flags.contains(&"--bench") => compare(),
        _ => {}
    }
}

/// Runs every kind in turn, so that a drifting machine hurts them alike.
fn compare() {
    let folder = std::env::temp_dir().join(format!("goop-bench-{}", std::process::id()));
    let mut raw_server = role(&["raw-serve"]);
    let raw_addr = line_of(&mut raw_server);
    let (mut server, addr) = serve_files(&folder);
    let (mut raw, mut site, mut files) = (Vec::new(), Vec::new(), Vec::new());
    let (mut client_peak, mut lost) = (0, 0);
    for _ in 0..ROUNDS {
        raw.push(seconds(&answer(&["raw-fetch", &raw_addr])));
        let big = answer(&["big", &addr]);
        site.push(seconds(&big));
        client_peak = client_peak.max(number(&big, 1));
        let small = answer(&["small", &addr]);
        files.push(seconds(&small));
        lost += number(&small, 1);
    }
    let server_peak = peak_kib(server.id());
    for child in [&mut raw_server, &mut server] {
        let _ = child.kill();
        let _ = child.wait();
    }
    let _ = std::fs::remove_dir_all(&folder);
    let (raw, site, files) = (median(raw), median(site), median(files));
    println!("| figure | median of {ROUNDS} |\n|---|---|");
    println!("| libp2p alone, 1 GiB | {:.0} MiB/s |", 1024.0 / raw);
    println!("| a site file of 1 GiB | {:.0} MiB/s, {:.0} % of libp2p alone |", 1024.0 / site, 100.0 * raw / site);
    println!("| peak memory, serving and fetching it | {} MiB and {} MiB |", server_peak / 1024, client_peak / 1024);
    println!("| {SMALL_FILES} files of 4 KiB, {AT_A_TIME} at a time | {:.0} files/s, {lost} lost |", SMALL_FILES as f64 / files);
}

/// The real binary with the files to fetch; answers its TCP address on 127.0.0.1.
fn serve_files(folder: &Path) -> (Child, String) {
    let site = folder.join("site");
    std::fs::create_dir_all(&site).unwrap();
    std::fs::File::create(site.join("big.bin")).unwrap().set_len(GIB).unwrap();
    for n in 0..SMALL_FILES {
        std::fs::write(site.join(format!("{n}.txt")), vec![b'x'; 4096]).unwrap();
    }
    let mut goop = Command::new(env!("CARGO_BIN_EXE_goop"))
        .args(["run", "--json", "--viewer", "off", "--set", "p2p.loopback_only=true", "--set", "discovery.mdns=false", "--data"])
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line_of(&mut goop)).unwrap();
    let listen = ready["listen"].as_array().unwrap().iter().filter_map(|addr| addr.as_str());
    let addr = listen.into_iter().find(|addr| addr.starts_with("/ip4/127.0.0.1/tcp/")).unwrap().to_owned();
    (goop, addr)
}

/// This program in another role.
fn role(args: &[&str]) -> Child {
    Command::new(std::env::current_exe().unwrap()).args(args).stdout(Stdio::piped()).spawn().unwrap()
}

fn answer(args: &[&str]) -> String {
    let mut child = role(args);
    let line = line_of(&mut child);
    child.wait().unwrap();
    line
}

fn line_of(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    line.trim().to_owned()
}

fn seconds(answer: &str) -> f64 {
    answer.split(' ').next().unwrap().parse().unwrap()
}

fn number(answer: &str, at: usize) -> u64 {
    answer.split(' ').nth(at).unwrap().parse().unwrap()
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

async fn client() -> (PeerHandle, Tasks) {
    let folder = std::env::temp_dir().join(format!("goop-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let options = peer::Options {
        key: Keypair::generate_ed25519(),
        profile: Profile::default(),
        site_root: "none".into(),
        memory: folder.join("goop.db"),
        folders: Folders { downloads: folder.join("downloads"), spool: folder.join("spool") },
        listen_port: 0,
        loopback_only: true,
        mdns_tag: None,
        topic: "bench".into(),
        ttl: Duration::from_secs(20),
        heartbeat: Duration::from_secs(5),
        rendezvous: Vec::new(),
        nat: goop::p2p::nat::Options::default(),
    };
    let mut tasks = Tasks::default();
    let handle = peer::start(options, &goop::telemetry::Metrics::default(), &mut tasks, CancellationToken::new()).await.unwrap();
    (handle, tasks)
}

async fn big(addr: Multiaddr) {
    let (handle, _tasks) = client().await;
    let peer = handle.dial(addr).await.unwrap();
    let start = Instant::now();
    let mut file = handle.fetch_site(peer, "/big.bin").await.unwrap();
    let (mut read, mut buffer) = (0, vec![0; 256 * 1024]);
    while let Ok(n @ 1..) = file.body.read(&mut buffer).await {
        read += n as u64;
    }
    assert_eq!(read, GIB);
    say(&format!("{} {}", start.elapsed().as_secs_f64(), peak_kib(std::process::id())));
}

async fn small(addr: Multiaddr) {
    let (handle, _tasks) = client().await;
    let peer = handle.dial(addr).await.unwrap();
    let start = Instant::now();
    let fetched = futures::stream::iter(0..SMALL_FILES).map(|n| fetch_small(handle.clone(), peer, n)).buffer_unordered(AT_A_TIME);
    let complete = fetched.filter(|complete| std::future::ready(*complete)).count().await;
    say(&format!("{} {}", start.elapsed().as_secs_f64(), SMALL_FILES - complete));
}

async fn fetch_small(handle: PeerHandle, peer: PeerId, n: usize) -> bool {
    let Ok(mut file) = handle.fetch_site(peer, &format!("/{n}.txt")).await else { return false };
    let mut body = Vec::new();
    file.body.read_to_end(&mut body).await.is_ok() && body.len() == 4096
}

fn raw_swarm() -> libp2p::Swarm<libp2p_stream::Behaviour> {
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .unwrap()
        .build()
}

async fn raw_serve() {
    let mut swarm = raw_swarm();
    let mut incoming = swarm.behaviour().new_control().accept(RAW).unwrap();
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    tokio::spawn(async move {
        let zeros = vec![0; 256 * 1024];
        while let Some((_, mut stream)) = incoming.next().await {
            for _ in 0..GIB / zeros.len() as u64 {
                stream.write_all(&zeros).await.unwrap();
            }
            stream.close().await.unwrap();
        }
    });
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            say(&address.with(libp2p::multiaddr::Protocol::P2p(*swarm.local_peer_id())).to_string());
        }
    }
}

async fn raw_fetch(addr: Multiaddr) {
    let mut swarm = raw_swarm();
    let mut control = swarm.behaviour().new_control();
    swarm.dial(addr).unwrap();
    let peer = loop {
        if let SwarmEvent::ConnectionEstablished { peer_id, .. } = swarm.select_next_some().await {
            break peer_id;
        }
    };
    tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
    let start = Instant::now();
    let mut stream = control.open_stream(peer, RAW).await.unwrap();
    let (mut read, mut buffer) = (0, vec![0; 256 * 1024]);
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        read += n as u64;
    }
    assert_eq!(read, GIB);
    say(&start.elapsed().as_secs_f64().to_string());
}
