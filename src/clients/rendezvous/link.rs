//! What listener and publisher of one server share: where it is, what is known of it, how it goes.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::place::Place;
use super::request::{self, Failure, Manners};
use super::{Known, Status, Stream};
use crate::clock::UnixMillis;

/// See the head of this file.
pub struct Link {
    place: watch::Sender<Place>,
    known: watch::Sender<Option<Known>>,
    status: watch::Sender<Status>,
    /// The client, and what kind of place it is for: connections are kept from message to message.
    client: Mutex<Option<(Manners, reqwest::Client)>>,
}

impl Link {
    /// Nothing is known yet.
    pub fn new(place: Place) -> Self {
        let (id, name, since) = (place.id(), place.name(), UnixMillis::now());
        let status = Status { id, name, since, stream: Stream::Connecting, moved_to: None, refused: None };
        Self {
            place: watch::Sender::new(place),
            known: watch::Sender::new(None),
            status: watch::Sender::new(status),
            client: Mutex::default(),
        }
    }

    /// How it goes.
    pub fn status(&self) -> Status {
        Status { moved_to: self.place().moved_to_name(), ..self.status.borrow().clone() }
    }

    /// What is known of the server, from now on; every new value says that the server was reached anew.
    pub fn known(&self) -> watch::Receiver<Option<Known>> {
        self.known.subscribe()
    }

    /// Something was learnt of the server.
    pub fn learnt(&self, known: Known) {
        self.known.send_replace(Some(known));
    }

    /// Where the server is now.
    pub fn place(&self) -> Place {
        self.place.borrow().clone()
    }

    /// Changes where the server is.
    pub fn change_place<T>(&self, change: impl FnOnce(&mut Place) -> T) -> T {
        let mut changed = None;
        self.place.send_modify(|place| changed = Some(change(place)));
        changed.expect("what changes the place is called")
    }

    /// The place where the server is heard now is configured from here on.
    pub fn settle(&self) {
        let (id, name) = self.change_place(|place| {
            place.settle();
            (place.id(), place.name())
        });
        self.status.send_modify(|status| (status.id, status.name) = (id, name));
    }

    /// The server is where it came from again: its stream is to be read there.
    pub fn came_back(&self) {
        self.change_place(Place::came_back);
    }

    /// Waits until the server is elsewhere than at `place`.
    pub async fn is_elsewhere(&self, place: &Place) {
        let here = place.endpoint("");
        // The sender is ours, so the watch does not end.
        let _ = self.place.subscribe().wait_for(|now| now.endpoint("") != here).await;
    }

    /// A client for the place where the server is now.
    pub fn client(&self) -> Result<reqwest::Client, Failure> {
        let place = self.place();
        let wanted = Manners::at(&place);
        let mut kept = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((manners, client)) = &*kept
            && *manners == wanted
        {
            return Ok(client.clone());
        }
        let client = request::client(wanted)?;
        *kept = Some((wanted, client.clone()));
        Ok(client)
    }

    /// How it goes with the stream; true if that is another state than before.
    pub fn stream_is(&self, stream: Stream) -> bool {
        let mut another = false;
        self.status.send_if_modified(|status| {
            let changed = status.stream != stream;
            another = std::mem::discriminant(&status.stream) != std::mem::discriminant(&stream);
            if another {
                status.since = UnixMillis::now();
            }
            status.stream = stream;
            changed
        });
        another
    }

    /// Why the server does not take what is published, or that it does.
    pub fn refused(&self, why: Option<String>) {
        self.status.send_if_modified(|status| std::mem::replace(&mut status.refused, why.clone()) != why);
    }
}
