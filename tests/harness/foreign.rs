//! Peers on other libp2p libraries (`tests/foreign`), driven by JSON lines: one driver for the Go and the JavaScript program.

use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::lines::Lines;
use super::{Host, Place, SOON, in_repository, need};

/// Longest that a command such as fetching three hundred files may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(90);

/// Which of the two foreign programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `tests/foreign/go`, on go-libp2p.
    Go,
    /// `tests/foreign/js`, on js-libp2p.
    Js,
}

/// A running foreign peer; killed when dropped.
pub(crate) struct Foreign {
    /// Its peer id.
    pub(crate) id: String,
    child: Child,
    stdin: ChildStdin,
    events: Lines,
    stderr: Lines,
    commands: u64,
}

impl Kind {
    /// Whether the program has been built here; if not, says how, and the test is skipped.
    pub(crate) fn is_there(self) -> bool {
        match self {
            Kind::Go => need(go_program().exists(), "the Go peer: cd tests/foreign/go && go build -o goop-go-peer ."),
            Kind::Js => need(node_program().exists(), "the JavaScript peer: cd tests/foreign/js && npm ci"),
        }
    }

    fn program(self, place: &Place) -> Command {
        match self {
            Kind::Go => place.command(go_program()),
            Kind::Js => {
                let mut command = place.command(node_program());
                command.arg(in_repository("tests/foreign/js/peer.js"));
                command
            }
        }
    }
}

fn go_program() -> std::path::PathBuf {
    in_repository("tests/foreign/go/goop-go-peer")
}

fn node_program() -> std::path::PathBuf {
    in_repository("tests/foreign/js/node_modules/.bin/node")
}

impl Foreign {
    /// Start one on `host` with these arguments.
    pub(crate) fn start_with(kind: Kind, host: &Host, args: &[&str]) -> Self {
        Self::start_at(kind, &host.place, args)
    }

    /// Start one in `place` with these arguments.
    pub(crate) fn start_at(kind: Kind, place: &Place, args: &[&str]) -> Self {
        let mut command = kind.program(place);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the foreign peer can be run");
        let events = Lines::of(child.stdout.take().expect("stdout is a pipe"));
        let stderr = Lines::of(child.stderr.take().expect("stderr is a pipe"));
        let stdin = child.stdin.take().expect("stdin is a pipe");
        let mut foreign = Self { id: String::new(), child, stdin, events, stderr, commands: 0 };
        let listening = foreign.event("it listens", |event| event["event"] == "listening");
        foreign.id = listening["peer"].as_str().expect("a peer id").to_owned();
        foreign
    }

    /// Give it a command and wait for the answer; an error is the text it gave.
    pub(crate) fn ask(&mut self, command: Value) -> Result<Value, String> {
        let id = self.send(command);
        let answer = self.event_within(ANSWER_WITHIN, 0, "an answer", |event| event["id"] == id);
        if answer["event"] == "done" { Ok(answer) } else { Err(answer["error"].to_string()) }
    }

    /// Give it a command without waiting; answers the command's number, which its answer carries.
    pub(crate) fn send(&mut self, mut command: Value) -> u64 {
        self.commands += 1;
        command["id"] = self.commands.into();
        writeln!(self.stdin, "{command}").expect("it reads its commands");
        self.commands
    }

    /// Wait for the answer to the command of this number.
    pub(crate) fn answer(&self, id: u64) -> Value {
        self.event_within(ANSWER_WITHIN, 0, "an answer", |event| event["id"] == id)
    }

    /// Fetch site files of `peer`, thirty at a time; answers what came, in order.
    pub(crate) fn fetch(&mut self, peer: &str, paths: &[String]) -> Vec<Value> {
        let answer = self.ask(json!({ "cmd": "fetch", "peer": peer, "paths": paths, "parallel": 30 }));
        answer.expect("fetch answers file by file")["files"].as_array().expect("a list of files").clone()
    }

    /// The first event, from its start on, that `wanted` takes.
    pub(crate) fn event(&self, what: &str, wanted: impl FnMut(&Value) -> bool) -> Value {
        self.event_within(SOON, 0, what, wanted)
    }

    /// The first event after `mark` that `wanted` takes.
    pub(crate) fn event_since(&self, mark: usize, what: &str, wanted: impl FnMut(&Value) -> bool) -> Value {
        self.event_within(SOON, mark, what, wanted)
    }

    /// Whether such an event came so far.
    pub(crate) fn has_seen(&self, wanted: impl FnMut(&Value) -> bool) -> bool {
        self.find(Duration::ZERO, 0, wanted).is_some()
    }

    /// The present end of its events, for [`Self::event_since`].
    pub(crate) fn mark(&self) -> usize {
        self.events.count()
    }

    fn event_within(&self, limit: Duration, from: usize, what: &str, wanted: impl FnMut(&Value) -> bool) -> Value {
        self.find(limit, from, wanted).unwrap_or_else(|| panic!("not within {limit:?} from the foreign peer: {what}"))
    }

    fn find(&self, limit: Duration, from: usize, mut wanted: impl FnMut(&Value) -> bool) -> Option<Value> {
        self.events.wait(limit, from, |line| serde_json::from_str(line).ok().filter(|event| wanted(event)))
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- last events of the foreign peer\n{}", self.events.tail());
            eprintln!("--- end of its stderr\n{}", self.stderr.tail());
        }
    }
}
