//! How long a newcomer waits until it knows everybody.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::BoardArgs;
use super::target::{PATIENCE, Target};
use crate::clock::Moment;

/// Lets newcomers come one after another; answers their median and their worst, in milliseconds, `null` where there are none.
pub(super) async fn newcomers(target: &Target, args: &BoardArgs) -> Result<Value> {
    let mut waits = Vec::new();
    for number in 0..args.joins {
        let began = Moment::now();
        timeout(PATIENCE, come(target, args, number)).await??;
        waits.push(Moment::now().since(began).as_secs_f64() * 1000.0);
    }
    waits.sort_unstable_by(f64::total_cmp);
    Ok(waits.last().map_or(Value::Null, |worst| json!({ "median": waits[waits.len() / 2], "worst": worst })))
}

/// Every peer is one JSON object; on the stream of changes one more stands around them.
async fn come(target: &Target, args: &BoardArgs, number: usize) -> Result<()> {
    let mut socket = target.connect(number).await?;
    socket.write_all(target.request(&args.stream, number, "HTTP/1.1").as_bytes()).await?;
    let around = usize::from(args.stream.starts_with("/api/"));
    let (mut objects, mut buffer) = (0, vec![0; 256 * 1024]);
    while objects < args.peers + around {
        let read = socket.read(&mut buffer).await?;
        ensure!(read > 0, "a newcomer's stream ended before it knew everybody");
        objects += buffer[..read].iter().filter(|byte| **byte == b'{').count();
    }
    Ok(())
}
