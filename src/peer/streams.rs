//! The stream protocols of goop, byte for byte as goop2 speaks them where it does. One file each; a stream carries one request.
//!
//! Each protocol is two functions over any byte stream: one for the side that opened it, one for the side that answers.
//! Lines are bounded by [`MAX_LINE`], and a stream on which nothing moves for [`IDLE`] ends.

use std::io;
use std::time::Duration;

use libp2p::StreamProtocol;
use thiserror::Error;

pub mod avatar;
pub mod chat;
pub mod content;
pub mod file;
mod json;
mod line;
pub mod mq;
pub mod pace;
pub mod site;

/// The label of a peer: the opener sends nothing, the other side answers with one line.
pub const CONTENT: StreamProtocol = StreamProtocol::new("/goop/content/1.0.0");
/// One file of a peer's site.
pub const SITE: StreamProtocol = StreamProtocol::new("/goop/site/1.0.0");
/// A peer's avatar.
pub const AVATAR: StreamProtocol = StreamProtocol::new("/goop/avatar/1.0.0");
/// One chat message, as goop2 sent it until February 2026.
pub const CHAT: StreamProtocol = StreamProtocol::new("/goop/chat/1.0.0");
/// One message on a topic, acknowledged, as goop2 sends it since.
pub const MQ: StreamProtocol = StreamProtocol::new("/goop/mq/1.0.0");

/// Files from one peer to another; ours.
pub const FILE: StreamProtocol = StreamProtocol::new("/goop/file/1.0.0");

/// Longest line of any protocol but chat, in bytes.
pub const MAX_LINE: usize = 64 * 1024;
/// A stream on which nothing moves for this long ends.
pub const IDLE: Duration = Duration::from_secs(10);

/// Why a stream ended without doing its work.
#[derive(Debug, Error)]
pub enum StreamError {
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// Nothing moved for [`IDLE`].
    #[error("nothing moved for {} s", IDLE.as_secs())]
    Idle,
    /// A body moved less than [`pace::LEAST`] bytes in [`pace::SPAN`].
    #[error("less than {} KiB moved in {} s", pace::LEAST / 1024, pace::SPAN.as_secs())]
    TooSlow,
    /// A line or message was longer than allowed.
    #[error("longer than the {limit} bytes allowed")]
    TooLong {
        /// What is allowed, in bytes.
        limit: usize,
    },
    /// What came is not of this protocol; the text says what was wrong.
    #[error("not understood: {0}")]
    Malformed(String),
}
