//! Whether a server that moved is where it came from again: its operator may take a move back, and whoever followed it comes along.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::link::Link;
use super::place::Place;
use super::request;

/// Between two looks, more or less.
const EVERY: Duration = Duration::from_secs(600);

/// Looks now and then, until `stop`.
pub async fn run(link: &Link, stop: &CancellationToken) {
    let looking = async {
        loop {
            tokio::time::sleep(EVERY.mul_f64(0.75 + rand::random::<f64>() / 2.0)).await;
            if is_back(link).await {
                link.came_back();
            }
        }
    };
    let _ = stop.run_until_cancelled(looking).await;
}

/// Whether a server of ours answers there, and does not say that it moved.
async fn is_back(link: &Link) -> bool {
    let Some(former) = link.place().former().cloned() else { return false };
    let alone = Link::new(Place::new(former));
    let Ok(client) = alone.client() else { return false };
    matches!(request::learn(&alone, &client, &alone.place()).await, Ok(super::Known::Ours { .. }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::base_url::BaseUrl;

    /// A server that answers each request with this head and body.
    async fn server(head: &'static str, body: String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let _ = socket.read(&mut [0; 4096]).await;
                let answer = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        url
    }

    fn moved_away_from(url: &str) -> Link {
        let mut place = Place::new(BaseUrl::parse(url).unwrap());
        place.moved("events", "http://127.0.0.1:1/", None).unwrap();
        place.settle();
        Link::new(place)
    }

    #[tokio::test]
    async fn whoever_followed_a_move_that_was_taken_back_comes_back() {
        let known = json!({ "peer_id": libp2p::PeerId::random().to_string(), "epoch": 1 }).to_string();
        let here = server("200 OK", known).await;
        let link = moved_away_from(&here);
        assert!(is_back(&link).await);
        let there = link.place();
        link.came_back();
        link.is_elsewhere(&there).await;
        let next = link.place();
        assert!(futures::poll!(std::pin::pin!(link.is_elsewhere(&next))).is_pending(), "the stream that is opened next is not cut");
        assert_eq!(link.place().origin(), here);
        assert!(!is_back(&link).await, "once");
    }

    #[tokio::test]
    async fn nobody_goes_back_to_a_server_that_still_sends_them_on_or_is_gone() {
        for head in ["308 Permanent Redirect\r\nLocation: http://127.0.0.1:1/", "404 Not Found", "503 Service Unavailable"] {
            assert!(!is_back(&moved_away_from(&server(head, String::new()).await)).await, "{head}");
        }
        assert!(!is_back(&moved_away_from("http://127.0.0.1:2")).await);
    }
}
