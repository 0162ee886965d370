//! `/directory`: search and browse. The form is a plain one; `directory.js` sends it as somebody types.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as Params, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::card::Card;
use super::languages::called;
use super::refusal;
use crate::clock::UnixMillis;
use crate::config::superhub::Policy;
use crate::http::{Client, Problem, page};
use crate::proto::community::Kind;
use crate::superhub::App;
use crate::superhub::directory::Found;
use crate::superhub::directory::api::{Asked, find, has_taken, may_ask};

#[derive(Template)]
#[template(path = "directory.html")]
struct Page {
    root: String,
    hub: String,
    title: String,
    description: String,
    canonical: String,
    /// The configured URL of this hub, for a command: never the name that a visitor was led to.
    own: Option<String>,
    /// Whether a search engine should know this page: not every search of everybody, nor every tag that somebody makes up in a link.
    indexed: bool,
    asked: Asked,
    /// How somebody shall come in.
    kind: String,
    kinds: [(&'static str, &'static str); 3],
    ways: Vec<Way>,
    /// What narrows the list, and the address without it.
    chosen: Vec<(String, String)>,
    count: String,
    cards: Vec<Card>,
    next: Option<String>,
    complete: bool,
    tags: Vec<(String, String)>,
    langs: Vec<(String, String, String)>,
    policy: &'static str,
}

/// A way to browse.
struct Way {
    name: &'static str,
    href: String,
    is_here: bool,
}

const KINDS: [(&str, &str); 3] = [("open", "open to all"), ("application", "by asking"), ("invite-only", "by invitation")];

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Extension(Client(socket)): Extension<Client>,
    headers: HeaderMap,
    params: Result<Params<Asked>, QueryRejection>,
) -> Response {
    let shown = async {
        may_ask(&app, socket.ip(), &headers)?;
        let Params(asked) = params.map_err(|wrong| Problem::bad_request(wrong.body_text()))?;
        let found = find(&app.directory, &asked).await?;
        has_taken(&app, socket.ip(), &headers, found.took);
        page::answer(&page_of(&app, asked, found, &headers).await?)
    };
    shown.await.unwrap_or_else(|problem| refusal(&app, problem, &headers))
}

async fn page_of(app: &App, asked: Asked, found: Found, headers: &HeaderMap) -> Result<Page, Problem> {
    let used = app.most_used().await?;
    app.metrics.searched.inc();
    let (root, now) = (app.root(), UnixMillis::now());
    let cards: Vec<Card> = found.entries.iter().filter_map(|entry| Card::of(entry, &root, now)).collect();
    let next = found.next.map(|next| asked.at(&root, &[("cursor", &next.to_string())]));
    let title = title(&asked);
    Ok(Page {
        hub: app.name().to_owned(),
        description: format!(
            "{title}: where people meet and talk directly with goop. Found by words, tags and languages, with what was seen of each."
        ),
        own: app.options.http.external_url.as_ref().map(|url| url.bare().to_owned()),
        canonical: format!("{}{}", app.origin(headers), asked.at("", &[])),
        indexed: asked.q.is_empty() && asked.cursor.is_empty() && (asked.is_plain() || !cards.is_empty()),
        kind: asked.r#type.clone(),
        kinds: KINDS,
        ways: ways(&asked, &root),
        chosen: chosen(&asked, &root),
        count: count(cards.len(), next.is_some()),
        cards,
        next,
        complete: found.complete,
        tags: used.tags.iter().map(|tag| (tag.clone(), super::directory(&root, &[("tag", tag)]))).collect(),
        langs: used.langs.iter().map(|code| (code.clone(), called(code), super::directory(&root, &[("lang", code)]))).collect(),
        policy: policy(app.options.registration),
        title,
        root,
        asked,
    })
}

impl Asked {
    /// The address of what is asked with these parameters set otherwise, from the first page on.
    fn at(&self, root: &str, otherwise: &[(&str, &str)]) -> String {
        let own = [("q", &self.q), ("type", &self.r#type), ("tag", &self.tag), ("lang", &self.lang), ("health", &self.health)];
        let own =
            own.map(|(name, value)| (name, otherwise.iter().find(|(other, _)| *other == name).map_or(value.as_str(), |(_, value)| *value)));
        let cursor = otherwise.iter().find(|(name, _)| *name == "cursor").copied();
        super::directory(root, &own.into_iter().chain(cursor).collect::<Vec<_>>())
    }

    /// Whether it asks for nothing in particular.
    fn is_plain(&self) -> bool {
        [&self.q, &self.r#type, &self.tag, &self.lang, &self.health].iter().all(|value| value.is_empty())
    }
}

fn title(asked: &Asked) -> String {
    let what = match (Kind::of_word(&asked.r#type), asked.health.as_str()) {
        (Some(Kind::Open), _) => "Communities open to all",
        (Some(Kind::InviteOnly), _) => "Communities by invitation",
        (Some(Kind::Application), _) => "Communities to ask at",
        (None, "online") => "Communities online now",
        (None, _) => "Communities",
    };
    let tag = if asked.tag.is_empty() { String::new() } else { format!(" about {}", asked.tag) };
    let lang = if asked.lang.is_empty() { String::new() } else { format!(" in {}", called(&asked.lang)) };
    let words = if asked.q.trim().is_empty() { String::new() } else { format!(" for “{}”", asked.q.trim()) };
    format!("{what}{tag}{lang}{words}")
}

fn ways(asked: &Asked, root: &str) -> Vec<Way> {
    let way = |name, parameters: &[(&str, &str)], is_here| Way { name, href: super::directory(root, parameters), is_here };
    vec![
        way("Newest", &[], asked.is_plain()),
        way("Online now", &[("health", "online")], asked.health == "online"),
        way("Open to all", &[("type", "open")], asked.r#type == "open"),
        way("By asking", &[("type", "application")], asked.r#type == "application"),
        way("By invitation", &[("type", "invite-only")], asked.r#type == "invite-only"),
    ]
}

fn chosen(asked: &Asked, root: &str) -> Vec<(String, String)> {
    let tag = (!asked.tag.is_empty()).then(|| (format!("about {}", asked.tag), asked.at(root, &[("tag", "")])));
    let lang = (!asked.lang.is_empty()).then(|| (format!("in {}", called(&asked.lang)), asked.at(root, &[("lang", "")])));
    tag.into_iter().chain(lang).collect()
}

fn count(here: usize, more: bool) -> String {
    match (here, more) {
        (0, _) => "Nothing fits.".into(),
        (1, false) => "One community.".into(),
        (here, false) => format!("{here} communities."),
        (here, true) => format!("The first {here}; there are more."),
    }
}

/// How a community gets onto this hub.
fn policy(policy: Policy) -> &'static str {
    match policy {
        Policy::Closed => "The operator of this hub decides what is listed here.",
        Policy::Approve => {
            "Whoever runs a server may ask for it to be listed. The hub makes sure that they run it, and its operator looks at each."
        }
        Policy::Open => "Whoever runs a server may list it. The hub makes sure that they run it; nobody looks at it before.",
    }
}
