//! A community, or the open board, that has moved: every path of its base answers 308 with the same path at its new place, and its
//! streams are told `moved` and end. What the operator needs here, and what machines ask about this server, stays at the open board's base.
//!
//! A member's personal URL leads to the same personal URL there, which works where the members moved along (the same database). To everybody
//! else a closed community that moved looks like one that never was.

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::App;
use super::base::Base;
use crate::config::base_url::BaseUrl;
use crate::http::Problem;

/// Endpoints of the open board's base that stay.
const STAYING: [&str; 8] = ["/admin", "/api/v1/admin", "/healthz", "/logs.json", "/metrics", "/peers.json", "/readyz", "/static"];

impl App {
    /// The answer to a request whose base has moved, which [`Base::take_off`] has taken off.
    pub(super) fn redirect(&self, request: &Request) -> Option<Response> {
        let base = request.extensions().get::<Base>()?;
        let register = self.store.register();
        let place = register.moved(base.slug.as_deref())?;
        let path = request.uri().path();
        let stays = |endpoint: &str| path.strip_prefix(endpoint).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if base.slug.is_none() && STAYING.into_iter().any(stays) {
            return None;
        }
        self.pass(base.slug.as_deref(), base.token.as_deref()).ok()?;
        let member = base.token.as_ref().map(|token| format!("/m/{token}")).unwrap_or_default();
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let location = HeaderValue::try_from(format!("{place}{member}{path}{query}")).ok()?;
        let problem = Problem::new(StatusCode::PERMANENT_REDIRECT, "moved", "this community has moved; Location says where to");
        Some(([(header::LOCATION, location)], problem).into_response())
    }

    /// Tells the streams of every board that has moved, and ends them.
    pub(super) fn tell_moves(&self) {
        let register = self.store.register();
        for board in self.boards.all() {
            if let Some(place) = register.moved(board.slug())
                && board.readers() > 0
            {
                board.moved(place);
            }
        }
    }

    /// The new place as it is kept: a base URL without a slash at its end. `asked` is the host at which the operator asks, which is where this
    /// server is unless the configuration says so.
    ///
    /// # Errors
    /// Where it is no base URL, carries a login, or is where the board is now.
    pub(super) fn new_place(&self, slug: Option<&str>, to: &str, asked: Option<&str>) -> Result<String, Problem> {
        let url = BaseUrl::parse(to).map_err(|why| Problem::bad_request(format!("\"to\" {why}")))?;
        if !url.url().username().is_empty() || url.url().password().is_some() {
            return Err(Problem::bad_request("\"to\" is told to everybody, so it may carry no login"));
        }
        let settings = self.settings();
        let configured = settings.http.external_url.as_ref().map(|url| url.bare().to_owned());
        let here = configured.or_else(|| asked.map(|host| format!("http://{host}")));
        let here = here.map(|here| slug.map_or_else(|| here.clone(), |slug| format!("{here}/c/{slug}")));
        if here.as_deref() == Some(url.bare()) { Err(Problem::bad_request("it is there already")) } else { Ok(url.bare().to_owned()) }
    }
}
