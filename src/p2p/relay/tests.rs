use super::*;

#[test]
fn the_announcement_is_what_goop2s_newest_says() {
    let peer: PeerId = "12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7".parse().unwrap();
    let addrs = ["/ip4/45.45.45.5/udp/18788/quic-v1", "/ip4/45.45.45.5/tcp/18788", "/ip4/127.0.0.1/tcp/18788"];
    let said = Announcement::new(peer, addrs.map(|addr| addr.parse().unwrap()));
    let recorded = r#"{"peer_id":"12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7","addrs":["/ip4/45.45.45.5/tcp/18788","/ip4/127.0.0.1/tcp/18788","/ip4/45.45.45.5/udp/18788/quic-v1"],"cleanup_delay_sec":3,"poll_deadline_sec":10,"connect_timeout_sec":5,"refresh_interval_sec":90,"recovery_grace_sec":5}"#;
    assert_eq!(serde_json::to_string(&said).unwrap(), recorded);
}

#[test]
fn a_relay_offers_no_address_that_means_nothing_to_others() {
    let offered = |addr: &str| is_offered(&addr.parse().unwrap(), false);
    assert!(offered("/ip4/45.45.45.10/tcp/4001") && offered("/ip4/10.0.0.1/tcp/4001"));
    for addr in ["/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1", "/ip6/fe80::1/tcp/1", "/ip4/169.254.1.1/tcp/1", "/memory/1"] {
        assert!(!offered(addr), "{addr}");
    }
    assert!(is_offered(&"/ip4/127.0.0.1/tcp/1".parse().unwrap(), true));
}

#[tokio::test]
async fn a_relay_that_is_nothing_else_says_who_and_where_it_is_and_ends() {
    let (mut tasks, stop) = (Tasks::default(), CancellationToken::new());
    let key = Keypair::generate_ed25519();
    let me = key.public().to_peer_id();
    let options = Options { key, listen_port: 0, loopback_only: true, external: vec![], guests: None };
    let mut relay = start(options, &mut tasks, stop.clone()).unwrap();
    assert!(relay.ready().await);
    let said = relay.announcement().unwrap();
    assert_eq!(said.peer_id, me);
    assert!(said.addrs[0].to_string().contains("/tcp/"), "{said:?}");
    stop.cancel();
    assert_eq!(tasks.any_end().await.name, "relay");
}
