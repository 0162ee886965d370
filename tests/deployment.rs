//! How the server is deployed, with the files of `docs/` themselves: under systemd, behind Caddy, watched by `goop status`.
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod harness;

#[path = "deployment/caddy.rs"]
mod caddy;
#[path = "deployment/documents.rs"]
mod documents;
#[path = "deployment/notify.rs"]
mod notify;
#[path = "deployment/platform.rs"]
mod platform;
#[path = "deployment/sockets.rs"]
mod sockets;
#[path = "deployment/status.rs"]
mod status;
#[path = "deployment/talk.rs"]
mod talk;
#[path = "deployment/units.rs"]
mod units;
