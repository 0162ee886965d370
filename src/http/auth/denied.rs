//! The answers to those who are not let in.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use libp2p::PeerId;

use crate::http::Problem;

/// Why somebody is not let in. None of these says whether a password or a name was nearly right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// 403: neither a password nor a peer is configured.
    Shut,
    /// 401: nobody known; how to be known.
    Unknown {
        /// The `WWW-Authenticate` lines.
        challenges: Vec<HeaderValue>,
    },
    /// 403: this peer has proven who it is, and is not on the list.
    NotListed(PeerId),
    /// 429: this address gave too many wrong passwords; it may try again after this.
    TooOften(Duration),
    /// 503: more logins than can be hashed wait already.
    Busy,
    /// Known, and refused.
    Refused(Problem),
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response<Body> {
        let problem = match self {
            Self::Shut => {
                let detail = "the operator's pages are off: no admin_password is set";
                Problem::new(StatusCode::FORBIDDEN, "admin-off", detail)
            }
            Self::Unknown { challenges } => {
                let mut response =
                    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "the operator's password is needed").into_response();
                challenges.into_iter().for_each(|line| {
                    response.headers_mut().append(header::WWW_AUTHENTICATE, line);
                });
                return response;
            }
            Self::NotListed(peer) => Problem::forbidden(format!("{peer} is not among superhub.admin_peers")),
            Self::TooOften(after) => {
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-failures", "too many wrong passwords").retry_after(after)
            }
            Self::Busy => {
                let detail = "too many logins wait already";
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).retry_after(Duration::from_secs(1))
            }
            Self::Refused(problem) => problem,
        };
        problem.into_response()
    }
}
