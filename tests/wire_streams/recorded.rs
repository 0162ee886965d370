//! Every recorded exchange in which goop2 answered, replayed against our answering side.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use goop::peer::site_root::SiteRoot;
use goop::peer::streams::{avatar, chat, content, mq, site};
use libp2p::PeerId;
use sha2::{Digest, Sha256};

use crate::recordings::{Exchange, GOOP2, RECORDER, recordings};
use crate::{empty_site, exchange};

/// Where we answer otherwise than goop2 (title, our answer), and why.
const DIFFERENCES: [(&str, &str); 25] = [
    // Links and `..` lead nowhere outside, private names are nobody's business (THREATS 39-41).
    ("path traversal attempt ../site/index.html", "ERR forbidden\n"),
    ("path traversal attempt /%2e%2e/goop.json", "ERR forbidden\n"),
    ("path traversal attempt /..%2fgoop.json", "ERR forbidden\n"),
    ("lua directory in capitals", "ERR forbidden\n"),
    ("dot file", "ERR forbidden\n"),
    ("symbolic link to a file outside the root", "ERR forbidden\n"),
    ("symbolic link to a directory outside", "ERR forbidden\n"),
    // A line is read up to 64 KiB (THREATS 43).
    ("request line of 100 000 bytes", "ERR bad request\n"),
    ("request line of 3 000 000 bytes", "ERR bad request\n"),
    // The type follows from the name by a table of our own; bytes are never sniffed (THREATS 28).
    ("media type of a.ico", "OK image/x-icon 6\n"),
    ("media type of a.unknownext", "OK application/octet-stream 12\n"),
    ("media type of noext", "OK application/octet-stream 12\n"),
    ("media type of empty", "OK application/octet-stream 0\n"),
    ("media type of htmlnoext", "OK application/octet-stream 28\n"),
    ("media type of a.webmanifest", "OK application/manifest+json 2\n"),
    ("media type of a.ts", "OK video/vnd.dlna.mpeg-tts 8\n"),
    ("file under src", "OK video/vnd.dlna.mpeg-tts 8\n"),
    ("media type of a.php", "OK application/x-httpd-php 6\n"),
    // A folder without an index file is listed.
    ("directory", "OK text/html; charset=utf-8 "),
    ("directory with slash", "OK text/html; charset=utf-8 "),
    // A message of more than 1 MiB is not read to its end.
    ("payload of 3 MiB", ""),
    // goop2 dies of these.
    ("id of 3 bytes", "{\"type\":\"ack\",\"id\":\"abc\",\"seq\":1}\n"),
    ("no id", "{\"type\":\"ack\",\"id\":\"\",\"seq\":1}\n"),
    // Messages for somebody else, and texts longer than ours may be, are not kept.
    ("to is a third peer", "dropped"),
    ("content of 1 048 000 bytes", "dropped"),
];

/// Ours must be goop2's, byte for byte, except where [`DIFFERENCES`] says otherwise.
fn compare(recorded: &Exchange, ours: &[u8]) {
    let difference = DIFFERENCES.iter().find(|(title, _)| *title == recorded.title);
    let (title, shown) = (&recorded.title, String::from_utf8_lossy(&ours[..ours.len().min(200)]));
    match (difference, &recorded.answer_sha256) {
        (Some((_, expected)), _) => {
            assert!(ours.starts_with(expected.as_bytes()) && expected.is_empty() == ours.is_empty(), "{title}: {shown}");
            assert_ne!(ours, recorded.answer(), "{title} is no difference any more");
        }
        (None, Some(hash)) => assert_eq!(&hex(&Sha256::digest(ours)), hash, "{title}"),
        (None, None) => assert_eq!(ours, recorded.answer(), "{title}: {shown}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The recorded site: every file that goop2 served, under the name it was asked for.
fn recorded_site(recorded: &[Exchange], root: &Path) {
    for exchange in recorded {
        let answer = exchange.answer();
        let path = exchange.request.as_deref().unwrap_or_default().trim().strip_prefix("GET ").unwrap_or_default().trim();
        let Some(end) = answer.iter().position(|byte| *byte == b'\n').filter(|_| answer.starts_with(b"OK ")) else { continue };
        if path.contains("..") || path.contains('\n') || path == "/" || path.starts_with("/link") || exchange.answer_sha256.is_some() {
            continue;
        }
        let file = root.join(path.trim_start_matches('/'));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, &answer[end + 1..]).unwrap();
    }
    fs::write(root.join("large.bin"), (0..1_usize << 20).map(|at| (at * 7) as u8).collect::<Vec<_>>()).unwrap();
    fs::File::create(root.join("huge.bin")).unwrap().set_len(60 << 20).unwrap();
    fs::create_dir(root.join("lua")).unwrap();
    fs::write(root.join("lua/secret.lua"), "secret").unwrap();
    let outside = root.parent().unwrap().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("outside.txt"), "outside the root\n").unwrap();
    fs::write(outside.join("../goop.json"), "{}").unwrap();
    symlink(outside.join("outside.txt"), root.join("link-out")).unwrap();
    symlink(outside, root.join("linkdir")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn site_requests_are_answered_as_goop2_answers_them() {
    let recorded = recordings("answers", "site");
    let (_folder, site) = empty_site();
    recorded_site(&recorded, site.path());
    assert!(recorded.len() > 80);
    for recorded in &recorded {
        let (_, ours) = exchange(&recorded.request(), recorded.closes, async |io| site::serve(io, &site).await).await;
        compare(recorded, &ours);
    }
}

#[tokio::test(start_paused = true)]
async fn the_label_is_answered_as_goop2_answers_it() {
    for recorded in recordings("answers", "content").iter().filter(|recorded| !recorded.answer().is_empty()) {
        let (_, ours) = exchange(&recorded.request(), recorded.closes, async |io| content::serve(io, "Peer five").await).await;
        compare(recorded, &ours);
    }
}

#[tokio::test(start_paused = true)]
async fn the_avatar_is_answered_as_goop2_answers_it() {
    for recorded in recordings("answers", "avatar") {
        let answer = recorded.answer();
        let body = answer.iter().position(|byte| *byte == b'\n').map(|end| answer[end + 1..].to_vec());
        let picture = match recorded.title.as_str() {
            "no avatar" => None,
            "avatar of 600 000 bytes (head)" => Some(vec![7; 600_000]),
            _ => body,
        };
        let (_, ours) = exchange(&recorded.request(), recorded.closes, async |io| avatar::serve(io, picture.as_deref()).await).await;
        compare(&recorded, &ours);
    }
}

#[tokio::test(start_paused = true)]
async fn messages_are_acknowledged_as_goop2_acknowledges_them() {
    let recorded = recordings("answers", "mq");
    assert!(recorded.len() > 25);
    for recorded in recorded {
        let (result, ours) = exchange(&recorded.request(), recorded.closes, mq::receive).await;
        compare(&recorded, &ours);
        assert_eq!(result.is_ok(), !ours.is_empty(), "{}", recorded.title);
    }
}

#[tokio::test(start_paused = true)]
async fn chat_messages_are_kept_as_goop2_keeps_them() {
    let (remote, me): (PeerId, PeerId) = (RECORDER.parse().unwrap(), GOOP2.parse().unwrap());
    let mut ours = Vec::new();
    for recorded in recordings("answers", "chat") {
        let (received, answer) = exchange(&recorded.request(), recorded.closes, async |io| chat::receive(io, remote, me).await).await;
        assert!(answer.is_empty(), "chat has no answer");
        let dropped = DIFFERENCES.contains(&(recorded.title.as_str(), "dropped"));
        assert!(!(dropped && received.is_ok()), "{}", recorded.title);
        ours.extend(received.map(|message| (message.from, message.to.map(|to| to.to_string()).unwrap_or_default(), message.content)));
    }
    let kept = &recordings("kept", "chat")[0].kept;
    let expected = kept.iter().filter(|(_, _, content)| content != "not for you" && !content.starts_with("xxx"));
    assert_eq!(ours, expected.map(|(_, to, content)| (remote, to.clone(), content.clone())).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_goop2_asks_for_is_understood() {
    let (remote, me): (PeerId, PeerId) = (GOOP2.parse().unwrap(), RECORDER.parse().unwrap());
    for recorded in recordings("asks", "chat") {
        let (message, _) = exchange(&recorded.request(), true, async |io| chat::receive(io, remote, me).await).await;
        let message = message.unwrap();
        assert_eq!(message.to.is_none(), recorded.title.contains("broadcast"));
        assert!(message.content.ends_with("from goop2 é <b>") || message.content == "broadcast from goop2");
    }
    for recorded in recordings("asks", "mq") {
        let (delivery, _) = exchange(&recorded.request(), false, mq::receive).await;
        let delivery = delivery.unwrap();
        let is_chat = delivery.topic.starts_with("chat");
        assert_eq!(mq::chat_message(delivery, remote, me).unwrap().is_some(), is_chat, "{}", recorded.title);
    }
    let site = SiteRoot::new("/nonexistent".into());
    for recorded in recordings("asks", "site") {
        let (served, _) = exchange(&recorded.request(), false, async |io| site::serve(io, &site).await).await;
        assert!(!matches!(served.unwrap(), site::Served::Refused("bad request")), "{}", recorded.title);
    }
}
