//! Who may ask the viewer for what; judged by the head of a request alone, before its body is read.
//!
//! - What changes something carries the token, which only our page and this user's `run.json` know, and comes from no other origin.
//!   A browser that sends [`FORM`] by itself cannot put it into the head: then the body carries it, the handler looks, and that the form is
//!   ours must be said.
//! - What only reads comes from no other origin either: peers' sites share the machine's name, and would count as near (THREATS 24).
//!   A visit is the exception: a user may follow a link to a page, which shows its answer to nobody else.
//! - No answer ever carries a CORS header.

use axum::http::Method;
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode, header};
use libp2p::PeerId;
use sha2::{Digest, Sha256};

use crate::http::{Problem, origin};

/// The header of the token.
pub const TOKEN_HEADER: &str = "x-goop-token";

/// The form of ours that needs no script.
pub(super) const FORM: &str = "/site/first";

/// What proves that a request comes from our page or this user's programs: 32 random bytes in hex.
pub(super) struct Token(String);

impl Token {
    /// A new one.
    pub(super) fn random() -> Self {
        let bytes: [u8; 32] = rand::random();
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// For the page and `run.json`; it never goes into a log or a URL.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The key under which a site stands that has no origin of its own (`apart`): its own for each peer, and none leads to the token.
    pub(super) fn for_site(&self, peer: &PeerId) -> String {
        let hash = Sha256::new().chain_update(&self.0).chain_update(peer.to_bytes()).finalize();
        hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether `given` is it.
    pub(super) fn is(&self, given: &str) -> bool {
        origin::same_secret(given.as_bytes(), self.0.as_bytes())
    }

    fn is_in(&self, parts: &Parts) -> bool {
        origin::only(&parts.headers, &HeaderName::from_static(TOKEN_HEADER)).is_some_and(|given| self.is(given))
    }
}

/// Whether this request, sent to the viewer under the origin `own`, may go on.
pub(super) fn admit(parts: &Parts, own: &str, token: &Token) -> Result<(), Problem> {
    let foreign = origin::is_foreign(&parts.headers, own);
    if matches!(parts.method, Method::GET | Method::HEAD) {
        let visit = is_page(parts.uri.path()) && origin::is_visit(&parts.headers);
        return if foreign && !visit { Err(not_for_other_pages()) } else { Ok(()) };
    }
    if foreign {
        return Err(not_for_other_pages());
    }
    if !token.is_in(parts) && !is_form(parts, own) {
        let detail = "what changes something carries X-Goop-Token; it stands in the page and in run.json";
        return Err(Problem::new(StatusCode::FORBIDDEN, "token", detail));
    }
    Ok(())
}

fn is_form(parts: &Parts, own: &str) -> bool {
    parts.method == Method::POST && parts.uri.path() == FORM && origin::only(&parts.headers, &header::ORIGIN) == Some(own)
}

fn is_page(path: &str) -> bool {
    !path.starts_with("/api/") && !["/metrics", "/healthz", "/readyz"].contains(&path)
}

fn not_for_other_pages() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "foreign-origin", "pages of other origins may not ask this")
}
