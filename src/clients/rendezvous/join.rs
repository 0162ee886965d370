//! Where a link leads that somebody was given to come into a community, and what an invitation is exchanged for.
//!
//! | Link | What |
//! |---|---|
//! | `https://rv.example.org/c/chess`, `rv.example.org:8787` | a community's base URL, or a server's; goop2's too |
//! | `https://rv.example.org/c/chess/join#TOKEN` | an invitation; `#ticket=TICKET`: an application that was let in |
//! | `https://hub.example.org/join#at=…&invite=…` | a hub's link: everything stands behind the `#`, so the hub need not answer, and hears nothing |
//! | `goop:join?at=…&invite=…` | the same for a browser that knows goop |
//!
//! `at` is an endpoint as listings have it, and may stand there up to [`MAX_PLACES`] times: the first that answers is taken. A link holds
//! secrets, and is neither logged nor shown.

use reqwest::Url;
use thiserror::Error;

use super::exchange::{Candidate, Pass, exchange};
use super::standing::{Standing, standing};
use crate::config::base_url::BaseUrl;
use crate::proto::directory::Endpoint;

/// Longest link, in bytes.
pub const MAX_LINK: usize = 4096;
/// Places that are tried.
pub const MAX_PLACES: usize = 8;
/// Why nobody came in.
#[derive(Debug, Error)]
pub enum JoinError {
    /// Not a link that leads anywhere.
    #[error("this is no link into a community: {0}")]
    Link(String),
    /// The server does not let in; its words.
    #[error("the server answers: {detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its words.
        detail: String,
    },
    /// The operator has not decided.
    #[error("nobody has answered this application yet; try the same link later")]
    Undecided,
    /// No place of the link answers; why.
    #[error("{0} does not answer ({1}), and it alone can take the invitation")]
    Unreachable(String, String),
    /// It would have been sent in the clear; why that was not done.
    #[error("the invitation was not sent to {0}, where everybody on the way could have read it: {1}")]
    Withheld(String, String),
    /// What answers is something else.
    #[error("{0} is no server that takes invitations")]
    NoServer(String),
    /// A server is there, but not this community; a closed one looks the same to strangers.
    #[error("there is no such community, or one has to come in first, by an invitation or at {page}/join: {0}", page = .0.trim_end_matches('/'))]
    NoCommunity(String),
    /// What answers is no rendezvous server.
    #[error("something else answers at {0}: this is no rendezvous server")]
    SomethingElse(String),
}

/// A link, read.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinLink {
    /// Where the community is met, at least one place; the first is tried first.
    places: Vec<Candidate>,
    /// What is shown there to come in.
    pass: Option<Pass>,
}

/// Where a link led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// The base URL to be a member at.
    pub url: BaseUrl,
    /// Whether a server answered there.
    pub answers: bool,
}

impl JoinLink {
    /// Reads a link.
    ///
    /// # Errors
    /// [`JoinError::Link`].
    pub fn parse(text: &str) -> Result<Self, JoinError> {
        let text = text.trim();
        let wrong = |why: &str| JoinError::Link(why.to_owned());
        if text.len() > MAX_LINK {
            return Err(wrong("it is too long"));
        }
        if let Some(rest) = text.strip_prefix("goop:") {
            let said = rest.trim_start_matches('/').strip_prefix("join").and_then(|rest| rest.strip_prefix(['?', '#']));
            return Self::of_hub(said.ok_or_else(|| wrong("it is not of the form goop:join?at=…"))?);
        }
        let Some((page, secret)) = text.split_once('#') else {
            let base = text.strip_suffix("/join").unwrap_or(text);
            // Only communities have such a page without more behind it.
            let is_cut_off = base != text && text.contains("://") && !base.contains("/c/");
            return if is_cut_off { Err(wrong("it has lost what stood behind its #")) } else { Self::place(base, None) };
        };
        if secret.split('&').any(|pair| pair.starts_with("at=")) {
            return Self::of_hub(secret);
        }
        let base = page.strip_suffix("/join").ok_or_else(|| wrong("what stands behind the # is not understood"))?;
        let pass = match secret.strip_prefix("ticket=") {
            Some(ticket) => Pass::Ticket(ticket.to_owned()),
            None => Pass::Invite(secret.to_owned()),
        };
        Self::place(base, Some(pass))
    }

    fn place(text: &str, pass: Option<Pass>) -> Result<Self, JoinError> {
        let places = match text.contains("://") {
            true => vec![Candidate { url: BaseUrl::parse(text).map_err(JoinError::Link)?, guessed: false }],
            false => places(text)?,
        };
        Ok(Self { places, pass })
    }

    fn of_hub(said: &str) -> Result<Self, JoinError> {
        let (mut link, mut at) = (Self { places: Vec::new(), pass: None }, 0);
        let said = Url::parse(&format!("goop:join?{said}")).map_err(|error| JoinError::Link(error.to_string()))?;
        for (name, value) in said.query_pairs() {
            match &*name {
                "at" if at < MAX_PLACES => {
                    at += 1;
                    link.places.extend(places(&value)?);
                }
                "invite" => link.pass = Some(Pass::Invite(value.into_owned())),
                _ => {}
            }
        }
        if link.places.is_empty() { Err(JoinError::Link("it names no place".to_owned())) } else { Ok(link) }
    }

    /// Where the community is met, at least one place; the first is tried first.
    pub(super) fn places(&self) -> &[Candidate] {
        &self.places
    }

    /// Whether something is shown there to come in.
    pub(super) fn is_invitation(&self) -> bool {
        self.pass.is_some()
    }

    /// The base URL to be a member at: an invitation is exchanged for a personal one; of several places the first that serves is taken,
    /// and where none answers at all, the first.
    ///
    /// # Errors
    /// See [`JoinError`].
    pub async fn follow(&self) -> Result<Followed, JoinError> {
        let first = self.places.first().ok_or_else(|| JoinError::Link("it names no place".to_owned()))?;
        match &self.pass {
            Some(pass) => exchange(&self.places, pass).await.map(|url| Followed { url, answers: true }),
            None => self.serving(&first.url).await,
        }
    }

    /// The first place that serves; else what the first says that answers.
    async fn serving(&self, first: &BaseUrl) -> Result<Followed, JoinError> {
        let mut wrong = None;
        for Candidate { url: place, .. } in &self.places {
            match standing(place).await {
                Standing::Serves => return Ok(Followed { url: place.clone(), answers: true }),
                Standing::Silent => {}
                Standing::NoCommunity => wrong = wrong.or(Some(JoinError::NoCommunity(place.to_string()))),
                Standing::SomethingElse => wrong = wrong.or(Some(JoinError::SomethingElse(place.to_string()))),
            }
        }
        wrong.map_or_else(|| Ok(Followed { url: first.clone(), answers: false }), Err)
    }
}

fn places(text: &str) -> Result<Vec<Candidate>, JoinError> {
    let endpoint = Endpoint::parse(text).map_err(|error| JoinError::Link(error.to_string()))?;
    let candidate = |url: &Url| {
        let url = BaseUrl::parse(url.as_str()).map_err(JoinError::Link)?;
        Ok(Candidate { guessed: url.url().scheme() == "http" && !text.contains("://"), url })
    };
    endpoint.urls().iter().map(candidate).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<(Vec<String>, Option<String>)> {
        let link = JoinLink::parse(text).ok()?;
        let pass = link.pass.map(|pass| match pass {
            Pass::Invite(token) => token,
            Pass::Ticket(ticket) => format!("ticket {ticket}"),
        });
        Some((link.places.iter().map(|place| place.url.url().to_string()).collect(), pass))
    }

    fn at(place: &str, pass: Option<&str>) -> Option<(Vec<String>, Option<String>)> {
        Some((vec![place.to_owned()], pass.map(str::to_owned)))
    }

    #[test]
    fn every_kind_of_link_leads_to_the_same_place() {
        let chess = "https://rv.example/c/chess";
        assert_eq!(read(chess), at(chess, None));
        assert_eq!(read("https://rv.example/c/chess/join"), at(chess, None));
        assert_eq!(read("https://rv.example/c/chess/join#abc"), at(chess, Some("abc")));
        assert_eq!(read("https://rv.example/c/chess/join#ticket=abc"), at(chess, Some("ticket abc")));
        assert_eq!(read("https://hub.example/join#id=7&at=https%3A%2F%2Frv.example%2Fc%2Fchess&invite=abc"), at(chess, Some("abc")));
        assert_eq!(read("goop:join?at=https%3A%2F%2Frv.example%2Fc%2Fchess"), at(chess, None));
        assert_eq!(read("goop://join#at=https://rv.example/c/chess"), at(chess, None));
        let tried = vec!["https://rv.example:8787/".to_owned(), "http://rv.example:8787/".to_owned()];
        assert_eq!(read("rv.example:8787"), Some((tried, None)));
    }

    #[test]
    fn bad_input_what_leads_nowhere_is_refused() {
        let bad = [
            "",
            "goop:",
            "goop:join?invite=a",
            "goop:join?at=javascript:alert(1)",
            "https://rv.example/#x",
            "https://hub.example/join",
            "file:///etc/passwd",
            "-",
            "join#",
        ];
        for text in bad {
            assert!(JoinLink::parse(text).is_err(), "{text}");
        }
        assert!(JoinLink::parse(&format!("https://rv.example/{}", "x".repeat(MAX_LINK))).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic_and_names_few_places(text in "(goop:join\\?)?(at=a:1&|\\PC){0,60}") {
            if let Ok(link) = JoinLink::parse(&text) {
                prop_assert!(!link.places.is_empty() && link.places.len() <= 2 * MAX_PLACES);
            }
        }
    }
}
