//! What is found out about a node or a server, for people and for programs.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use crate::cli::terminal::escaped;

/// What was found out. Whatever nobody says is left out.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// It answers.
    pub(super) live: bool,
    /// It does its work.
    pub(super) ready: bool,
    /// The program's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    /// Who it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) peer_id: Option<String>,
    /// What it does.
    pub(super) roles: Vec<String>,
    /// Its process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pid: Option<u32>,
    /// The page for its owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) viewer: Option<String>,
    /// The page for everyone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) public: Option<String>,
    /// Others that the peer sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sees: Option<usize>,
    /// Who is where.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) communities: Vec<Community>,
    /// What is wrong, in words.
    pub(super) problems: Vec<String>,
}

/// One board of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Community {
    /// Its name in URLs; the open board has none.
    pub(super) slug: Option<String>,
    /// Peers that are here.
    pub(super) peers: u64,
    /// Event streams that are read; told to the operator only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) streams: Option<u64>,
}

impl Report {
    /// Of something that is fine until a problem is found.
    pub(super) fn up() -> Self {
        Self { live: true, ready: true, ..Self::default() }
    }

    pub(super) fn with_problem(mut self, problem: String) -> Self {
        self.problems.push(problem);
        self
    }

    /// It answers, but does not do its work.
    pub(super) fn is_not_ready(&mut self, problem: String) {
        self.ready = false;
        self.problems.push(problem);
    }

    /// It does not even answer.
    pub(super) fn is_not_live(&mut self, problem: String) {
        self.live = false;
        self.is_not_ready(problem);
    }

    /// For people. What others wrote cannot drive the terminal.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let state = match (self.live, self.ready) {
            (_, true) => "ready",
            (true, false) => "not ready",
            (false, false) => "not running",
        };
        let version = self.version.as_ref().map(|version| format!(", goop {version}")).unwrap_or_default();
        writeln!(out, "{state}{}", escaped(&version))?;
        for (name, value) in self.lines() {
            writeln!(out, "  {name:<9} {}", escaped(&value))?;
        }
        for problem in &self.problems {
            writeln!(out, "  {:<9} {}", "problem", escaped(problem))?;
        }
        Ok(())
    }

    fn lines(&self) -> impl Iterator<Item = (&'static str, String)> {
        let said = |name, value: &Option<String>| value.clone().map(|value| (name, value));
        let roles = (!self.roles.is_empty()).then(|| ("roles", self.roles.join(", ")));
        let process = self.pid.map(|pid| ("process", pid.to_string()));
        let sees = self.sees.map(|sees| ("sees", counted(sees as u64, "other peer")));
        let once = [said("peer id", &self.peer_id), roles, process, said("viewer", &self.viewer), said("public", &self.public), sees];
        let here = self.communities.iter().map(|community| ("here", community.line()));
        once.into_iter().flatten().chain(here).collect::<Vec<_>>().into_iter()
    }
}

impl Community {
    fn line(&self) -> String {
        let place = self.slug.as_ref().map(|slug| format!(" in {slug}")).unwrap_or_default();
        let streams = self.streams.map(|streams| format!(", {}", counted(streams, "event stream"))).unwrap_or_default();
        format!("{}{place}{streams}", counted(self.peers, "peer"))
    }
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The rendezvous servers that the peer is not connected to, or that do not take what it publishes; `me` is what the viewer's API says of it.
pub(in crate::cli) fn servers_in_trouble(me: &Value) -> Vec<String> {
    let servers = me["rendezvous"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let trouble = |server: &Value| match server["refused"].as_str() {
        Some(why) => Some(format!("the rendezvous server {} does not take this peer in: {why}", text(&server["name"]))),
        None if server["state"] == "retrying" => {
            Some(format!("no connection to the rendezvous server {}: {}", text(&server["name"]), text(&server["why"])))
        }
        None => None,
    };
    servers.filter_map(trouble).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_server_that_is_tried_again_is_a_problem_in_words() {
        let me = json!({ "rendezvous": [
            { "name": "a.example", "state": "connected" },
            { "name": "b.example", "state": "retrying", "why": "no answer in time" },
            { "name": "c.example", "state": "connected", "refused": "403 Forbidden: banned" },
        ] });
        let told = [
            "no connection to the rendezvous server b.example: no answer in time",
            "the rendezvous server c.example does not take this peer in: 403 Forbidden: banned",
        ];
        assert_eq!(servers_in_trouble(&me), told);
        assert!(servers_in_trouble(&json!({})).is_empty());
    }

    #[test]
    fn what_a_server_says_cannot_drive_the_terminal() {
        let mut report = Report { version: Some("1\u{1b}[2J".into()), roles: vec!["\u{202e}x".into()], ..Report::up() };
        report.is_not_ready("\u{7}".into());
        let mut shown = Vec::new();
        report.write(&mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{shown:?}");
        assert!(shown.starts_with("not ready, goop 1"), "{shown:?}");
    }
}
