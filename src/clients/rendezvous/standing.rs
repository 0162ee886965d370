//! Whether a rendezvous server serves at a base URL, asked once, before anybody joins there or wonders why nothing comes from it.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;

use super::exchange::{client, read};
use crate::config::base_url::BaseUrl;

/// What stands at a base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A rendezvous server, goop2's too; or one that moved, or wants to know first who asks.
    Serves,
    /// Nobody answers, or nobody who can say at the moment.
    Silent,
    /// A server of ours that does not know the community, or not for strangers.
    NoCommunity,
    /// Something that is no rendezvous server.
    SomethingElse,
}

/// Asks at `place`: ours tells of itself at `/.well-known/goop`, goop2's has the stream `/events` alone. Takes
/// [`super::exchange::PATIENCE`] for each.
pub async fn standing(place: &BaseUrl) -> Standing {
    let Ok(client) = client(place.is_loopback()) else { return Standing::Silent };
    let Some(answer) = get(&client, place, ".well-known/goop").await else { return Standing::Silent };
    match answer.status() {
        StatusCode::OK => match read(answer).await {
            Some(said) if said["peer_id"].is_string() => of_roles(&said["roles"]),
            _ => of_stream(&client, place).await,
        },
        StatusCode::NOT_FOUND => {
            let is_problem = read(answer).await.is_some_and(|said| said["code"].is_string());
            if is_problem && place.url().path().contains("/c/") { Standing::NoCommunity } else { of_stream(&client, place).await }
        }
        other => of_status(other),
    }
}

/// A super hub tells of itself at the same path.
fn of_roles(roles: &Value) -> Standing {
    let serves = roles.as_array().is_none_or(|roles| roles.iter().any(|role| role == "rendezvous"));
    if serves { Standing::Serves } else { Standing::SomethingElse }
}

async fn of_stream(client: &Client, place: &BaseUrl) -> Standing {
    let Some(answer) = get(client, place, "events").await else { return Standing::Silent };
    let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match answer.status() {
        StatusCode::OK if !kind.starts_with("text/event-stream") => Standing::SomethingElse,
        other => of_status(other),
    }
}

fn of_status(status: StatusCode) -> Standing {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Standing::Silent,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Standing::Serves,
        status if status.is_success() || status.is_redirection() => Standing::Serves,
        status if status.is_server_error() => Standing::Silent,
        _ => Standing::SomethingElse,
    }
}

async fn get(client: &Client, place: &BaseUrl, path: &str) -> Option<Response> {
    client.get(place.below(path)).send().await.ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_super_hub_alone_is_no_rendezvous_server() {
        assert_eq!(of_roles(&json!(["superhub"])), Standing::SomethingElse);
        assert_eq!(of_roles(&json!(["superhub", "rendezvous"])), Standing::Serves);
        assert_eq!(of_roles(&Value::Null), Standing::Serves);
    }

    #[test]
    fn trouble_of_a_server_or_a_proxy_is_not_taken_for_an_answer() {
        for status in [429, 500, 502, 503, 504] {
            assert_eq!(of_status(StatusCode::from_u16(status).unwrap()), Standing::Silent);
        }
        assert_eq!(of_status(StatusCode::NOT_FOUND), Standing::SomethingElse);
        assert_eq!(of_status(StatusCode::PERMANENT_REDIRECT), Standing::Serves);
    }
}
