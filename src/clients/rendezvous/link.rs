//! What listener and publisher of one server share: where it is, what is known of it, how it goes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::place::Place;
use super::request::{self, Failure};
use super::{Known, Status, Stream};
use crate::clock::UnixMillis;

/// See the head of this file.
pub struct Link {
    place: Mutex<Place>,
    known: watch::Sender<Option<Known>>,
    status: watch::Sender<Status>,
    /// The client, and whether it is for https and for this machine: connections are kept from message to message.
    client: Mutex<Option<(bool, bool, reqwest::Client)>>,
}

impl Link {
    /// Nothing is known yet.
    pub fn new(place: Place) -> Self {
        let status = Status { name: place.name(), since: UnixMillis::now(), stream: Stream::Connecting, refused: None };
        Self { place: Mutex::new(place), known: watch::Sender::new(None), status: watch::Sender::new(status), client: Mutex::default() }
    }

    /// How it goes, from now on.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
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
        self.lock().clone()
    }

    /// Changes where the server is.
    pub fn change_place<T>(&self, change: impl FnOnce(&mut Place) -> T) -> T {
        change(&mut self.lock())
    }

    /// A client for the place where the server is now.
    pub fn client(&self) -> Result<reqwest::Client, Failure> {
        let place = self.place();
        let wanted = (place.is_https(), place.is_loopback());
        let mut kept = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((https, loopback, client)) = &*kept
            && (*https, *loopback) == wanted
        {
            return Ok(client.clone());
        }
        let client = request::client(&place)?;
        *kept = Some((wanted.0, wanted.1, client.clone()));
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

    fn lock(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
