//! goop2 beside us, played by its recorded packets (10.88.0.5 is its recorded address, seed 5 its key).

use std::io::BufRead;
use std::net::Ipv4Addr;
use std::time::Duration;

use goop::peer::discovery::DEFAULT_TAG;

use super::host::{Host, ROLE, Seen, peer};
use super::lan::Lan;
use super::wire::{GROUP, believed_by_goop2, recorded, socket};

/// Whom the recorded packets of other senders name.
const RECORDER: &str = "12D3KooWGjSE7eCu5f1Pa8pGxscmoEcdQ5BRMGqbyMvL2dhrPCS5";

const US: &str = "/ip4/10.88.0.1/tcp/4101 /ip4/10.88.0.1/udp/4101/quic-v1";

/// Not a test of its own: sends the recorded packets that it is told, and prints every packet that goop2 would believe.
#[test]
fn a_goop2() {
    if std::env::var(ROLE).is_err() {
        return;
    }
    let ours = socket(Ipv4Addr::new(10, 88, 0, 5));
    let heard = ours.try_clone().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 9000];
        while let Ok((length, from)) = heard.recv_from(&mut buffer) {
            if let Some(strings) = believed_by_goop2(&buffer[..length]).filter(|_| from.ip() != Ipv4Addr::new(10, 88, 0, 5)) {
                println!("\nSEEN answer {}", strings.join(" "));
            }
        }
    });
    println!("\nSEEN ready");
    for name in std::io::stdin().lock().lines().map_while(Result::ok) {
        ours.send_to(&recorded(&name), GROUP).unwrap();
    }
    std::process::exit(0);
}

/// Both on one LAN, after our two announcements.
fn lan_with_goop2() -> Option<(Lan, Host, Host)> {
    let mut lan = Lan::new()?;
    let (a, b) = (lan.joined(&["10.88.0.1/24"]), lan.joined(&["10.88.0.5/24"]));
    let goop2 = Host::play(Some(&b), "discovery::goop2::a_goop2", "goop2");
    let us = Host::start(Some(&a), DEFAULT_TAG, 1, US);
    assert_eq!((answer(&goop2), answer(&goop2)), (ours(), ours()), "two announcements");
    Some((lan, us, goop2))
}

fn ours() -> Vec<String> {
    US.split(' ').map(|addr| format!("dnsaddr={addr}/p2p/{}", peer(1))).collect()
}

fn answer(goop2: &Host) -> Vec<String> {
    let Some((_, Seen::Answer(strings))) = goop2.wait(Duration::from_secs(5), |seen| matches!(seen, Seen::Answer(_))) else {
        panic!("nothing that goop2 believes")
    };
    strings
}

#[test]
fn goop2_hears_our_announcements_and_our_answer_and_believes_them() {
    let Some((_lan, _us, mut goop2)) = lan_with_goop2() else { return };
    goop2.tell("question-seed");
    assert_eq!(answer(&goop2), ours());
}

#[test]
fn we_hear_both_generations_of_goop2_but_not_their_loopback_addresses() {
    let Some((_lan, us, mut goop2)) = lan_with_goop2() else { return };
    let recorder = RECORDER.parse().unwrap();
    goop2.tell("answer-seed");
    let expected = Seen::Found(peer(5), vec![format!("/ip4/10.88.0.5/tcp/40005/p2p/{}", peer(5))]);
    let found = us.wait(Duration::from_secs(5), |seen| matches!(seen, Seen::Found(..)));
    assert_eq!(found.unwrap().1, expected);
    goop2.tell("answer-new");
    goop2.tell("withhostrecord");
    let next = us.wait(Duration::from_secs(5), |seen| matches!(seen, Seen::Found(..))).unwrap().1;
    assert!(matches!(&next, Seen::Found(who, _) if *who == recorder), "nothing new in the newest's answer: {next:?}");
    goop2.tell("goodbye");
    assert!(us.hears_goodbye_of(recorder).is_some());
}

#[test]
fn an_answer_that_somebody_knows_already_is_not_repeated_and_a_probe_is_not_answered() {
    let Some((_lan, _us, mut goop2)) = lan_with_goop2() else { return };
    for ignored in ["probe-seed", "answer-seed"] {
        goop2.tell(ignored);
    }
    assert_eq!(goop2.wait(Duration::from_millis(500), |seen| matches!(seen, Seen::Answer(_))), None);
}
