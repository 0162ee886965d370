//! The real binary as a super hub, and clients that ask it over one connection each.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use goop::clock::Moment;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::listings;

const PASSWORD: &str = "a password for the bench";
/// `admin:` and that, in base64.
const BASIC: &str = "YWRtaW46YSBwYXNzd29yZCBmb3IgdGhlIGJlbmNo";

/// A running hub; stopped at the end.
pub struct Hub {
    process: Child,
    addr: String,
    folder: PathBuf,
}

impl Hub {
    /// Ready when this returns.
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    /// The same, with further options.
    pub fn start_with(folder: &Path, options: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_goop"))
            .args(["run", "--json", "--superhub", "--rendezvous-only", "--port", "0", "--set", "superhub.probe=false"])
            .args(["--set", "http.trusted_proxies=[\"127.0.0.1\"]", "--data"])
            .arg(folder)
            .args(options)
            .env("GOOP_PRESENCE__ADMIN_PASSWORD", PASSWORD)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let addr = ready["public"].as_str().unwrap().trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { process, addr, folder: folder.to_owned() }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// A client with a connection of its own.
    pub fn client(&self) -> Client {
        let socket = TcpStream::connect(&self.addr).unwrap();
        socket.set_nodelay(true).unwrap();
        Client { reader: BufReader::new(socket.try_clone().unwrap()), socket, asked: 0 }
    }

    /// Listings in its store.
    pub fn count(&self) -> u64 {
        let look = rusqlite::Connection::open(self.folder.join("directory.db")).unwrap();
        look.query_row("SELECT count(*) FROM listings", [], |row| row.get::<_, i64>(0)).unwrap() as u64
    }

    /// Memory that it holds.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Waits until the hub does nothing for five seconds, ten minutes at most; answers after how many seconds that began.
    pub fn until_idle(&self) -> f64 {
        const LOOKS: Duration = Duration::from_secs(5);
        let (began, mut before) = (Moment::now(), self.ticks());
        loop {
            std::thread::sleep(LOOKS);
            let (now, since) = (self.ticks(), Moment::now().since(began));
            if now - before <= 5 || since > Duration::from_secs(600) {
                return (since - LOOKS).as_secs_f64();
            }
            before = now;
        }
    }

    /// Processor time that it took, in hundredths of a second.
    fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    /// How many of the first `acknowledged` listings are not there.
    pub fn missing(&self, acknowledged: u64) -> u64 {
        let look = rusqlite::Connection::open(self.folder.join("directory.db")).unwrap();
        let mut there = look.prepare("SELECT count(*) FROM search WHERE search MATCH ?1").unwrap();
        (0..acknowledged).filter(|number| there.query_row([format!("\"kept{number}\"")], |row| row.get::<_, i64>(0)).unwrap() == 0).count()
            as u64
    }

    /// Lists one after the other until it is killed, `how_long` after the first was acknowledged; answers how many were.
    pub fn write_until_killed(mut self, first: u64, how_long: Duration) -> u64 {
        let mut client = self.client();
        let (first_one, begun) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let writing = scope.spawn(move || {
                let mut made = 0;
                loop {
                    let mut listing = listings::json(first + made);
                    listing["community"] = format!("kept{}", first + made).into();
                    if !client.try_create(&listing) {
                        return made;
                    }
                    made += 1;
                    let _ = first_one.send(());
                }
            });
            begun.recv().unwrap();
            std::thread::sleep(how_long);
            self.process.kill().unwrap();
            writing.join().unwrap()
        })
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let stopping = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).map(|pid| kill_process(pid, Signal::TERM));
        assert!(matches!(stopping, Some(Ok(()))));
        let _ = self.process.wait();
    }
}

/// One connection.
pub struct Client {
    reader: BufReader<TcpStream>,
    socket: TcpStream,
    asked: u32,
}

impl Client {
    /// How long a search took, from the first byte of the question to the last of the answer.
    pub fn search(&mut self, query: &str) -> Duration {
        let query: String = query
            .bytes()
            .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02x}") })
            .collect();
        self.asked += 1;
        let began = Moment::now();
        let head = format!("GET /api/v1/communities?q={query}&limit=20 HTTP/1.1\r\nHost: hub\r\nX-Forwarded-For: {}\r\n\r\n", self.whom());
        let (status, _) = self.ask(head.as_bytes(), b"").unwrap();
        assert_eq!(status, 200);
        Moment::now().since(began)
    }

    /// The JSON at this path.
    pub fn get(&mut self, path: &str) -> Value {
        let (status, body) = self.ask(format!("GET {path} HTTP/1.1\r\nHost: hub\r\n\r\n").as_bytes(), b"").unwrap();
        assert_eq!(status, 200, "{path}");
        serde_json::from_slice(&body).unwrap()
    }

    /// Lists all of these lines.
    pub fn import(&mut self, lines: &str) {
        let (status, body) = self.write("/api/v1/communities/import", "application/x-ndjson", lines).unwrap();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, answer["refused"].as_u64()), (200, Some(0)), "{answer}");
    }

    /// Lists one.
    pub fn create(&mut self, listing: &Value) {
        let (status, body) = self.write("/api/v1/communities", "application/json", &listing.to_string()).unwrap();
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
    }

    /// Lists one; whether that was acknowledged.
    pub fn try_create(&mut self, listing: &Value) -> bool {
        self.write("/api/v1/communities", "application/json", &listing.to_string()).is_some_and(|(status, _)| status == 201)
    }

    fn write(&mut self, path: &str, mime: &str, body: &str) -> Option<(u16, Vec<u8>)> {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Basic {BASIC}\r\nContent-Type: {mime}\r\nContent-Length: {length}\r\n\r\n"
        );
        self.ask(head.as_bytes(), body.as_bytes())
    }

    /// Another address each few questions, so that no single one asks too often.
    fn whom(&self) -> String {
        format!("10.{}.{}.{}", self.socket.local_addr().unwrap().port() % 250, self.asked / 200 % 250, self.asked / 100 % 2)
    }

    fn ask(&mut self, head: &[u8], body: &[u8]) -> Option<(u16, Vec<u8>)> {
        self.socket.write_all(&[head, body].concat()).ok()?;
        let (mut line, mut status, mut length) = (String::new(), 0, 0);
        loop {
            line.clear();
            if self.reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                _ if line == "\r\n" => break,
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().unwrap(),
                None if status == 0 => status = line.split(' ').nth(1)?.parse().ok()?,
                _ => {}
            }
        }
        let mut answer = vec![0; length];
        self.reader.read_exact(&mut answer).ok()?;
        Some((status, answer))
    }
}
