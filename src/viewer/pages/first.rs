//! `POST /site/first`: a first page with a name on it, from a form that needs no script. What cannot be done comes back as the page with the form:
//! what was typed is still there, and what is wrong stands beside it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::site::{Back, page};
use crate::config::text::Line;
use crate::http::Problem;
use crate::http::body::Form;
use crate::viewer::first_page::Look;
use crate::viewer::{App, api};

/// What the form holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct First {
    token: String,
    name: String,
    look: Look,
}

/// `POST /site/first`: 303 to the site; where nothing was done, the form again.
pub(super) async fn make(State(app): State<Arc<App>>, Form(First { token, name, look }): Form<First>) -> Result<Response, Problem> {
    let back = Back { name: Some(name.clone()), ..Back::default() };
    if !app.token.is(&token) {
        let told = "goop was started again since this page was loaded, so nothing was done: please choose once more.".to_owned();
        return again(&app, StatusCode::FORBIDDEN, Back { told, ..back }).await;
    }
    if let Some(name_wrong) = wrong(&name) {
        return again(&app, StatusCode::UNPROCESSABLE_ENTITY, Back { name_wrong, ..back }).await;
    }
    match api::make_first(&app, look, name.trim()).await {
        Ok(_) => Ok((StatusCode::SEE_OTHER, [(header::LOCATION, HeaderValue::from_static("/site"))]).into_response()),
        Err(problem) => again(&app, problem.status(), Back { told: not_made(&problem), ..back }).await,
    }
}

fn not_made(why: &Problem) -> String {
    match why.status() {
        StatusCode::PRECONDITION_FAILED => "There is a first page already, and it was left as it is.".to_owned(),
        _ => format!("No page was made: {}.", why.detail()),
    }
}

async fn again(app: &App, status: StatusCode, back: Back) -> Result<Response, Problem> {
    let mut response = page(app, back).await?;
    *response.status_mut() = status;
    Ok(response)
}

/// What is wrong with a name, in words for who typed it.
fn wrong(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        return Some("Your name is missing: the page begins with it.".to_owned());
    }
    Line::parse(name).err().map(|why| format!("It {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_line_that_is_not_blank() {
        assert_eq!(wrong("Ann & Co"), None);
        for (name, words) in
            [("", "is missing"), (" \u{a0}", "is missing"), ("a\nb", "control characters"), (&"x".repeat(257), "256 bytes")]
        {
            assert!(wrong(name).unwrap().contains(words), "{name}");
        }
    }
}
