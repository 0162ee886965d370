//! Each super hub of the configuration: does it answer a search.

use super::asking::diagnosis;
use super::{Finding, Look, MAX_SERVERS, Patient, together};
use crate::clients::superhub::{HubError, find};
use crate::clock::Moment;
use crate::config::base_url::BaseUrl;
use crate::config::discovery::HUBS;
use crate::proto::shell::quoted;

const CHECK: &str = "hub";

/// Asks all of them.
pub(super) async fn examine(patient: Patient) -> Vec<Finding> {
    let hubs = patient.loaded.config.discovery.hubs.into_iter().take(MAX_SERVERS);
    together::all(hubs.map(in_time)).await
}

async fn in_time(hub: BaseUrl) -> Finding {
    let what = format!("The super hub {hub}");
    together::in_time(CHECK, &what, one(&what, &hub)).await.unwrap_or_else(|late| late)
}

async fn one(what: &str, hub: &BaseUrl) -> Finding {
    let asked = Moment::now();
    let answers = find(std::slice::from_ref(hub), "").await;
    let took = Moment::now().since(asked).as_millis();
    match answers.failed.first() {
        // The server of another role says so, or answers that it has nothing of the kind.
        Some(failed) if failed.why.contains(&HubError::NoHub.to_string()) || failed.why.contains("there is nothing here") => {
            Finding::of(CHECK, what, Look::Bad, "no super hub")
                .said("Something answers there, but this is no super hub.")
                .todo(format!("Look for a typing error in {HUBS}; a community is joined, and does not stand there:"))
                .copy(format!("goop status {}", quoted(&hub.to_string())))
        }
        None => Finding::of(CHECK, what, Look::Good, "answers").said(format!("It answers within {took} ms.")),
        Some(failed) => diagnosis(CHECK, what, hub, HUBS, &failed.why).await,
    }
}
