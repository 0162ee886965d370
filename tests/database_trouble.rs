//! A database that is full, damaged or locked while servers run over it: each request hears it in a sentence, the boards serve on, and
//! nothing that was acknowledged is lost (THREATS 53, 54).
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod harness;
mod instances;

use std::os::unix::fs::FileExt;
use std::time::Duration;

use futures::future::join_all;
use goop::clock::Moment;
use goop::proto::presence::Kind;
use harness::disk::SmallDisk;
use harness::{SOON, need};
use instances::{Farm, Instance, Signer, WITHIN, message};
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::time::timeout;

async fn is_ready(instance: &Instance, wanted: u16) {
    let ready = async {
        while instance.get("/readyz").await.0 != wanted {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    assert!(timeout(SOON, ready).await.is_ok(), "readyz is not {wanted}: {}", instance.goop.log());
    assert_eq!(instance.get("/healthz").await.0, 200);
}

async fn found(instance: &Instance, slug: &str) -> (u16, Value) {
    instance.admin_answer("POST", "boards", json!({ "slug": slug, "type": "open" })).await
}

/// The slugs of all communities.
async fn communities(instance: &Instance) -> Vec<String> {
    let (_, boards) = instance.admin_answer("GET", "boards", Value::Null).await;
    let boards = boards["boards"].as_array().unwrap();
    boards.iter().filter_map(|board| board["slug"].as_str()).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_the_boards_serve_on_and_nothing_acknowledged_is_lost() {
    if !need(rustix::process::geteuid().is_root(), "root, to mount a small file system") {
        return;
    }
    let disk = SmallDisk::new("1m");
    let farm = Farm::new(20).database_in(disk.path());
    let (one, two) = (farm.start(), farm.start());
    assert_eq!(found(&one, "before").await.0, 201);
    let mut alice = Signer::new(&one).await;
    assert_eq!(one.publish_text(&alice.says(Kind::Online, "Alice")).await.0, 204);
    two.shows(&["Alice"], WITHIN).await;
    disk.fill();
    let mut kept = vec!["before".to_owned()];
    let mut refused = None;
    for n in 0..2000 {
        let slug = format!("c{n}");
        match found(&one, &slug).await {
            (201, _) => kept.push(slug),
            other => {
                refused = Some(other);
                break;
            }
        }
    }
    let (status, problem) = refused.expect("a full disk is noticed");
    assert_eq!((status, &problem["code"]), (507, &json!("disk-full")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("full"));
    is_ready(&one, 503).await;
    for instance in [&one, &two] {
        assert_eq!(instance.publish(&message("online", 1, "Bob")).await, 204);
        assert_eq!(instance.publish_text(&alice.says(Kind::Update, "Alice")).await.0, 204, "judged alone");
        instance.shows(&["Alice", "Bob"], WITHIN).await;
    }
    disk.clear();
    is_ready(&one, 200).await;
    assert_eq!(found(&one, "after").await.0, 201);
    kept.push("after".to_owned());
    assert_eq!(one.publish(&message("online", 2, "Carol")).await, 204);
    two.shows(&["Alice", "Bob", "Carol"], SOON).await;
    one.kill();
    let again = farm.start();
    let mut known = communities(&again).await;
    known.sort();
    kept.sort();
    assert_eq!(known, kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_damaged_under_running_servers_is_told_and_the_boards_serve_on() {
    let farm = Farm::new(20);
    let (one, two) = (farm.start(), farm.start());
    assert_eq!(found(&one, "before").await.0, 201);
    for path in ["", "-wal"] {
        let path = format!("{}{path}", farm.database().display());
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        let length = file.metadata().unwrap().len();
        file.write_all_at(&vec![0x5a; length as usize], 0).unwrap();
    }
    // Whoever reads first what the other wrote last sees it; that other one may have everything in memory that it needs.
    let told = async {
        for n in 0.. {
            let instance = [&one, &two][n % 2];
            let (status, problem) = found(instance, &format!("c{n}")).await;
            assert!([201, 503].contains(&status), "{status} {problem}");
            if status == 503 {
                return (instance, problem);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        (&one, Value::Null)
    };
    let (noticed, problem) = timeout(SOON, told).await.expect("it is noticed");
    assert_eq!(problem["code"], "database");
    for instance in [&one, &two] {
        assert_eq!(instance.publish(&message("online", 1, "Bob")).await, 204);
        let mut alice = Signer::new(instance).await;
        assert_eq!(instance.publish_text(&alice.says(Kind::Online, "Alice")).await.0, 204);
    }
    is_ready(noticed, 503).await;
    one.stop();
    two.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_somebody_else_holds_the_database_the_boards_serve_on() {
    let farm = Farm::new(20);
    let (one, two) = (farm.start(), farm.start());
    let mut alice = Signer::new(&one).await;
    let holder = Connection::open(farm.database()).unwrap();
    holder.busy_timeout(SOON).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    is_ready(&one, 503).await;
    let began = Moment::now();
    assert_eq!(one.publish_text(&alice.says(Kind::Online, "Alice")).await.0, 204);
    assert!(Moment::now().since(began) < Duration::from_secs(2), "nobody waits for the database");
    assert_eq!(found(&one, "chess").await.0, 503);
    holder.execute_batch("ROLLBACK").unwrap();
    is_ready(&one, 200).await;
    two.shows(&["Alice"], SOON).await;
}

/// The path of a member's personal URL that no peer has published at.
async fn unbound(instance: &Instance) -> String {
    let (_, invited) = instance.admin_answer("POST", "invitations", json!({ "slug": "secret" })).await;
    let join = instance.post("/c/secret/join", &json!({ "invite": invited["invite"] })).await;
    let url = reqwest::Url::parse(join["url"].as_str().unwrap()).unwrap();
    format!("{}publish", url.path())
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_members_who_publish_first_while_the_database_is_held_do_not_hold_up_the_server() {
    let farm = Farm::new(20);
    let one = farm.start();
    assert_eq!(one.admin("POST", "boards", json!({ "slug": "secret", "type": "invite-only" })).await, 201);
    let mut paths = Vec::new();
    for _ in 0..16 {
        paths.push(unbound(&one).await);
    }
    let holder = Connection::open(farm.database()).unwrap();
    holder.busy_timeout(SOON).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let messages: Vec<_> = (0..16).map(|number| message("online", number, "member")).collect();
    let members = join_all(paths.iter().zip(&messages).map(|(path, message)| one.publish_at(path, message)));
    let others = async {
        // The members ask first.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let began = Moment::now();
        assert_eq!(one.get("/healthz").await.0, 200);
        assert_eq!(one.publish(&message("online", 100, "Bob")).await, 204);
        Moment::now().since(began)
    };
    let (statuses, took) = tokio::join!(members, others);
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(statuses, [503; 16]);
    holder.execute_batch("ROLLBACK").unwrap();
    is_ready(&one, 200).await;
    assert_eq!(one.publish_at(&paths[0], &messages[0]).await, 204);
    assert_eq!(one.publish_at(&paths[0], &messages[1]).await, 403, "the URL is the first one's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_left_as_it_is_and_instances_serve_what_they_can() {
    let farm = Farm::new(20);
    std::fs::write(farm.database(), [b'x'; 10_000]).unwrap();
    let one = farm.start();
    assert_eq!(one.publish(&message("online", 1, "Bob")).await, 204);
    let mut alice = Signer::new(&one).await;
    assert_eq!(one.publish_text(&alice.says(Kind::Online, "Alice")).await.0, 204);
    assert_eq!(found(&one, "chess").await.0, 503);
    is_ready(&one, 503).await;
    one.stop();
    assert_eq!(std::fs::read(farm.database()).unwrap(), [b'x'; 10_000]);
}
