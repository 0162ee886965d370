//! goop2's `/peers.json` and `/logs.json` as data; who may see them is asked by the doors. What people are told of it is escaped
//! where it is shown.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde::Serialize;

use super::{LiveBoard, locked};
use crate::clock::UnixMillis;
use crate::proto::board::{Publication, Row};
use crate::proto::presence::{Extras, Kind, label};

/// Lines of each kind that the journal keeps; goop2 keeps as many.
const MAX_LINES: usize = 500;

/// A line, when it was written, and which one it is among all: a clock tells them apart only by the millisecond.
type Line = (u64, UnixMillis, String);

/// What happened last, oldest first: at most 500 lines of what peers said, and as many of what the operator did, which no stranger
/// pushes out.
#[derive(Debug, Default)]
pub struct Journal(Mutex<Rings>);

#[derive(Debug, Default)]
struct Rings {
    heard: VecDeque<Line>,
    noted: VecDeque<Line>,
    written: u64,
}

impl Journal {
    /// Notes who came or left; heartbeats would push out everything else.
    pub(super) fn heard(&self, publication: &Publication) {
        let presence = &publication.message.presence;
        let word = word(presence.kind);
        if presence.kind != Kind::Update {
            self.keep(|rings| &mut rings.heard, &format!("Received {word} from {}: \"{}\"", presence.peer, presence.display_label()));
        }
    }

    /// Notes what the operator did; foreign text in it is made harmless.
    pub fn note(&self, line: impl AsRef<str>) {
        self.keep(|rings| &mut rings.noted, line.as_ref());
    }

    /// The lines as goop2 writes them: `[HH:MM:SS] text`, in UTC.
    pub fn lines(&self) -> Vec<String> {
        let shown = |(_, at, line): &Line| {
            let second = at.0 / 1000;
            format!("[{:02}:{:02}:{:02}] {line}", second / 3600 % 24, second / 60 % 60, second % 60)
        };
        let rings = locked(&self.0);
        let mut lines: Vec<&Line> = rings.heard.iter().chain(&rings.noted).collect();
        lines.sort_by_key(|(number, ..)| *number);
        lines.into_iter().map(shown).collect()
    }

    fn keep(&self, ring: impl FnOnce(&mut Rings) -> &mut VecDeque<Line>, line: &str) {
        let mut rings = locked(&self.0);
        rings.written += 1;
        let line = (rings.written, UnixMillis::now(), label::clean(line, 256));
        let ring = ring(&mut rings);
        if ring.len() == MAX_LINES {
            ring.pop_front();
        }
        ring.push_back(line);
    }
}

/// One element of `/peers.json`.
#[derive(Debug, Serialize)]
pub struct PeerRecord {
    peer_id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar_hash: Option<String>,
    ts: UnixMillis,
    last_seen: UnixMillis,
    bytes_sent: u64,
    bytes_received: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    active_template: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    encryption_supported: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    addrs: Vec<String>,
    verified: bool,
    signed: bool,
}

impl PeerRecord {
    /// Everyone on a board, as goop2 orders them: `online` before `update`, then whoever was heard last.
    pub fn all(board: &LiveBoard) -> Vec<Self> {
        let mut all = board.read(|board| {
            let told = board.told();
            board.rows().map(|(_, row)| Self::of(row, told)).collect::<Vec<_>>()
        });
        all.sort_by_key(|record| (record.kind == "update", std::cmp::Reverse(record.last_seen)));
        all
    }

    fn of(row: &Row, told: u64) -> Self {
        let presence = &row.message.presence;
        let Extras { public_key, encryption_supported, active_template, .. } = row.message.extras.clone();
        Self {
            peer_id: presence.peer.to_string(),
            kind: word(row.kind),
            content: presence.content.clone(),
            email: presence.email.clone(),
            avatar_hash: presence.avatar_hash.clone(),
            ts: presence.ts,
            last_seen: row.last_seen,
            bytes_sent: row.bytes_sent,
            bytes_received: told.saturating_sub(row.told_before),
            active_template,
            public_key,
            encryption_supported,
            addrs: presence.addrs.iter().map(ToString::to_string).collect(),
            verified: true,
            signed: row.signed,
        }
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Online => "online",
        Kind::Update => "update",
        Kind::Offline => "offline",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::board::Message;

    #[test]
    fn attack_no_number_of_messages_pushes_out_what_the_operator_did() {
        let journal = Journal::default();
        journal.note("The operator set ban 1: spam");
        let json = serde_json::json!({ "type": "online", "peerId": libp2p::PeerId::random().to_base58(), "content": "x" }).to_string();
        let message = Message::parse(json.as_bytes()).unwrap();
        let publication = Publication { message, signed: false, from: [192, 0, 2, 1].into(), at: UnixMillis(0) };
        (0..520).for_each(|_| journal.heard(&publication));
        journal.note("The operator lifted ban 1");
        let lines = journal.lines();
        assert_eq!(lines.len(), MAX_LINES + 2);
        assert!(lines[0].contains("set ban 1") && lines.last().unwrap().contains("lifted"));
    }
}
