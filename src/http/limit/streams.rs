//! Who gets one of the event streams that a server can hold (THREATS 7).
//!
//! - An address has at most `per_address` of them.
//! - The last 5 % are for addresses that sent a signed presence within ten minutes.
//! - From half full on, a network (/24, /48) may have a sixteenth of what is free, so newcomers of the fullest are refused first.
//!   This machine's own addresses are not a network of strangers.
//! - Nobody who is in is ever put out for somebody else.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashlink::LruCache;
use rustix::process::{Resource, getrlimit};

use super::{Refused, TABLE};
use crate::clock::Moment;
use crate::config::http::HttpConfig;
use crate::http::client_ip::{host_key, prefix_key};

/// How long a signed presence makes its address known.
const KNOWN_FOR: Duration = Duration::from_secs(600);
/// One slot of this many is kept for known addresses: 5 %.
const KEPT: usize = 20;
/// A network has at most one of this many free slots, once half are taken.
const SHARE: usize = 16;
/// Open files that are not for event streams: logs, the database, the listener, requests under way.
const OTHER_FILES: usize = 512;
/// Fewest streams that are offered, however few files may be open.
const FEWEST: usize = 16;

/// How many event streams there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// In all.
    pub total: usize,
    /// Of one address (IPv6: one /64).
    pub per_address: usize,
}

impl StreamLimits {
    /// What `[http]` asks for; `max_streams = 0` means what the limit on open files allows.
    pub fn of(config: &HttpConfig) -> Self {
        let total = if config.max_streams == 0 { streams_by_file_limit() } else { config.max_streams as usize };
        Self { total, per_address: config.max_streams_per_ip as usize }
    }
}

/// As many streams as this process may open files, less what else it opens.
pub fn streams_by_file_limit() -> usize {
    let files = getrlimit(Resource::Nofile).current.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    files.saturating_sub(OTHER_FILES.max(files / KEPT)).max(FEWEST)
}

/// The door to the event streams.
#[derive(Debug)]
pub struct StreamGate(Mutex<Slots>);

/// A place among the event streams, given back when dropped.
#[derive(Debug)]
pub struct StreamSlot {
    gate: Arc<StreamGate>,
    address: IpAddr,
}

#[derive(Debug)]
struct Slots {
    limits: StreamLimits,
    taken: usize,
    addresses: HashMap<IpAddr, usize>,
    networks: HashMap<IpAddr, usize>,
    known: LruCache<IpAddr, Moment>,
}

impl StreamGate {
    /// Every slot is free.
    pub fn new(limits: StreamLimits) -> Arc<Self> {
        let (addresses, networks) = (HashMap::new(), HashMap::new());
        Arc::new(Self(Mutex::new(Slots { limits, taken: 0, addresses, networks, known: LruCache::new(TABLE) })))
    }

    /// A slot for `address`.
    ///
    /// # Errors
    /// [`Refused::StreamsOfAddress`], [`Refused::StreamsKept`] or [`Refused::StreamsTaken`].
    pub fn enter(self: &Arc<Self>, address: IpAddr, now: Moment) -> Result<StreamSlot, Refused> {
        self.slots().enter(address, now)?;
        Ok(StreamSlot { gate: self.clone(), address })
    }

    /// A signed presence came from `address`, which is known for ten minutes.
    pub fn signed(&self, address: IpAddr, now: Moment) {
        self.slots().known.insert(host_key(address), now);
    }

    /// From now on so many streams are offered; those that are more stay until they end.
    pub fn limit(&self, limits: StreamLimits) {
        self.slots().limits = limits;
    }

    /// Slots that are taken.
    pub fn taken(&self) -> usize {
        self.slots().taken
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        self.gate.slots().leave(self.address);
    }
}

impl Slots {
    fn enter(&mut self, address: IpAddr, now: Moment) -> Result<(), Refused> {
        let (host, network) = (host_key(address), prefix_key(address));
        let of = |counts: &HashMap<IpAddr, usize>, key| counts.get(key).copied().unwrap_or(0);
        let free = self.limits.total.saturating_sub(self.taken);
        let crowded = self.taken >= self.limits.total / 2 && of(&self.networks, &network) >= free.div_ceil(SHARE);
        let kept = free <= self.limits.total / KEPT || (crowded && !host.is_loopback());
        if free == 0 {
            return Err(Refused::StreamsTaken);
        }
        if of(&self.addresses, &host) >= self.limits.per_address {
            return Err(Refused::StreamsOfAddress);
        }
        if kept && !self.is_known(&host, now) {
            return Err(Refused::StreamsKept);
        }
        self.taken += 1;
        *self.addresses.entry(host).or_default() += 1;
        *self.networks.entry(network).or_default() += 1;
        Ok(())
    }

    fn leave(&mut self, address: IpAddr) {
        self.taken -= 1;
        give_back(&mut self.addresses, host_key(address));
        give_back(&mut self.networks, prefix_key(address));
    }

    fn is_known(&self, host: &IpAddr, now: Moment) -> bool {
        self.known.peek(host).is_some_and(|signed| now < *signed + KNOWN_FOR)
    }
}

fn give_back(counts: &mut HashMap<IpAddr, usize>, key: IpAddr) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests;
