//! The hub's pages. Reading them needs no script and no account, and everything has an address of its own, for people as for search engines.
//!
//! - `browse`: `/directory`, the search box and the cards. `card`: one of them. `facets`: which tags and languages there are.
//! - `listing`: `/directory/{id}`, and where somebody reports it. `join`: where a link into a community leads.
//! - `operator`: `/admin/directory`, behind the same door as everything that operates.
//!
//! What strangers wrote is escaped by the templates (THREATS 23). Their addresses are links only where they are `http` or `https`, which
//! every kept endpoint is. No command that is there to be copied holds words of strangers but percent-encoded ones in quotes: an address may
//! hold `;` and `$`.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use reqwest::Url;

use super::App;
use crate::http::{Problem, origin, page};

mod browse;
mod card;
mod facets;
mod join;
mod languages;
mod listing;
mod operator;

pub(super) use facets::Facets;

#[derive(Template)]
#[template(path = "directory_problem.html")]
struct Refused {
    root: String,
    title: &'static str,
    detail: String,
}

/// Everything that people look at.
pub(super) fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/directory", get(browse::show))
        .route("/directory/{id}", get(listing::show))
        .route("/directory/{id}/report", post(listing::report))
        .route("/join", get(join::show))
        .merge(operator::routes(app))
}

/// A refusal as a page for people, and as it is for programs.
fn refusal(app: &App, problem: Problem, headers: &HeaderMap) -> Response {
    let title = problem.status().canonical_reason().unwrap_or("Refused");
    let page = Refused { root: app.root(), title, detail: problem.detail().to_owned() };
    let status = problem.status();
    let answer = problem.into_response();
    if page::is_wanted(headers) || status == StatusCode::GONE { page::instead(answer, &page) } else { answer }
}

impl App {
    /// What stands before a path in a URL of this hub: as configured, or as the client asked.
    fn origin(&self, headers: &HeaderMap) -> String {
        origin::of_urls(self.options.http.external_url.as_ref(), headers)
    }

    /// What the hub is called by people; without a name of its own it is known by its peer id, which says nothing to them.
    fn name(&self) -> &str {
        let name = &self.options.directory.name;
        if *name == self.directory.origin().to_base58() { "a goop hub" } else { name }
    }
}

/// The path of the directory with these parameters, those that say something.
fn directory(root: &str, parameters: &[(&str, &str)]) -> String {
    let said = parameters.iter().filter(|(_, value)| !value.is_empty());
    let query = Url::parse_with_params("goop:", said).ok().and_then(|url| url.query().map(str::to_owned)).unwrap_or_default();
    if query.is_empty() { format!("{root}/directory") } else { format!("{root}/directory?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_stands_in_no_address() {
        assert_eq!(directory("/hub", &[("q", ""), ("tag", "")]), "/hub/directory");
        assert_eq!(directory("", &[("q", "a&b=\"<"), ("lang", "en")]), "/directory?q=a%26b%3D%22%3C&lang=en");
    }
}
