//! The rules of the game, as pure values and state machines: no sockets, files, clock or randomness. Time is an argument.

pub mod announcer;
pub mod chat;
pub mod neighbours;
pub mod presence;
pub mod public_ip;
pub mod rate;
pub mod relay_choice;
