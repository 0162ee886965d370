use proptest::prelude::*;

use super::*;
use crate::clock::UnixMillis;

fn key(seed: u8) -> Keypair {
    Keypair::ed25519_from_bytes([seed; 32]).unwrap()
}

fn example() -> SignedPresence {
    SignedPresence {
        peer: key(1).public().to_peer_id(),
        kind: Kind::Update,
        seq: 7,
        epoch: Epoch::new(300),
        content: "Alice".into(),
        addrs: vec!["/ip4/45.45.45.1/tcp/4001".parse().unwrap()],
        server: key(2).public().to_peer_id(),
        details: Details::default(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn resealed(change: impl FnOnce(&mut Payload)) -> Result<SignedPresence, SignedError> {
    let mut payload = Payload::from(&example());
    change(&mut payload);
    let sealed = envelope::seal(&key(1), DOMAIN, PAYLOAD_TYPE, payload.encode_to_vec()).unwrap();
    SignedPresence::open(&STANDARD.encode(sealed))
}

#[test]
fn golden_payload_and_signature() {
    let peer = "0a26002408011220".to_owned() + &hex(&key(1).public().try_into_ed25519().unwrap().to_bytes());
    let server = "3a26002408011220".to_owned() + &hex(&key(2).public().try_into_ed25519().unwrap().to_bytes());
    let rest = "1002180720ac022a05416c6963653208042d2d2d01060fa1";
    assert_eq!(hex(&Payload::from(&example()).encode_to_vec()), peer + rest + &server);
    assert_eq!(example().sign(&key(1)).unwrap(), include_str!("golden.txt").trim());
}

#[test]
fn what_is_signed_comes_back() {
    assert_eq!(SignedPresence::open(&example().sign(&key(1)).unwrap()), Ok(example()));
}

#[test]
fn attack_nobody_signs_for_another() {
    let forged = example().sign(&key(3)).unwrap();
    assert_eq!(SignedPresence::open(&forged), Err(SignedError::Forged { about: example().peer }));
}

#[test]
fn attack_a_payload_out_of_its_limits_is_refused() {
    assert_eq!(resealed(|payload| payload.kind = 0), Err(SignedError::Payload("type")));
    assert_eq!(resealed(|payload| payload.seq = u64::MAX), Err(SignedError::Payload("seq")));
    assert_eq!(resealed(|payload| payload.epoch = 1 << 53), Err(SignedError::Payload("epoch")));
    assert_eq!(resealed(|payload| payload.content = "x".repeat(MAX_CONTENT + 1)), Err(SignedError::Payload("content")));
    assert_eq!(resealed(|payload| payload.addrs = vec![payload.addrs[0].clone(); 9]), Err(SignedError::Payload("addrs")));
    assert_eq!(resealed(|payload| payload.addrs = vec![vec![255; 3]]), Err(SignedError::Payload("addrs")));
    assert_eq!(resealed(|payload| payload.server.clear()), Err(SignedError::Payload("server_peer_id")));
    assert_eq!(SignedPresence::open(&"A".repeat(MAX_SIG + 4)), Err(SignedError::Text));
    assert_eq!(SignedPresence::open("!"), Err(SignedError::Text));
}

#[test]
fn the_signed_payload_wins_over_the_json_beside_it() {
    let stranger = key(9).public().to_peer_id();
    let mut presence = Presence::new(Kind::Offline, stranger, UnixMillis(1));
    presence.content = "Mallory".into();
    presence.addrs = vec!["/ip4/9.9.9.9/tcp/1".parse().unwrap()];
    presence.sig = Some(example().sign(&key(1)).unwrap());
    let read = Presence::parse(presence.to_json().as_bytes()).unwrap();
    let mut proven = read.clone();
    assert_eq!(proven.authenticate(), Ok(Some(example())));
    assert_eq!((proven.kind, proven.peer, proven.content.as_str()), (Kind::Update, example().peer, "Alice"));
    assert_eq!(proven.addrs, example().addrs);
    assert_eq!(Presence { sig: None, ..read }.authenticate(), Ok(None));
}

proptest! {
    #[test]
    fn foreign_text_never_panics(sig in ".{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(SignedPresence::open(&sig).is_err());
        prop_assert!(SignedPresence::open(&STANDARD.encode(bytes)).is_err());
    }

    #[test]
    fn every_payload_goes_there_and_back(seq in 0..=MAX_NUMBER, epoch in any::<u64>(), content in ".{0,100}", ports in proptest::collection::vec(1u16.., 0..8)) {
        let addrs = ports.iter().map(|port| format!("/ip4/45.45.45.1/tcp/{port}").parse().unwrap()).collect();
        let signed = SignedPresence { seq, epoch: Epoch::new(epoch), content, addrs, ..example() };
        prop_assert_eq!(SignedPresence::open(&signed.sign(&key(1)).unwrap()), Ok(signed));
    }
}
