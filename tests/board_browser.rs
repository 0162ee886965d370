//! The pages of a rendezvous server in a real browser (THREATS 21, 31).
#![allow(missing_docs, clippy::unwrap_used, reason = "the names of the tests say it, and a failed step fails the test")]

mod chromium;
mod rendezvous_stage;
#[path = "board_browser/visitors.rs"]
mod visitors;
