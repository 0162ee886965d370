//! The rules of the game, as pure values and state machines: no sockets, files, clock or randomness. Time is an argument.

pub mod announcer;
pub mod binding;
pub mod board;
pub mod chat;
pub mod community;
pub mod directory;
pub mod event_log;
pub mod health;
pub mod hour;
pub mod invite;
pub mod names;
pub mod neighbours;
pub mod presence;
pub mod rate;
pub mod relay_choice;
pub mod replay;
pub mod search;
pub mod shell;
pub mod signed;
pub mod transfer;
