//! The directory of a super hub: what is kept, how it is found, what HTTP says of it, who lists themselves.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod api;
mod hub;
mod moderation;
mod moves;
mod pages;
mod process;
mod registration;
mod search;
mod stage;
mod store;
