//! The pages of the viewer in a real browser (THREATS 21, 24).
#![allow(missing_docs, clippy::unwrap_used, reason = "the names of the tests say it, and a failed step fails the test")]

#[path = "viewer_browser/app.rs"]
mod app;
mod chromium;
mod harness;
#[path = "viewer_browser/nodes.rs"]
mod nodes;
#[path = "viewer_browser/pages.rs"]
mod pages;
#[path = "viewer_browser/site.rs"]
mod site;
mod stage;
