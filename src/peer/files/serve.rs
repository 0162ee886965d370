//! Answers what others say about files: theirs that they offer, ours that they fetch, and how it ended.

use std::io::SeekFrom;
use std::sync::PoisonError;

use libp2p::PeerId;
use tokio::io::AsyncSeekExt;

use super::{Files, noted, spool};
use crate::clock::{Moment, UnixMillis};
use crate::peer::Duplex;
use crate::peer::memory::{MemoryError, Outcome, Transfer};
use crate::peer::streams::StreamError;
use crate::peer::streams::file::{self, End, Refusal, Request};
use crate::proto::transfer::name::safe;
use crate::proto::transfer::{Direction, Offer, State, Step, is_id, most_bytes};

impl Files {
    /// Answers one stream of `peer`.
    pub async fn serve(&self, peer: PeerId, mut io: Box<dyn Duplex>) -> Result<(), StreamError> {
        match file::hear(&mut io).await? {
            Request::Offer(offer) => {
                let verdict = self.consider(peer, offer).await;
                self.refused.inc_by(u64::from(verdict.is_err()));
                file::answer(io, verdict).await
            }
            Request::End { id, how } => file::answer(io, self.hear_end(peer, id, how).await).await,
            Request::Get { id, from } => self.give(peer, id, from, io).await,
        }
    }

    /// Notes an offer for the owner to decide.
    async fn consider(&self, peer: PeerId, offer: Offer) -> Result<(), Refusal> {
        if !self.offers.lock().unwrap_or_else(PoisonError::into_inner).take(peer, Moment::now()) {
            return Err(Refusal::Busy);
        }
        offer.check().map_err(|_| Refusal::Refused)?;
        let noting = self.memory.ask(move |memory| {
            let known = memory.knows(&peer)?;
            if offer.size > most_bytes(known) {
                return Ok(Err(Refusal::TooLarge));
            }
            let offer = Offer { name: safe(&offer.name), ..offer };
            memory.offered(peer, &offer, known, UnixMillis::now()).map(Ok)
        });
        match noting.await {
            Ok(Ok((transfer, new))) => {
                if new {
                    self.tell(transfer);
                }
                Ok(())
            }
            Ok(Err(refusal)) => Err(refusal),
            Err(MemoryError::TooMany { .. }) => Err(Refusal::TooMany),
            Err(_) => Err(Refusal::Busy),
        }
    }

    async fn hear_end(&self, peer: PeerId, id: String, how: End) -> Result<(), Refusal> {
        let (step, directions) = match how {
            End::Declined => (Step::Decline, &[Direction::Out][..]),
            End::Done => (Step::Finish, &[Direction::Out][..]),
            End::Failed => (Step::Fail, &[Direction::Out][..]),
            End::Cancelled => (Step::Cancel, &[Direction::Out, Direction::In][..]),
        };
        for direction in directions {
            if let Some(transfer) = self.find(peer, id.clone(), *direction).await? {
                let why = (how == End::Failed).then(|| "what arrived there is not what was sent".to_owned());
                let ended = self.step(transfer.number, step, Outcome { why, ..Outcome::default() }).await;
                return ended.map(drop).map_err(|_| Refusal::Busy);
            }
        }
        Err(Refusal::Unknown)
    }

    /// Sends the bytes of a file from an offset on; that they are asked for says that it was accepted.
    async fn give(&self, peer: PeerId, id: String, from: u64, io: Box<dyn Duplex>) -> Result<(), StreamError> {
        let transfer = match self.wanted(peer, id).await {
            Ok(transfer) if from <= transfer.offer.size => transfer,
            Ok(_) => return file::answer(io, Err(Refusal::Refused)).await,
            Err(refusal) => return file::answer(io, Err(refusal)).await,
        };
        let Ok(_place) = self.sending.try_acquire() else { return file::answer(io, Err(Refusal::Busy)).await };
        let Some(body) = self.open_spooled(&transfer, from).await else {
            noted(self.step(transfer.number, Step::Fail, Outcome { why: Some("its copy is gone".into()), ..Outcome::default() }).await);
            return file::answer(io, Err(Refusal::Gone)).await;
        };
        let stop = self.start(transfer.number, from);
        let sending = file::send(io, body, transfer.offer.size - from, |moved| self.progress(&transfer, moved));
        tokio::select! {
            sent = sending => sent,
            () = stop.cancelled() => Ok(()),
        }
    }

    async fn wanted(&self, peer: PeerId, id: String) -> Result<Transfer, Refusal> {
        let transfer = self.find(peer, id, Direction::Out).await?.ok_or(Refusal::Unknown)?;
        match transfer.state {
            State::Accepted => Ok(transfer),
            State::Offered | State::Waiting => {
                let accepted = self.step(transfer.number, Step::Accept, Outcome::default()).await;
                accepted.map_err(|_| Refusal::Busy)?.ok_or(Refusal::Unknown)
            }
            _ => Err(Refusal::Unknown),
        }
    }

    async fn open_spooled(&self, transfer: &Transfer, from: u64) -> Option<tokio::fs::File> {
        let place = transfer.place.as_ref().filter(|place| spool::is_place(place))?;
        let mut body = tokio::fs::File::open(self.folders.spool.join(place)).await.ok()?;
        body.set_max_buf_size(file::MAX_PIECE);
        let whole = body.metadata().await.ok().is_some_and(|found| found.len() == transfer.offer.size);
        body.seek(SeekFrom::Start(from)).await.ok().filter(|_| whole)?;
        Some(body)
    }

    async fn find(&self, peer: PeerId, id: String, direction: Direction) -> Result<Option<Transfer>, Refusal> {
        if !is_id(&id) {
            return Err(Refusal::Unknown);
        }
        self.memory.ask(move |memory| memory.transfer_of(&peer, &id, direction)).await.map_err(|_| Refusal::Busy)
    }
}
