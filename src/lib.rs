//! goop lets people find each other and talk directly, with nobody in between.
//!
//! One binary plays several roles over one libp2p identity. The crate is a house with floors; a room may use rooms on its own
//! or a lower floor, never one above, and roles never import each other (`tests/floors.rs` holds this):
//!
//! ```text
//! 5  ROOF      main · cli · node           puts the house together; nobody imports it
//! 4  FRONT     viewer                      the local web pages a person looks at
//! 3  ROLES     peer · rendezvous · superhub    finds others, serves site, files and chat; a board where peers meet; a directory of boards
//! 2  PLUMBING  http · db · p2p · clients · doctor · shutdown · systemd · telemetry    shared I/O, no policy
//! 1  RULES     proto                       what is true: no I/O, no clock, no randomness
//! 0  GROUND    clock · identity · config   facts every floor may use
//! ```

#[cfg(not(unix))]
compile_error!("goop runs on Unix only so far");

pub mod clock;
pub mod config;
pub mod identity;

pub mod proto;

pub mod clients;
pub mod db;
pub mod doctor;
pub mod http;
pub mod p2p;
pub mod shutdown;
pub mod systemd;
pub mod telemetry;

pub mod peer;
pub mod rendezvous;
pub mod superhub;

pub mod viewer;

pub mod cli;
pub mod node;
