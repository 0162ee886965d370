//! What a link leads to, asked of the server itself: its `/.well-known/goop`. Nobody joins by looking, and no invitation is used up.

use reqwest::{Client, StatusCode, Url};
use serde::Serialize;
use serde_json::Value;

use super::Place;
use super::exchange::{client, read};
use super::join::{JoinError, JoinLink};
use crate::config::base_url::BaseUrl;
use crate::proto::presence::label;

/// Open communities of a server that are told of.
pub const MOST: usize = 50;
/// Longest name that is shown, in characters.
const MAX_NAME: usize = 64;

/// What stands at the end of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Looked {
    /// What it is called in lists: host, and path of a community.
    pub name: String,
    /// Whether it is a server of goop that says what it is. Closed communities say nothing, and neither do goop2's servers.
    pub answers: bool,
    /// Who is here, as the server says.
    pub peers: Option<u64>,
    /// Whether the link holds an invitation, which is used up by joining.
    pub invited: bool,
    /// Other open communities of the same server.
    pub communities: Vec<Beside>,
    /// Where it went, if it has moved.
    pub moved_to: Option<String>,
}

/// An open community of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Beside {
    /// What it is called.
    pub name: String,
    /// Its base URL.
    pub url: String,
}

impl JoinLink {
    /// Asks the places of this link what they are, in their order; the first that answers is told of, else the first.
    ///
    /// # Errors
    /// [`JoinError::Link`] where it names none.
    pub async fn look(&self) -> Result<Looked, JoinError> {
        let client = client(false)?;
        for place in self.places() {
            if let Some(looked) = describe(&client, &place.url).await {
                return Ok(Looked { invited: self.is_invitation(), ..looked });
            }
        }
        let first = self.places().first().ok_or_else(|| JoinError::Link("it names no place".to_owned()))?;
        Ok(Looked { invited: self.is_invitation(), ..nothing_of(&first.url) })
    }
}

fn nothing_of(place: &BaseUrl) -> Looked {
    let name = Place::new(place.clone()).name();
    Looked { name, answers: false, peers: None, invited: false, communities: Vec::new(), moved_to: None }
}

async fn describe(client: &Client, place: &BaseUrl) -> Option<Looked> {
    let answer = client.get(place.below(".well-known/goop")).send().await.ok()?;
    let status = answer.status();
    if status == StatusCode::PERMANENT_REDIRECT {
        let to = answer.headers().get(reqwest::header::LOCATION).and_then(|to| to.to_str().ok()).and_then(|to| Url::parse(to).ok());
        let to = to.and_then(|to| BaseUrl::parse(to.as_str().strip_suffix("/.well-known/goop")?).ok());
        return to.map(|to| Looked { moved_to: Some(Place::new(to).name()), ..nothing_of(place) });
    }
    let said = read(answer).await.filter(|said| status == StatusCode::OK && said["peer_id"].is_string())?;
    let listed = said["communities"].as_array().into_iter().flatten().filter_map(|one| beside(place, one));
    let here = Place::new(place.clone()).name();
    let others = listed.filter(|one| !one.url.trim_end_matches('/').ends_with(&here)).take(MOST).collect();
    Some(Looked { answers: true, peers: said["peers"].as_u64(), communities: others, ..nothing_of(place) })
}

/// A community that the server at `place` names; its slug must be one part of a path.
fn beside(place: &BaseUrl, said: &Value) -> Option<Beside> {
    let slug =
        said["slug"].as_str().filter(|slug| !slug.is_empty() && slug.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))?;
    let mut url = place.url().clone();
    let root = url.path().split("/c/").next().unwrap_or_default().trim_end_matches('/').to_owned();
    url.set_path(&format!("{root}/c/{slug}"));
    let name = label::clean(said["name"].as_str().unwrap_or_default(), MAX_NAME);
    Some(Beside { name: if name.is_empty() { slug.to_owned() } else { name }, url: BaseUrl::parse(url.as_str()).ok()?.to_string() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn attack_a_server_names_communities_of_its_own_alone() {
        let place = BaseUrl::parse("https://rv.example/x/c/chess").unwrap();
        let named = |slug: &str| beside(&place, &json!({ "slug": slug, "name": "<b>\u{202e}Go" }));
        assert_eq!(named("go").unwrap().url, "https://rv.example/x/c/go");
        assert!(!named("go").unwrap().name.contains('\u{202e}'));
        for bad in ["", "../admin", "a/b", "https://evil.example", "?x", "#x", "%2e%2e"] {
            assert_eq!(named(bad), None, "{bad}");
        }
    }
}
