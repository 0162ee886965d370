//! Who becomes a member: by an invitation, or by an application that the operator approved; and how both are taken back.

use std::net::IpAddr;

use libp2p::PeerId;
use rusqlite::{Connection, OptionalExtension, params};

use super::doors::{is_full, something};
use super::rows::{self, Application};
use super::{MOST_ASKED, Store, StoreError};
use crate::clock::UnixMillis;
use crate::db::millis;
use crate::http::client_ip::host_key;
use crate::proto::invite::{Invitation, Token};

/// Who asks for membership.
#[derive(Debug, Clone, Copy)]
pub struct Applicant<'a> {
    /// The peer that it is for, where that is said.
    pub peer: Option<PeerId>,
    /// What is said.
    pub message: &'a str,
    /// From where.
    pub from: IpAddr,
}

impl Store {
    /// Writes an invitation, and answers its number.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn invite(&self, invitation: &Invitation, token: &Token) -> Result<i64, StoreError> {
        let Invitation { slug, uses, ends, note, .. } = invitation;
        self.change(|change| {
            if is_full(change, "invitations", Some(slug), UnixMillis::now())? {
                return Ok(Err(StoreError::TooMany));
            }
            let added = "INSERT INTO invitations (slug, digest, uses, ends, note) VALUES (?1, ?2, ?3, ?4, ?5)";
            change.execute(added, params![slug, token.digest(), uses, ends.map(millis), note])?;
            Ok(Ok(change.last_insert_rowid()))
        })
    }

    /// Exchanges an invitation for a membership with the personal token `token`; answers its number.
    ///
    /// # Errors
    /// [`StoreError::Invite`], [`StoreError::Nothing`]; see [`StoreError`].
    pub fn redeem(&self, slug: &str, invite: &Token, token: &Token, peer: Option<PeerId>, now: UnixMillis) -> Result<i64, StoreError> {
        self.is_there("invitations", slug, invite)?;
        self.change(|change| {
            let query = format!("SELECT {} FROM invitations WHERE slug = ?1 AND digest = ?2", rows::INVITATION);
            let found = change.query_row(&query, params![slug, invite.digest()], rows::invitation).optional()?;
            let Some(mut invitation) = found else { return Ok(Err(StoreError::Nothing)) };
            if let Err(why) = invitation.redeem(now) {
                return Ok(Err(why.into()));
            }
            change.execute("UPDATE invitations SET uses = ?1 WHERE id = ?2", params![invitation.uses, invitation.id])?;
            add_member(change, slug, token, peer, &invitation.note, now)
        })
    }

    /// Looks whether `table` knows a token, so that guesses cost no write.
    ///
    /// # Errors
    /// [`StoreError::Nothing`]; see [`StoreError`].
    fn is_there(&self, table: &str, slug: &str, token: &Token) -> Result<(), StoreError> {
        let query = format!("SELECT 1 FROM {table} WHERE slug = ?1 AND digest = ?2");
        let found = self.db()?.read(|look| look.prepare_cached(&query)?.exists(params![slug, token.digest()]))?;
        if found { Ok(()) } else { Err(StoreError::Nothing) }
    }

    /// Looks for an invitation where it cannot be, in the time that it takes where it could.
    pub(in crate::rendezvous) fn look_in_vain(&self, slug: &str, invite: &Token) {
        let _ = self.is_there("invitations", slug, invite);
    }

    /// Settles which peer a personal token publishes for; `false` where that is another already.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn bind(&self, token: i64, peer: PeerId) -> Result<bool, StoreError> {
        let (peer, set) = (peer.to_base58(), "UPDATE members SET peer = ?1 WHERE id = ?2 AND (peer IS NULL OR peer = ?1)");
        self.change(|change| Ok(Ok(change.execute(set, params![peer, token])? > 0)))
    }

    /// Asks for membership, from an address.
    ///
    /// # Errors
    /// [`StoreError::AskedEnough`]; see [`StoreError`].
    pub fn apply(&self, slug: &str, ticket: &Token, asks: &Applicant, now: UnixMillis) -> Result<i64, StoreError> {
        let (peer, address) = (asks.peer.map(|peer| peer.to_base58()), host_key(asks.from).to_string());
        self.change(|change| {
            let waiting = "SELECT count(*) >= ?2 FROM applications WHERE address = ?1 AND state = 'asked'";
            if change.query_row(waiting, params![address, MOST_ASKED], |row| row.get(0))? {
                return Ok(Err(StoreError::AskedEnough));
            }
            if is_full(change, "applications", Some(slug), now)? {
                return Ok(Err(StoreError::TooMany));
            }
            let added = "INSERT INTO applications (slug, digest, peer, message, asked, address) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            change.execute(added, params![slug, ticket.digest(), peer, asks.message, millis(now), address])?;
            Ok(Ok(change.last_insert_rowid()))
        })
    }

    /// How the application behind `ticket` stands; an approved one becomes a membership with the personal token `token`, once.
    ///
    /// # Errors
    /// [`StoreError::Nothing`]; see [`StoreError`].
    pub fn collect(&self, slug: &str, ticket: &Token, token: &Token, now: UnixMillis) -> Result<Application, StoreError> {
        self.is_there("applications", slug, ticket)?;
        self.change(|change| {
            let query = format!("SELECT {} FROM applications WHERE slug = ?1 AND digest = ?2", rows::APPLICATION);
            let found = change.query_row(&query, params![slug, ticket.digest()], rows::application).optional()?;
            let Some(application) = found else { return Ok(Err(StoreError::Nothing)) };
            if application.state == "approved" {
                change.execute("UPDATE applications SET state = 'collected' WHERE id = ?1", [application.id])?;
                if let Err(full) = add_member(change, slug, token, application.peer, &application.message, now)? {
                    return Ok(Err(full));
                }
            }
            Ok(Ok(application))
        })
    }

    /// Approves or declines an application that was asked.
    ///
    /// # Errors
    /// [`StoreError::Nothing`]; see [`StoreError`].
    pub fn decide(&self, application: i64, approved: bool) -> Result<(), StoreError> {
        let state = if approved { "approved" } else { "declined" };
        self.change(|change| {
            something(change.execute("UPDATE applications SET state = ?1 WHERE id = ?2 AND state = 'asked'", params![state, application]))
        })
    }

    /// Takes back an invitation.
    ///
    /// # Errors
    /// [`StoreError::Nothing`]; see [`StoreError`].
    pub fn revoke_invitation(&self, id: i64) -> Result<(), StoreError> {
        self.change(|change| something(change.execute("UPDATE invitations SET revoked = 1 WHERE id = ?1", [id])))
    }

    /// Takes back a personal token.
    ///
    /// # Errors
    /// [`StoreError::Nothing`]; see [`StoreError`].
    pub fn revoke_member(&self, id: i64) -> Result<(), StoreError> {
        self.change(|change| something(change.execute("UPDATE members SET revoked = 1 WHERE id = ?1", [id])))
    }
}

fn add_member(
    change: &Connection,
    slug: &str,
    token: &Token,
    peer: Option<PeerId>,
    note: &str,
    now: UnixMillis,
) -> rusqlite::Result<Result<i64, StoreError>> {
    if is_full(change, "members", Some(slug), now)? {
        return Ok(Err(StoreError::TooMany));
    }
    let added = "INSERT INTO members (slug, digest, peer, joined, note) VALUES (?1, ?2, ?3, ?4, ?5)";
    change.execute(added, params![slug, token.digest(), peer.map(|peer| peer.to_base58()), millis(now), note])?;
    Ok(Ok(change.last_insert_rowid()))
}
