//! Which board a URL means: `/…` the open one, `/c/{slug}/…` a community's, `/c/{slug}/m/{token}/…` a member's own door to it; and
//! `/via404/` before any of them is as if it were not there (newest goop2 peers listen on plain `http://` only if the URL holds `404`).

use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;

/// What a URL says before the endpoint; put into the request's extensions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Base {
    /// The community; `None` is the open board.
    pub slug: Option<String>,
    /// The member's token; never logged.
    pub token: Option<String>,
    /// What stands before the endpoint, such as `/via404/c/chess`; empty for the open board. Holds no token.
    pub path: String,
}

impl Base {
    /// Everything before the endpoint, the token of a personal URL included; must not reach a log.
    pub(super) fn door(&self) -> String {
        let token = self.token.as_ref().map(|token| format!("/m/{token}")).unwrap_or_default();
        format!("{}{token}", self.path)
    }

    /// Reads the base of a path; answers it and the endpoint that follows, which begins with a slash.
    pub fn split(path: &str) -> (Self, &str) {
        let mut base = Self::default();
        let mut rest = path;
        if let Some(endpoint) = after(rest, "/via404") {
            base.path.push_str("/via404");
            rest = endpoint;
        }
        if let Some((slug, endpoint)) = named(rest, "/c/") {
            base.path.push_str(&format!("/c/{slug}"));
            base.slug = Some(slug.to_owned());
            rest = endpoint;
            if let Some((token, endpoint)) = named(rest, "/m/") {
                base.token = Some(token.to_owned());
                rest = endpoint;
            }
        }
        (base, if rest.is_empty() { "/" } else { rest })
    }

    /// Takes the base off a request's path and puts it into its extensions, so that one table of routes serves all boards.
    pub(super) fn take_off(mut request: Request) -> Request {
        let (base, endpoint) = Self::split(request.uri().path());
        if base != Self::default() {
            let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
            let target = PathAndQuery::try_from(format!("{endpoint}{query}"));
            *request.uri_mut() = target.map_or(Uri::from_static("/"), Uri::from);
        }
        request.extensions_mut().insert(base);
        request
    }
}

/// What follows the segment `prefix`.
fn after<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The segment after `prefix`, which is not empty, and what follows it.
fn named<'a>(path: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    let rest = path.strip_prefix(prefix)?;
    let (name, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (!name.is_empty()).then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_its_board_and_its_endpoint() {
        let cases = [
            ("/publish", None, None, "", "/publish"),
            ("/", None, None, "", "/"),
            ("/via404", None, None, "/via404", "/"),
            ("/via404/publish", None, None, "/via404", "/publish"),
            ("/via404x/publish", None, None, "", "/via404x/publish"),
            ("/c/chess", Some("chess"), None, "/c/chess", "/"),
            ("/c/chess/api/v1/events", Some("chess"), None, "/c/chess", "/api/v1/events"),
            ("/via404/c/chess/m/t0k/publish", Some("chess"), Some("t0k"), "/via404/c/chess", "/publish"),
            ("/c//publish", None, None, "", "/c//publish"),
        ];
        for (path, slug, token, prefix, endpoint) in cases {
            let base = Base { slug: slug.map(str::to_owned), token: token.map(str::to_owned), path: prefix.to_owned() };
            assert_eq!(Base::split(path), (base, endpoint), "{path}");
        }
    }
}
