//! One goop peer and one foreign peer on a network, and everything two peers do with each other.

use std::time::Duration;

use serde_json::json;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::foreign::Kind;
use super::goop_node::Plan;
use super::{Family, Foreign, Goop, Host, Lab, SOON, eventually, file_bytes, lab_is_possible, write_files};

/// Files on each side's site.
const FILES: usize = 300;
/// What tells a file of goop's site from the same file of the foreign one.
const OURS: u8 = 0;
const THEIRS: u8 = 0x5a;
/// The start of any PNG, which is all that a bitmap is known by.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The two of them, who have found each other.
pub(crate) struct Meeting {
    goop: Goop,
    foreign: Foreign,
    generation: &'static str,
    _host: Host,
    _site: TempDir,
    _lab: Lab,
}

/// Let goop meet a peer of this kind that behaves as this goop2 generation; `false` where this machine cannot.
pub(crate) fn is_possible(kind: Kind) -> bool {
    lab_is_possible() && kind.is_there()
}

impl Meeting {
    /// Start both and wait until each has found the other by mDNS and heard the other's presence.
    pub(crate) fn of(kind: Kind, generation: &'static str) -> Self {
        let (mut lab, lan) = Lab::with_lan();
        let (left, right) = (lab.host(lan, Family::V4), lab.host(lan, Family::V4));
        let (plan, site) = (Plan::new(&left.place).label("goop"), TempDir::new().expect("make a folder"));
        write_files(&plan.data_folder().join("site"), FILES, OURS);
        write_files(site.path(), FILES, THEIRS);
        std::fs::write(plan.data_folder().join("avatar.png"), picture(OURS)).expect("write our avatar");
        let avatar = site.path().join("avatar.png");
        std::fs::write(&avatar, picture(THEIRS)).expect("write their avatar");
        let goop = plan.start();
        let [served, face] = [site.path(), &avatar].map(|path| path.to_string_lossy().into_owned());
        let args = ["--label", "foreign", "--generation", generation, "--site", &served, "--avatar", &face];
        let foreign = Foreign::start_with(kind, &right, &args);
        let meeting = Self { goop, foreign, generation, _host: right, _site: site, _lab: lab };
        meeting.both_are_found();
        meeting
    }

    fn both_are_found(&self) {
        let (goop, foreign) = (&self.goop, &self.foreign);
        foreign.event("it finds goop by mDNS", |event| event["event"] == "found" && event["peer"] == goop.id());
        goop.sees(&foreign.id, SOON);
        let named = || match goop.row(&foreign.id)? {
            row if row["label"] == "foreign" && row["path"] == "lan" => Ok(()),
            row => Err(row.to_string()),
        };
        eventually(SOON, "goop shows the foreign peer's name", named);
        let heard = foreign.event("it hears goop's presence", |event| event["event"] == "presence" && event["from"] == goop.id());
        let said = &heard["payload"];
        assert!(["online", "update"].contains(&said["type"].as_str().unwrap_or_default()), "{said}");
        assert_eq!((&said["peerID"], &said["content"]), (&json!(goop.id()), &json!("goop")), "{said}");
        assert_eq!(said["avatarHash"], hex(&Sha256::digest(picture(OURS)))[..16], "{said}");
    }

    /// It asks for goop's label and avatar, and goop for its avatar.
    pub(crate) fn labels_and_avatars(&mut self) {
        let goop = self.goop.id();
        let label = self.foreign.ask(json!({ "cmd": "content", "peer": goop })).expect("goop tells its label");
        assert_eq!(label["content"], "goop");
        let avatar = self.foreign.ask(json!({ "cmd": "avatar", "peer": goop })).expect("goop sends its avatar");
        assert_eq!(avatar["sha256"], hex(&Sha256::digest(picture(OURS))), "{avatar}");
        let (status, body) = self.goop.get(&format!("api/v1/peers/{}/avatar", self.foreign.id)).expect("the viewer answers");
        assert!(status == 200 && body == picture(THEIRS), "{status} {}", String::from_utf8_lossy(&body));
    }

    /// It fetches every file of goop's site thirty at a time, and all come whole.
    pub(crate) fn fetches_from_goop(&mut self) {
        let mut paths: Vec<String> = (0..FILES).map(|n| format!("/f{n}.bin")).collect();
        paths.push("/missing.html".to_owned());
        let files = self.foreign.fetch(&self.goop.id(), &paths);
        for (n, file) in files.iter().take(FILES).enumerate() {
            assert_eq!(file["sha256"], hex(&Sha256::digest(file_bytes(n, OURS))), "{file}");
        }
        assert!(files[FILES]["error"].as_str().unwrap_or_default().contains("not found"), "{}", files[FILES]);
    }

    /// Goop's viewer fetches every file of the foreign site thirty at a time, and all come whole.
    pub(crate) fn serves_goop(&self) {
        let into = TempDir::new().expect("make a folder");
        let wanted: String = (0..FILES).map(|n| self.download(n, into.path())).collect();
        let list = into.path().join("list");
        std::fs::write(&list, wanted).expect("write curl's list");
        let list = list.to_string_lossy().into_owned();
        let curl = ["--parallel", "--parallel-immediate", "--parallel-max", "30", "--fail", "--config", &list];
        let mut command = self.goop.place().command("curl");
        let done = command.args(["--silent", "--show-error", "--max-time", "90"]).args(curl).output().expect("curl runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        for n in 0..FILES {
            let got = std::fs::read(into.path().join(n.to_string())).expect("curl wrote it");
            assert!(got == file_bytes(n, THEIRS), "file {n} differs: {} bytes", got.len());
        }
    }

    fn download(&self, n: usize, into: &std::path::Path) -> String {
        let url = self.goop.url(&format!("api/v1/peers/{}/site/f{n}.bin", self.foreign.id));
        format!("url = \"{url}\"\noutput = \"{}\"\n", into.join(n.to_string()).display())
    }

    /// Messages to one and to all, both ways; goop takes both dialects, and speaks the one of this generation.
    pub(crate) fn chat(&mut self) {
        let (us, them) = (self.goop.id(), self.foreign.id.clone());
        let sent = self.goop.cli(&["chat", &them, "to you"]);
        assert!(sent.status.success(), "{sent:?}");
        let heard = self.foreign.event("it hears a direct message", |event| event["event"] == "chat" && event["content"] == "to you");
        assert_eq!((&heard["from"], &heard["dialect"]), (&json!(us), &json!(self.dialect())), "{heard}");
        let sent = self.goop.cli(&["chat", "--all", "to all"]);
        assert!(sent.status.success(), "{sent:?}");
        let heard = self.foreign.event("it hears a message to all", |event| event["event"] == "chat" && event["content"] == "to all");
        assert!([&heard["topic"], &heard["type"]].iter().any(|kind| **kind == "chat.broadcast" || **kind == "broadcast"), "{heard}");

        for dialect in ["chat", "mq"] {
            for (all, peer) in [(false, Some(them.as_str())), (true, None)] {
                let content = format!("{dialect}, all: {all}");
                self.foreign.ask(json!({ "cmd": dialect, "peer": us, "content": content, "all": all })).expect("goop takes it");
                assert_eq!(self.goop.hears(peer, &content)["from"], them);
            }
        }
    }

    /// A message that claims another sender is dropped, and one that follows it is not.
    pub(crate) fn cannot_speak_as_another(&mut self) {
        let us = self.goop.id();
        let lie = json!({ "cmd": "chat", "peer": us, "content": "a lie", "from": us });
        let _ = self.foreign.ask(lie);
        self.foreign.ask(json!({ "cmd": "chat", "peer": us, "content": "the truth" })).expect("goop takes it");
        self.goop.hears(Some(&self.foreign.id), "the truth");
        for path in ["chat".to_owned(), format!("chat?peer={}", self.foreign.id), format!("chat?peer={us}")] {
            let said = self.goop.api(&path).map(|answer| answer.to_string()).unwrap_or_default();
            assert!(!said.contains("a lie"), "{said}");
        }
    }

    /// Its `offline` is believed, and its next heartbeat brings it back.
    pub(crate) fn goes_and_comes_back(&mut self) {
        let id = self.foreign.id.clone();
        self.foreign.ask(json!({ "cmd": "publish", "peer": id, "content": "offline" })).expect("it can publish");
        self.goop.misses(&id, Duration::from_secs(5));
        self.goop.sees(&id, SOON);
    }

    /// When goop stops, it says so.
    pub(crate) fn hears_goop_leave(self) {
        let Self { goop, foreign, .. } = self;
        let id = goop.id();
        goop.stop();
        foreign.event("it hears that goop goes offline", |event| {
            event["event"] == "presence" && event["from"] == id && event["payload"]["type"] == "offline"
        });
    }

    fn dialect(&self) -> &'static str {
        if self.generation == "seed" { "chat" } else { "mq" }
    }
}

fn picture(flavour: u8) -> Vec<u8> {
    [PNG, &file_bytes(100, flavour)].concat()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
