//! Asks a server which relay its peers use: when the server was reached, then now and again.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::News;
use super::link::Link;
use super::request::{self, Failure};
use crate::proto::presence::KEPT_ADDRS;

/// A server is asked at most once in this time.
const PAUSE: Duration = Duration::from_secs(60);
/// A server that stays reached is asked again after this time: its relay may have another address by now.
const AGAIN: Duration = Duration::from_secs(15 * 60);

/// What `GET /relay` answers, as far as we want it (goop2-wire.md §5.6).
#[derive(Deserialize)]
struct Told {
    peer_id: String,
    addrs: Vec<String>,
}

/// Asks until `stop`, or until nobody takes the news.
pub async fn run(link: &Link, news: &mpsc::Sender<News>, stop: &CancellationToken) {
    let mut reached = link.known();
    let asking = async {
        let _ = reached.changed().await;
        loop {
            match ask(link).await {
                Ok(named) => {
                    if news.send(named).await.is_err() {
                        return;
                    }
                }
                Err(failure) => debug!(server = link.place().name(), %failure, "it names no relay"),
            }
            tokio::time::sleep(PAUSE).await;
            let _ = tokio::time::timeout(AGAIN, reached.changed()).await;
        }
    };
    let _ = stop.run_until_cancelled(asking).await;
}

async fn ask(link: &Link) -> Result<News, Failure> {
    let response = request::send(link, link.client()?.get(link.place().endpoint("relay"))).await?;
    read(&request::body(response).await?).ok_or(Failure::Strange("that is no relay"))
}

/// Addresses that are none are left out: goop2's servers name some that lead through a name and a web socket.
fn read(body: &[u8]) -> Option<News> {
    let told: Told = serde_json::from_slice(body).ok()?;
    let addrs: Vec<Multiaddr> = told.addrs.iter().filter_map(|addr| addr.parse().ok()).take(KEPT_ADDRS).collect();
    let peer: PeerId = told.peer_id.parse().ok()?;
    (!addrs.is_empty()).then_some(News::Relay { peer, addrs })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_goop2s_newest_answers_is_understood() {
        let body = r#"{"peer_id":"12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7","addrs":["/ip4/45.45.45.5/tcp/18788/p2p/12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7","nonsense"],"cleanup_delay_sec":3}"#;
        let Some(News::Relay { peer, addrs }) = read(body.as_bytes()) else { panic!("it is a relay") };
        assert_eq!(addrs, [format!("/ip4/45.45.45.5/tcp/18788/p2p/{peer}").parse().unwrap()]);
        for bad in ["", "null", r#"{"peer_id":"x","addrs":["/ip4/1.1.1.1/tcp/1"]}"#, r#"{"peer_id":"","addrs":[]}"#] {
            assert_eq!(read(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused_and_names_few_addresses(addrs in prop::collection::vec("(/ip4/1.1.1.1/tcp/1|.{0,20})", 0..40), other in ".{0,200}") {
            let body = serde_json::json!({ "peer_id": PeerId::random().to_string(), "addrs": addrs }).to_string();
            if let Some(News::Relay { addrs, .. }) = read(body.as_bytes()) {
                prop_assert!((1..=KEPT_ADDRS).contains(&addrs.len()));
            }
            prop_assert_eq!(read(other.as_bytes()), None);
        }
    }
}
