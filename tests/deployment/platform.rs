//! On a platform that gives a port and a disk that does not last (Heroku and its like).

use std::fs;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as STANDARD;

use crate::harness::goop_node::Plan;
use crate::harness::{Goop, Place};
use crate::talk::{get, host};

/// As the platform starts it: the command of the `Procfile`, and what the environment says.
fn dyno(key: &str) -> Goop {
    let plan = Plan::new(&Place::Here).arg("--rendezvous-only");
    plan.env("PORT", "0").env("DYNO", "web.1").env("GOOP_IDENTITY_KEY", key).start()
}

#[test]
fn it_is_the_same_server_after_every_start_on_an_empty_disk() {
    let first = Plan::new(&Place::Here).start();
    let (id, key) = (first.id(), STANDARD.encode(fs::read(first.data().join("identity.key")).unwrap()));
    first.stop();
    for _ in 0..2 {
        let goop = dyno(&key);
        assert_eq!(goop.id(), id);
        assert!(!goop.data().join("identity.key").exists(), "a key that is given is not left behind");
        assert!(get(&host(&goop), "/readyz").unwrap().starts_with("HTTP/1.1 200"));
        goop.stop();
    }
}
