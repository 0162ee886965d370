//! The pages of a super hub in a real browser (THREATS 21, 23, 31).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    dead_code,
    reason = "the names of the tests say it, a failed step fails the test, and the hub has more uses"
)]

mod chromium;
#[path = "directory/hub.rs"]
mod hub;
#[path = "directory_browser/operator.rs"]
mod operator;
#[path = "directory/stage.rs"]
mod stage;
#[path = "directory_browser/visitors.rs"]
mod visitors;
