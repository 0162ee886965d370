//! Where requests go, and from which address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

/// How long the server may take to answer anything before the run fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Where everybody comes from who comes from one address; reserved for documentation (RFC 5737).
const ONE_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

/// A server.
#[derive(Debug, Clone)]
pub(super) struct Target {
    addr: SocketAddr,
    /// As the URL names it.
    pub(super) host: String,
    /// The base URL's path, without a slash at its end.
    pub(super) path: String,
    one_address: bool,
}

impl Target {
    /// The server of a base URL.
    pub(super) async fn parse(url: &str, one_address: bool) -> Result<Self> {
        let rest = url.strip_prefix("http://").context("--url begins with http://: TLS would measure something else")?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let name = if host.rsplit(']').next().is_some_and(|rest| rest.contains(':')) { host.to_owned() } else { format!("{host}:80") };
        let addr = lookup_host(&name).await.with_context(|| format!("{name} cannot be found"))?.next();
        let addr = addr.with_context(|| format!("{name} has no address"))?;
        Ok(Self { addr, host: host.to_owned(), path: path.trim_end_matches('/').to_owned(), one_address })
    }

    /// The address of the client with this number, as forwarding headers tell it: a /24 for every 250.
    pub(super) fn client(&self, number: usize) -> Ipv4Addr {
        let [low, middle, high] = [number % 250 + 1, number / 250 % 250, number / 62_500 % 250].map(|part| part as u8);
        if self.one_address { ONE_ADDRESS } else { Ipv4Addr::new(127, high + 1, middle, low) }
    }

    /// A connection of the client with this number.
    pub(super) async fn connect(&self, number: usize) -> Result<TcpStream> {
        self.connect_with(number, |_| Ok(())).await
    }

    /// The same, with a socket that `change` changes before.
    pub(super) async fn connect_with(&self, number: usize, change: impl FnOnce(&TcpSocket) -> io::Result<()>) -> Result<TcpStream> {
        let socket = if self.addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if !self.one_address && self.addr.is_ipv4() && self.addr.ip().is_loopback() {
            socket.bind(SocketAddr::new(IpAddr::V4(self.client(number)), 0))?;
        }
        change(&socket)?;
        let socket = timeout(PATIENCE, socket.connect(self.addr)).await??;
        socket.set_nodelay(true)?;
        Ok(socket)
    }

    /// The request for an event stream. In HTTP/1.0 the answer is not cut into chunks.
    pub(super) fn request(&self, stream: &str, number: usize, version: &str) -> String {
        let (path, host, from) = (&self.path, &self.host, self.client(number));
        format!("GET {path}{stream} {version}\r\nHost: {host}\r\nX-Forwarded-For: {from}\r\n\r\n")
    }

    /// Opens an event stream and reads the first words of its answer.
    pub(super) async fn subscribe(&self, stream: &str, number: usize) -> Result<TcpStream> {
        let mut socket = self.connect(number).await?;
        socket.write_all(self.request(stream, number, "HTTP/1.1").as_bytes()).await?;
        let mut answer = [0; 12];
        timeout(PATIENCE, socket.read_exact(&mut answer)).await??;
        ensure!(&answer == b"HTTP/1.1 200", "a stream was refused: {}", String::from_utf8_lossy(&answer));
        Ok(socket)
    }
}
