//! Who comes in where: personal URLs, bans, and how somebody [`join`]s. What the store says counts at once: streams and presence of whoever
//! is out end with the change.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use libp2p::PeerId;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::sharing::PATIENCE;
use super::{App, LiveBoard, Refusal, Visitor, locked};
use crate::clock::{Moment, UnixMillis};
use crate::http::client_ip::host_key;
use crate::proto::board::Board;
use crate::proto::community::{Community, Kind, Pass, Register};

pub(super) mod join;

/// Most visitors who ask the store at once: those whom a busy database holds up are few.
pub(super) const AT_STORE: usize = 4;

impl App {
    /// What whoever shows `token` may do at the board `slug`.
    pub(super) fn pass(&self, slug: Option<&str>, token: Option<&str>) -> Result<Pass, Refusal> {
        let Some(slug) = slug else { return Ok(Pass { token: None, peer: None }) };
        self.store.register().pass(slug, token).ok_or(Refusal::NoSuchBoard)
    }

    /// Whether no ban keeps out this visitor, or `peer`.
    pub(super) fn admit_visitor(&self, visitor: &Visitor, peer: Option<&PeerId>) -> Result<(), Refusal> {
        let register = self.store.register();
        let ban = register.ban(visitor.board.slug(), peer, host_key(visitor.address), UnixMillis::now());
        ban.map_or(Ok(()), |ban| Err(Refusal::Banned(ban.reason.clone())))
    }

    /// A personal URL belongs to the first peer that publishes there. One that waits longer than [`PATIENCE`] is refused, and bound to
    /// the same peer nevertheless when the database answers.
    pub(super) async fn bind_token(self: &Arc<Self>, visitor: &Visitor, peer: PeerId) -> Result<(), Refusal> {
        let (Some(token), None) = (visitor.token, visitor.peer) else { return Ok(()) };
        let bound = self.at_store(move |app| app.store.bind(token, peer));
        match timeout(PATIENCE, bound).await.map_err(|_| Refusal::Database)?? {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::AnotherPeersUrl),
            Err(_) => Err(Refusal::Database),
        }
    }

    /// Does what a visitor asks of the store where it may block; at most [`AT_STORE`] at once. Who has begun is not interrupted.
    ///
    /// # Errors
    /// [`Refusal::Database`] where it cannot begin within [`PATIENCE`].
    async fn at_store<T: Send + 'static>(self: &Arc<Self>, act: impl FnOnce(&Self) -> T + Send + 'static) -> Result<T, Refusal> {
        let permit = timeout(PATIENCE, self.at_store.clone().acquire_owned()).await;
        let (Ok(Ok(permit)), app) = (permit, self.clone()) else { return Err(Refusal::Database) };
        let acting = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            act(&app)
        });
        acting.await.map_err(|_| Refusal::Database)
    }

    /// Opens and closes boards as the store says, and ends streams and presence of whoever is out.
    pub(super) fn let_doors_count(&self, now: Moment) {
        let _one_at_a_time = locked(&self.doors);
        let (register, at) = (self.store.register(), UnixMillis::now());
        if self.sharing.is_shared() {
            self.standby.store(self.store.standby(), Ordering::Relaxed);
        }
        for Community { slug, kind, .. } in register.communities() {
            let closed = *kind != Kind::Open;
            // What members were told is not for everybody, nor the other way round: whoever belongs here comes back by themselves.
            if self.boards.get(Some(slug)).is_some_and(|board| board.read(Board::is_closed) != closed) {
                self.boards.close(slug);
            }
            self.boards.open_for(slug, closed, now);
        }
        for board in self.boards.all() {
            match board.slug().map(|slug| register.community(slug)) {
                Some(None) => self.boards.close(board.slug().unwrap_or_default()),
                Some(Some(_)) | None => put_out(&board, &register, at),
            }
        }
        self.tell_moves();
    }

    /// Communities that everybody may know of.
    pub(super) fn open_communities(&self) -> Vec<Value> {
        let register = self.store.register();
        let open = register.communities().filter(|community| community.kind == Kind::Open);
        let mut open: Vec<_> = open.map(|Community { slug, name, .. }| json!({ "slug": slug, "name": name, "type": "open" })).collect();
        open.sort_by_key(|community| community["slug"].to_string());
        open
    }
}

/// Who is kept out of one board.
pub(super) struct Doors<'a> {
    slug: Option<&'a str>,
    register: &'a Register,
    /// Of a closed community.
    members: Option<HashSet<PeerId>>,
    now: UnixMillis,
}

impl<'a> Doors<'a> {
    pub(super) fn new(slug: Option<&'a str>, register: &'a Register, now: UnixMillis) -> Self {
        let community = slug.and_then(|slug| register.community(slug));
        let members = community.filter(|community| community.kind != Kind::Open).map(|community| register.peers_of(&community.slug));
        Self { slug, register, members, now }
    }

    /// Whether a peer that publishes from `from` is banned, or no member.
    pub(super) fn keep_out(&self, peer: &PeerId, from: IpAddr) -> bool {
        let banned = self.register.ban(self.slug, Some(peer), host_key(from), self.now).is_some();
        banned || self.members.as_ref().is_some_and(|members| !members.contains(peer))
    }
}

fn put_out(board: &LiveBoard, register: &Register, now: UnixMillis) {
    let slug = board.slug();
    let doors = Doors::new(slug, register, now);
    let gone: Vec<(PeerId, _)> = board.read(|board| {
        let rows = board.rows().map(|(peer, row)| (*peer, row.from));
        rows.filter(|(peer, from)| doors.keep_out(peer, *from)).collect()
    });
    for (peer, _) in &gone {
        board.remove(peer, now);
    }
    // Whoever reads from where a banned peer was is asked at the door again; others there come back by themselves.
    board.end_streams(|seat| {
        let revoked = seat.token.is_some_and(|token| !register.counts(token));
        let banned = register.ban(slug, seat.peer.as_ref(), host_key(seat.address), now).is_some();
        revoked || banned || gone.iter().any(|(_, from)| *from == seat.address)
    });
}
