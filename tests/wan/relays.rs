//! A server that claims to be another one, and passes on to it whatever its peers say (THREATS 3).

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use goop::clients::rendezvous::Stream;
use tokio::net::TcpListener;

use super::board::Board;
use super::subject::{Subject, until};

const OFTEN: Duration = Duration::from_millis(100);

/// Passes every request on to the board at `target`: what it tells of itself, its streams, what is published, and every refusal back.
async fn relay_to(target: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let router = Router::new().fallback(pass_on).with_state((target, http));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    addr
}

async fn pass_on(State((target, http)): State<(SocketAddr, reqwest::Client)>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    parts.headers.remove("host");
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let asked = http.request(parts.method, format!("http://{target}{}", parts.uri)).headers(parts.headers).body(body);
    let Ok(answer) = asked.send().await else { return axum::http::StatusCode::BAD_GATEWAY.into_response() };
    let (status, headers) = (answer.status(), answer.headers().clone());
    (status, headers, Body::from_stream(answer.bytes_stream())).into_response()
}

#[tokio::test]
async fn attack_a_server_that_claims_to_be_another_one_makes_nobody_appear_there() {
    let board = Board::called("https://rv.example.org");
    let victim = Subject::of(&format!("http://{}", relay_to(board.addr).await), OFTEN);
    victim.connected().await;
    assert_eq!(victim.status().stream, Stream::Connected { ours: true }, "whom it hears there is genuine");
    let refused = async || victim.status().refused.is_some_and(|why| why.contains("421") && why.contains("https://rv.example.org"));
    until("the board sees through it", refused).await;
    let guest = Subject::of(&board.url(), OFTEN);
    until("its own peers are here", async || board.labels().await == ["Peer five"]).await;
    assert!(guest.status().refused.is_none());
    guest.stop().await;
    until("they left", async || board.labels().await.is_empty()).await;
    assert!(victim.status().refused.is_some(), "it was never here, however often it tried");
}

#[tokio::test]
async fn a_board_that_knows_no_name_of_its_own_is_reached_through_any_proxy() {
    let board = Board::new();
    let guest = Subject::of(&format!("http://{}", relay_to(board.addr).await), OFTEN);
    until("it is here", async || board.labels().await == ["Peer five"]).await;
    assert!(guest.status().refused.is_none());
}
