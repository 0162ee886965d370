//! `/goop/file/1.0.0`: what a file survives on its way, and what a hostile side cannot do.

use std::time::Duration;

use goop::peer::streams::file::{self, End, MAX_HEAD, MAX_PIECE, Refusal, Request};
use goop::peer::streams::{IDLE, StreamError};
use goop::proto::transfer::Offer;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::Instant;

fn offer(size: usize) -> Offer {
    Offer { id: "0123-4567".into(), name: "a".into(), size: size as u64, mime: "x/y".into(), hash: "ab".repeat(32) }
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// What the receiver has after one connection on which so many bytes of the answer get through.
async fn one_try(content: &[u8], have: &mut Vec<u8>, through: usize) -> Result<(), StreamError> {
    let (near, middle_near) = duplex(64 * 1024);
    let (middle_far, far) = duplex(64 * 1024);
    let from = have.len();
    let sending = async {
        let mut far = far;
        let asked = file::hear(&mut far).await?;
        assert_eq!(asked, Request::Get { id: "0123-4567".into(), from: from as u64 });
        file::send(far, &content[from..], (content.len() - from) as u64, |_| {}).await
    };
    let cable = async {
        let (mut near_out, mut near_in) = tokio::io::split(middle_near);
        let (mut far_out, mut far_in) = tokio::io::split(middle_far);
        let there = async { _ = tokio::io::copy(&mut near_out, &mut far_in).await };
        let back = async { _ = tokio::io::copy(&mut (&mut far_out).take(through as u64), &mut near_in).await };
        tokio::select! {
            () = back => {}
            () = async { there.await; std::future::pending().await } => {}
        }
    };
    let receiving = async {
        let mut pieces = file::get(near, &offer(content.len()), from as u64).await?.map_err(|_| StreamError::Idle)?;
        while let Some(piece) = pieces.next().await? {
            have.extend_from_slice(&piece);
        }
        Ok(())
    };
    tokio::select! {
        received = receiving => received,
        () = async { tokio::join!(async { _ = sending.await }, cable); std::future::pending().await } => unreachable!(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_file_that_is_cut_anywhere_and_resumed_arrives_whole(
        size in 0..3 * MAX_PIECE, seed in any::<u8>(), cuts in prop::collection::vec(0..2 * MAX_PIECE, 0..6)
    ) {
        let content: Vec<u8> = (0..size).map(|at| (at as u8).wrapping_mul(31) ^ (at >> 8) as u8 ^ seed).collect();
        let have = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let mut have = Vec::new();
            for through in cuts.into_iter().chain([usize::MAX >> 1]) {
                let done = one_try(&content, &mut have, through).await.is_ok();
                assert!(content.starts_with(&have));
                if done {
                    break;
                }
            }
            have
        });
        prop_assert!(have == content);
    }

    #[test]
    fn requests_come_back_as_they_were(id in "[a-z0-9-]{8,64}", name in "\\PC{0,200}", size in any::<u64>(), from in any::<u64>()) {
        let sent = [
            Request::Offer(Offer { id: id.clone(), name, size, ..offer(0) }),
            Request::Get { id: id.clone(), from },
            Request::End { id, how: End::Cancelled },
        ];
        for request in sent {
            let json = serde_json::to_vec(&request).unwrap();
            prop_assert_eq!(serde_json::from_slice::<Request>(&json).unwrap(), request);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), framed in any::<bool>()) {
        let bytes = if framed { frame(&bytes) } else { bytes };
        let heard = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
            let (mut near, mut far) = duplex(4096);
            far.write_all(&bytes).await.unwrap();
            drop(far);
            file::hear(&mut near).await
        });
        let refused = matches!(heard, Err(StreamError::Io(_) | StreamError::TooLong { .. } | StreamError::Malformed(_)));
        prop_assert!(heard.is_ok() || refused);
    }
}

#[tokio::test(start_paused = true)]
async fn attack_a_frame_that_says_it_is_huge_or_never_ends_holds_nothing() {
    let (mut near, mut far) = duplex(1024);
    far.write_all(&u32::try_from(MAX_HEAD + 1).unwrap().to_be_bytes()).await.unwrap();
    assert!(matches!(file::hear(&mut near).await, Err(StreamError::TooLong { limit: MAX_HEAD })));

    let (mut near, mut slow) = duplex(1024);
    let dripping = tokio::spawn(async move {
        let mut bytes = frame(&[b'{'; 1000]).into_iter();
        while let Some(byte) = bytes.next()
            && slow.write_all(&[byte]).await.is_ok()
        {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let started = Instant::now();
    assert!(matches!(file::hear(&mut near).await, Err(StreamError::Idle)));
    assert_eq!(started.elapsed(), IDLE);
    dripping.abort();
}

#[tokio::test]
async fn attack_a_sender_cannot_send_other_than_it_offered() {
    let answers: [(&str, Vec<u8>); 5] = [
        ("another size", frame(br#"{"ok":true,"size":11}"#)),
        ("no size", frame(br#"{"ok":true}"#)),
        ("more than was missing", [frame(br#"{"ok":true,"size":10}"#), frame(&[0; 11])].concat()),
        ("empty pieces without end", [frame(br#"{"ok":true,"size":10}"#), frame(&[])].concat()),
        ("a key twice", frame(br#"{"ok":true,"ok":true,"size":10}"#)),
    ];
    for (what, answer) in answers {
        let (near, mut far) = duplex(4096);
        far.write_all(&answer).await.unwrap();
        let got = async {
            let Ok(mut pieces) = file::get(near, &offer(10), 0).await? else { return Ok(0) };
            let mut got = 0;
            while let Some(piece) = pieces.next().await? {
                got += piece.len();
            }
            Ok::<_, StreamError>(got)
        };
        assert!(matches!(got.await, Err(StreamError::Malformed(_))), "{what}");
    }
}

#[tokio::test]
async fn a_refusal_comes_back_as_its_word_and_new_words_are_refusals() {
    for (why, expected) in [("too-many", Refusal::TooMany), ("busy", Refusal::Busy), ("something new", Refusal::Refused)] {
        let (near, mut far) = duplex(4096);
        far.write_all(&frame(format!(r#"{{"ok":false,"why":"{why}","more":1}}"#).as_bytes())).await.unwrap();
        assert_eq!(file::say(near, &Request::Offer(offer(1))).await.unwrap(), Err(expected));
    }
    let (near, far) = duplex(4096);
    let end = Request::End { id: "0123-4567".into(), how: End::Done };
    let (said, answered) = tokio::join!(file::say(near, &end), async {
        let mut far = far;
        file::hear(&mut far).await.unwrap();
        file::answer(far, Err(Refusal::Unknown)).await
    });
    assert_eq!((said.unwrap(), answered.is_ok()), (Err(Refusal::Unknown), true));
}

#[tokio::test]
async fn a_file_that_became_shorter_is_not_sent_as_if_it_were_whole() {
    let (near, mut far) = duplex(4096);
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.map(|_| all)
    });
    assert!(matches!(file::send(near, &b"short"[..], 10, |_| {}).await, Err(StreamError::Io(_))));
    assert!(reading.await.unwrap().is_ok());
}
