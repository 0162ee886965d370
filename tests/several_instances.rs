//! Several instances of one server over one database, as the real binary runs them: whatever one is told, all show.
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod harness;
mod instances;

use std::collections::BTreeSet;
use std::time::Duration;

use goop::clock::Moment;
use goop::http::auth::peer_id::{PeerIdClient, SCHEME};
use goop::proto::presence::Kind;
use instances::{Farm, Instance, Reader, Signer, WITHIN, message, name};
use libp2p::identity::Keypair;
use serde_json::{Value, json};
use tokio::time::timeout;

/// What every instance must show soon.
async fn all_show(instances: &[&Instance], expected: &[&str]) {
    for instance in instances {
        instance.shows(expected, WITHIN).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_show_the_same_peers_in_whichever_order_they_start_and_stop() {
    for first_stops in [true, false] {
        let farm = Farm::new(20);
        let one = farm.start();
        assert_eq!(one.publish(&message("online", 1, "one")).await, 204);
        let two = farm.start();
        two.shows(&["one"], WITHIN).await;
        assert_eq!(two.publish(&message("online", 2, "two")).await, 204);
        all_show(&[&one, &two], &["one", "two"]).await;
        assert_eq!(one.about().await["peer_id"], two.about().await["peer_id"]);
        assert_eq!(one.about().await["epoch"], two.about().await["epoch"]);
        let (stays, goes) = if first_stops { (two, one) } else { (one, two) };
        goes.stop();
        assert_eq!(stays.publish(&message("online", 3, "three")).await, 204);
        let again = farm.start();
        all_show(&[&stays, &again], &["one", "three", "two"]).await;
        stays.stop();
        assert_eq!(again.publish(&message("update", 1, "uno")).await, 204);
        again.shows(&["three", "two", "uno"], WITHIN).await;
        again.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_instances_that_start_at_once_are_one_server_and_stop_in_any_order() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let farm = Farm::new(20);
        let mut running: Vec<Option<Instance>> = farm.start_at_once(3).into_iter().map(Some).collect();
        let mut expected = Vec::new();
        for (nth, instance) in running.iter().flatten().enumerate() {
            let label = name(nth as u16);
            assert_eq!(instance.publish(&message("online", nth as u16, &label)).await, 204);
            expected.push(label);
        }
        for stops in order {
            let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
            all_show(&running.iter().flatten().collect::<Vec<_>>(), &expected).await;
            running[stops].take().unwrap().stop();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_farewell_said_at_one_instance_is_told_at_the_other_within_a_second() {
    let farm = Farm::new(20);
    let (one, two) = (farm.start(), farm.start());
    let mut readers = [one.events().await, two.events().await];
    one.publish(&message("online", 1, "Alice")).await;
    for reader in &mut readers {
        reader.until("online", "Alice").await;
    }
    two.publish(&message("offline", 1, "")).await;
    let began = Moment::now();
    readers[0].until("offline", "").await;
    assert!(Moment::now().since(began) < WITHIN, "{:?}", Moment::now().since(began));
    all_show(&[&one, &two], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_a_stranger_s_farewell_at_another_instance_removes_nobody() {
    let farm = Farm::new(20);
    let (one, two) = (farm.start(), farm.start());
    one.publish(&message("online", 1, "Alice")).await;
    two.shows(&["Alice"], WITHIN).await;
    assert_eq!(two.publish_from("127.0.0.9", &message("offline", 1, "")).await, 403);
    all_show(&[&one, &two], &["Alice"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_peers_of_a_killed_instance_stay_until_their_ttl_and_no_longer() {
    let farm = Farm::new(4);
    let (one, two) = (farm.start(), farm.start());
    let began = Moment::now();
    one.publish(&message("online", 1, "Alice")).await;
    two.shows(&["Alice"], WITHIN).await;
    one.kill();
    let mut reader = two.events().await;
    reader.until("offline", "").await;
    let lasted = Moment::now().since(began);
    assert!((Duration::from_millis(3900)..Duration::from_millis(6500)).contains(&lasted), "{lasted:?}");
    let again = farm.start();
    again.shows(&[], WITHIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_agree_when_somebody_fell_silent() {
    let farm = Farm::new(6);
    let (one, two) = (farm.start(), farm.start());
    let mut readers = [one.events().await, two.events().await];
    one.publish(&message("online", 1, "Alice")).await;
    // Heartbeats less than a third of the TTL apart are not written; the other instance waits for word of the one that heard them.
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(900)).await;
        one.publish(&message("update", 1, "Alice")).await;
    }
    let silent = Moment::now();
    readers[0].until("offline", "").await;
    let (here, there) = (
        Moment::now(),
        async {
            readers[1].until("offline", "").await;
            Moment::now()
        }
        .await,
    );
    assert!(here.since(silent) > Duration::from_millis(5900), "{:?}", here.since(silent));
    assert!(there.since(here) < WITHIN, "{:?}", there.since(here));
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_what_one_instance_took_cannot_be_played_to_another() {
    let farm = Farm::new(20);
    let (one, two) = (farm.start(), farm.start());
    let mut alice = Signer::new(&one).await;
    for round in 0..50 {
        let (here, there) = if round % 2 == 0 { (&one, &two) } else { (&two, &one) };
        let kind = if round % 7 == 6 { Kind::Offline } else { Kind::Update };
        let said = alice.says(kind, "Alice");
        assert_eq!(here.publish_text(&said).await.0, 204, "round {round}");
        let (status, problem) = there.publish_text(&said).await;
        assert_eq!((status, problem["seq"].as_u64()), (409, Some(alice.seq)), "round {round}: at once, with no time to look");
        assert_eq!(here.publish_text(&said).await.0, 409);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signed_at_one_instance_cannot_be_spoken_for_at_another() {
    let farm = Farm::new(20);
    let (one, two) = (farm.start(), farm.start());
    let mut alice = Signer::new(&one).await;
    assert_eq!(one.publish_text(&alice.says(Kind::Online, "Alice")).await.0, 204);
    two.shows(&["Alice"], WITHIN).await;
    for kind in ["online", "update", "offline"] {
        assert_eq!(two.publish(&alice.forged(kind)).await, 403, "{kind}");
    }
    all_show(&[&one, &two], &["Alice"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_with_a_balancer_nobody_flickers() {
    const PEERS: u16 = 50;
    let farm = Farm::new(12);
    let instances = [farm.start(), farm.start(), farm.start()];
    for peer in 0..PEERS {
        assert_eq!(instances[usize::from(peer) % 3].publish(&message("online", peer, &name(peer))).await, 204);
    }
    let everyone: Vec<String> = (0..PEERS).map(name).collect();
    let everyone: Vec<&str> = everyone.iter().map(String::as_str).collect();
    all_show(&instances.iter().collect::<Vec<_>>(), &everyone).await;
    let mut readers = Vec::new();
    for instance in &instances {
        readers.push(tokio::spawn(instance.events().await.all_until("the last", 60)));
    }
    let began = Moment::now();
    let mut turn = 0;
    while Moment::now().since(began) < Duration::from_secs(18) {
        for peer in 0..PEERS {
            turn += 1;
            assert_eq!(instances[turn % 3].publish(&message("update", peer, &name(peer))).await, 204);
        }
    }
    instances[0].publish(&message("online", 9000, "the last")).await;
    for reader in readers {
        let events = reader.await.unwrap();
        let told: BTreeSet<&str> = events.iter().map(|(event, _)| event.as_str()).collect();
        assert_eq!(told, BTreeSet::from(["snapshot", "online"]), "{:?}", events.iter().find(|(event, _)| event == "offline"));
        assert_eq!(events.iter().filter(|(event, _)| event == "online").count(), 1, "only the last came");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_word_of_one_instance_never_overwrites_a_newer_of_another() {
    let farm = Farm::new(20);
    let instances = [farm.start(), farm.start()];
    for round in 0..60_usize {
        let label = format!("round {round}");
        assert_eq!(instances[round % 2].publish(&message("update", 1, &label)).await, 204);
    }
    all_show(&[&instances[0], &instances[1]], &["round 59"]).await;
    tokio::time::sleep(WITHIN).await;
    all_show(&[&instances[0], &instances[1]], &["round 59"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_is_refused_and_told_what_to_do() {
    let farm = Farm::new(20);
    let one = farm.start();
    let refused = farm.plan().arg("--set").arg("identity.key_file=identity.key").try_start().err().expect("it does not start");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    let id = one.about().await["peer_id"].as_str().unwrap().to_owned();
    assert!(said.contains("identity.key_file") && said.contains(&id), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_a_community_and_standby_count_everywhere_within_a_second() {
    let farm = Farm::new(20);
    let (one, two) = (farm.start(), farm.start());
    assert_eq!(one.admin("POST", "boards", json!({ "slug": "chess", "type": "open" })).await, 201);
    one.publish(&message("online", 1, "Alice")).await;
    two.publish(&message("online", 2, "Bob")).await;
    all_show(&[&one, &two], &["Alice", "Bob"]).await;
    assert_eq!(two.admin("POST", "bans", json!({ "peer_id": instances::peer(1).to_base58(), "reason": "loud" })).await, 201);
    all_show(&[&one, &two], &["Bob"]).await;
    let in_chess = async {
        while two.publish_at("/c/chess/publish", &message("online", 3, "Carol")).await != 204 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(WITHIN, in_chess).await.expect("the community is everywhere");
    one.shows_at("/c/chess", &["Carol"], WITHIN).await;
    assert_eq!(one.admin("POST", "standby", Value::Null).await, 204);
    let stands_by = async {
        while two.publish(&message("update", 2, "Bob")).await != 503 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(WITHIN, stands_by).await.expect("every instance stands by");
    assert_eq!(two.admin("POST", "resume", Value::Null).await, 204);
    let late = farm.start();
    all_show(&[&late], &["Bob"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_who_proves_itself_may_speak_to_any_instance() {
    let (farm, key) = (Farm::new(20), Keypair::generate_ed25519());
    let listed = format!("superhub.admin_peers=[\"{}\"]", key.public().to_peer_id());
    let start = || Instance::of(farm.plan().arg("--set").arg(&listed).start());
    let (one, two) = (start(), start());
    let mut client = PeerIdClient::new(key, one.epoch().await.0, "127.0.0.1".into(), [7; 32]);
    let (status, headers) = one.authorized(&client.ask()).await;
    let challenges = headers.get_all("www-authenticate").iter().filter_map(|value| value.to_str().ok());
    let challenge = challenges.into_iter().find(|challenge| challenge.starts_with(SCHEME)).expect("a challenge");
    assert_eq!(status, 401);
    let proof = client.prove(challenge).unwrap();
    assert_eq!(two.authorized(&proof).await.0, 401, "whoever asked takes the answer, once");
    let (status, headers) = one.authorized(&proof).await;
    assert_eq!(status, 200);
    let bearer = client.bearer(headers["authentication-info"].to_str().unwrap()).unwrap();
    assert_eq!((one.authorized(&bearer).await.0, two.authorized(&bearer).await.0), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_instance_s_first_snapshot_is_complete_and_that_of_the_first_one_is_not() {
    let farm = Farm::new(3);
    let one = farm.start();
    assert_eq!(one.first_snapshot().await["complete"], false);
    let complete = async {
        while one.first_snapshot().await["complete"] == false {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(20), complete).await.unwrap();
    assert_eq!(farm.start().first_snapshot().await["complete"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_death_of_all_instances_the_same_server_comes_back() {
    let farm = Farm::new(20);
    let (one, two) = (farm.start(), farm.start());
    let mut alice = Signer::new(&one).await;
    let said = alice.says(Kind::Online, "Alice");
    assert_eq!(two.publish_text(&said).await.0, 204);
    one.shows(&["Alice"], WITHIN).await;
    let epoch = one.about().await["epoch"].clone();
    one.kill();
    two.kill();
    let again = farm.start();
    again.shows(&["Alice"], WITHIN).await;
    assert_eq!(again.about().await["epoch"], epoch);
    assert_eq!(again.publish_text(&said).await.0, 409, "nothing recorded earlier can be played again");
    assert_eq!(again.publish(&alice.forged("offline")).await, 403);
    assert_eq!(again.publish_text(&alice.says(Kind::Update, "Alicia")).await.0, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_server_remembers_over_a_restart_who_signed() {
    let farm = Farm::single();
    let one = farm.start();
    let mut alice = Signer::new(&one).await;
    let said = alice.says(Kind::Online, "Alice");
    assert_eq!(one.publish_text(&said).await.0, 204);
    let later = alice.says(Kind::Update, "Alice");
    assert_eq!(one.publish_text(&later).await.0, 204);
    let epoch = one.about().await["epoch"].clone();
    let again = one.stop_and_start();
    assert_eq!(again.about().await["epoch"], epoch, "a clean stop");
    for kind in ["online", "offline"] {
        assert_eq!(again.publish(&alice.forged(kind)).await, 403, "{kind}");
    }
    assert_eq!(again.publish_text(&later).await.0, 409);
    assert_eq!(again.publish_text(&alice.says(Kind::Update, "Alicia")).await.0, 204);
    let after_a_crash = again.kill_and_start();
    assert_eq!(after_a_crash.publish(&alice.forged("online")).await, 403);
    assert_eq!(after_a_crash.publish_text(&later).await.0, 409);
    assert_ne!(after_a_crash.about().await["epoch"], epoch, "not every number is known");
    assert_eq!(after_a_crash.first_snapshot().await["complete"], false);
    let mut reader: Reader = after_a_crash.events().await;
    alice.server = after_a_crash.epoch().await;
    assert_eq!(after_a_crash.publish_text(&alice.says(Kind::Update, "Alice")).await.0, 204);
    reader.until("online", "Alice").await;
}
