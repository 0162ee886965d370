use std::time::Duration;

use super::params::{Params, encode};
use super::*;
use crate::clock::Moment;
use libp2p::PeerId;
use libp2p::identity::Keypair;

const HOST: &str = "hub.example.org";
const NOW: Moment = Moment::from_millis(10_000);

fn key(seed: u8) -> Keypair {
    Keypair::ed25519_from_bytes([seed; 32]).unwrap()
}

fn peer(seed: u8) -> PeerId {
    key(seed).public().to_peer_id()
}

fn server() -> PeerIdServer {
    PeerIdServer::new(key(1), HOST.into(), [9; 32])
}

fn client() -> PeerIdClient {
    PeerIdClient::new(key(2), peer(1), HOST.into(), [3; 32])
}

fn challenge(answer: PeerIdAnswer) -> String {
    match answer {
        PeerIdAnswer::Challenge(header) => header.to_str().unwrap().to_owned(),
        PeerIdAnswer::Peer(peer, _) => panic!("{peer} got in"),
    }
}

fn known(answer: PeerIdAnswer) -> (PeerId, Option<String>) {
    match answer {
        PeerIdAnswer::Peer(peer, info) => (peer, info.map(|info| info.to_str().unwrap().to_owned())),
        PeerIdAnswer::Challenge(header) => panic!("not let in: {header:?}"),
    }
}

/// The proof of a client that began, and the client.
fn proof(server: &PeerIdServer) -> (String, PeerIdClient) {
    let mut client = client();
    let asked = challenge(server.answer(Some(&client.ask()), [4; 32], NOW));
    (client.prove(&asked).unwrap(), client)
}

#[test]
fn a_client_that_begins_sees_the_server_s_proof_before_it_proves_itself() {
    let server = server();
    let (proof, mut client) = proof(&server);
    assert!(!proof.contains("challenge-server"), "the server is proven already");
    let (peer, info) = known(server.answer(Some(&proof), [5; 32], NOW));
    assert_eq!(peer, self::peer(2));
    let bearer = client.bearer(&info.unwrap()).unwrap();
    assert_eq!(known(server.answer(Some(&bearer), [6; 32], NOW)), (peer, None));
}

#[test]
fn a_server_that_begins_proves_itself_with_the_bearer() {
    let (server, mut client) = (server(), client());
    let proof = client.prove(&challenge(server.answer(None, [4; 32], NOW))).unwrap();
    let (peer, info) = known(server.answer(Some(&proof), [5; 32], NOW));
    assert_eq!(peer, self::peer(2));
    assert!(client.bearer(&info.unwrap()).is_ok());
}

#[test]
fn attack_a_challenge_is_answered_once() {
    let server = server();
    let (proof, _) = proof(&server);
    known(server.answer(Some(&proof), [5; 32], NOW));
    challenge(server.answer(Some(&proof), [6; 32], NOW));
}

#[test]
fn attack_an_answered_challenge_is_no_other_instance_s_and_a_bearer_is() {
    let (one, other) = (server(), server());
    let (proof, mut client) = proof(&one);
    challenge(other.answer(Some(&proof), [5; 32], NOW));
    let bearer = client.bearer(&known(one.answer(Some(&proof), [5; 32], NOW)).1.unwrap()).unwrap();
    challenge(other.answer(Some(&proof), [6; 32], NOW));
    assert_eq!(known(other.answer(Some(&bearer), [7; 32], NOW)).0, peer(2));
}

#[test]
fn attack_what_is_old_counts_no_more() {
    let server = server();
    let (proof, _) = proof(&server);
    challenge(server.answer(Some(&proof), [5; 32], NOW + Duration::from_secs(300)));
    let (proof, mut client) = self::proof(&server);
    let bearer = client.bearer(&known(server.answer(Some(&proof), [5; 32], NOW)).1.unwrap()).unwrap();
    known(server.answer(Some(&bearer), [6; 32], NOW + Duration::from_secs(899)));
    challenge(server.answer(Some(&bearer), [6; 32], NOW + Duration::from_secs(900)));
}

#[test]
fn attack_a_bearer_of_another_host_name_or_another_run_is_nobody_s() {
    let server = server();
    let (proof, mut client) = proof(&server);
    let bearer = client.bearer(&known(server.answer(Some(&proof), [5; 32], NOW)).1.unwrap()).unwrap();
    challenge(PeerIdServer::new(key(1), "other.example.org".into(), [9; 32]).answer(Some(&bearer), [6; 32], NOW));
    challenge(PeerIdServer::new(key(1), HOST.into(), [10; 32]).answer(Some(&bearer), [6; 32], NOW));
    let (proof, _) = self::proof(&server);
    let opaque = Params::read(&proof).unwrap().text("opaque").unwrap().to_owned();
    challenge(server.answer(Some(&format!("{SCHEME} bearer=\"{opaque}\"")), [6; 32], NOW));
}

#[test]
fn attack_a_proof_for_another_server_or_by_another_key_is_worth_nothing() {
    let (server, other) = (server(), PeerIdServer::new(key(7), HOST.into(), [9; 32]));
    let (proof, _) = proof(&server);
    challenge(other.answer(Some(&proof), [5; 32], NOW));
    let opaque = Params::read(&proof).unwrap().text("opaque").unwrap().to_owned();
    let forged = encode(&key(3).sign(&client_proof(&encode(&[4; 32]), &key(1).public().encode_protobuf(), HOST)).unwrap());
    let of_another = encode(&key(3).public().encode_protobuf());
    let forged = format!("{SCHEME} opaque=\"{opaque}\", sig=\"{forged}\", public-key=\"{of_another}\"");
    challenge(server.answer(Some(&forged), [5; 32], NOW));
}

#[test]
fn attack_a_client_proves_itself_to_nobody_but_the_server_it_means() {
    let stranger = PeerIdServer::new(key(7), HOST.into(), [9; 32]);
    let mut client = client();
    let asked = challenge(stranger.answer(Some(&client.ask()), [4; 32], NOW));
    assert_eq!(client.prove(&asked), Err(ClientError::AnotherPeer(peer(7))));
    let lied = challenge(server().answer(Some(&PeerIdClient::new(key(2), peer(1), HOST.into(), [8; 32]).ask()), [4; 32], NOW));
    assert_eq!(client.prove(&lied), Err(ClientError::NotProven), "a proof for somebody else's challenge");
    let mut client = self::client();
    client.prove(&challenge(server().answer(None, [4; 32], NOW))).unwrap();
    assert_eq!(client.bearer(&format!("{SCHEME} bearer=\"AAAA\"")), Err(ClientError::NotProven));
}

#[test]
fn attack_garbage_is_answered_with_a_challenge() {
    let server = server();
    let garbage =
        ["", "libp2p-PeerID", "libp2p-PeerID bearer=\"AAAA\"", "libp2p-PeerID opaque=\"AAAA\", sig=\"AAAA\"", "Basic YWRtaW46eA=="];
    let short = "libp2p-PeerID challenge-server=\"short\", public-key=\"AAAA\"";
    for header in garbage.into_iter().chain([short]) {
        assert!(!challenge(server.answer(Some(header), [4; 32], NOW)).contains("sig="), "{header}: nothing is signed for it");
    }
}
