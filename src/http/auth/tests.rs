use axum::http::Request;
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use libp2p::identity::Keypair;

use super::peer_id::PeerIdClient;
use super::*;
use crate::config::Secret;

const NOW: Moment = Moment::from_millis(50_000);

fn key(seed: u8) -> Keypair {
    Keypair::ed25519_from_bytes([seed; 32]).unwrap()
}

/// A cheap argon2 string, so that a test may verify often.
fn password(text: &str) -> Password {
    let cheap = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, argon2::Params::new(8, 1, 1, None).unwrap());
    let string = argon2::password_hash::PasswordHasher::hash_password(&cheap, text.as_bytes()).unwrap().to_string();
    Password::new(&Secret::new(string)).unwrap()
}

fn door_of(text: Option<&str>, peers: Vec<PeerId>) -> AdminDoor {
    AdminDoor::new(text.map(password), peers, None, PeerIdServer::new(key(1), "rv.example.org".into(), [5; 32]))
}

fn door() -> AdminDoor {
    door_of(Some("secret"), Vec::new())
}

fn ip(n: u8) -> IpAddr {
    [192, 0, 2, n].into()
}

fn head(method: &str, lines: &[(&str, &str)]) -> Parts {
    let request = Request::builder().method(method).uri("/api/v1/admin/stats").header("host", "rv.example.org:8787");
    lines.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(()).unwrap().into_parts().0
}

fn basic(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

async fn ask(door: &AdminDoor, text: &str, from: IpAddr, now: Moment) -> Result<Operator, Denied> {
    door.admit(&head("GET", &[("authorization", &basic(text))]), from, now).await
}

fn status(denied: Denied) -> (u16, Option<String>) {
    let response = denied.into_response();
    let challenge = response.headers().get(header::WWW_AUTHENTICATE).map(|line| line.to_str().unwrap().to_owned());
    (response.status().as_u16(), challenge)
}

#[tokio::test]
async fn a_login_by_form_begins_a_session_counts_its_failures_and_is_no_foreign_page_s() {
    let door = door();
    let form = head("POST", &[("content-type", "application/json"), ("origin", "http://rv.example.org:8787")]);
    let cookie = door.log_in(&form, "secret", ip(1), NOW).await.unwrap();
    let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(door.admit(&head("GET", &[("cookie", &cookie)]), ip(1), NOW).await, Ok(Operator::Session));
    let foreign = head("POST", &[("content-type", "application/json"), ("origin", "https://evil.example")]);
    assert_eq!(status(door.log_in(&foreign, "secret", ip(1), NOW).await.unwrap_err()).0, 403);
    let plain = head("POST", &[("content-type", "text/plain")]);
    assert_eq!(status(door.log_in(&plain, "secret", ip(1), NOW).await.unwrap_err()).0, 415);
    for guess in ["", "wrong", "secret ", &"x".repeat(10_000), "Secret"] {
        assert_eq!(status(door.log_in(&form, guess, ip(1), NOW).await.unwrap_err()).0, 401, "{guess}");
    }
    assert_eq!(status(door.log_in(&form, "secret", ip(1), NOW).await.unwrap_err()).0, 429);
    assert_eq!(status(door_of(None, Vec::new()).log_in(&form, "", ip(1), NOW).await.unwrap_err()).0, 403);
}

#[tokio::test]
async fn without_a_password_the_doors_are_shut_and_with_one_they_ask_for_it() {
    let shut = door_of(None, Vec::new());
    assert_eq!(status(ask(&shut, "admin:", ip(1), NOW).await.unwrap_err()), (403, None));
    let asked = door().admit(&head("GET", &[]), ip(1), NOW).await.unwrap_err();
    assert_eq!(status(asked), (401, Some("Basic realm=\"Goop2 Admin\"".into())));
    assert_eq!(ask(&door(), "admin:secret", ip(1), NOW).await, Ok(Operator::Password));
    for wrong in ["admin:Secret", "root:secret", "admin:", ":secret"] {
        assert_eq!(status(ask(&door(), wrong, ip(1), NOW).await.unwrap_err()).0, 401, "{wrong}");
    }
}

#[tokio::test]
async fn attack_guessing_waits_and_the_right_password_from_elsewhere_gets_in() {
    let door = door();
    let mut statuses = Vec::new();
    for guess in 0..40 {
        statuses.push(status(ask(&door, &format!("admin:guess{guess}"), ip(1), NOW).await.unwrap_err()).0);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 5);
    assert!(statuses[5..].iter().all(|status| *status == 429));
    assert_eq!(status(ask(&door, "admin:secret", ip(1), NOW).await.unwrap_err()).0, 429, "nothing is told to whoever must wait");
    assert_eq!(ask(&door, "admin:secret", ip(2), NOW).await, Ok(Operator::Password));
    assert_eq!(ask(&door, "admin:secret", ip(1), NOW + Duration::from_secs(61)).await, Ok(Operator::Password));
}

#[tokio::test]
async fn only_failures_are_counted() {
    let door = door();
    for poll in 0..1000 {
        assert_eq!(ask(&door, "admin:secret", ip(1), NOW + Duration::from_millis(20 * poll)).await, Ok(Operator::Password));
        assert_eq!(status(door.admit(&head("GET", &[]), ip(1), NOW).await.unwrap_err()).0, 401, "no password is no wrong one");
    }
}

#[tokio::test]
async fn attack_a_poll_every_20_ms_costs_no_hashing() {
    let door = door();
    ask(&door, "admin:secret", ip(1), NOW).await.unwrap();
    // With every turn at hashing taken, only what is known already gets in.
    let _all = door.hashing.clone().acquire_many_owned(HASHING as u32).await.unwrap();
    for poll in 0..500 {
        let now = NOW + Duration::from_millis(20 * poll);
        assert_eq!(ask(&door, "admin:secret", ip(3), now).await, Ok(Operator::Password));
    }
}

#[tokio::test]
async fn many_right_logins_at_once_all_get_in() {
    let door = Arc::new(door());
    let logins = (0..50).map(|n| {
        let door = door.clone();
        tokio::spawn(async move { ask(&door, "admin:secret", ip(n % 3), NOW).await })
    });
    for login in logins.collect::<Vec<_>>() {
        assert_eq!(login.await.unwrap(), Ok(Operator::Password));
    }
}

#[tokio::test]
async fn attack_a_flood_of_guesses_costs_five_hashes_and_waits_in_a_bounded_line() {
    let door = Arc::new(door());
    let all = door.hashing.clone().acquire_many_owned(HASHING as u32).await.unwrap();
    let guesses = (0..200).map(|n| {
        let door = door.clone();
        tokio::spawn(async move { status(ask(&door, &format!("admin:{n}"), ip(1), NOW).await.unwrap_err()).0 })
    });
    let guesses: Vec<_> = guesses.collect();
    while door.line.len() < 4 {
        tokio::task::yield_now().await;
    }
    drop(all);
    let mut counts = std::collections::BTreeMap::new();
    for guess in guesses {
        *counts.entry(guess.await.unwrap()).or_insert(0) += 1;
    }
    assert!(counts[&401] <= 5 + HASHING, "{counts:?}");
    assert!(counts[&503] > 0 || counts[&429] > 0, "{counts:?}");
}

#[tokio::test]
async fn attack_one_network_that_waits_in_line_leaves_room_for_others() {
    let door = Arc::new(door());
    let all = door.hashing.clone().acquire_many_owned(HASHING as u32).await.unwrap();
    let ask_later = |text: String, from: IpAddr| {
        let door = door.clone();
        tokio::spawn(async move { ask(&door, &text, from, NOW).await.map_err(|denied| status(denied).0) })
    };
    let of_48 = |n: u16| std::net::Ipv6Addr::new(0x2a00, 1, 2, n, 0, 0, 0, 1).into();
    let guesses: Vec<_> = (0..200).map(|n| ask_later(format!("admin:{n}"), of_48(n))).collect();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    let operator = ask_later("admin:secret".into(), ip(9));
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    drop(all);
    assert_eq!(operator.await.unwrap(), Ok(Operator::Password));
    let mut heard = Vec::new();
    for guess in guesses {
        heard.push(guess.await.unwrap().unwrap_err());
    }
    assert_eq!(heard.iter().filter(|status| **status == 401).count(), 4, "{heard:?}");
}

#[tokio::test]
async fn a_session_gets_in_until_it_ends_or_the_password_changes() {
    let door = door();
    let begin = || door.begin_session(NOW).to_str().unwrap().split(';').next().unwrap().to_owned();
    let (one, other) = (begin(), begin());
    let with = |cookie: &str| head("GET", &[("cookie", cookie)]);
    assert_eq!(door.admit(&with(&one), ip(1), NOW).await, Ok(Operator::Session));
    door.end_session(&with(&one).headers);
    assert!(door.admit(&with(&one), ip(1), NOW).await.is_err());
    assert_eq!(door.admit(&with(&other), ip(1), NOW).await, Ok(Operator::Session));
    ask(&door, "admin:secret", ip(1), NOW).await.unwrap();
    door.change(Some(password("new")), Vec::new());
    assert!(door.admit(&with(&other), ip(1), NOW).await.is_err());
    assert!(ask(&door, "admin:secret", ip(1), NOW).await.is_err(), "what was verified before is forgotten");
    assert_eq!(ask(&door, "admin:new", ip(1), NOW).await, Ok(Operator::Password));
}

#[tokio::test]
async fn attack_a_foreign_page_cannot_write_whatever_the_login() {
    let door = door();
    let cookie = door.begin_session(NOW).to_str().unwrap().split(';').next().unwrap().to_owned();
    let right = basic("admin:secret");
    let json = ("content-type", "application/json");
    for login in [("cookie", cookie.as_str()), ("authorization", &right)] {
        let write = async |lines: &[(&str, &str)]| door.admit(&head("POST", &[&[login], lines].concat()), ip(1), NOW).await;
        for ours in
            [&[json][..], &[json, ("origin", "http://rv.example.org:8787")], &[json, ("origin", "https://rv.example.org:8787")], &[]]
        {
            assert!(write(ours).await.is_ok(), "{ours:?}");
        }
        for origin in ["https://evil.example", "null", "http://rv.example.org", "http://rv.example.org:8787.evil.example"] {
            let refused = status(write(&[json, ("origin", origin)]).await.unwrap_err());
            assert_eq!(refused.0, 403, "{origin}");
        }
        assert_eq!(status(write(&[json, ("sec-fetch-site", "cross-site")]).await.unwrap_err()).0, 403);
        for mime in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
            let body = [("content-type", mime), ("content-length", "2")];
            assert_eq!(status(write(&body).await.unwrap_err()).0, 415, "{mime}");
        }
    }
    let stranger = door.admit(&head("POST", &[("origin", "https://evil.example")]), ip(1), NOW).await;
    assert_eq!(status(stranger.unwrap_err()).0, 401, "who asks comes before where from");
}

#[tokio::test]
async fn a_listed_peer_gets_in_and_is_out_as_soon_as_it_is_struck_off() {
    let peer = key(2).public().to_peer_id();
    let door = door_of(None, vec![peer]);
    let mut client = PeerIdClient::new(key(2), key(1).public().to_peer_id(), "rv.example.org".into(), [8; 32]);
    let with = |authorization: &str| head("GET", &[("authorization", authorization)]);
    let (code, challenge) = status(door.admit(&with(&client.ask()), ip(1), NOW).await.unwrap_err());
    assert_eq!(code, 401);
    let proof = client.prove(&challenge.unwrap()).unwrap();
    let Ok(Operator::Peer(known, Some(info))) = door.admit(&with(&proof), ip(1), NOW).await else { panic!("not let in") };
    assert_eq!(known, peer);
    let bearer = client.bearer(info.to_str().unwrap()).unwrap();
    assert_eq!(door.admit(&with(&bearer), ip(1), NOW).await, Ok(Operator::Peer(peer, None)));
    door.change(None, vec![key(3).public().to_peer_id()]);
    assert_eq!(status(door.admit(&with(&bearer), ip(1), NOW).await.unwrap_err()).0, 403);
}
