//! HTTP manners that every role shares: a listener with deadlines, one error format, server-sent events, who may ask, headers, files.
//!
//! - `listener`, `connection`, `socket`, `pulse`: accept, bound, time and drain connections (THREATS 8, 10, 11).
//! - `lengths`: refuses requests whose end is ambiguous (THREATS 19).
//! - `client_ip`, `limit`: whom a request comes from, and how much of what anybody gets (THREATS 7, 15–17).
//! - `auth`: who may operate a public role: password, session, Peer ID auth (THREATS 31–35).
//! - `body`: reads a request's body with a limit and a minimum speed (THREATS 11–13).
//! - [`Problem`]: the one error answer (RFC 9457).
//! - `sse`: frames, keep-alive, and an end on the stop token.
//! - `origin`: whose page is asking, secrets compared in constant time (THREATS 24, 29–31).
//! - `headers`: the headers a browser is told with every answer (THREATS 27).
//! - `media`: media types by our own table, never by another's word (THREATS 28).
//! - `assets`: files built into the program. `page`: what the pages of every role share.
//!
//! No policy lives here: who may do what is said by the roles.

pub mod assets;
pub mod auth;
pub mod body;
pub mod client_ip;
mod connection;
pub mod error;
pub mod headers;
mod lengths;
pub mod limit;
pub mod listener;
pub mod media;
pub mod metrics;
pub mod origin;
mod own_url;
pub mod page;
mod pulse;
mod socket;
pub mod sse;

pub use connection::{Answers, Client, Local};
pub use error::Problem;
pub use listener::{Limits, listen, listen_or_move, serve};
pub use metrics::HttpMetrics;
pub use own_url::{local_url, outward_url};
