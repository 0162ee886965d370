//! The way to whoever reads the configuration of a running node anew: how one asks, and what comes of it.

use std::time::Duration;

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How long whoever reads the configuration may take to answer.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Wishes that wait while one is granted; who comes later waits to be one of them, within [`PATIENCE`].
const WAITING: usize = 1;

/// What came of reading the configuration anew: the keys that changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// Those that count now.
    pub applied: Vec<String>,
    /// Those that wait for a restart.
    pub needs_restart: Vec<String>,
}

/// What became of a wish to have the configuration read anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It was read, and counts as far as it can.
    Now(Reloaded),
    /// It was refused, for this reason, and nothing changed.
    Refused(String),
    /// Nobody answered: nobody reads it here, or not within [`PATIENCE`].
    NotTold,
}

/// A wish; answered with what came of it, or why nothing changed.
pub type Wish = oneshot::Sender<Result<Reloaded, String>>;

/// Asks for the configuration to be read anew.
#[derive(Debug, Clone)]
pub struct ReloadHandle(mpsc::Sender<Wish>);

impl ReloadHandle {
    /// A way to ask, and what comes in by it.
    pub fn new() -> (Self, mpsc::Receiver<Wish>) {
        let (wish, wishes) = mpsc::channel(WAITING);
        (Self(wish), wishes)
    }

    /// Has it read, and says what came of it.
    pub async fn ask(&self) -> Applied {
        let (answer, answered) = oneshot::channel();
        let asking = async {
            self.0.send(answer).await.ok()?;
            answered.await.ok()
        };
        match timeout(PATIENCE, asking).await.ok().flatten() {
            Some(Ok(reloaded)) => Applied::Now(reloaded),
            Some(Err(why)) => Applied::Refused(why),
            None => Applied::NotTold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_asks_hears_what_came_of_it_and_nobody_waits_for_ever() {
        let (reload, mut wishes) = ReloadHandle::new();
        let granting = async { wishes.recv().await.map(|wish| wish.send(Ok(Reloaded::default()))) };
        assert_eq!(tokio::join!(reload.ask(), granting).0, Applied::Now(Reloaded::default()));
        let refusing = async { wishes.recv().await.map(|wish| wish.send(Err("no".to_owned()))) };
        assert_eq!(tokio::join!(reload.ask(), refusing).0, Applied::Refused("no".to_owned()));
        assert_eq!(reload.ask().await, Applied::NotTold, "too slow");
        drop(wishes);
        assert_eq!(reload.ask().await, Applied::NotTold, "gone");
    }
}
