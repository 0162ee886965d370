//! Clients that mean harm beside the load: readers that take a byte per second (THREATS 8), and connections that never send a whole
//! request (THREATS 10).

use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::BoardArgs;
use super::target::Target;

/// Their numbers, so that none of them has the address of a good client.
const FIRST: usize = 200_000;
/// A slow reader's window: the least that the system gives.
const SMALL: u32 = 2048;
/// How long they are at it before anything is measured.
const SETTLED: Duration = Duration::from_secs(5);
/// Before a connection that was closed is opened again.
const AGAIN: Duration = Duration::from_millis(200);

/// All of them; dropped, they end.
pub(super) struct Attackers {
    _tasks: JoinSet<()>,
}

impl Attackers {
    /// As many as `args` says.
    pub(super) async fn begin(target: &Target, args: &BoardArgs) -> Result<Self> {
        let mut tasks = JoinSet::new();
        for number in 0..args.slow_readers {
            tasks.spawn(read_slowly(target.clone(), args.stream.clone(), FIRST + number));
        }
        for number in 0..args.half_open {
            tasks.spawn(stay_half_open(target.clone(), FIRST + args.slow_readers + number));
        }
        if !tasks.is_empty() {
            sleep(SETTLED).await;
        }
        Ok(Self { _tasks: tasks })
    }
}

async fn read_slowly(target: Target, stream: String, number: usize) {
    loop {
        if let Ok(mut socket) = target.connect_with(number, |socket| socket.set_recv_buffer_size(SMALL)).await
            && socket.write_all(target.request(&stream, number, "HTTP/1.1").as_bytes()).await.is_ok()
        {
            while socket.read_u8().await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        }
        sleep(AGAIN).await;
    }
}

async fn stay_half_open(target: Target, number: usize) {
    loop {
        if let Ok(mut socket) = target.connect(number).await {
            let _ = socket.write_all(b"GET / HT").await;
            while socket.read_u8().await.is_ok() {}
        }
        sleep(AGAIN).await;
    }
}
