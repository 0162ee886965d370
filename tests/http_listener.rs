//! The shared listener under attack and at its end: deadlines, floods, slow readers, and a stop that waits for nobody.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod stage;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::{get, post};
use bytes::Bytes;
use futures::stream;
use goop::http::{Client, HttpMetrics, Limits, Problem, body, listen, serve, sse};
use stage::{ask, read_head};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Longer than any deadline of these tests, shorter than a person waits.
const SOON: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(150);

struct Server {
    addr: SocketAddr,
    metrics: HttpMetrics,
    stop: CancellationToken,
    task: JoinHandle<()>,
    entered: mpsc::Receiver<()>,
    /// Pieces of `/flood` that were taken.
    flooded: Arc<AtomicUsize>,
}

/// The length of such a piece.
const PIECE: usize = 64 * 1024;

fn patient() -> Limits {
    let long = Duration::from_secs(60);
    Limits { first_byte: long, head: long, body: long, keep_alive: long, stall: long, ..Limits::default() }
}

fn start(limits: Limits) -> Server {
    let stop = CancellationToken::new();
    let metrics = HttpMetrics::default();
    let (enter, entered) = mpsc::channel(64);
    let sse_stop = stop.clone();
    let flooded = Arc::new(AtomicUsize::new(0));
    let counted = flooded.clone();
    let routes = Router::new()
        .route("/", get(async || "hello"))
        .route("/who", get(async |request: Request| request.extensions().get::<Client>().unwrap().0.ip().to_string()))
        .route("/panic", get(async || -> &'static str { panic!("on purpose") }))
        .route(
            "/read",
            post(async |request: Request| body::read(request.into_body(), 16 * 1024).await.map(|bytes| bytes.len().to_string())),
        )
        .route("/flood", get(async move || Body::from_stream(stream::repeat_with(move || piece(&counted)))))
        .route("/events", get(async move || sse::respond(stream::pending(), sse_stop)))
        .route(
            "/hang",
            get(async move || {
                enter.send(()).await.unwrap();
                std::future::pending::<()>().await;
            }),
        )
        .fallback(async || Problem::not_found("no"));
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = listener.local_addr().unwrap();
    let task = tokio::spawn(serve(vec![listener], routes, limits, metrics.clone(), stop.clone()));
    Server { addr, metrics, stop, task, entered, flooded }
}

fn piece(count: &AtomicUsize) -> Result<Bytes, Infallible> {
    count.fetch_add(1, Relaxed);
    Ok(Bytes::from_static(&[0; PIECE]))
}

async fn connect(server: &Server, sent: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server.addr).await.unwrap();
    socket.write_all(sent.as_bytes()).await.unwrap();
    socket
}

/// Waits for the other side to close; answers what it said before.
async fn until_closed(mut socket: TcpStream) -> String {
    let mut said = Vec::new();
    let _ = timeout(SOON, socket.read_to_end(&mut said)).await.expect("the connection stays open");
    String::from_utf8_lossy(&said).into_owned()
}

/// Waits until a counter says so; the accept loop counts a moment after the client sees the end.
async fn until(what: &str, says: impl Fn() -> bool) {
    let waiting = async {
        while !says() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn handlers_learn_who_asks_and_everything_is_counted() {
    let mut server = start(patient());
    assert_eq!(ask(server.addr, "GET /who HTTP/1.1\r\nHost: a\r\n", b"").await.text(), "127.0.0.1");
    assert_eq!(ask(server.addr, "GET /nope HTTP/1.1\r\nHost: a\r\n", b"").await.json()["code"], "not-found");
    server.stop.cancel();
    (&mut server.task).await.unwrap();
    assert_eq!((server.metrics.accepted.get(), server.metrics.closed.get(), server.metrics.requests.get()), (2, 2, 2));
}

#[tokio::test]
async fn slowloris_a_silent_connection_is_cut() {
    let server = start(Limits { first_byte: SHORT, ..patient() });
    assert_eq!(until_closed(connect(&server, "").await).await, "");
    until("it was not counted", || server.metrics.timed_out.get() == 1).await;
}

#[tokio::test]
async fn slowloris_a_head_that_trickles_is_cut_however_often_a_byte_comes() {
    let server = start(Limits { head: SHORT, ..patient() });
    let mut socket = connect(&server, "GET / HTTP/1.1\r\n").await;
    let before = Instant::now();
    while socket.write_all(b"X-A: b\r\n").await.is_ok() {
        assert!(before.elapsed() < SOON, "each byte bought more time");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    until("it was not counted", || server.metrics.timed_out.get() == 1).await;
}

#[tokio::test]
async fn slowloris_a_second_request_on_the_same_connection_has_the_same_deadline() {
    let server = start(Limits { head: SHORT, ..patient() });
    let mut socket = BufReader::new(connect(&server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await);
    assert_eq!(read_head(&mut socket).await.unwrap().0, 200);
    socket.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    until_closed(socket.into_inner()).await;
    until("it was not counted", || server.metrics.timed_out.get() == 1).await;
}

/// RFC 9112 §3.2; THREATS 19.
#[tokio::test]
async fn attack_a_request_names_one_host_or_hears_400() {
    let server = start(patient());
    for (head, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("GET / HTTP/1.0\r\n\r\n", 200),
    ] {
        let mut socket = BufReader::new(connect(&server, head).await);
        assert_eq!(read_head(&mut socket).await.unwrap().0, status, "{head}");
    }
}

#[tokio::test]
async fn slowloris_an_idle_connection_is_closed() {
    let server = start(Limits { keep_alive: SHORT, ..patient() });
    let said = until_closed(connect(&server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await).await;
    assert!(said.ends_with("hello"), "{said}");
}

#[tokio::test]
async fn slowloris_half_open_connections_push_each_other_out_and_never_a_good_client() {
    let server = start(Limits { connections: 32, per_address: 32, ..patient() });
    let mut good = BufReader::new(connect(&server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await);
    assert_eq!(read_head(&mut good).await.unwrap().0, 200);
    let mut half_open = Vec::new();
    for _ in 0..400 {
        half_open.push(connect(&server, "GET / HT").await);
    }
    let before = Instant::now();
    assert_eq!(ask(server.addr, "GET / HTTP/1.1\r\nHost: a\r\n", b"").await.text(), "hello", "a newcomer is served");
    assert!(before.elapsed() < Duration::from_secs(5));
    let mut rest = [0; 5];
    good.read_exact(&mut rest).await.unwrap();
    good.write_all(b"GET /nope HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(read_head(&mut good).await.unwrap().0, 404, "who asked before keeps the connection");
    assert!(server.metrics.evicted.get() >= 368, "{}", server.metrics.evicted.get());
    assert_eq!(server.metrics.refused.get(), 0);
}

#[tokio::test]
async fn a_full_house_of_earnest_clients_turns_newcomers_away_with_503() {
    let mut server = start(Limits { connections: 2, per_address: 2, ..patient() });
    let _one = connect(&server, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let two = connect(&server, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server.entered.recv().await.unwrap();
    server.entered.recv().await.unwrap();
    let turned_away = until_closed(connect(&server, "").await).await;
    assert!(turned_away.starts_with("HTTP/1.1 503") && turned_away.contains("Retry-After: "), "{turned_away}");
    drop(two);
    until("the place was not given back", || server.metrics.closed.get() == 1).await;
    assert_eq!(ask(server.addr, "GET / HTTP/1.1\r\nHost: a\r\n", b"").await.status, 200);
}

/// THREATS 18: whoever speaks HTTP/2 on the plain port, by the preface or by an upgrade, is not answered in it.
#[tokio::test]
async fn attack_http2_floods_find_nobody_who_speaks_it() {
    let server = start(patient());
    let resets = "\0\0\u{4}\u{3}\0\0\0\0\u{1}\0\0\0\u{8}".repeat(10_000);
    let continuations = "\0\u{40}\0\u{9}\0\0\0\0\u{1}".repeat(10_000);
    for flood in [resets, continuations] {
        let said = until_closed(connect(&server, &format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0{flood}")).await).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said:?}");
    }
    let upgrade =
        "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings, close\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n";
    let said = until_closed(connect(&server, upgrade).await).await;
    assert!(said.starts_with("HTTP/1.1 200") && said.ends_with("hello"), "{said:?}");
}

#[tokio::test]
async fn header_bombs_hear_431() {
    let server = start(patient());
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(17 * 1024));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(70));
    for bomb in [long, many] {
        let said = until_closed(connect(&server, &bomb).await).await;
        assert!(said.starts_with("HTTP/1.1 431"), "{said:?}");
    }
}

/// What follows each of these would be somebody else's request to one end of a proxy and a body to the other.
#[tokio::test]
async fn smuggling_a_request_whose_end_is_ambiguous_is_refused_and_ends_its_connection() {
    let server = start(patient());
    let frames = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "content-length: 5\r\nX: y\r\ntRANSFER-eNCODING: Chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\nTransfer-Encoding: chunked\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: \r\n",
        "Content-Length : 5\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\t: chunked\r\n",
        " Transfer-Encoding: chunked\r\n",
        "X: y\r\n Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: \u{b}chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    ];
    for frame in frames {
        let attack = format!("POST /read HTTP/1.1\r\nHost: a\r\n{frame}\r\n0\r\n\r\nGET /who HTTP/1.1\r\nHost: a\r\n\r\n");
        let after_another = format!("GET / HTTP/1.1\r\nHost: a\r\n\r\n{attack}");
        for (sent, answers) in [(attack, 1), (after_another, 2)] {
            let said = until_closed(connect(&server, &sent).await).await;
            assert_eq!((said.matches("HTTP/1.1 ").count(), said.matches("HTTP/1.1 400").count()), (answers, 1), "{frame:?}: {said}");
        }
    }
}

#[tokio::test]
async fn smuggling_a_declared_length_is_seen_however_its_line_is_cut() {
    let server = start(patient());
    let mut socket = connect(&server, "POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConten").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    socket.write_all(b"t-Length: 5\r\n\r\n0\r\n\r\n").await.unwrap();
    assert!(until_closed(socket).await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn a_proxy_s_connection_carries_requests_of_either_kind() {
    let server = start(patient());
    let mut socket = BufReader::new(connect(&server, "").await);
    for _ in 0..3 {
        for body in ["Content-Length: 2\r\n\r\nab", "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"] {
            socket.write_all(format!("POST /read HTTP/1.1\r\nHost: a\r\n{body}").as_bytes()).await.unwrap();
            assert_eq!(read_head(&mut socket).await.unwrap().0, 200);
            assert_eq!(socket.read_u8().await.unwrap(), b'2');
        }
    }
}

#[tokio::test]
async fn a_slow_body_hears_408() {
    let server = start(Limits { body: SHORT, ..patient() });
    let said =
        until_closed(connect(&server, "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nConnection: close\r\n\r\nab").await).await;
    assert!(said.starts_with("HTTP/1.1 408") && said.contains("too-slow"), "{said}");
}

#[tokio::test]
async fn a_body_that_trickles_hears_408_however_often_a_byte_comes() {
    let server = start(Limits { body: SHORT, ..patient() });
    let (read, mut write) = connect(&server, "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n").await.into_split();
    let trickle = tokio::spawn(async move {
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let answered = timeout(SOON, read_head(&mut BufReader::new(read))).await.expect("each byte bought more time");
    assert_eq!(answered.unwrap().0, 408);
    trickle.abort();
}

#[tokio::test]
async fn a_body_bomb_hears_413_though_it_keeps_sending() {
    let server = start(patient());
    let declared = "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n";
    assert_eq!(ask(server.addr, declared, &[b'x'; 300_000]).await.json()["code"], "too-large");
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    let undeclared = "POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(ask(server.addr, undeclared, &chunk.repeat(8)).await.json()["code"], "too-large");
    let exactly = ask(server.addr, "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 16384\r\n", &[b'x'; 16384]).await;
    assert_eq!((exactly.status, exactly.text()), (200, "16384".into()));
}

#[tokio::test]
async fn a_client_that_still_sends_when_it_is_refused_is_not_reset() {
    let server = start(patient());
    let socket = connect(&server, "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 700000\r\n\r\n").await;
    let (read, mut write) = socket.into_split();
    let mut read = BufReader::new(read);
    assert_eq!(read_head(&mut read).await.unwrap().0, 413);
    let mut body = Vec::new();
    read.read_to_end(&mut body).await.expect("our side is closed properly");
    for _ in 0..10 {
        write.write_all(&[b'x'; 70_000]).await.expect("reset");
        tokio::task::yield_now().await;
    }
    write.shutdown().await.unwrap();
    until("it was not let go", || server.metrics.closed.get() == 1).await;
    assert_eq!(server.metrics.timed_out.get(), 0);
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut() {
    let server = start(Limits { stall: SHORT, ..patient() });
    let _reads_nothing = connect(&server, "GET /flood HTTP/1.1\r\nHost: a\r\n\r\n").await;
    until("it holds its place for ever", || server.metrics.timed_out.get() == 1).await;
}

/// The kernel alone would take megabytes for it; what is taken here is the buffer of HTTP and what is under way.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn attack_a_client_that_reads_nothing_holds_little_memory() {
    let server = start(patient());
    let _client = connect(&server, "GET /flood HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut taken = 0;
    let settled = async {
        while taken == 0 || taken != server.flooded.load(Relaxed) {
            taken = server.flooded.load(Relaxed);
            tokio::time::sleep(SHORT).await;
        }
    };
    timeout(SOON, settled).await.expect("the server never stops writing");
    assert!(taken * PIECE <= 1024 * 1024, "{taken} pieces of {PIECE} bytes");
}

/// Reading goes on for several times as long as a stall may last, with no pause that a busy machine could make as long as one.
#[tokio::test]
async fn a_client_that_reads_slowly_but_reads_is_not_cut() {
    let stall = Duration::from_secs(2);
    let server = start(Limits { stall, ..patient() });
    let mut slow = connect(&server, "GET /flood HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut piece = vec![0; 256 * 1024];
    let before = Instant::now();
    while before.elapsed() < 2 * stall {
        tokio::time::sleep(Duration::from_millis(20)).await;
        slow.read_exact(&mut piece).await.expect("cut though it reads");
    }
    assert_eq!(server.metrics.timed_out.get(), 0);
}

#[tokio::test]
async fn a_panic_is_answered_with_500_and_hurts_nobody_else() {
    let server = start(patient());
    let mut socket = BufReader::new(connect(&server, "GET /panic HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").await);
    let (status, head) = read_head(&mut socket).await.unwrap();
    assert_eq!((status, head.contains("application/problem+json")), (500, true));
    assert_eq!(server.metrics.panics.get(), 1);
    assert_eq!(ask(server.addr, "GET / HTTP/1.1\r\nHost: a\r\n", b"").await.status, 200);
}

#[tokio::test]
async fn open_event_streams_do_not_keep_the_server_from_stopping() {
    let long = Duration::from_secs(60);
    let mut server = start(Limits { drain: long, linger: long, ..patient() });
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = BufReader::new(connect(&server, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await);
        assert_eq!(read_head(&mut stream).await.unwrap().0, 200);
        streams.push(stream.into_inner());
    }
    let _silent = connect(&server, "").await;
    let mut idle = BufReader::new(connect(&server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await);
    read_head(&mut idle).await.unwrap();
    server.stop.cancel();
    timeout(Duration::from_secs(5), &mut server.task).await.expect("a stream, a silent or an idle connection holds the server").unwrap();
    for stream in streams {
        assert!(until_closed(stream).await.ends_with("0\r\n\r\n"), "a stream that ends properly ends its last chunk");
    }
}

#[tokio::test]
async fn a_request_that_hangs_holds_a_stopping_server_for_the_drain_deadline_only() {
    let mut server = start(Limits { drain: SHORT, ..patient() });
    let _hangs = connect(&server, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server.entered.recv().await.unwrap();
    server.stop.cancel();
    timeout(Duration::from_secs(5), &mut server.task).await.expect("a hanging request holds the server").unwrap();
    assert!(TcpStream::connect(server.addr).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_request_in_flight_is_answered_though_the_server_stops() {
    let mut server = start(patient());
    let mut socket = connect(&server, "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab").await;
    until("it was not taken up", || server.metrics.requests.get() == 1).await;
    server.stop.cancel();
    socket.write_all(b"cd").await.unwrap();
    assert!(until_closed(socket).await.ends_with('4'));
    timeout(SOON, &mut server.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn whoever_came_just_before_the_stop_is_still_answered() {
    let mut server = start(patient());
    let mut socket = connect(&server, "").await;
    until("it was not let in", || server.metrics.accepted.get() == 1).await;
    server.stop.cancel();
    until("it still listens", || std::net::TcpListener::bind(server.addr).is_ok()).await;
    socket.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let said = until_closed(socket).await;
    assert!(said.starts_with("HTTP/1.1 200") && said.ends_with("hello"), "{said:?}");
    timeout(SOON, &mut server.task).await.unwrap().unwrap();
}
