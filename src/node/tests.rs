//! A node of which a part dies (THREATS 57).

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::config::{Config, Sources};

/// With every role that a node can have, on loopback.
fn whole(folder: &Path) -> Loaded {
    let set = [
        "presence.rendezvous_host=true",
        "presence.rendezvous_port=0",
        "superhub.enabled=true",
        "viewer.http_addr=\"127.0.0.1:0\"",
        "p2p.loopback_only=true",
        "discovery.mdns=false",
        "discovery.hubs=[\"http://127.0.0.1:9\"]",
        "http.metrics_addr=\"127.0.0.1:0\"",
    ];
    let set = set.map(str::to_owned).to_vec();
    let sources = Sources { data: Some(folder.to_owned()), set, ..Sources::default() };
    Config::load(&sources).unwrap()
}

async fn start(folder: &Path) -> Node {
    Node::start(&whole(folder)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_whichever_task_dies_the_node_stops_and_names_it() {
    let folder = tempfile::TempDir::new().unwrap();
    let node = start(folder.path()).await;
    let names = node.tasks.names();
    node.shutdown().await;
    assert!(names.len() > 5, "{names:?}");
    for name in names {
        let node = start(folder.path()).await;
        node.tasks.kill(name);
        let ended = tokio::time::timeout(Duration::from_secs(30), node.run_until(CancellationToken::new())).await;
        let ended = ended.unwrap_or_else(|_| panic!("the node lives on without {name}"));
        assert_eq!(ended, Err(Ended { name, panicked: false }));
    }
}
