//! What goop2 asked and what it got, replayed against our asking side: the same request bytes, and answers read as goop2 reads them.

use goop::clock::UnixMillis;
use goop::peer::FetchError;
use goop::peer::streams::{StreamError, avatar, chat, content, mq, site};
use goop::proto::chat::ChatMessage;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use crate::recordings::{Exchange, GOOP2, RECORDER, recordings};

/// The asking side's result, and the bytes it sent, when the other side answers with `answer` and closes.
async fn ask<T>(answer: &[u8], asking: impl AsyncFnOnce(tokio::io::DuplexStream) -> T) -> (T, Vec<u8>) {
    let (io, mut answering) = duplex(1 << 20);
    answering.write_all(answer).await.unwrap();
    answering.shutdown().await.unwrap();
    let result = asking(io).await;
    let mut sent = Vec::new();
    answering.read_to_end(&mut sent).await.unwrap();
    (result, sent)
}

async fn fetched(exchange: &Exchange, path: &str) -> (Result<(String, Vec<u8>), String>, Vec<u8>) {
    ask(&exchange.answer(), async |io| {
        let mut file = site::fetch(io, path).await.map_err(|error| error.to_string())?;
        let mut body = Vec::new();
        file.body.read_to_end(&mut body).await.map_err(|error| error.to_string())?;
        Ok((file.mime, body))
    })
    .await
}

#[tokio::test]
async fn site_answers_are_read_as_goop2_reads_them() {
    let recorded = recordings("asks", "site");
    assert!(recorded.len() > 15);
    for exchange in recorded {
        let request = String::from_utf8(exchange.request()).unwrap();
        let path = request.trim_end().strip_prefix("GET ").unwrap();
        let (result, sent) = fetched(&exchange, path).await;
        assert_eq!(sent, exchange.request());
        let expected = match path {
            "/index.html" => Ok(("text/html; charset=utf-8", "<p>from recorder</p>")),
            "/plain" | "/long" => Ok(("text/plain", "abc")),
            "/nomime" => Ok(("", "abc")),
            "/forbidden" => Err("the peer answered: forbidden"),
            "/short" => Err("the stream ended 7 bytes early"),
            // goop2 refuses more than 50 MiB here; we read on, and miss the rest.
            "/big" => Err("the stream ended 52428798 bytes early"),
            "/neg" | "/weird" => Err("not understood: the answer is neither OK with a type and a size, nor ERR"),
            _ => Err("the peer answered: not found"),
        };
        let ours = result.as_ref().map(|(mime, body)| (mime.as_str(), str::from_utf8(body).unwrap())).map_err(String::as_str);
        assert_eq!(ours, expected, "{path}");
    }
}

#[tokio::test]
async fn what_goop2_served_is_fetched() {
    for exchange in recordings("answers", "site").iter().filter(|exchange| exchange.answer().starts_with(b"OK ")) {
        let answer = exchange.answer();
        let (result, _) = fetched(exchange, "/").await;
        match result {
            Ok((_, body)) => assert!(answer.ends_with(&body), "{}", exchange.title),
            Err(error) => assert!(exchange.title.starts_with("file of") && error.contains("bytes early"), "{}: {error}", exchange.title),
        }
    }
}

#[tokio::test]
async fn labels_and_avatars_of_goop2_are_fetched() {
    assert_eq!(ask(b"Peer five\n", content::fetch).await.0.unwrap(), "Peer five");
    for exchange in recordings("asks", "avatar").into_iter().chain(recordings("answers", "avatar")) {
        let (avatar, sent) = ask(&exchange.answer(), avatar::fetch).await;
        assert!(sent.is_empty());
        match exchange.title.as_str() {
            "avatar of 600 000 bytes (head)" => assert!(matches!(avatar, Err(StreamError::TooLong { .. }))),
            "no avatar" | "avatar of 0 bytes" | "GET /api/avatar/peer/P" => assert_eq!(avatar.unwrap(), None, "{}", exchange.title),
            _ => assert!(avatar.unwrap().unwrap().starts_with(b"\x89PNG")),
        }
    }
}

/// Encryption is never advertised, so an encrypted answer is a mistake of the other side.
#[tokio::test]
async fn encrypted_answers_are_refused_in_plain_words() {
    let (file, _) = ask(b"EOK text/html 4\nAAAA", async |io| site::fetch(io, "/").await.map(|_| ())).await;
    assert!(matches!(file, Err(FetchError::Stream(StreamError::Malformed(what))) if what.contains("encrypted")));
    let (avatar, _) = ask(b"EOK 4\nAAAA", avatar::fetch).await;
    assert!(matches!(avatar, Err(StreamError::Malformed(what)) if what.contains("encrypted")));
}

fn message(to: Option<&str>, content: &str, at: u64) -> ChatMessage {
    let (from, to) = (GOOP2.parse().unwrap(), to.map(|to| to.parse().unwrap()));
    ChatMessage {
        id: "52fc2d84-5cca-4a9b-9bef-004b2cab6a4a".into(),
        from,
        to,
        community: None,
        content: content.into(),
        at: UnixMillis(at),
        delivered: 0,
    }
}

#[tokio::test]
async fn chat_is_sent_as_the_seed_sends_it() {
    let messages =
        [message(Some(RECORDER), "hello from goop2 é <b>", 1_795_263_528_405), message(None, "broadcast from goop2", 1_795_263_528_807)];
    for (recorded, message) in recordings("asks", "chat").iter().zip(messages) {
        let (result, sent) = ask(b"", async |io| chat::send(io, &message).await).await;
        result.unwrap();
        let theirs = String::from_utf8(recorded.request()).unwrap().replace("\\u003c", "<").replace("\\u003e", ">");
        let ours = String::from_utf8(sent).unwrap();
        let (millis, micros) = ("{\"id\":\"20261121121848.405".len(), "{\"id\":\"20261121121848.405000".len());
        assert_eq!(ours[..millis], theirs[..millis], "the id is the time");
        assert_eq!(ours[micros..], theirs[micros..], "all keys in goop2's order");
    }
}

#[tokio::test]
async fn mq_is_sent_as_the_newest_sends_it() {
    for recorded in recordings("asks", "mq").into_iter().take(2) {
        let theirs: Value = serde_json::from_slice(&recorded.request()).unwrap();
        let (id, topic) = (theirs["id"].as_str().unwrap(), theirs["topic"].as_str().unwrap());
        let ack = json!({ "type": "ack", "id": id, "seq": 1 }).to_string() + "\n";
        let (result, sent) = ask(ack.as_bytes(), async |io| mq::send(io, id, topic, &theirs["payload"]).await).await;
        result.unwrap();
        let ours: Value = serde_json::from_slice(&sent).unwrap();
        let line = String::from_utf8(recorded.request()).unwrap().replace("\\u003c", "<").replace("\\u003e", ">");
        let line = line.replace(&format!("\"seq\":{}", theirs["seq"]), &format!("\"seq\":{}", ours["seq"]));
        assert_eq!(String::from_utf8(sent).unwrap(), line);
    }
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_must_come_in_time_and_be_for_this_message() {
    let id = "52fc2d84-5cca-4a9b-9bef-004b2cab6a4a";
    for answer in [
        r#"{"type":"ack","id":"00000000-0000-4000-8000-000000000000","seq":1}"#,
        r#"{"type":"msg","id":"52fc2d84-5cca-4a9b-9bef-004b2cab6a4a"}"#,
        "",
    ] {
        let (result, _) = ask(answer.as_bytes(), async |io| mq::send(io, id, mq::TOPIC_CHAT, &json!({})).await).await;
        assert!(matches!(result, Err(StreamError::Malformed(_))), "{answer}");
    }
    let (io, _silent) = duplex(1 << 20);
    let started = tokio::time::Instant::now();
    assert!(matches!(mq::send(io, id, mq::TOPIC_CHAT, &json!({})).await, Err(StreamError::Idle)));
    assert_eq!(started.elapsed(), mq::ACK_WITHIN);
}

#[tokio::test]
async fn an_id_that_would_end_goop2_is_never_sent() {
    let (result, sent) = ask(b"", async |io| mq::send(io, "1234567", mq::TOPIC_CHAT, &json!({})).await).await;
    assert!(matches!(result, Err(StreamError::Malformed(_))) && sent.is_empty());
}
