//! What several hubs say of communities, put together: each hub has its turn, and none speaks for another.
//!
//! An id proves nothing here. Everybody reads it, and can say it again with another address behind it; and each hub that lists a community itself
//! gives it one of its own. So what a hub says stands for what another says only where both say the same, the address included; where they
//! differ, both are kept, each with the hub that it is from. Of what one hub has said of a community at different times, the first that comes counts.

use std::collections::{HashMap, HashSet};

use super::kept::Found;
use crate::proto::directory::ListingId;

/// The first of each column, then the second of each.
pub(super) fn by_turns(columns: Vec<Vec<Found>>) -> Vec<Found> {
    let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
    let mut all = Vec::new();
    while !columns.is_empty() {
        columns.retain_mut(|column| column.next().map(|found| all.push(found)).is_some());
    }
    all
}

/// What each hub told, in its order; the hub of the first comes first.
pub(super) fn by_hub(found: Vec<Found>) -> Vec<Vec<Found>> {
    let (mut columns, mut places) = (Vec::new(), HashMap::new());
    for found in found {
        let place = *places.entry(found.hub.clone()).or_insert(columns.len());
        if place == columns.len() {
            columns.push(Vec::new());
        }
        columns[place].push(found);
    }
    columns
}

/// What was told already.
#[derive(Default)]
pub(super) struct Once {
    by_hub: HashSet<(String, ListingId)>,
    /// Word for word, and the hub that said it first.
    said: HashMap<String, String>,
}

impl Once {
    /// Whether this was told by no other hub before, word for word, and nothing else of this community by the same hub.
    pub(super) fn is_new(&mut self, found: &Found) -> bool {
        let hub = &found.hub;
        self.by_hub.insert((hub.clone(), found.listing.id))
            && self.said.entry(found.listing.words_of_origin()).or_insert_with(|| hub.clone()) == hub
    }
}
