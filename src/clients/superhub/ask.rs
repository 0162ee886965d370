//! One search: the hubs are asked, what they say is kept, and where none of them answers, what is kept is searched.

use serde::Serialize;
use tokio::task::spawn_blocking;
use tracing::debug;

use super::find::{Answers, find};
use super::kept::{all, remember, search};
use crate::config::DataDir;
use crate::config::base_url::BaseUrl;
use crate::proto::search::{Query, QueryError};

/// What was found, and by whom.
#[derive(Debug, Serialize)]
pub struct Told {
    /// Whether no hub answered, and this is what was kept.
    pub local: bool,
    /// What came of asking.
    #[serde(flatten)]
    pub answers: Answers,
}

/// Looks for `text` on `hubs`, which may be none, and in what `data` keeps.
///
/// # Errors
/// The text is no query.
pub async fn ask(data: &DataDir, hubs: &[BaseUrl], text: &str) -> Result<Told, QueryError> {
    let query = Query::parse(text)?;
    let (mut answers, data) = (find(hubs, text).await, data.clone());
    let local = answers.answered.is_empty();
    if local {
        answers.communities = spawn_blocking(move || search(all(&data), query.as_ref())).await.unwrap_or_default();
    } else {
        let told = std::mem::take(&mut answers.told);
        let kept = spawn_blocking(move || remember(&data, &told)).await;
        if let Ok(Err(error)) = kept {
            debug!(%error, "what was found cannot be kept");
        }
    }
    Ok(Told { local, answers })
}
