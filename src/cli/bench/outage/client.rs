//! One client's stream: it comes back when the stream ends, after as long a pause as servers ask browsers for.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};

use super::OutageArgs;
use super::rows::Rows;
use super::watch::Watch;
use crate::cli::bench::target::Target;

/// What is waited before a stream is opened again, in milliseconds: spread, so that not all come at once.
const PAUSE: std::ops::Range<u64> = 500..4000;
/// The stream that goop peers read.
const STREAM: &str = "/api/v1/events";

thread_local! {
    /// Clients share it: ten thousand of their own would cost gigabytes.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 128 * 1024]);
}

/// Lives at the server until it is dropped.
pub(super) async fn live(target: Target, number: usize, args: OutageArgs, watch: Arc<Watch>) {
    let mut rows = Rows::new(args.clients);
    let mut lapse = None;
    sleep(pause()).await;
    loop {
        if let Ok(mut socket) = target.connect(number).await
            && socket.write_all(target.request(STREAM, number, "HTTP/1.0").as_bytes()).await.is_ok()
        {
            let opened = read(&socket, &mut rows, &mut lapse, &watch).await;
            if opened {
                rows.lose(&watch);
                lapse = Some(Instant::now() + Duration::from_secs(args.ttl));
            }
        }
        sleep(pause()).await;
    }
}

fn pause() -> Duration {
    Duration::from_millis(rand::rng().random_range(PAUSE))
}

/// Reads a stream to its end; answers whether it had begun. At `lapse` those vanish who were not heard of since the last one ended.
async fn read(socket: &TcpStream, rows: &mut Rows, lapse: &mut Option<Instant>, watch: &Watch) -> bool {
    let (mut begun, mut rest) = (false, Vec::new());
    loop {
        let readable = match *lapse {
            Some(at) => timeout_at(at, socket.readable()).await,
            None => Ok(socket.readable().await),
        };
        let Ok(readable) = readable else {
            rows.lapse(watch);
            *lapse = None;
            continue;
        };
        match readable.and_then(|()| take(socket, &mut rest, &mut begun, rows, watch)) {
            Ok(0) => return begun,
            Err(cause) if cause.kind() != io::ErrorKind::WouldBlock => return begun,
            _ => {}
        }
    }
}

fn take(socket: &TcpStream, rest: &mut Vec<u8>, begun: &mut bool, rows: &mut Rows, watch: &Watch) -> io::Result<usize> {
    BUFFER.with_borrow_mut(|buffer| {
        buffer[..rest.len()].copy_from_slice(rest);
        let read = socket.try_read(&mut buffer[rest.len()..])?;
        let text = std::str::from_utf8(&buffer[..rest.len() + read]).map_err(io::Error::other)?;
        if !*begun && (text.starts_with("HTTP/1.0 200") || text.starts_with("HTTP/1.1 200")) {
            *begun = true;
            watch.opens();
        }
        let seen = rows.read(text, watch);
        *rest = text.as_bytes()[seen..].to_vec();
        Ok(read)
    })
}
