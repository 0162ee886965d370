//! How the program stops: signals become a token, and every task has a name, an owner and an end.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// Longest time from the first signal to the end of the process.
pub const DEADLINE: Duration = Duration::from_secs(4);

/// Named tasks of one owner. None of them is expected to end before the owner says so.
#[derive(Debug, Default)]
pub struct Tasks {
    running: JoinSet<()>,
    names: HashMap<Id, &'static str>,
    #[cfg(test)]
    handles: Vec<(&'static str, tokio::task::AbortHandle)>,
}

/// A task that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Which one.
    pub name: &'static str,
    /// Whether it ended by a panic.
    pub panicked: bool,
}

impl Tasks {
    /// Runs a task under a name that logs and errors call it by.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let handle = self.running.spawn(task);
        self.names.insert(handle.id(), name);
        #[cfg(test)]
        self.handles.push((name, handle));
    }

    /// The next task that ends; waits for ever where there is none. A live process must not go on without one of its tasks
    /// (THREATS 57), so whoever waits here stops the node.
    pub async fn any_end(&mut self) -> Ended {
        match self.running.join_next_with_id().await {
            Some(Ok((id, ()))) => self.ended(id, false),
            Some(Err(error)) => self.ended(error.id(), error.is_panic()),
            None => std::future::pending().await,
        }
    }

    /// Waits until all have ended, at most `deadline`; answers the names of those that had to be cut off.
    pub async fn finish(mut self, deadline: Duration) -> Vec<&'static str> {
        let all_ended = async {
            while !self.running.is_empty() {
                self.any_end().await;
            }
        };
        let _ = tokio::time::timeout(deadline, all_ended).await;
        self.names.into_values().collect()
    }

    /// What runs, by name.
    #[cfg(test)]
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.names.values().copied().collect()
    }

    /// Ends a task as a bug in it would.
    #[cfg(test)]
    pub(crate) fn kill(&self, name: &str) {
        self.handles.iter().filter(|(of, _)| *of == name).for_each(|(_, handle)| handle.abort());
    }

    fn ended(&mut self, id: Id, panicked: bool) -> Ended {
        Ended { name: self.names.remove(&id).unwrap_or("unnamed"), panicked }
    }
}

/// Cancels `stop` on SIGINT or SIGTERM. A second signal ends the process at once.
///
/// # Errors
/// If the operating system refuses the handlers.
pub fn on_signals(stop: CancellationToken) -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stop.is_cancelled() {
                std::process::exit(1);
            }
            stop.cancel();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_is_named() {
        let mut tasks = Tasks::default();
        tasks.spawn("endless", std::future::pending());
        tasks.spawn("brief", async {});
        assert_eq!(tasks.any_end().await, Ended { name: "brief", panicked: false });
        tasks.spawn("broken", async { panic!("as the test wants") });
        assert_eq!(tasks.any_end().await, Ended { name: "broken", panicked: true });
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_end_is_cut_off_and_named() {
        let mut tasks = Tasks::default();
        tasks.spawn("endless", std::future::pending());
        tasks.spawn("brief", async {});
        assert_eq!(tasks.finish(Duration::from_secs(1)).await, ["endless"]);
    }
}
