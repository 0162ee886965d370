//! The real binary, running: started with `goop run --json`, asked over its viewer's API, stopped as a person or a crash would.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use goop::clock::Moment;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::lines::Lines;
use super::{Place, SOON, eventually};

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_goop");

/// CONTRACT: a node that is asked to stop is gone within this.
const STOPS_WITHIN: Duration = Duration::from_secs(5);

/// How a node shall be started.
pub(crate) struct Plan {
    place: Place,
    data: PathBuf,
    own_data: Option<TempDir>,
    args: Vec<String>,
    env: Vec<(String, String)>,
    socket: Option<TcpListener>,
}

/// A running node; killed when dropped.
pub(crate) struct Goop {
    /// What its ready line said.
    pub(crate) ready: Value,
    /// From the start of the process to its ready line.
    pub(crate) start_time: Duration,
    plan: Plan,
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Plan {
    /// A node with a fresh data folder in `place`. On the machine's own network it uses loopback only and no mDNS.
    pub(crate) fn new(place: &Place) -> Self {
        let own_data = TempDir::new().expect("make a data folder");
        let data = own_data.path().to_owned();
        let plan = Self { place: place.clone(), data, own_data: Some(own_data), args: Vec::new(), env: Vec::new(), socket: None };
        match place {
            Place::Here => plan.arg("--viewer").arg("127.0.0.1:0").set("discovery.mdns=false").set("p2p.upnp=false"),
            Place::Namespace(_) => plan,
        }
    }

    /// With this data folder instead.
    pub(crate) fn data(mut self, data: &Path) -> Self {
        self.data = data.to_owned();
        self.own_data = None;
        self
    }

    /// With this name.
    pub(crate) fn label(self, label: &str) -> Self {
        self.arg("--label").arg(label)
    }

    /// With this file in its site.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.data.join("site").join(name);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("make the site folder");
        std::fs::write(path, content).expect("write a site file");
        self
    }

    /// With this argument after the others.
    pub(crate) fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// With this setting, such as `p2p.relay_server=true`.
    pub(crate) fn set(self, setting: &str) -> Self {
        self.arg("--set").arg(setting)
    }

    /// With this variable in its environment.
    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// On this listening socket, handed over as systemd does it.
    pub(crate) fn on_socket(mut self, socket: &TcpListener) -> Self {
        self.socket = Some(socket.try_clone().expect("a socket can be shared"));
        self
    }

    /// The folder its data is in.
    pub(crate) fn data_folder(&self) -> &Path {
        &self.data
    }

    /// Start it and wait until it is ready.
    pub(crate) fn start(self) -> Goop {
        match self.try_start() {
            Ok(goop) => goop,
            Err(output) => panic!("goop did not start ({}):\n{}", output.status, String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// Start it; where it ends instead of getting ready, answer how it ended.
    pub(crate) fn try_start(self) -> Result<Goop, Output> {
        let began = Moment::now();
        let mut child = self.command().spawn().expect("the binary can be run");
        let stdout = Lines::of(child.stdout.take().expect("stdout is a pipe"));
        let stderr = Lines::of(child.stderr.take().expect("stderr is a pipe"));
        let ready = stdout.wait(SOON, 0, |line| serde_json::from_str(line).ok());
        let start_time = Moment::now().since(began);
        match ready {
            Some(ready) => Ok(Goop { ready, start_time, plan: self, child, stdout, stderr }),
            None => Err(ended(child, &stdout, &stderr)),
        }
    }

    fn command(&self) -> Command {
        let (mut command, stdin) = match &self.socket {
            None => (self.place.command(BINARY), Stdio::null()),
            Some(socket) => {
                let mut shell = self.place.command("sh");
                shell.args(["-c", HAND_OVER, "sh", BINARY]);
                (shell, Stdio::from(OwnedFd::from(socket.try_clone().expect("a socket can be shared"))))
            }
        };
        command.args(["run", "--json", "--data"]).arg(&self.data).args(&self.args);
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        clean_environment(&mut command);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// What systemd does before it runs a service with a `.socket` unit; the shell was given the socket as its standard input.
const HAND_OVER: &str = r#"LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=${LISTEN_FDNAMES-public} exec "$@" 3<&0 0</dev/null"#;

impl Goop {
    /// Start a node called `label` with a one-page site in `place`.
    pub(crate) fn named(place: &Place, label: &str) -> Self {
        Plan::new(place).label(label).file("index.html", format!("<p>site of {label}")).start()
    }

    /// Its peer id.
    pub(crate) fn id(&self) -> String {
        self.ready["peer_id"].as_str().expect("the ready line has a peer id").to_owned()
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it runs.
    pub(crate) fn place(&self) -> &Place {
        &self.plan.place
    }

    /// Its data folder.
    pub(crate) fn data(&self) -> &Path {
        &self.plan.data
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        self.stderr.text()
    }

    /// Wait until its log holds this text.
    pub(crate) fn logged(&self, text: &str) -> bool {
        self.stderr.wait(SOON, 0, |line| line.contains(text).then_some(())).is_some()
    }

    /// Everything it wrote to stdout; CONTRACT: the ready line and nothing else.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// The TCP address it listens on that holds `host`, such as `10.77.0.1` or `127.0.0.1`, ending in its peer id.
    pub(crate) fn tcp_address(&self, host: &str) -> String {
        let family = if host.contains(':') { "ip6" } else { "ip4" };
        let listen = self.ready["listen"].as_array().expect("the ready line lists addresses");
        let of_family = listen.iter().filter_map(Value::as_str).filter(|addr| addr.starts_with(&format!("/{family}/")));
        let port = of_family.filter_map(tcp_port).next().unwrap_or_else(|| panic!("no {family} TCP in {}", self.ready));
        format!("/{family}/{host}/tcp/{port}/p2p/{}", self.id())
    }

    /// GET from the viewer's API.
    pub(crate) fn api(&self, path: &str) -> Result<Value, String> {
        let (status, body) = self.get(&format!("api/v1/{path}"))?;
        let text = String::from_utf8_lossy(&body).into_owned();
        if status != 200 {
            return Err(format!("{path}: {status} {text}"));
        }
        serde_json::from_str(&text).map_err(|error| format!("{path}: {error}: {text}"))
    }

    /// GET any page of the viewer.
    pub(crate) fn get(&self, path: &str) -> Result<(u16, Vec<u8>), String> {
        self.plan.place.http(&self.url(path), &[])
    }

    /// POST JSON to the viewer's API with the token of `run.json`.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<(u16, String), String> {
        self.change("POST", path, &["-H", "Content-Type: application/json", "--data", &body.to_string()])
    }

    /// PUT JSON to the viewer's API with the token of `run.json`.
    pub(crate) fn put(&self, path: &str, body: &Value) -> Result<(u16, String), String> {
        self.change("PUT", path, &["-H", "Content-Type: application/json", "--data", &body.to_string()])
    }

    /// DELETE in the viewer's API.
    pub(crate) fn delete(&self, path: &str) -> Result<(u16, String), String> {
        self.change("DELETE", path, &[])
    }

    /// A request that changes something, with the token of `run.json` and these arguments of curl.
    pub(crate) fn change(&self, method: &str, path: &str, curl: &[&str]) -> Result<(u16, String), String> {
        let token = format!("X-Goop-Token: {}", self.token());
        let curl = [&["-X", method, "-H", &token], curl].concat();
        let (status, body) = self.plan.place.http(&self.url(&format!("api/v1/{path}")), &curl)?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    /// The lines of its event stream from now on, as far as the test listens.
    pub(crate) fn listen(&self) -> Lines {
        let mut curl = self.plan.place.command("curl");
        let curl = curl.args(["--silent", "--no-buffer", "--noproxy", "*", "--max-time", "60"]).arg(self.url("api/v1/events"));
        let mut child = curl.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("curl can be run");
        let lines = Lines::of(child.stdout.take().expect("stdout is a pipe"));
        std::thread::spawn(move || child.wait());
        assert!(lines.wait(SOON, 0, |line| line.contains("snapshot").then_some(())).is_some(), "the stream starts with a snapshot");
        lines
    }

    /// A URL of its viewer.
    pub(crate) fn url(&self, path: &str) -> String {
        let base = self.ready["viewer"].as_str().expect("it has a viewer");
        format!("{}/{path}", base.trim_end_matches('/'))
    }

    fn token(&self) -> String {
        let run = [self.data().join("run.json"), self.data().join(".goop/run.json")];
        let text = run.iter().find_map(|file| std::fs::read_to_string(file).ok()).expect("run.json is there while it runs");
        let run: Value = serde_json::from_str(&text).expect("run.json is JSON");
        run["token"].as_str().expect("run.json holds the token").to_owned()
    }

    /// Its peer list.
    pub(crate) fn peers(&self) -> Result<Vec<Value>, String> {
        let answer = self.api("peers")?;
        answer["peers"].as_array().cloned().ok_or_else(|| format!("no peers in {answer}"))
    }

    /// The row of the peer `id`, online or not.
    pub(crate) fn row(&self, id: &str) -> Result<Value, String> {
        let peers = self.peers()?;
        peers.iter().find(|row| row["peer_id"] == id).cloned().ok_or_else(|| format!("no row of {id} in {peers:?}"))
    }

    /// Dial `other`, on this machine as it is, until each shows the other as online: without mDNS nobody finds anybody.
    pub(crate) fn meets(&self, other: &Self) {
        let dial = || match self.post("peers", &json!({ "addr": other.tcp_address("127.0.0.1") }))? {
            (200, _) => Ok(()),
            (_, answer) => Err(answer),
        };
        eventually(SOON, "a connection stands", dial);
        self.sees(&other.id(), SOON);
        other.sees(&self.id(), SOON);
    }

    /// Wait until it shows `id` as online; answers the row and how long it took.
    pub(crate) fn sees(&self, id: &str, limit: Duration) -> (Value, Duration) {
        eventually(limit, &format!("{} sees {id} online", self.name()), || self.row(id).and_then(|row| online(row, true)))
    }

    /// Wait until it shows `id` as offline, or not at all; answers how long it took.
    pub(crate) fn misses(&self, id: &str, limit: Duration) -> Duration {
        let gone = || match self.peers()?.into_iter().find(|row| row["peer_id"] == id) {
            Some(row) => online(row, false).map(|_| ()),
            None => Ok(()),
        };
        eventually(limit, &format!("{} sees that {id} is gone", self.name()), gone).1
    }

    /// Wait until the page of `there`, whose words are `<p>site of label`, is opened.
    pub(crate) fn opens_the_page_of(&self, there: &Self, label: &str) {
        let fetch = || match self.get(&format!("api/v1/peers/{}/site/index.html", there.id()))? {
            (200, body) if body == format!("<p>site of {label}").as_bytes() => Ok(()),
            (status, body) => Err(format!("{status} {}", String::from_utf8_lossy(&body))),
        };
        eventually(SOON, &format!("the page of {label} is opened"), fetch);
    }

    /// Wait until its chat with `peer` (`None`: with everyone) holds `content`; answers the message.
    pub(crate) fn hears(&self, peer: Option<&str>, content: &str) -> Value {
        let path = peer.map_or("chat".to_owned(), |peer| format!("chat?peer={peer}"));
        let look = || {
            let answer = self.api(&path)?;
            let messages = answer.as_array().or_else(|| answer["messages"].as_array());
            let found = messages.and_then(|all| all.iter().find(|message| message["content"] == content));
            found.cloned().ok_or_else(|| answer.to_string())
        };
        eventually(SOON, &format!("{} hears {content:?}", self.name()), look).0
    }

    /// Run another command of the binary against this node.
    pub(crate) fn cli(&self, args: &[&str]) -> Output {
        let mut command = self.plan.place.command(BINARY);
        command.args(args).arg("--data").arg(self.data());
        clean_environment(&mut command);
        command.output().expect("the binary can be run")
    }

    /// Ask it to stop, as SIGTERM or Ctrl-C does; it must be gone with code 0 within five seconds.
    pub(crate) fn stop(mut self) -> Plan {
        self.signal(rustix::process::Signal::TERM);
        let status = wait(&mut self.child, STOPS_WITHIN);
        assert!(status.is_some_and(|status| status.success()), "SIGTERM: {status:?}\n{}", self.log());
        self.into_plan()
    }

    /// End it as a crash or a power cut would; its data folder stays for another start.
    pub(crate) fn kill(mut self) -> Plan {
        self.child.kill().expect("it runs");
        self.into_plan()
    }

    /// Stop its process for a while without ending it, or let it go on.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
    }

    /// Processor time used so far, in clock ticks of which a second has a hundred.
    pub(crate) fn cpu_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        after_name.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
    }

    fn name(&self) -> String {
        let args = &self.plan.args;
        let label = args.iter().position(|arg| arg == "--label").and_then(|at| args.get(at + 1));
        label.cloned().unwrap_or_else(|| self.id())
    }

    fn into_plan(mut self) -> Plan {
        let place = self.plan.place.clone();
        let empty = Plan { place, data: PathBuf::new(), own_data: None, args: Vec::new(), env: Vec::new(), socket: None };
        std::mem::replace(&mut self.plan, empty)
    }
}

impl Drop for Goop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- end of the log of {}\n{}", self.name(), self.stderr.tail());
        }
    }
}

/// Run the binary with these arguments and nothing of the environment's settings.
pub(crate) fn run(args: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.args(args);
    clean_environment(&mut command);
    command.output().expect("the binary can be run")
}

/// The port of a multiaddr such as `/ip4/10.0.0.1/tcp/4001/p2p/…`, where it is plain TCP.
fn tcp_port(addr: &str) -> Option<&str> {
    let (_, rest) = addr.split_once("/tcp/")?;
    rest.split('/').next()
}

fn online(row: Value, wanted: bool) -> Result<Value, String> {
    if row["online"] == wanted { Ok(row) } else { Err(row.to_string()) }
}

/// A person's own `GOOP_…` settings and logging wishes are not part of a test.
fn clean_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("GOOP_") || ["PORT", "DYNO", "RUST_LOG", "NOTIFY_SOCKET"].contains(&text.as_ref()) {
            command.env_remove(&name);
        }
    }
}

/// Wait for the child's end, but not longer than `limit`.
fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let began = Moment::now();
    while Moment::now().since(began) < limit {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

/// How a child that never got ready ended; one that did not even end is killed.
fn ended(mut child: Child, stdout: &Lines, stderr: &Lines) -> Output {
    if wait(&mut child, STOPS_WITHIN).is_none() {
        let _ = child.kill();
    }
    let status = child.wait().expect("it is our child");
    stderr.wait(STOPS_WITHIN, 0, |_| None::<()>);
    Output { status, stdout: stdout.text().into_bytes(), stderr: stderr.text().into_bytes() }
}
