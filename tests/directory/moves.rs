//! Listings whose community is elsewhere now.

use goop::clock::UnixMillis;
use goop::config::superhub::Policy;
use goop::proto::directory::target::Trust;
use goop::proto::directory::{Endpoint, Listing, ListingId};
use goop::superhub::directory::{Draft, RegistrationState, Request};
use libp2p::PeerId;
use libp2p::identity::Keypair;
use reqwest::Method;
use serde_json::json;

use super::hub::{Board, Hub, PASSWORD, options};
use super::stage::{Stage, listing};

const OLD: &str = "https://old.example/c/chess";
const NEW: &str = "https://new.example/c/chess";

fn peer() -> PeerId {
    Keypair::generate_ed25519().public().to_peer_id()
}

fn endpoint(text: &str) -> Endpoint {
    Endpoint::parse(text).unwrap()
}

/// Lists what this server says of itself, as registered and approved.
async fn registered(stage: &Stage, peer: PeerId, name: &str, at: &str) -> ListingId {
    let draft: Draft = serde_json::from_value(json!({ "community": name, "rendezvous": at, "type": "open" })).unwrap();
    let listing = Listing { rendezvous_id: Some(peer), ..draft.listing().unwrap() };
    let request = Request { peer, host: endpoint(at).host(), listing, trust: Trust::Stranger };
    match stage.directory.change(1, move |desk| desk.register(request, Policy::Open, 3600)).await.unwrap() {
        RegistrationState::Listed(id) | RegistrationState::Renewed(id) => id,
        RegistrationState::Waiting => panic!("it waits"),
    }
}

async fn follow(stage: &Stage, from: &str, to: &str, peer: PeerId) -> bool {
    let (from, to) = (endpoint(from), endpoint(to));
    stage.directory.change(64, move |desk| desk.follow(&from, &to, &peer, Trust::Stranger)).await.unwrap()
}

/// Where a listing is met, and which server it names; nothing for a tombstone.
async fn place(stage: &Stage, id: ListingId) -> Option<(String, Option<PeerId>)> {
    let entry = stage.directory.get(id).await.unwrap().unwrap();
    entry.record.listing().map(|listing| (listing.endpoints[0].as_str().to_owned(), listing.rendezvous_id))
}

#[tokio::test]
async fn a_server_that_moved_keeps_its_id_and_its_lease() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, server) = (Stage::open(folder.path()), peer());
    let id = registered(&stage, server, "Chess Club", OLD).await;
    assert!(follow(&stage, OLD, NEW, server).await);
    assert_eq!(place(&stage, id).await, Some((NEW.into(), Some(server))));
    assert_eq!(registered(&stage, server, "Chess Club", NEW).await, id, "it renews the same lease from its new place");
    assert!(!follow(&stage, OLD, "https://third.example", server).await, "nobody is at the old place any more");
    assert_eq!(stage.names("chess").await, ["Chess Club"]);
    let other = registered(&stage, server, "Go Club", "https://new.example/c/go").await;
    let removed = stage.directory.change(1, move |desk| {
        let entry = desk.own(&other, None)?;
        desk.remove(&entry, "spam", "operator")
    });
    removed.await.unwrap();
    assert!(follow(&stage, NEW, "https://new.example/c/chess-club", server).await, "it stays at its host, where only another was removed");
    stage.close().await;
}

#[tokio::test]
async fn a_server_that_listed_itself_at_its_new_place_first_keeps_its_older_id() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, server) = (Stage::open(folder.path()), peer());
    let older = registered(&stage, server, "Chess Club", OLD).await;
    let newer = registered(&stage, server, "Chess and Go", NEW).await;
    assert!(follow(&stage, OLD, NEW, server).await);
    assert_eq!((place(&stage, older).await, place(&stage, newer).await), (Some((NEW.into(), Some(server))), None));
    assert_eq!(stage.names("chess").await, ["Chess and Go"], "with what it said last");
    assert_eq!(registered(&stage, server, "Chess and Go", NEW).await, older);
    let further = registered(&stage, server, "Chess three", "https://third.example").await;
    assert!(follow(&stage, "https://third.example", NEW, server).await);
    assert_eq!((place(&stage, further).await, stage.names("chess").await), (None, vec!["Chess and Go".to_owned()]));
    stage.close().await;
}

#[tokio::test]
async fn attack_a_community_that_says_it_is_somebody_else_s_server_claims_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, owner, victim) = (Stage::open(folder.path()), peer(), peer());
    let id = registered(&stage, owner, "Villains", OLD).await;
    assert!(follow(&stage, OLD, NEW, victim).await);
    assert_eq!(place(&stage, id).await, Some((NEW.into(), None)), "it is not proven to be that server's");
    stage.directory.change(0, move |desk| desk.hide(&id, true, "operator")).await.unwrap();
    let own = registered(&stage, victim, "Villains", NEW).await;
    let entry = stage.directory.get(own).await.unwrap().unwrap();
    assert_eq!(entry.similar, None, "what leads to the same place looks like nobody else");
    assert_ne!(own, id, "what the operator makes of the one is not held against the other");
    let lapsed = stage.directory.change(64, |desk| {
        desk.now.0 += 3_601_000;
        desk.lapse()
    });
    lapsed.await.unwrap();
    assert_eq!(place(&stage, id).await, None, "its owner cannot renew it there");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_whoever_led_his_listing_to_somebody_else_s_server_does_not_renew_it_there() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, owner, victim) = (Stage::open(folder.path()), Keypair::generate_ed25519(), Board::start());
    let id = registered(&stage, owner.public().to_peer_id(), "Villains", OLD).await;
    assert!(follow(&stage, OLD, &victim.url, victim.peer()).await);
    stage.close().await;
    let hub = Hub::with(goop::superhub::Options { registration: Policy::Open, ..options(folder.path()) }, PASSWORD);
    let draft = json!({ "community": "Villains", "rendezvous": victim.url, "type": "open" });
    assert_eq!(hub.by_peer(&owner, Method::POST, "/api/v1/communities", Some(&draft)).await.status(), 403);
    let listing = hub.get(&format!("/api/v1/communities/{id}")).await;
    assert_eq!((&listing["rendezvous"], &listing["rendezvous_id"]), (&json!(victim.url), &json!(null)), "nor claims to be there");
    hub.close().await;
}

#[tokio::test]
async fn attack_nothing_moves_to_where_somebody_else_is_listed_or_was_turned_down() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, owner, victim) = (Stage::open(folder.path()), peer(), peer());
    let (mine, theirs) = (registered(&stage, owner, "Villains", OLD).await, registered(&stage, victim, "Heroes", NEW).await);
    assert!(!follow(&stage, OLD, NEW, victim).await && !follow(&stage, OLD, NEW, owner).await);
    assert_eq!(place(&stage, theirs).await, Some((NEW.into(), Some(victim))));
    stage.directory.change(0, move |desk| desk.hide(&theirs, true, "operator")).await.unwrap();
    assert!(!follow(&stage, OLD, "https://new.example/elsewhere", victim).await, "its host has something hidden");
    assert_eq!(place(&stage, mine).await, Some((OLD.into(), Some(owner))));
    stage.close().await;
}

#[tokio::test]
async fn what_the_operator_listed_goes_along_without_his_trust() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, server) = (Stage::open(folder.path()), peer());
    let both = [endpoint(OLD), endpoint("https://mirror.example")];
    let id = stage.list(Listing { endpoints: both.to_vec(), ..listing("Chess Club") }).await.id;
    assert!(follow(&stage, OLD, NEW, server).await);
    let entry = stage.directory.get(id).await.unwrap().unwrap();
    assert_eq!(entry.record.listing().unwrap().endpoints, [endpoint(NEW), both[1].clone()]);
    let trusted: i64 = stage
        .directory
        .read(|look| Ok(look.query_row("SELECT trusted FROM endpoints WHERE address = ?1", [NEW], |row| row.get(0))?))
        .await
        .unwrap();
    assert_eq!(trusted, 0, "THREATS 37: the operator named the old place, not the new one");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_looks_finds_a_community_where_it_is_now() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::with(goop::superhub::Options { probe: true, ..options(folder.path()) }, PASSWORD);
    let old = Board::start();
    let new = Board::of(old.key.clone());
    old.move_to(&new.url).await;
    let made = hub.list(json!({ "community": "Chess Club", "rendezvous": old.url, "rendezvous_id": old.peer().to_base58() })).await;
    let path = format!("/api/v1/communities/{}", made["id"].as_str().unwrap());
    for _ in 0..600 {
        let listing = hub.get(&path).await;
        if listing["proven"] == true {
            assert_eq!((&listing["rendezvous"], &listing["health"]), (&json!(new.url), &json!("healthy")));
            return hub.close().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("it did not follow: {}", hub.get(&path).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_saw_a_community_move_may_have_the_hub_look_and_nobody_too_often() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    let id = stage.list(listing("Chess Club")).await.id;
    let due = async |stage: &Stage| {
        let due = stage.directory.read(|look| Ok(look.query_row("SELECT due FROM endpoints", [], |row| row.get::<_, i64>(0))?));
        due.await.unwrap()
    };
    let (before, late) = (due(&stage).await, UnixMillis(u64::MAX / 4));
    stage.directory.change(0, move |desk| desk.put_off(&[1], late)).await.unwrap();
    assert_eq!(due(&stage).await, late.0 as i64);
    stage.close().await;
    let hub = Hub::start(folder.path());
    let asked = async |id: &str| {
        let path = format!("/api/v1/communities/{id}/check");
        hub.ask(Method::POST, &path).send().await.unwrap().status().as_u16()
    };
    assert_eq!((asked(&id.to_string()).await, asked(&"a".repeat(26)).await, asked("no-id").await), (202, 404, 404));
    let mut heard = Vec::new();
    for _ in 0..30 {
        heard.push(asked(&id.to_string()).await);
    }
    assert!(heard[0] == 202 && heard[29] == 429, "THREATS 38: {heard:?}");
    hub.close().await;
    let stage = Stage::open(folder.path());
    let now = due(&stage).await;
    assert!(now >= before && now <= UnixMillis::now().0 as i64, "it is due: {now}");
    stage.close().await;
}
