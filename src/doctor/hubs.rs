//! Each super hub of the configuration: does it answer a search.

use tokio::task::JoinSet;

use super::asking::diagnosis;
use super::{Finding, Look, MAX_SERVERS, Patient};
use crate::clients::superhub::find;
use crate::clock::Moment;
use crate::config::base_url::BaseUrl;

const CHECK: &str = "hub";
const KEY: &str = "discovery.hubs";

/// Asks all of them.
pub(super) async fn examine(patient: Patient) -> Vec<Finding> {
    let mut all = JoinSet::new();
    for (nth, hub) in patient.loaded.config.discovery.hubs.iter().take(MAX_SERVERS).cloned().enumerate() {
        all.spawn(async move { (nth, one(hub).await) });
    }
    let mut found = all.join_all().await;
    found.sort_by_key(|(nth, _)| *nth);
    found.into_iter().map(|(_, finding)| finding).collect()
}

async fn one(hub: BaseUrl) -> Finding {
    let (what, asked) = (format!("The super hub {hub}"), Moment::now());
    let answers = find(std::slice::from_ref(&hub), "").await;
    let took = Moment::now().since(asked).as_millis();
    match answers.failed.first() {
        None => Finding::of(CHECK, what, Look::Good, "answers").said(format!("It answers within {took} ms.")),
        Some(failed) => diagnosis(CHECK, &what, &hub, KEY, &failed.why).await,
    }
}
