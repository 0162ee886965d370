//! Looks at many things at once, each within its own time: what is slow does not hide what was found of the others.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Finding, Look};

/// How long one server, hub or way in may take: less than its check may, which so can tell of all of them.
pub(super) const ONE: Duration = Duration::from_secs(7);

/// What all of `works` find, in their order. They end where nobody waits any more.
pub(super) async fn all<T, F>(works: impl IntoIterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut all = JoinSet::new();
    for (nth, work) in works.into_iter().enumerate() {
        all.spawn(async move { (nth, work.await) });
    }
    let mut found = all.join_all().await;
    found.sort_by_key(|(nth, _)| *nth);
    found.into_iter().map(|(_, found)| found).collect()
}

/// What `work` finds within [`ONE`]; else that `what` takes too long.
///
/// # Errors
/// The finding about that.
pub(super) async fn in_time<T>(check: &str, what: &str, work: impl Future<Output = T>) -> Result<T, Finding> {
    let late = |_| {
        Finding::of(check, what, Look::Bad, "too slow")
            .said(format!("It answered, if at all, not within {} s.", ONE.as_secs()))
            .todo("If that is so again in a few minutes, ask whoever runs it.")
    };
    timeout(ONE, work).await.map_err(late)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::PATIENCE;

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_answer_hides_none_of_the_others() {
        let one = async |seconds: u64| {
            let work = tokio::time::sleep(Duration::from_secs(seconds));
            in_time("x", "it", work).await.map_or_else(|late| late.word, |()| "answers".to_owned())
        };
        let found = tokio::time::timeout(PATIENCE, all([3, 900, 1].map(one))).await;
        assert_eq!(found.unwrap(), ["answers", "too slow", "answers"]);
    }
}
