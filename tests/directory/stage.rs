//! A directory in a folder of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use goop::proto::community::Kind;
use goop::proto::directory::target::Trust;
use goop::proto::directory::{Endpoint, Listing};
use goop::proto::names::{Lang, Name, Summary, Tag};
use goop::proto::search::Query;
use goop::shutdown::Tasks;
use goop::superhub::directory::{Directory, Filter, Found, Listed, Options, Sort};
use libp2p::identity::Keypair;

/// An open directory, and what ends it.
pub(crate) struct Stage {
    pub(crate) directory: Arc<Directory>,
    tasks: Tasks,
}

impl Stage {
    /// Opens the directory in `folder`.
    pub(crate) fn open(folder: &Path) -> Self {
        let mut tasks = Tasks::default();
        let directory = Directory::open(options(folder), &mut tasks).unwrap();
        Self { directory, tasks }
    }

    pub(crate) async fn list(&self, listing: Listing) -> Listed {
        self.directory.change(1, move |desk| desk.list(listing, Trust::Operator, "test")).await.unwrap()
    }

    pub(crate) async fn search(&self, query: &str) -> Found {
        self.find(query, Filter::default(), Sort::Best).await
    }

    pub(crate) async fn find(&self, query: &str, filter: Filter, sort: Sort) -> Found {
        self.directory.search(Query::parse(query).unwrap(), filter, sort, None, 20).await.unwrap()
    }

    /// The names that a query finds, in their order.
    pub(crate) async fn names(&self, query: &str) -> Vec<String> {
        names(&self.search(query).await)
    }

    /// Ends it as a node does.
    pub(crate) async fn close(self) {
        drop(self.directory);
        assert_eq!(self.tasks.finish(Duration::from_secs(20)).await, [""; 0]);
    }
}

pub(crate) fn options(folder: &Path) -> Options {
    Options { database: folder.join("directory.db"), feed_state: folder.join("feed.state"), key: key(), name: "hub.example".into() }
}

pub(crate) fn key() -> Keypair {
    Keypair::ed25519_from_bytes([1; 32]).unwrap()
}

pub(crate) fn names(found: &Found) -> Vec<String> {
    found.entries.iter().map(|entry| entry.record.listing().unwrap().name.as_str().to_owned()).collect()
}

/// A listing of this name, with what one may want of it.
pub(crate) fn listing(name: &str) -> Listing {
    Listing {
        name: Name::parse(name).unwrap(),
        summary: Summary::default(),
        tags: Vec::new(),
        kind: Kind::Open,
        paid: false,
        lang: None,
        endpoints: vec![Endpoint::parse("rv.example.com:8787").unwrap()],
        rendezvous_id: None,
        community_key: None,
        members: 0,
    }
}

pub(crate) fn about(name: &str, summary: &str, tags: &[&str]) -> Listing {
    Listing { summary: Summary::parse(summary).unwrap(), tags: Tag::parse_all(tags.iter().copied()).unwrap(), ..listing(name) }
}

pub(crate) fn in_language(name: &str, lang: &str) -> Listing {
    Listing { lang: Some(Lang::parse(lang).unwrap()), ..listing(name) }
}

pub(crate) fn at(name: &str, endpoint: &str) -> Listing {
    Listing { endpoints: vec![Endpoint::parse(endpoint).unwrap()], ..listing(name) }
}
