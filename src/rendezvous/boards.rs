//! One board per community. The open one at `/` is always there and has no name; others come and go with their communities.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;

use super::LiveBoard;
use crate::clock::Moment;
use crate::proto::board::{Board, Rules};

/// Most boards of one server.
pub const MAX_BOARDS: usize = 1000;

/// The boards of all communities, by slug.
pub struct Boards {
    open: Arc<LiveBoard>,
    named: RwLock<HashMap<String, Arc<LiveBoard>>>,
    ttl: Duration,
    complete_at: Moment,
    /// Wakes the fan-out: some board has something to tell.
    pub(super) news: Arc<Notify>,
}

impl Boards {
    /// The open board alone. From `complete_at` on everyone who was here before this start is back.
    pub(super) fn new(ttl: Duration, complete_at: Moment, now: Moment) -> Self {
        let news = Arc::new(Notify::new());
        let board = Board::new(Rules::open(ttl), rand::random(), now).complete_at(complete_at);
        let open = Arc::new(LiveBoard::new(None, board, news.clone()));
        Self { open, named: RwLock::default(), ttl, complete_at, news }
    }

    /// The board at `/`.
    pub fn open(&self) -> &Arc<LiveBoard> {
        &self.open
    }

    /// The board of a community; `None` stands for the open one.
    pub fn get(&self, slug: Option<&str>) -> Option<Arc<LiveBoard>> {
        match slug {
            None => Some(self.open.clone()),
            Some(slug) => self.named.read().unwrap_or_else(PoisonError::into_inner).get(slug).cloned(),
        }
    }

    /// All boards.
    pub fn all(&self) -> Vec<Arc<LiveBoard>> {
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(&self.open).chain(named.values()).cloned().collect()
    }

    /// Opens the board of a community, or answers the one there is; `None` where there are [`MAX_BOARDS`]. `closed`: its readers are
    /// all members, and may see what goop2 peers tell about themselves.
    pub fn open_for(&self, slug: &str, closed: bool, now: Moment) -> Option<Arc<LiveBoard>> {
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(board) = named.get(slug) {
            return Some(board.clone());
        }
        let rules = Rules { emails: closed, ..Rules::open(self.ttl) };
        let board = Board::new(rules, rand::random(), now).complete_at(self.complete_at);
        let board = Arc::new(LiveBoard::new(Some(slug.into()), board, self.news.clone()));
        (named.len() < MAX_BOARDS).then(|| named.insert(slug.to_owned(), board.clone()))?;
        Some(board)
    }

    /// Closes the board of a community and ends its streams.
    pub fn close(&self, slug: &str) {
        let board = self.named.write().unwrap_or_else(PoisonError::into_inner).remove(slug);
        if let Some(board) = board {
            board.end_streams(|_| true);
        }
    }
}
