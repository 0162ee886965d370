//! Chat and contacts as the API tells them.

use goop::peer::{OpenError, PeerEvent};
use goop::proto::chat::ChatMessage;
use libp2p::PeerId;
use serde_json::{Value, json};

use crate::stage::{Script, Stage, new_peer, row};
use crate::{assert_problem, with};

async fn put(stage: &Stage, peer: PeerId, body: &str) -> crate::Answer {
    stage.write("PUT", &format!("/api/v1/contacts/{peer}"), "Content-Type: application/json\r\n", body.as_bytes()).await
}

async fn say(stage: &Stage, to: PeerId, content: &str) -> Value {
    let answer = stage.post_json("/api/v1/chat", &json!({ "to": to.to_string(), "content": content }).to_string()).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn a_history_is_paged_listed_and_forgotten() {
    let stage = Stage::set().await;
    let (ann, bob) = (new_peer(), new_peer());
    for n in 0..5 {
        say(&stage, ann, &n.to_string()).await;
    }
    say(&stage, bob, "hi Bob").await;
    let page = stage.get(&format!("/api/v1/chat?peer={ann}&limit=2")).await.json();
    assert_eq!((&page["messages"][0]["content"], &page["messages"][1]["content"]), (&json!("3"), &json!("4")));
    let older = stage.get(&format!("/api/v1/chat?peer={ann}&limit=10&before={}", page["before"])).await.json();
    assert_eq!((older["messages"].as_array().unwrap().len(), &older["before"]), (3, &Value::Null));

    let listed = stage.get("/api/v1/conversations").await.json();
    assert_eq!((&listed["conversations"][0]["peer"], &listed["unread"]), (&json!(bob.to_string()), &json!(0)));
    assert_eq!(listed["conversations"][1]["last"]["content"], "4");

    let number = &page["messages"][1]["number"];
    assert_eq!(stage.write("DELETE", &format!("/api/v1/chat/{number}"), "", b"").await.status, 204);
    assert_problem(&stage.write("DELETE", &format!("/api/v1/chat/{number}"), "", b"").await, 404, "not-found");
    assert_eq!(stage.write("DELETE", &format!("/api/v1/chat?peer={ann}"), "", b"").await.status, 204);
    assert_eq!(stage.get(&format!("/api/v1/chat?peer={ann}")).await.json()["messages"], json!([]));
    assert_eq!(stage.write("DELETE", "/api/v1/conversations", "", b"").await.status, 204);
    assert_eq!(stage.get("/api/v1/conversations").await.json(), json!({ "conversations": [], "unread": 0 }));
}

#[tokio::test]
async fn unread_messages_are_counted_until_they_are_read() {
    let stage = Stage::set().await;
    let ann = new_peer();
    let memory = stage.peer.memory().clone();
    let message = |id: &str| ChatMessage {
        id: id.into(),
        from: ann,
        to: Some(stage.me),
        community: None,
        content: id.into(),
        at: goop::clock::UnixMillis(1),
        delivered: 0,
    };
    for id in ["one", "two"] {
        memory.receive(&message(id)).unwrap();
    }
    let kept = stage.get(&format!("/api/v1/chat?peer={ann}")).await.json();
    let mut stream = stage.listen().await;
    stream.next().await;
    let read = json!({ "peer": ann.to_string(), "number": kept["messages"][0]["number"] }).to_string();
    assert_eq!(stage.post_json("/api/v1/chat/read", &read).await.json(), json!({ "unread": 1 }));
    assert_eq!(
        stream.next().await.unwrap(),
        ("unread".into(), json!({ "type": "unread", "peer": ann.to_string(), "community": null, "unread": 1 }))
    );
    assert_eq!(stage.get("/api/v1/conversations").await.json()["unread"], 1);
}

#[tokio::test]
async fn each_community_is_a_conversation_with_its_name_and_apart_from_the_network() {
    let stage = Stage::set().await;
    stage.configure("presence.rendezvous_wan = [\"https://rv.example/c/chess\", \"https://rv.example/c/club/m/s3cret\"]\n").await;
    let status = |name: &str| goop::clients::rendezvous::Status {
        id: name.into(),
        name: name.into(),
        since: goop::clock::UnixMillis(1),
        stream: goop::clients::rendezvous::Stream::Connecting,
        moved_to: None,
        refused: None,
    };
    with(&stage, |play| play.servers = ["rv.example/c/chess", "rv.example/c/club/m/***"].map(status).into());
    let id = goop::proto::directory::ListingId::from_bytes([1; 16]).to_string();
    let listing = json!({ "hub": "https://hub.example/", "at": 1, "id": id, "community": "Chess & Co", "rendezvous": "https://rv.example/c/chess", "type": "open" });
    std::fs::write(stage.home.path().join("found.ndjson"), listing.to_string()).unwrap();
    let memory = stage.peer.memory().clone();
    for (id, community) in [("to the LAN", None), ("to chess", Some("rv.example/c/chess")), ("to those before", Some("old.example"))] {
        let (from, at, community) = (new_peer(), goop::clock::UnixMillis(1), community.map(str::to_owned));
        memory.receive(&ChatMessage { id: id.into(), from, to: None, community, content: id.into(), at, delivered: 0 }).unwrap();
    }
    let said = async |page: &str| stage.get(page).await.text();
    let (lan, chess) = (said("/chat").await, said("/chat?community=rv.example%2Fc%2Fchess").await);
    for page in [&lan, &chess] {
        let list = [">Everyone here<", ">Chess &#38; Co<", ">rv.example/c/club<", ">old.example<"].map(|name| page.find(name));
        assert!(list.iter().all(Option::is_some) && list.is_sorted(), "{list:?} {page}");
        assert!(page.contains("href=\"/chat?community=rv.example%2Fc%2Fclub\"") && !page.contains("s3cret"), "{page}");
    }
    assert!(lan.contains("class=\"said\">to the LAN") && !lan.contains("class=\"said\">to chess"), "{lan}");
    assert!(chess.contains("class=\"said\">to chess") && !chess.contains("class=\"said\">to the LAN"), "{chess}");
    assert!(chess.contains("<h1 id=\"chat-title\"><bdi title=\"rv.example/c/chess\">Chess &#38; Co</bdi></h1>"), "{chess}");
    assert!(said("/chat?community=old.example").await.contains("no longer in this community"));
    assert_problem(&stage.get("/chat?community=nowhere.example").await, 404, "not-found");
    assert_problem(&stage.get(&format!("/chat?community=old.example&with={}", new_peer())).await, 400, "bad-request");
    let listed = stage.get("/api/v1/conversations").await.json();
    assert_eq!((&listed["conversations"][1]["community"], &listed["unread"]), (&json!("rv.example/c/chess"), &json!(3)));
    let kept = stage.get("/api/v1/chat?community=https://rv.example/c/chess/").await.json();
    assert_eq!(kept["messages"][0]["content"], "to chess");
    let read = json!({ "community": "rv.example/c/chess", "number": kept["messages"][0]["number"] }).to_string();
    assert_eq!(stage.post_json("/api/v1/chat/read", &read).await.json(), json!({ "unread": 0 }));
    assert_eq!(stage.write("DELETE", "/api/v1/chat?community=rv.example/c/chess", "", b"").await.status, 204);
    assert_eq!(stage.get("/api/v1/chat?community=rv.example/c/chess").await.json()["messages"], json!([]));
    assert_eq!(stage.get("/api/v1/chat").await.json()["messages"][0]["content"], "to the LAN");
}

#[tokio::test]
async fn a_message_to_a_favourite_who_is_away_waits_and_can_be_cancelled() {
    let stage = Stage::set().await;
    let ann = new_peer();
    with(&stage, |play| _ = play.files.insert((ann, String::new()), Script::Fails(OpenError::NoAddress)));
    assert_eq!(put(&stage, ann, r#"{"favourite":true}"#).await.json()["favourite"], true);
    let waiting = say(&stage, ann, "when you are back").await;
    assert_eq!((&waiting["state"], waiting["until"].is_u64()), (&json!("waiting"), true), "{waiting}");
    assert_eq!(waiting["why"], "no address is known for this peer");
    assert_eq!(stage.write("DELETE", &format!("/api/v1/chat/{}", waiting["number"]), "", b"").await.status, 204);
    assert_eq!(stage.get(&format!("/api/v1/chat?peer={ann}")).await.json()["messages"], json!([]));
}

#[tokio::test]
async fn favourites_stay_in_the_list_and_blocked_peers_leave_it() {
    let stage = Stage::set().await;
    let (ann, eve) = (new_peer(), new_peer());
    with(&stage, |play| play.rows = vec![row(ann, "Ann"), row(eve, "Eve")]);
    put(&stage, ann, r#"{"favourite":true,"muted":true}"#).await;
    put(&stage, eve, r#"{"blocked":true}"#).await;
    let listed = |answer: Value| answer["peers"].as_array().unwrap().iter().map(|row| row["label"].clone()).collect::<Vec<_>>();
    assert_eq!(listed(stage.get("/api/v1/peers").await.json()), ["Ann"]);
    assert_eq!(listed(stage.get("/api/v1/peers?blocked=true").await.json()), ["Ann", "Eve"]);
    assert_eq!(stage.play.lock().unwrap().blocked.last(), Some(&(eve, true)), "the stack cuts it off");

    let mut stream = stage.listen().await;
    assert_eq!(stream.next().await.unwrap().1["peers"].as_array().unwrap().len(), 1);
    stage.events.send(PeerEvent::Update { peer: row(eve, "Eve again") }).unwrap();
    stage.events.send(PeerEvent::Update { peer: row(ann, "Ann again") }).unwrap();
    let (_, update) = stream.next().await.unwrap();
    assert_eq!(
        (&update["peer"]["label"], &update["peer"]["favourite"], &update["peer"]["muted"]),
        (&json!("Ann again"), &json!(true), &json!(true))
    );

    with(&stage, |play| play.rows.clear());
    let away = stage.get("/api/v1/peers").await.json();
    assert_eq!((&away["peers"][0]["label"], &away["peers"][0]["online"]), (&json!("Ann"), &json!(false)));
    let blocked = json!({ "to": eve.to_string(), "content": "hi" }).to_string();
    assert_problem(&stage.post_json("/api/v1/chat", &blocked).await, 409, "blocked");
    assert_eq!(stage.get("/api/v1/contacts").await.json()["contacts"].as_array().unwrap().len(), 2);
    put(&stage, eve, r#"{"blocked":false}"#).await;
    assert_eq!(stage.get("/api/v1/contacts").await.json()["contacts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_decision_is_about_somebody_else_and_says_one_thing() {
    let stage = Stage::set().await;
    assert_problem(&put(&stage, stage.me, r#"{"blocked":true}"#).await, 400, "bad-request");
    assert_problem(&put(&stage, new_peer(), r#"{"blocked":true,"favourite":true}"#).await, 400, "bad-request");
    assert_problem(&put(&stage, new_peer(), r#"{"admin":true}"#).await, 400, "bad-request");
}
