//! Listening sockets that the service manager hands over (`LISTEN_FDS`), named by `FileDescriptorName=` in the `.socket` unit.

use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;
use socket2::SockRef;
use thiserror::Error;

/// Most sockets that are taken: a unit listens on a few addresses.
const MAX_SOCKETS: usize = 16;
/// What the sockets of the public listener are called.
const PUBLIC: &str = "public";

/// Listening sockets, not yet in use. Dropping them closes them here; they stay open in the service manager.
#[derive(Debug, Default)]
pub struct Sockets {
    /// For the public roles.
    public: Vec<TcpListener>,
}

/// Why what was handed over cannot be used. The node does not start then: clients would wait at a socket that nobody answers.
#[derive(Debug, Error)]
pub enum SocketsError {
    /// More than [`MAX_SOCKETS`].
    #[error("LISTEN_FDS={0}: at most {MAX_SOCKETS} sockets are taken from the service manager")]
    TooMany(usize),
    /// The unit calls a socket something else.
    #[error("the service manager hands over a socket called `{0}`; there is no such one: use FileDescriptorName={PUBLIC}")]
    Name(String),
    /// Not a TCP socket that listens.
    #[error("the service manager's socket `{name}` cannot be used: {cause}")]
    Socket {
        /// What the unit calls it.
        name: String,
        /// What is wrong with it.
        cause: io::Error,
    },
}

impl Sockets {
    /// Takes what this process was handed. To be called once, before there are threads: the environment is changed, so that
    /// children take nothing.
    ///
    /// # Errors
    /// See [`SocketsError`].
    pub fn inherited() -> Result<Self, SocketsError> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut handed = ListenFd::from_env();
        if handed.len() > MAX_SOCKETS {
            return Err(SocketsError::TooMany(handed.len()));
        }
        let mut names = names.split(':');
        let mut public = Vec::new();
        for at in 0..handed.len() {
            let name = names.next().unwrap_or_default().to_owned();
            if !is_public(&name) {
                return Err(SocketsError::Name(name));
            }
            let taken = handed.take_tcp_listener(at).and_then(listening);
            public.extend(taken.map_err(|cause| SocketsError::Socket { name, cause })?);
        }
        Ok(Self { public })
    }

    /// The sockets of the public listener; afterwards there are none.
    pub fn take_public(&mut self) -> Vec<TcpListener> {
        std::mem::take(&mut self.public)
    }

    /// Whether nothing is left to take.
    pub fn is_empty(&self) -> bool {
        self.public.is_empty()
    }
}

/// Without `FileDescriptorName=` systemd calls a socket by its unit, and `systemd-socket-activate` calls it `unknown`.
fn is_public(name: &str) -> bool {
    matches!(name, PUBLIC | "" | "unknown") || name.ends_with(".socket")
}

/// A unit with `Accept=yes` hands over connections, which do not listen.
fn listening(socket: Option<TcpListener>) -> io::Result<Option<TcpListener>> {
    if let Some(socket) = &socket {
        if !SockRef::from(socket).is_listener()? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it does not listen (Accept=yes?)"));
        }
        socket.set_nonblocking(true)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_what_a_socket_is_for() {
        for name in ["public", "", "unknown", "goop-rendezvous.socket"] {
            assert!(is_public(name), "{name}");
        }
        for name in ["viewer", "Public", "socket"] {
            assert!(!is_public(name), "{name}");
        }
    }

    #[test]
    fn a_connection_is_no_listening_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(listening(Some(listener)).unwrap().is_some());
        let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        assert!(listening(Some(bound.into())).is_err());
    }
}
