//! What the operator is shown of boards, people and bans, in words. Text of strangers is made fit to be shown here (THREATS 20) and
//! escaped by the template (THREATS 21).

use std::time::Duration;

use crate::clock::{Moment, UnixMillis};
use crate::http::page::{Face, Plot, ago, span};
use crate::proto::board::Row;
use crate::proto::community::{Ban, Kind, Member};
use crate::proto::invite::Invitation;
use crate::proto::presence::label;
use crate::rendezvous::{App, Application, LiveBoard, Store, StoreError};

/// Rows of each list on the page; the API has them all.
pub(super) const MAX_SHOWN: usize = 200;
/// Most characters of an email that are shown.
const MAX_EMAIL: usize = 128;
/// Most characters of an application.
const MAX_MESSAGE: usize = 1000;

/// The lists of the store.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) bans: Vec<Ban>,
    invitations: Vec<Invitation>,
    members: Vec<Member>,
    applications: Vec<Application>,
}

pub(super) struct BoardView {
    /// Empty for the open board.
    pub(super) slug: String,
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Where it went, if it has.
    pub(super) moved: Option<String>,
    pub(super) count: usize,
    pub(super) readers: usize,
    pub(super) member_count: usize,
    pub(super) plot: Plot,
    pub(super) rows: Vec<RowView>,
    pub(super) members: Vec<MemberView>,
    pub(super) invitations: Vec<InvitationView>,
    pub(super) applications: Vec<ApplicationView>,
}

pub(super) struct RowView {
    pub(super) peer: String,
    pub(super) face: Face,
    pub(super) label: String,
    pub(super) email: String,
    pub(super) address: String,
    pub(super) signed: bool,
}

pub(super) struct MemberView {
    pub(super) id: i64,
    pub(super) peer: Option<String>,
    pub(super) note: String,
    pub(super) since: String,
}

pub(super) struct InvitationView {
    pub(super) id: i64,
    pub(super) note: String,
    pub(super) uses: u32,
    pub(super) ends: String,
    pub(super) counts: bool,
    pub(super) state: &'static str,
}

pub(super) struct ApplicationView {
    pub(super) id: i64,
    pub(super) peer: Option<String>,
    pub(super) message: String,
    pub(super) since: String,
}

pub(super) struct BanView {
    pub(super) id: i64,
    pub(super) whom: String,
    pub(super) place: String,
    pub(super) reason: String,
    pub(super) ends: String,
}

impl Lists {
    pub(super) fn read(store: &Store) -> Result<Self, StoreError> {
        let (invitations, members) = (store.invitations()?, store.members()?);
        Ok(Self { bans: store.bans()?, invitations, members, applications: store.applications()? })
    }
}

/// Every board, the open one first, then by name.
pub(super) fn boards(app: &App, lists: &Lists, now: UnixMillis) -> Vec<BoardView> {
    let mut views: Vec<_> = app.boards.all().iter().map(|board| BoardView::of(app, board, lists, now)).collect();
    views.sort_by(|a, b| (!a.slug.is_empty(), &a.name, &a.slug).cmp(&(!b.slug.is_empty(), &b.name, &b.slug)));
    views
}

impl BoardView {
    fn of(app: &App, board: &LiveBoard, lists: &Lists, now: UnixMillis) -> Self {
        let (register, slug) = (app.store.register(), board.slug().unwrap_or_default());
        let community = register.community(slug);
        let (count, rows) =
            board.read(|board| (board.rows().len(), board.rows().take(MAX_SHOWN).map(|(_, row)| RowView::of(row)).collect()));
        let of_invitation = |one: &&Invitation| one.slug == slug;
        let of_member = |one: &&Member| one.slug == slug && !one.revoked;
        let of_application = |one: &&Application| one.slug == slug && one.state == "asked";
        Self {
            slug: slug.to_owned(),
            name: community.map_or("Everyone".into(), |community| community.name.clone()),
            kind: community.map_or(Kind::Open, |community| community.kind),
            moved: register.moved(board.slug()).map(str::to_owned),
            count,
            readers: board.readers(),
            member_count: register.members_of(slug),
            plot: Plot::of(&app.hours.of(board, Moment::now())),
            rows: sorted(rows),
            members: newest(&lists.members, of_member, |member| MemberView::of(member, now)),
            invitations: newest(&lists.invitations, of_invitation, |invitation| InvitationView::of(invitation, now)),
            applications: newest(&lists.applications, of_application, |application| ApplicationView::of(application, now)),
        }
    }

    /// Whether somebody has to be let in.
    pub(super) fn is_closed(&self) -> bool {
        self.kind != Kind::Open
    }
}

fn sorted(mut rows: Vec<RowView>) -> Vec<RowView> {
    rows.sort_by(|a, b| (&a.label, &a.peer).cmp(&(&b.label, &b.peer)));
    rows
}

fn newest<T, V>(all: &[T], of_board: impl Fn(&&T) -> bool, view: impl Fn(&T) -> V) -> Vec<V> {
    all.iter().rev().filter(of_board).take(MAX_SHOWN).map(view).collect()
}

impl RowView {
    fn of(row: &Row) -> Self {
        let presence = &row.message.presence;
        let peer = presence.peer.to_string();
        Self {
            face: Face::of(&peer),
            peer,
            label: presence.display_label(),
            email: label::clean(presence.email.as_deref().unwrap_or_default(), MAX_EMAIL),
            address: row.from.to_string(),
            signed: row.signed,
        }
    }
}

impl MemberView {
    fn of(member: &Member, now: UnixMillis) -> Self {
        let peer = member.peer.map(|peer| peer.to_string());
        Self { id: member.id, peer, note: label::clean(&member.note, MAX_MESSAGE), since: ago(member.joined, now) }
    }
}

impl InvitationView {
    fn of(invitation: &Invitation, now: UnixMillis) -> Self {
        let Invitation { id, uses, ends, revoked, .. } = *invitation;
        let state = match () {
            () if revoked => "revoked",
            () if ends.is_some_and(|ends| now >= ends) => "expired",
            () if uses == 0 => "used up",
            () => "counts",
        };
        Self { id, uses, ends: until(ends, now), counts: state == "counts", state, note: label::clean(&invitation.note, MAX_MESSAGE) }
    }
}

impl ApplicationView {
    fn of(application: &Application, now: UnixMillis) -> Self {
        let peer = application.peer.map(|peer| peer.to_string());
        Self { id: application.id, peer, message: label::clean(&application.message, MAX_MESSAGE), since: ago(application.asked, now) }
    }
}

impl BanView {
    pub(super) fn of(ban: Ban, now: UnixMillis) -> Self {
        let whom = match (ban.peer, ban.address) {
            (Some(peer), Some(address)) => format!("{peer} and {address}"),
            (Some(peer), None) => peer.to_string(),
            (None, Some(address)) => address.to_string(),
            (None, None) => "everybody".into(),
        };
        let reason = label::clean(&ban.reason, MAX_MESSAGE);
        Self { id: ban.id, whom, place: ban.slug.unwrap_or_else(|| "everywhere".into()), reason, ends: until(ban.ends, now) }
    }
}

fn until(ends: Option<UnixMillis>, now: UnixMillis) -> String {
    match ends {
        None => "never".into(),
        Some(ends) if ends <= now => "over".into(),
        Some(ends) => format!("in {}", span(Duration::from_millis(ends.0 - now.0))),
    }
}

/// A board of which every text is `text`.
#[cfg(test)]
pub(super) fn filled(text: &str, slug: &str) -> BoardView {
    let said = || text.to_owned();
    BoardView {
        slug: slug.to_owned(),
        name: said(),
        kind: Kind::Application,
        moved: Some(said()),
        count: 1,
        readers: 1,
        member_count: 1,
        plot: Plot::of(&[1, 2]),
        rows: vec![RowView { peer: said(), face: Face::of(text), label: said(), email: said(), address: said(), signed: false }],
        members: vec![MemberView { id: 1, peer: Some(said()), note: said(), since: said() }],
        invitations: vec![InvitationView { id: 1, note: said(), uses: 1, ends: said(), counts: true, state: "counts" }],
        applications: vec![ApplicationView { id: 1, peer: Some(said()), message: said(), since: said() }],
    }
}
