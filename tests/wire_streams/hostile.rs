//! THREATS 43: endless lines, half-open streams, drips and garbage, on every protocol and on both sides.

use std::time::Duration;

use goop::peer::site_root::SiteRoot;
use goop::peer::streams::{IDLE, MAX_LINE, StreamError, avatar, chat, content, mq, pace, site};
use goop::peer::{Duplex, FetchError};
use libp2p::PeerId;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::Instant;

/// Everything of ours that reads from a stranger.
const READERS: [&str; 6] = ["content::fetch", "avatar::fetch", "site::fetch", "site::serve", "chat::receive", "mq::receive"];

async fn read(reader: &str, io: DuplexStream) -> Result<(), StreamError> {
    let peer = PeerId::from_multihash(libp2p::multihash::Multihash::wrap(0, b"somebody").unwrap()).unwrap();
    match reader {
        "content::fetch" => content::fetch(io).await.map(drop),
        "avatar::fetch" => avatar::fetch(io).await.map(drop),
        "site::fetch" => match site::fetch(io, "/").await {
            Err(FetchError::Stream(error)) => Err(error),
            _ => Ok(()),
        },
        "site::serve" => site::serve(io, &SiteRoot::new("/nonexistent".into())).await.map(drop),
        "chat::receive" => chat::receive(io, peer, peer).await.map(drop),
        _ => mq::receive(io).await.map(drop),
    }
}

#[tokio::test]
async fn endless_bytes_are_cut_on_every_stream() {
    for (reader, start) in READERS.into_iter().flat_map(|reader| [(reader, "a"), (reader, "{\"a\":\"")]) {
        let (io, mut endless) = duplex(4096);
        let sending = tokio::spawn(async move {
            let mut sent = endless.write_all(start.as_bytes()).await.map_or(0, |()| start.len());
            while endless.write_all(&[b'a'; 1000]).await.is_ok() {
                sent += 1000;
                let _ = futures::FutureExt::now_or_never(endless.read(&mut [0; 4096]));
            }
            sent
        });
        let result = read(reader, io).await;
        assert!(
            matches!(result, Ok(()) | Err(StreamError::TooLong { .. } | StreamError::Malformed(_) | StreamError::Io(_))),
            "{reader}: {result:?}"
        );
        let most = if start == "a" { MAX_LINE } else { 512 * 1024 };
        assert!(sending.await.unwrap() < most + 40_000, "{reader} took too much");
    }
}

#[tokio::test(start_paused = true)]
async fn half_open_streams_end_after_the_idle_time() {
    for reader in READERS {
        let (io, _silent) = duplex(4096);
        let started = Instant::now();
        assert!(matches!(read(reader, io).await, Err(StreamError::Idle)), "{reader}");
        assert_eq!(started.elapsed(), IDLE, "{reader}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_drip_holds_no_stream_longer_than_the_idle_time() {
    for reader in READERS {
        let (io, mut slow) = duplex(4096);
        let dripping = tokio::spawn(async move {
            let mut first = "{\"".bytes();
            while slow.write_all(&[first.next().unwrap_or(b'a')]).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let started = Instant::now();
        assert!(matches!(read(reader, io).await, Err(StreamError::Idle)), "{reader}");
        assert_eq!(started.elapsed(), IDLE, "{reader}");
        dripping.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_a_byte_now_and_then_loses_its_stream_after_a_minute() {
    let (io, mut slow) = duplex(1024);
    let sipping = tokio::spawn(async move {
        while slow.read(&mut [0; 1]).await.is_ok_and(|read| read > 0) {
            tokio::time::sleep(Duration::from_secs(8)).await;
        }
    });
    let started = Instant::now();
    assert!(matches!(avatar::serve(io, Some(&[7; 100_000])).await, Err(StreamError::TooSlow)));
    assert!(started.elapsed() <= pace::SPAN + IDLE);
    sipping.abort();
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_is_left_after_the_idle_time() {
    let (io, mut answering) = duplex(4096);
    answering.write_all(b"OK text/plain 100\nabc").await.unwrap();
    let mut file = site::fetch(io, "/").await.unwrap();
    let (started, mut body) = (Instant::now(), Vec::new());
    let error = tokio::time::timeout(2 * IDLE, file.body.read_to_end(&mut body)).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), started.elapsed(), body.len()), (std::io::ErrorKind::TimedOut, IDLE, 3));
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_read_is_left_after_the_idle_time() {
    let (_folder, site) = crate::empty_site();
    std::fs::write(site.path().join("index.html"), vec![b'a'; 1 << 20]).unwrap();
    let (io, mut still) = duplex(1024);
    still.write_all(b"GET /\n").await.unwrap();
    assert!(matches!(site::serve(io, &site).await, Err(StreamError::Idle)));
    let (io, _still) = duplex(1024);
    assert!(matches!(avatar::serve(io, Some(&[0; 10_000])).await, Err(StreamError::Idle)));
}

#[tokio::test]
async fn whoever_resets_at_once_leaves_an_error_and_nothing_else() {
    let (io, gone) = duplex(1024);
    drop(gone);
    assert!(matches!(content::serve(Box::new(io) as Box<dyn Duplex>, "x").await, Err(StreamError::Io(_))));
}

#[tokio::test]
async fn a_label_stays_one_line() {
    for (label, line) in [("two\nlines\r\u{7}", "twolines\n"), ("", "hello\n"), ("\n", "hello\n")] {
        let (_, sent) = crate::exchange(b"", true, async |io| content::serve(io, label).await).await;
        assert_eq!(String::from_utf8(sent).unwrap(), line);
    }
    let (_, sent) = crate::exchange(b"", true, async |io| content::serve(io, &"é".repeat(5000)).await).await;
    let (io, mut answering) = duplex(8192);
    answering.write_all(&sent).await.unwrap();
    assert!(content::fetch(io).await.unwrap().len() <= content::MAX_LABEL, "the longest label we send can be read");
}

#[tokio::test]
async fn a_sender_named_in_the_message_does_not_count_against_the_connection() {
    let [eve, bob, me] = [1_u8, 2, 3].map(|n| PeerId::from_multihash(libp2p::multihash::Multihash::wrap(0, &[n; 8]).unwrap()).unwrap());
    let forged = format!(r#"{{"from":"{bob}","to":"{me}","content":"send money"}}"#);
    let (result, _) = crate::exchange(forged.as_bytes(), true, async |io| chat::receive(io, eve, me).await).await;
    assert!(matches!(result, Err(StreamError::Malformed(_))));
    let claim = format!(r#"{{"id":"12345678","seq":1,"topic":"chat","from":"{bob}","payload":{{"from":"{bob}","content":"hi"}}}}"#);
    let (delivery, _) = crate::exchange(claim.as_bytes(), true, mq::receive).await;
    assert_eq!(mq::chat_message(delivery.unwrap(), eve, me).unwrap().unwrap().from, eve);
}

#[tokio::test]
async fn acknowledged_nonsense_is_no_chat_message() {
    let peer = PeerId::from_multihash(libp2p::multihash::Multihash::wrap(0, b"somebody").unwrap()).unwrap();
    let long = format!(r#"{{"id":"{}","topic":"chat","payload":{{"content":"x"}}}}"#, "i".repeat(1000));
    let big = format!(r#"{{"id":"12345678","topic":"chat","payload":{{"content":"{}"}}}}"#, "x".repeat(64 * 1024 + 1));
    for text in [
        r#"{"topic":"chat","payload":"text"}"#,
        r#"{"topic":"chat","payload":{"content":7}}"#,
        r#"{"topic":"call:x","payload":{"content":"x"}}"#,
        &long,
        &big,
    ] {
        let (delivery, ack) = crate::exchange(text.as_bytes(), true, mq::receive).await;
        assert!(ack.starts_with(b"{\"type\":\"ack\",\"id\":"));
        assert!(!matches!(mq::chat_message(delivery.unwrap(), peer, peer), Ok(Some(_))));
    }
    let (delivery, _) = crate::exchange(br#"{"topic":"chat","payload":{"content":"x"}}"#, true, mq::receive).await;
    let message = mq::chat_message(delivery.unwrap(), peer, peer).unwrap().unwrap();
    assert!(!message.id.is_empty(), "two messages without an id must not pass for one");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_bytes_make_a_reader_panic_or_hang(start in "(OK |ERR |EOK |NONE|GET |\\{\"id\":)?", bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            for reader in READERS {
                let (io, mut hostile) = duplex(4096);
                hostile.write_all(start.as_bytes()).await.unwrap();
                hostile.write_all(&bytes).await.unwrap();
                hostile.shutdown().await.unwrap();
                let _ = read(reader, io).await;
            }
        });
    }
}
