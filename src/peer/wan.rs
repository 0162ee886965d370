//! The peer's side of all rendezvous servers: tells each that we are here, and brings what they tell into the one table.
//!
//! - Each server is a [`Source`] of its own in the table, so one that fails silences nobody whom another still hears. Rows that a
//!   server stops telling of live on for their TTL ([`roster`]).
//! - What a peer has signed stands: an unsigned message about it says that it is here, and nothing else (THREATS 1). Which of several
//!   servers is believed is the table's to say ([`crate::proto::presence::table`]).
//! - Strangers from the internet never take the last [`LAN_ROOM`] rows of the table.
//! - Servers come and go while the peer runs ([`Wan::serve`]): one that is left is told `offline`, and its rows go with it.
//! - Nothing from here goes on gossip (THREATS 70), and nobody is dialled for being here: only whoever the owner wants something of,
//!   at addresses that the peer signed, under the rules of [`crate::proto::signed::addrs`] and the budget of [`dials`] (THREATS 4).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{StreamExt, StreamMap};
use tokio_util::sync::CancellationToken;

use super::Profile;
use crate::clients::rendezvous::{Client, NEWS, News, Options, Sequences, Shown, Status};
use crate::clock::{Moment, UnixMillis};
use crate::config::base_url::BaseUrl;
use crate::proto::presence::table::{Change, MAX_ROWS, PresenceTable, Row, Source};
use crate::proto::presence::{Kind, Presence};
use crate::proto::signed::addrs::{dialable, published};
use crate::shutdown::Tasks;

mod clients;
mod dials;
mod roster;

use clients::Clients;
use dials::Dials;
use roster::Roster;

/// Rows of the table that are kept for the LAN.
pub const LAN_ROOM: usize = 2_000;
/// Most servers; further ones are not asked.
pub const MAX_SERVERS: usize = 64;

/// One server.
struct Server {
    url: BaseUrl,
    client: Client,
    name: String,
    roster: Roster,
    /// Ends its client.
    stop: CancellationToken,
}

/// All servers of this peer.
pub struct Wan {
    servers: BTreeMap<u16, Server>,
    /// The number of the next server; one that was left is not soon given again, for rows may still name it.
    next: u16,
    clients: Clients,
    key: Keypair,
    heartbeat: Duration,
    sequences: Sequences,
    news: StreamMap<u16, ReceiverStream<News>>,
    shown: watch::Sender<Arc<Shown>>,
    dials: Dials,
    /// How often the rows for which a server vouches are renewed.
    renew_every: Duration,
    next_renewal: Moment,
}

/// What the servers need to know of this peer.
pub struct Me {
    /// Signs what is published.
    pub key: Keypair,
    /// What is published at first.
    pub shown: Shown,
    /// How often.
    pub heartbeat: Duration,
    /// How long a row lives that nobody renews.
    pub ttl: Duration,
}

impl Wan {
    /// Publishes to and hears each of `urls`, at most [`MAX_SERVERS`], until `stop`.
    pub fn start(urls: &[BaseUrl], me: Me, tasks: &mut Tasks, stop: &CancellationToken) -> Self {
        let (renew_every, next_renewal) = (me.ttl / 3, Moment::START);
        let mut wan = Self {
            servers: BTreeMap::new(),
            next: 0,
            clients: Clients::start(tasks, stop),
            key: me.key,
            heartbeat: me.heartbeat,
            sequences: Sequences::default(),
            news: StreamMap::new(),
            shown: watch::Sender::new(Arc::new(me.shown)),
            dials: Dials::default(),
            renew_every,
            next_renewal,
        };
        urls.iter().for_each(|url| wan.join(url));
        wan
    }

    /// From now on these are the servers, at most [`MAX_SERVERS`]; those that are servers already go on undisturbed, also where they have
    /// moved to one of these; of several that came to be at one place, the first does, and the others are left. Answers what changed in the table.
    pub fn serve(&mut self, urls: &[BaseUrl], table: &mut PresenceTable, now: Moment) -> Vec<Change> {
        self.settle(urls);
        let left: Vec<u16> = self.servers.iter().filter(|(_, server)| !urls.contains(&server.url)).map(|(number, _)| *number).collect();
        let changes = left.into_iter().flat_map(|number| self.leave(number, table, now)).collect();
        urls.iter().for_each(|url| self.join(url));
        changes
    }

    fn settle(&mut self, urls: &[BaseUrl]) {
        let gone: Vec<u16> = self.servers.iter().filter(|(_, server)| !urls.contains(&server.url)).map(|(number, _)| *number).collect();
        for number in gone {
            let moved_to = self.servers.get(&number).and_then(|server| server.client.moved_to()).filter(|to| urls.contains(to));
            let Some(to) = moved_to.filter(|to| !self.servers.values().any(|server| server.url == *to)) else { continue };
            if let Some(server) = self.servers.get_mut(&number) {
                server.client.settle();
                server.name = server.client.status().name;
                server.url = to;
            }
        }
    }

    /// Servers that moved, and where they are heard now.
    pub fn moves(&self) -> Vec<(BaseUrl, BaseUrl)> {
        self.servers.values().filter_map(|server| Some((server.url.clone(), server.client.moved_to()?))).collect()
    }

    fn join(&mut self, url: &BaseUrl) {
        if self.servers.len() >= MAX_SERVERS || self.servers.values().any(|server| server.url == *url) {
            return;
        }
        while self.servers.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let (number, (tell, told), stop) = (self.next, mpsc::channel(NEWS), self.clients.token());
        let (key, sequences, shown) = (self.key.clone(), self.sequences.clone(), self.shown.subscribe());
        let options = Options { url: url.clone(), key, sequences, heartbeat: self.heartbeat, shown };
        let (client, running) = Client::new(options, tell, stop.clone());
        if !self.clients.run(running, stop.clone()) {
            return;
        }
        self.next = number.wrapping_add(1);
        self.news.insert(number, ReceiverStream::new(told));
        let name = client.status().name;
        self.servers.insert(number, Server { url: url.clone(), name, client, roster: Roster::default(), stop });
    }

    fn leave(&mut self, number: u16, table: &mut PresenceTable, now: Moment) -> Vec<Change> {
        let Some(server) = self.servers.remove(&number) else { return Vec::new() };
        server.stop.cancel();
        self.news.remove(&number);
        table.forget_source(Source::Rendezvous(number), now)
    }

    /// What is published of `profile`, and of our addresses those that are of use to others.
    pub fn shown(profile: &Profile, ours: impl IntoIterator<Item = Multiaddr>, me: &PeerId) -> Shown {
        Shown {
            content: profile.label.clone(),
            email: profile.email.clone(),
            avatar_hash: profile.avatar_hash(),
            addrs: published(ours, me),
            since: UnixMillis::now(),
        }
    }

    /// From now on this is shown.
    pub fn show(&self, shown: Shown) {
        self.shown.send_if_modified(|before| {
            let shown = Shown { since: before.since, ..shown };
            let changed = **before != shown;
            if changed {
                let since = UnixMillis(before.since.0.saturating_add(1)).max(UnixMillis::now());
                *before = Arc::new(Shown { since, ..shown });
            }
            changed
        });
    }

    /// The next thing that a server tells; `None` where there is no server.
    pub async fn next_news(&mut self) -> Option<(u16, News)> {
        self.news.next().await
    }

    /// Brings news into the table; answers what changed there.
    pub fn take(&mut self, number: u16, news: News, table: &mut PresenceTable, now: Moment) -> Vec<Change> {
        let (source, Some(server)) = (Source::Rendezvous(number), self.servers.get_mut(&number)) else { return Vec::new() };
        let roster = &mut server.roster;
        match news {
            News::Opened { changes_only, resumed } => roster.opened(changes_only, resumed),
            News::Closed => roster.closed(),
            News::Relay { .. } => {}
            News::Told(presence) => return hear(roster, source, *presence, table, now).into_iter().collect(),
            News::Snapshot(snapshot) => {
                let missing = roster.snapshot(&snapshot).into_iter();
                let mut changes: Vec<Change> = missing.filter_map(|peer| part(source, peer, table, now)).collect();
                changes.extend(snapshot.peers.into_iter().filter_map(|presence| hear(roster, source, presence, table, now)));
                return changes;
            }
        }
        Vec::new()
    }

    /// Renews the rows of those for whom a server vouches.
    pub fn renew(&mut self, table: &mut PresenceTable, now: Moment) {
        if now < self.next_renewal {
            return;
        }
        self.next_renewal = now + self.renew_every;
        for (number, server) in &self.servers {
            server.roster.vouched().for_each(|peer| table.keep(Source::Rendezvous(*number), peer, now));
        }
    }

    /// Where the peer of `row` may be dialled at the word of a server; `ours` and `loopback` as in [`dialable`].
    pub fn addresses(row: &Row, ours: impl Fn(IpAddr) -> bool, loopback: bool) -> Vec<Multiaddr> {
        dialable(&row.signed_addrs(), &row.presence.peer, ours, loopback)
    }

    /// The budget of dials.
    pub fn dials(&mut self) -> &mut Dials {
        &mut self.dials
    }

    /// What a source is called in lists.
    pub fn name(&self, source: Source) -> String {
        match source {
            Source::Rendezvous(number) => self.servers.get(&number).map_or_else(|| source.to_string(), |server| server.name.clone()),
            Source::Lan => source.to_string(),
        }
    }

    /// The source that the owner calls `name`: by its URL as configured, or by the name that lists show; a personal URL also by that of
    /// its community.
    pub fn community(&self, name: &str) -> Option<Source> {
        let bare = |text: &str| text.trim().trim_end_matches('/').to_owned();
        let wanted = bare(name);
        let called = wanted.split_once("://").map_or(wanted.as_str(), |(_, rest)| rest);
        let is_url = |server: &Server| bare(server.url.url().as_str()) == wanted;
        let is_named = |server: &Server| server.name == called || server.name.split_once("/m/").is_some_and(|(base, _)| base == called);
        let first = |fits: &dyn Fn(&Server) -> bool| self.servers.iter().find(|(_, server)| fits(server)).map(|(number, _)| *number);
        first(&is_url).or_else(|| first(&is_named)).map(Source::Rendezvous)
    }

    /// How it goes with each server.
    pub fn status(&self) -> Vec<Status> {
        self.servers.values().map(|server| server.client.status()).collect()
    }
}

fn part(source: Source, peer: PeerId, table: &mut PresenceTable, now: Moment) -> Option<Change> {
    let ts = table.get(&peer)?.presence.ts;
    table.apply(source, &Presence::new(Kind::Offline, peer, ts), now)
}

fn hear(roster: &mut Roster, source: Source, presence: Presence, table: &mut PresenceTable, now: Moment) -> Option<Change> {
    if presence.kind == Kind::Offline {
        roster.parted(&presence.peer);
        return table.apply(source, &presence, now);
    }
    let known = table.get(&presence.peer);
    if (known.is_none() && table.len() >= MAX_ROWS - LAN_ROOM) || !roster.heard(presence.peer) {
        return None;
    }
    table.apply(source, &presence, now)
}

#[cfg(test)]
mod tests;
