//! What a service manager that speaks systemd's protocol is told, and what it hands over. Where none is there, nothing is said.
//!
//! - `READY=1` once everything answers, and not before; `RELOADING=1` (with the moment, which `Type=notify-reload` wants) and again
//!   `READY=1` around a reload; `STOPPING=1` before anything is stopped.
//! - `WATCHDOG=1` twice in each `WATCHDOG_USEC`, as long as the node's parts answer: a process that lives while its work is stuck is
//!   killed and started again (THREATS 57).
//! - [`Sockets`]: listening sockets that outlive a restart, so that no client is refused meanwhile.
//!
//! A notification that cannot be sent is logged and changes nothing else: the manager's own deadlines decide.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::warn;

mod sockets;

pub use sockets::{Sockets, SocketsError};

/// Everything answers; `status` is shown by `systemctl status`.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&one_line(status))]);
}

/// The configuration is read again; [`ready`] follows.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "the service manager was not told of the reload"),
    }
}

/// The node stops, for this reason.
pub fn stopping(why: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(&one_line(why))]);
}

/// Tells the watchdog, if there is one, that all is well, as long as `vital` answers so within half of what the watchdog allows.
/// `vital` answers what is to be shown as the status, or nothing where a part is stuck.
pub async fn watchdog(vital: impl AsyncFn() -> Option<String>) {
    if let Some(allowed) = sd_notify::watchdog_enabled().filter(|allowed| !allowed.is_zero()) {
        feed(allowed / 2, vital, |status| tell(&[NotifyState::Watchdog, NotifyState::Status(&one_line(status))])).await;
    }
}

async fn feed(period: Duration, vital: impl AsyncFn() -> Option<String>, tell: impl Fn(&str)) {
    let mut beat = interval(period);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        match timeout(period, vital()).await.ok().flatten() {
            Some(status) => tell(&status),
            None => warn!("a part of the node does not answer; the watchdog is not told that all is well"),
        }
    }
}

/// Line ends would be read as further assignments.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// One datagram.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "the service manager could not be told how the node is");
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::future::pending;

    use super::*;

    const PERIOD: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_hears_of_a_node_that_answers_and_not_of_one_that_is_stuck() {
        let (mood, told) = (Cell::new("well"), RefCell::new(Vec::new()));
        let vital = async || match mood.get() {
            "stuck" => pending().await,
            "ill" => None,
            mood => Some(mood.to_owned()),
        };
        let watch = feed(PERIOD, vital, |status| told.borrow_mut().push(status.to_owned()));
        let story = async {
            for (next, beats) in [("well", 3), ("stuck", 3), ("ill", 3), ("better", 3)] {
                mood.set(next);
                tokio::time::sleep(PERIOD * beats).await;
            }
        };
        tokio::select! {
            () = watch => unreachable!("it watches for ever"),
            () = story => {}
        }
        let told = told.into_inner();
        let count = |mood: &str| told.iter().filter(|said| *said == mood).count();
        assert!((3..=4).contains(&count("well")) && (2..=4).contains(&count("better")), "{told:?}");
        assert_eq!(told.len(), count("well") + count("better"), "{told:?}");
    }
}
