//! The bytes of an object under way, out of a budget that all of them share (THREATS 42, 43).
//!
//! The first [`SMALL`] bytes are free, so that ordinary messages pass while large ones wait for each other.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::{MAX_OBJECT, StreamError};

/// Bytes of an object that cost nothing of the budget.
const SMALL: usize = 16 * 1024;
/// In such steps an object grows beyond that, in bytes.
const UNIT: usize = 64 * 1024;
/// Bytes of all objects that are being read in this process, besides [`SMALL`] of each.
const ALL: usize = 64 * 1024 * 1024;

/// What is left of the budget, in units.
pub(super) static BUDGET: Semaphore = Semaphore::const_new(ALL / UNIT);

/// A part of an object; what it took of the budget goes back when it is dropped.
pub(super) struct Buffer<'a> {
    budget: &'a Semaphore,
    taken: Vec<SemaphorePermit<'a>>,
    text: Vec<u8>,
}

impl<'a> Buffer<'a> {
    /// Nothing yet.
    pub(super) fn new(budget: &'a Semaphore) -> Self {
        Self { budget, taken: Vec::new(), text: Vec::new() }
    }

    /// Adds `piece`; waits for the budget first where that is used up, and the caller bounds the wait.
    pub(super) async fn extend(&mut self, piece: &[u8]) -> Result<(), StreamError> {
        let wanted = self.text.len() + piece.len();
        if wanted > MAX_OBJECT {
            return Err(StreamError::TooLong { limit: MAX_OBJECT });
        }
        while wanted > self.room() {
            self.taken.push(self.budget.acquire().await.map_err(std::io::Error::other)?);
        }
        if wanted > self.text.capacity() && wanted > SMALL {
            self.text.reserve_exact(self.room() - self.text.len());
        }
        self.text.extend_from_slice(piece);
        Ok(())
    }

    /// What came so far.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    fn room(&self) -> usize {
        SMALL + self.taken.len() * UNIT
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn many_large_objects_at_once_wait_for_the_budget_and_small_ones_pass() {
        let budget = Semaphore::new(2);
        let large = vec![b'a'; SMALL + UNIT];
        let mut buffers: Vec<_> = (0..3).map(|_| Buffer::new(&budget)).collect();
        assert!(buffers[0].extend(&large).now_or_never().is_some());
        assert!(buffers[1].extend(&large).now_or_never().is_some());
        assert!(buffers[2].extend(&large).now_or_never().is_none(), "the budget is used up");
        assert!(Buffer::new(&budget).extend(&large[..SMALL]).now_or_never().is_some());
        buffers.remove(0);
        assert!(buffers[1].extend(&large).now_or_never().is_some(), "what ends gives back");
        assert!(buffers[1].text.capacity() <= SMALL + UNIT, "memory is what the budget says");
    }

    #[test]
    fn an_object_is_cut_before_it_costs_more_than_its_limit() {
        let budget = Semaphore::new(100);
        let mut buffer = Buffer::new(&budget);
        assert!(buffer.extend(&vec![0; MAX_OBJECT]).now_or_never().unwrap().is_ok());
        assert!(matches!(buffer.extend(&[0]).now_or_never(), Some(Err(StreamError::TooLong { .. }))));
    }
}
