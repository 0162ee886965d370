//! The one error answer of every role: `application/problem+json` (RFC 9457), whatever went wrong.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;

/// Media type of a [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";
/// What precedes a code in the `type` member; the codes are listed in docs/HTTP-API.md.
const TYPE_PREFIX: &str = "urn:goop:problem:";

/// An error answer. `code` is stable and for programs, `detail` is for people and may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after: Option<Duration>,
    members: Vec<(&'static str, u64)>,
    errors: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Wire<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    errors: BTreeMap<String, String>,
    #[serde(flatten)]
    members: HashMap<&'static str, u64>,
}

impl Problem {
    /// An error answer with this status, stable code and explanation.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None, members: Vec::new(), errors: BTreeMap::new() }
    }

    /// The same, and when it is worth asking again; said in whole seconds, rounded up, both as header and as member.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The same with a further member for programs.
    #[must_use]
    pub fn member(mut self, name: &'static str, value: u64) -> Self {
        self.members.push((name, value));
        self
    }

    /// The same, and what is wrong with each of several things, by name.
    #[must_use]
    pub fn errors(mut self, errors: BTreeMap<String, String>) -> Self {
        self.errors = errors;
        self
    }

    /// 400: the request is not understood.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// 403: understood and refused.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 404: there is nothing here.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// 413: more than `limit` bytes.
    pub fn too_large(limit: u64) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", format!("more than the {limit} bytes allowed"))
    }

    /// 415: not a type that is taken here.
    pub fn unsupported_media(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
    }

    /// 421: this server does not answer to that `Host`.
    pub fn misdirected() -> Self {
        Self::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", "this server does not answer to that Host")
    }

    /// 429: asked too often; what is counted has room again after so long.
    pub fn too_often(detail: impl Into<String>, after: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate", detail).retry_after(after)
    }

    /// 500: our own fault; the cause is in the log.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong here; the log says what")
    }

    /// The status it is answered with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What a person is told.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    fn of_status(status: StatusCode) -> Self {
        let (code, detail) = match status {
            StatusCode::NOT_FOUND => ("not-found", "there is nothing here"),
            StatusCode::METHOD_NOT_ALLOWED => ("method-not-allowed", "this method is not taken here; see Allow"),
            StatusCode::PAYLOAD_TOO_LARGE => ("too-large", "more than is taken here"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => ("unsupported-media-type", "not a type that is taken here"),
            status if status.is_client_error() => ("bad-request", "the request was not understood"),
            _ => return Self { status, ..Self::internal() },
        };
        Self::new(status, code, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let seconds = self.retry_after.map(|after| after.as_millis().div_ceil(1000) as u64);
        let wire = Wire {
            r#type: format!("{TYPE_PREFIX}{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            retry_after: seconds,
            errors: self.errors,
            members: self.members.into_iter().collect(),
        };
        let mut response = (self.status, Json(wire)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// Gives an error that a library answered in its own words (404, 405, a failed extractor) the one format; `Allow` is kept. Pages of our
/// own stay as they are: libraries answer in plain text.
pub async fn as_problem(response: Response<Body>) -> Response<Body> {
    let status = response.status();
    let mime = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let ours = mime == PROBLEM_JSON.as_bytes() || mime.starts_with(b"text/html");
    if ours || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let mut problem = Problem::of_status(status).into_response();
    if let Some(allow) = response.headers().get(header::ALLOW) {
        problem.headers_mut().insert(header::ALLOW, allow.clone());
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn json(response: Response<Body>) -> serde_json::Value {
        let bytes = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn a_problem_says_type_title_status_detail_code_and_when_to_retry() {
        let busy = Problem::new(StatusCode::TOO_MANY_REQUESTS, "busy", "wait").retry_after(Duration::from_millis(1200));
        let response = busy.into_response();
        assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        let expected = serde_json::json!({
            "type": "urn:goop:problem:busy", "title": "Too Many Requests", "status": 429, "detail": "wait", "code": "busy", "retry_after": 2
        });
        assert_eq!(json(response).await, expected);
    }

    #[tokio::test]
    async fn a_library_s_own_error_is_retold_and_keeps_allow() {
        let plain = (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET")], "nope").into_response();
        let retold = as_problem(plain).await;
        assert_eq!(retold.headers()[header::ALLOW], "GET");
        assert_eq!(json(retold).await["code"], "method-not-allowed");
    }
}
