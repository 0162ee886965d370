//! The accept loop: takes connections, bounds how many there are, and ends them all when the node stops.
//!
//! The loop owns every connection task. When the house is full, the oldest connection that has not sent a whole request
//! makes room: half-open connections push each other out and never a client that asked for something (THREATS 10).
//! When every connection is in earnest, newcomers hear 503.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

#[cfg(target_os = "linux")]
use socket2::SockRef;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::HttpMetrics;
use super::client_ip::host_key;
use super::connection::{self, Answers, Ending};
use super::pulse::Pulse;

/// Connections the kernel keeps waiting for us: a thousand clients that come back at once wait for whole seconds with 128.
const BACKLOG: i32 = 4096;
/// A client that acknowledges nothing for this long is gone, without a word: a power cut, a phone out of reach. The kernel would wait for
/// a quarter of an hour.
#[cfg(target_os = "linux")]
const GONE: Duration = Duration::from_secs(30);
/// Bytes that wait in the kernel for a client that takes them slower than they come; the rest waits here, where it is seen, bounded and
/// costs nothing to throw away. The kernel alone would keep megabytes of each (THREATS 8). What is under way to a client does not count,
/// so that long lines stay fast.
#[cfg(target_os = "linux")]
const WAITING: u32 = 64 * 1024;
/// First pause after a failed accept; doubles up to [`MAX_BACK_OFF`].
const MIN_BACK_OFF: Duration = Duration::from_millis(10);
/// Longest pause after a failed accept.
const MAX_BACK_OFF: Duration = Duration::from_secs(1);
/// What a newcomer hears when there is no room, before the connection closes.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// How many connections, and how long each may take for what.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Open connections in all.
    pub connections: usize,
    /// Open connections from one address (IPv6: from one /64).
    pub per_address: usize,
    /// From the accept to the first byte of the first request.
    pub first_byte: Duration,
    /// From the first byte of a request to the end of its head.
    pub head: Duration,
    /// What a request's body may take before its speed counts ([`super::body::MIN_RATE`]).
    pub body: Duration,
    /// Between an answer and the next request on the same connection.
    pub keep_alive: Duration,
    /// How long a client may take nothing of what is written to it.
    pub stall: Duration,
    /// How long what a client still sends is read after our last word.
    pub linger: Duration,
    /// What a running request gets when the node stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            per_address: 512,
            first_byte: Duration::from_secs(5),
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            stall: Duration::from_secs(10),
            linger: Duration::from_secs(2),
            drain: Duration::from_secs(3),
        }
    }
}

/// A listening socket at `addr`, with a deep backlog; one on an IPv6 address takes no IPv4 connections.
pub fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// The same, where the port matters less: one that is in use is left for a free one, which is said, unless somebody chose it (`explicit`).
pub fn listen_or_move(addr: SocketAddr, explicit: bool) -> io::Result<TcpListener> {
    match listen(addr) {
        Err(cause) if cause.kind() == io::ErrorKind::AddrInUse && !explicit => {
            let listener = listen(SocketAddr::new(addr.ip(), 0))?;
            let port = listener.local_addr()?.port();
            tracing::warn!(taken = %addr, port, "the usual port is in use; moved to a free one");
            Ok(listener)
        }
        listening => listening,
    }
}

/// Sets what makes no difference to a good client; without it all works too.
fn tune(socket: &TcpStream) {
    let _ = socket.set_nodelay(true);
    #[cfg(target_os = "linux")]
    {
        let socket = SockRef::from(socket);
        let _ = socket.set_tcp_user_timeout(Some(GONE));
        let _ = socket.set_tcp_notsent_lowat(WAITING);
    }
}

/// Answers with `service` on all `listeners` until `stop` is cancelled and every connection has ended, at most `limits.drain` later.
pub async fn serve<S: Answers>(listeners: Vec<TcpListener>, service: S, limits: Limits, metrics: HttpMetrics, stop: CancellationToken) {
    let mut house = House {
        service,
        limits,
        metrics,
        stop: stop.clone(),
        tasks: JoinSet::new(),
        addresses: HashMap::new(),
        guests: HashMap::new(),
        silent: VecDeque::new(),
    };
    let mut back_off = MIN_BACK_OFF;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = house.tasks.join_next_with_id() => house.leave(ended),
            accepted = accept(&listeners) => match accepted {
                Ok((socket, client)) => {
                    back_off = MIN_BACK_OFF;
                    house.enter(socket, client);
                }
                Err(cause) => {
                    house.metrics.accept_errors.inc();
                    tracing::warn!(%cause, "could not accept a connection");
                    house.pause(back_off).await;
                    back_off = (back_off * 2).min(MAX_BACK_OFF);
                }
            }
        }
    }
    drop(listeners);
    while let Some(ended) = house.tasks.join_next_with_id().await {
        house.leave(ended);
    }
}

/// The next connection of any listener; an error is one of the process, not of a single connection.
async fn accept(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    poll_fn(|cx| {
        for listener in listeners {
            match listener.poll_accept(cx) {
                Poll::Ready(Err(cause)) if is_the_clients(&cause) => cx.waker().wake_by_ref(),
                Poll::Ready(accepted) => return Poll::Ready(accepted),
                Poll::Pending => {}
            }
        }
        Poll::Pending
    })
    .await
}

fn is_the_clients(cause: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(cause.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Everyone who is connected: `addresses` has at most `limits.connections` entries, `silent` twice as many.
struct House<S> {
    service: S,
    limits: Limits,
    metrics: HttpMetrics,
    stop: CancellationToken,
    tasks: JoinSet<Ending>,
    addresses: HashMap<Id, IpAddr>,
    guests: HashMap<IpAddr, usize>,
    silent: VecDeque<Silent>,
}

/// A connection that had not sent a whole request when it was last looked at.
struct Silent {
    address: IpAddr,
    pulse: Arc<Pulse>,
    task: AbortHandle,
}

impl Silent {
    fn is_over(&self) -> bool {
        self.task.is_finished() || self.pulse.proven()
    }
}

impl<S: Answers> House<S> {
    fn enter(&mut self, socket: TcpStream, client: SocketAddr) {
        let address = host_key(client.ip());
        let crowded = self.guests.get(&address).is_some_and(|guests| *guests >= self.limits.per_address);
        let full = self.addresses.len() >= self.limits.connections;
        if (crowded && !self.make_room(Some(address))) || (full && !crowded && !self.make_room(None)) {
            self.metrics.refused.inc();
            let _ = socket.try_write(NO_ROOM);
            return;
        }
        tune(&socket);
        self.metrics.accepted.inc();
        let pulse = Pulse::new(self.limits);
        let serving = connection::serve(socket, client, self.service.clone(), pulse.clone(), self.metrics.clone(), self.stop.clone());
        let task = self.tasks.spawn(serving);
        self.addresses.insert(task.id(), address);
        *self.guests.entry(address).or_default() += 1;
        self.forget_those_who_spoke();
        self.silent.push_back(Silent { address, pulse, task });
    }

    fn leave(&mut self, ended: Result<(Id, Ending), JoinError>) {
        self.metrics.closed.inc();
        let id = match ended {
            Ok((id, ending)) => {
                self.metrics.timed_out.inc_by(u64::from(ending == Ending::TimedOut));
                id
            }
            Err(failed) => {
                self.metrics.panics.inc_by(u64::from(failed.is_panic()));
                failed.id()
            }
        };
        self.strike_out(id);
    }

    fn strike_out(&mut self, id: Id) {
        let Some(address) = self.addresses.remove(&id) else { return };
        if let Some(guests) = self.guests.get_mut(&address) {
            *guests -= 1;
            if *guests == 0 {
                self.guests.remove(&address);
            }
        }
    }

    /// Ends the oldest connection (of `address`, if given) that has sent no whole request; `false` if there is none.
    fn make_room(&mut self, address: Option<IpAddr>) -> bool {
        let fits = |silent: &Silent| !silent.is_over() && address.is_none_or(|address| silent.address == address);
        let oldest = self.silent.iter().position(fits);
        let Some(oldest) = oldest.and_then(|oldest| self.silent.remove(oldest)) else { return false };
        oldest.task.abort();
        self.strike_out(oldest.task.id());
        self.metrics.evicted.inc();
        true
    }

    fn forget_those_who_spoke(&mut self) {
        while self.silent.front().is_some_and(Silent::is_over) {
            self.silent.pop_front();
        }
        if self.silent.len() > 2 * self.limits.connections {
            self.silent.retain(|silent| !silent.is_over());
        }
    }

    /// Waits out a failed accept, and lets those who end meanwhile give their files back.
    async fn pause(&mut self, how_long: Duration) {
        let pause = sleep(how_long);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => return,
                () = self.stop.cancelled() => return,
                Some(ended) = self.tasks.join_next_with_id() => self.leave(ended),
            }
        }
    }
}
