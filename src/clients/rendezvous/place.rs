//! Where a server is: its base URL, and where it says that it has moved.
//!
//! A redirect is followed within reason: never from https to http, never from the internet into this machine or somebody's LAN (a
//! server could make its peers knock there: neither by address nor by a name, [`super::resolve`]), and at most [`MOST_MOVES`] times in a
//! row. Where a server went is remembered, and may be written down ([`Place::lasting`]); where it came from is remembered until the program
//! ends. While nobody answers, all these places are tried in turn.

use std::net::IpAddr;

use reqwest::Url;
use thiserror::Error;

use super::membership;
use super::resolve::is_internet;
use crate::config::base_url::BaseUrl;
use crate::proto::signed::addrs::is_public;

/// Moves that are followed before something is heard again.
const MOST_MOVES: u8 = 5;

/// Why a move was not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadMove {
    /// Not the base URL of a server.
    #[error("the server moved, but did not say where to")]
    NoUrl,
    /// From https to http.
    #[error("the server moved to a place without encryption")]
    Insecure,
    /// From the internet to a private address.
    #[error("the server moved into a private network")]
    Inward,
    /// Too many in a row.
    #[error("the server moves in circles")]
    Circles,
}

/// Where a server is.
#[derive(Debug, Clone)]
pub struct Place {
    configured: BaseUrl,
    now: BaseUrl,
    last_move: Option<Move>,
    /// Where the first of the moves began.
    former: Option<BaseUrl>,
    moves: u8,
    /// Whether the configured place was reached on the internet.
    on_internet: bool,
}

/// Where a server went.
#[derive(Debug, Clone)]
struct Move {
    to: BaseUrl,
    /// Whether a server on the internet said so, so that it must be there too.
    outward: bool,
    /// Whether nobody on the way can have said so: a certificate vouches for who did, or it was said at home.
    vouched: bool,
}

impl Place {
    /// The place that is configured.
    pub fn new(configured: BaseUrl) -> Self {
        Self { now: configured.clone(), configured, last_move: None, former: None, moves: 0, on_internet: false }
    }

    /// What the server is called in lists: its host (and port), and the path of a community, without any secret.
    pub fn name(&self) -> String {
        name(&self.configured)
    }

    /// Which membership it is.
    pub fn id(&self) -> String {
        membership::id(&self.configured)
    }

    /// Where the server is heard now, if it has moved there: the URL, which may hold the secret of a member.
    pub fn moved_to(&self) -> Option<&BaseUrl> {
        self.last_move.as_ref().map(|last| &last.to).filter(|to| **to == self.now)
    }

    /// The same, if it may be written down: only what cannot have been said by somebody on the way, who would else keep the community for good
    /// after one short visit. And what a name leads to is looked at while the program runs alone, so without encryption a server on the
    /// internet could lead into the house after a restart.
    pub fn lasting(&self) -> Option<&BaseUrl> {
        let last = self.last_move.as_ref().filter(|last| last.to == self.now)?;
        (last.vouched && (!last.outward || last.to.url().scheme() == "https")).then_some(&last.to)
    }

    /// Whether the place where the server is now is the owner's own word, or that of one who was vouched for.
    fn is_vouched_for(&self) -> bool {
        self.last_move.as_ref().filter(|last| last.to == self.now).is_none_or(|last| last.vouched)
    }

    /// The place where the server is heard now is the one that is configured from here on.
    pub fn settle(&mut self) {
        self.on_internet |= self.is_outward();
        self.configured = self.now.clone();
        self.last_move = None;
    }

    /// Where the server came from, if it has moved.
    pub fn former(&self) -> Option<&BaseUrl> {
        self.former.as_ref().filter(|former| **former != self.now)
    }

    /// The server is where it came from again.
    pub fn came_back(&mut self) {
        if let Some(former) = self.former.take() {
            self.go(former);
        }
    }

    fn go(&mut self, to: BaseUrl) {
        if to != self.configured && self.last_move.as_ref().is_none_or(|last| last.to != to) {
            self.last_move = Some(Move { to: to.clone(), outward: self.on_internet, vouched: true });
        }
        self.moves = 0;
        self.now = to;
    }

    /// What that place is called.
    pub fn moved_to_name(&self) -> Option<String> {
        self.moved_to().map(name)
    }

    /// The URL of an endpoint such as `publish`; the base URL's path stands before it.
    pub fn endpoint(&self, endpoint: &str) -> Url {
        self.now.below(endpoint)
    }

    /// The name of the server as it is reached: scheme, host and port, as in `https://rv.example.org`.
    pub fn origin(&self) -> String {
        self.now.origin()
    }

    /// Whether the server is reached with encryption.
    pub fn is_https(&self) -> bool {
        self.now.url().scheme() == "https"
    }

    /// Whether the server is on this machine.
    pub fn is_loopback(&self) -> bool {
        self.now.is_loopback()
    }

    /// Whether names must lead into the internet here.
    pub fn is_outward(&self) -> bool {
        let moved = self.last_move.as_ref().is_some_and(|last| last.outward && last.to == self.now);
        moved || (self.on_internet && self.now == self.configured)
    }

    /// Follows a move to `to`, relative to `endpoint`, whose name may stand at its end; `by` is the address of who said so, as far as
    /// known: only one that is certainly at home leads into the house. A member's token goes along where `to` names the community alone.
    ///
    /// # Errors
    /// See [`BadMove`]; the place stays.
    pub fn moved(&mut self, endpoint: &str, to: &str, by: Option<IpAddr>) -> Result<(), BadMove> {
        let mut target = self.endpoint(endpoint).join(to).map_err(|_| BadMove::NoUrl)?;
        target.set_query(None);
        let base = target.path().strip_suffix(endpoint).unwrap_or(target.path()).trim_end_matches('/').to_owned();
        let token = token_part(self.now.url().path()).filter(|_| token_part(&base).is_none());
        target.set_path(&format!("{base}{}", token.unwrap_or_default()));
        let target = BaseUrl::parse(target.as_str()).map_err(|_| BadMove::NoUrl)?;
        if self.is_https() && target.url().scheme() != "https" {
            return Err(BadMove::Insecure);
        }
        let speaker = by.or_else(|| self.now.ip());
        let at_home = speaker.is_some_and(is_home);
        let outward = self.is_outward() || !at_home;
        let vouched = self.is_vouched_for() && (self.is_https() || at_home);
        if outward && is_inward(&target) {
            return Err(BadMove::Inward);
        }
        if self.moves >= MOST_MOVES {
            return Err(BadMove::Circles);
        }
        self.moves += 1;
        let from = self.former.take().unwrap_or_else(|| self.configured.clone());
        self.former = Some(from).filter(|from| *from != target);
        self.last_move = Some(Move { to: target.clone(), outward, vouched });
        self.now = target;
        Ok(())
    }

    /// An answer to a request for `asked` came from `by`. A configured name that was reached on the internet without encryption must
    /// lead there from now on: nobody's certificate would tell if it led into the house.
    pub fn reached(&mut self, asked: &Url, by: Option<IpAddr>) {
        let configured = self.configured.url();
        let same = configured.scheme() == "http" && asked.origin() == configured.origin();
        self.on_internet |= same && by.is_some_and(is_internet);
    }

    /// The server was heard here for a while.
    pub fn proven(&mut self) {
        self.moves = 0;
    }

    /// The server was not reached here: the next try goes to the next of the places that are known.
    pub fn failed(&mut self) {
        let moved = self.last_move.as_ref().map(|last| last.to.clone());
        let mut known: Vec<BaseUrl> = [Some(self.configured.clone()), moved, self.former.clone()].into_iter().flatten().collect();
        known.dedup();
        let at = known.iter().position(|place| *place == self.now);
        let next = at.map_or(0, |at| (at + 1) % known.len());
        self.go(known.swap_remove(next));
    }
}

fn name(url: &BaseUrl) -> String {
    let whole = url.to_string();
    let bare = whole.split_once("://").map_or(whole.as_str(), |(_, rest)| rest);
    let bare = bare.split_once('@').map_or(bare, |(_, rest)| rest);
    bare.trim_end_matches('/').to_owned()
}

/// The end of a personal URL's path that makes it one.
fn token_part(path: &str) -> Option<&str> {
    path.find("/m/").map(|at| path[at..].trim_end_matches('/'))
}

/// An address that is not the internet's, as text; what a name leads to is for the resolver.
fn is_inward(url: &BaseUrl) -> bool {
    url.ip().is_some_and(|ip| !is_public(ip))
}

/// An address of this machine, or of the network that it is in: nothing in between (a translator, a tunnel) can be the internet's.
pub(super) fn is_home(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && (64..128).contains(&v4.octets()[1]);
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Place {
        Place::new(BaseUrl::parse(url).unwrap())
    }

    #[test]
    fn a_path_prefix_is_kept_in_every_endpoint() {
        assert_eq!(place("https://rv.example/c/chess/").endpoint("publish").as_str(), "https://rv.example/c/chess/publish");
        assert_eq!(place("http://rv.example:8787").endpoint("api/v1/events").as_str(), "http://rv.example:8787/api/v1/events");
    }

    #[test]
    fn a_name_has_host_and_community_but_no_secret() {
        assert_eq!(place("https://rv.example/").name(), "rv.example");
        assert_eq!(place("http://rv.example:8787/c/chess").name(), "rv.example:8787/c/chess");
        assert_eq!(place("https://rv.example/c/chess/m/s3cret/").name(), "rv.example/c/chess/m/***");
        assert!(!place("https://u:s3cret@rv.example/").name().contains("s3cret"));
    }

    #[test]
    fn a_move_names_the_base_or_the_endpoint_and_may_be_relative() {
        for to in ["https://new.example/c/chess", "https://new.example/c/chess/", "https://new.example/c/chess/publish"] {
            let mut place = place("https://rv.example/c/chess");
            assert_eq!(place.moved("publish", to, None), Ok(()));
            assert_eq!(place.endpoint("events").as_str(), "https://new.example/c/chess/events", "{to}");
        }
        let mut place = place("https://rv.example/old");
        place.moved("publish", "/new/publish", None).unwrap();
        assert_eq!(place.endpoint("events").as_str(), "https://rv.example/new/events");
    }

    #[test]
    fn attack_a_move_leads_neither_inward_nor_out_of_encryption_nor_in_circles() {
        let from = |url: &str, to: &str| place(url).moved("publish", to, None);
        assert_eq!(from("https://rv.example", "http://rv.example/"), Err(BadMove::Insecure));
        for inner in ["http://127.0.0.1:1/", "http://localhost/", "http://[::1]/", "http://192.168.1.1/", "http://169.254.169.254/"] {
            assert_eq!(from("http://rv.example", inner), Err(BadMove::Inward), "{inner}");
        }
        assert_eq!(from("http://127.0.0.1:8787", "http://127.0.0.1:9999"), Ok(()));
        assert_eq!(from("http://rv.example", "ftp://rv.example"), Err(BadMove::NoUrl));
        let mut circling = place("https://a.example");
        let moves = (0..9).filter(|_| circling.moved("publish", "https://b.example", None).is_ok()).count();
        assert_eq!(moves, usize::from(MOST_MOVES));
    }

    #[test]
    fn attack_a_server_on_the_internet_leads_nobody_home_by_a_name_either() {
        let home = Some(IpAddr::from([192, 168, 1, 5]));
        let mut nas = place("http://nas.local:8787");
        assert_eq!((nas.moved("publish", "http://192.168.1.6:8787", home), nas.is_outward()), (Ok(()), false), "at home it may");
        let mut far = place("http://rv.example");
        assert_eq!(far.moved("publish", "http://192.168.1.6:8787", Some(IpAddr::from([45, 45, 45, 45]))), Err(BadMove::Inward));
        far.moved("publish", "http://other.example", Some(IpAddr::from([45, 45, 45, 45]))).unwrap();
        assert!(far.is_outward(), "what this name leads to is looked at");
        assert_eq!(far.moved("publish", "http://127.0.0.1:1", home), Err(BadMove::Inward), "however long the chain");
        far.failed();
        assert!(!far.is_outward(), "the owner's own words count as they are");
        far.failed();
        assert!(far.is_outward());
    }

    #[test]
    fn attack_a_server_behind_a_translator_or_a_proxy_leads_nobody_home() {
        let speakers =
            ["64:ff9b::2d2d:2d2d", "64:ff9b::c0a8:101", "64:ff9b:1::a00:1", "2002:2d2d:2d2d::1", "2001:0:2d2d::1", "203.0.113.5"];
        for by in speakers.map(|by| by.parse().ok()).into_iter().chain([None]) {
            let mut far = place("http://rv.example");
            assert_eq!(far.moved("publish", "http://192.168.1.1/", by), Err(BadMove::Inward), "{by:?}");
            assert_eq!((far.moved("publish", "http://other.example", by), far.is_outward()), (Ok(()), true), "{by:?}");
        }
        for by in ["127.0.0.1", "::1", "10.0.0.1", "::ffff:192.168.1.5", "100.64.0.1", "fd00::1", "fe80::1", "169.254.1.1"] {
            let mut near = place("http://nas.local:8787");
            assert_eq!(near.moved("publish", "http://192.168.1.6:8787", by.parse().ok()), Ok(()), "{by}");
        }
    }

    #[test]
    fn attack_a_name_that_was_on_the_internet_never_leads_home_later() {
        let url = |url: &str| Url::parse(url).unwrap();
        let far = |by: &str, asked: &str, configured: &str| {
            let mut place = place(configured);
            place.reached(&url(asked), by.parse().ok());
            place.is_outward()
        };
        for by in ["45.45.45.45", "2a00::1", "64:ff9b::2d2d:2d2d"] {
            assert!(far(by, "http://rv.example/publish", "http://rv.example"), "{by}");
        }
        assert!(!far("192.168.1.5", "http://nas.local/publish", "http://nas.local"), "at home it stays as it is");
        assert!(!far("45.45.45.45", "http://other.example/publish", "http://rv.example"), "another place's answer");
        assert!(!far("45.45.45.45", "https://rv.example/publish", "https://rv.example"), "its certificate tells where it leads");
        let mut place = place("http://rv.example");
        place.reached(&url("http://rv.example/x"), "45.45.45.45".parse().ok());
        place.reached(&url("http://rv.example/x"), "192.168.1.1".parse().ok());
        place.failed();
        assert!(place.is_outward(), "for the whole run");
    }

    #[test]
    fn a_member_stays_a_member_where_its_community_went() {
        for to in ["https://new.example/c/go", "https://new.example/c/go/m/s3cret/publish", "https://new.example/c/go/m/s3cret/"] {
            let mut place = place("https://rv.example/c/chess/m/s3cret/");
            assert_eq!(place.moved_to(), None);
            place.moved("publish", to, None).unwrap();
            assert_eq!(place.endpoint("events").as_str(), "https://new.example/c/go/m/s3cret/events", "{to}");
            assert_eq!(place.moved_to_name().as_deref(), Some("new.example/c/go/m/***"));
        }
    }

    #[test]
    fn after_a_failure_both_places_are_tried_in_turn() {
        let mut place = place("https://old.example");
        place.moved("publish", "https://new.example", None).unwrap();
        let mut host = || {
            place.failed();
            place.endpoint("x").host_str().unwrap().to_owned()
        };
        assert_eq!([host(), host(), host()], ["old.example", "new.example", "old.example"]);
    }

    #[test]
    fn a_move_that_was_written_down_is_the_place_and_may_be_undone() {
        let host = |place: &Place| place.endpoint("x").host_str().unwrap().to_owned();
        let mut place = place("https://old.example/c/x/m/t");
        place.moved("publish", "https://new.example/c/x", None).unwrap();
        assert_eq!(place.lasting().map(|to| to.url().as_str()), Some("https://new.example/c/x/m/t"));
        place.settle();
        assert_eq!((place.name().as_str(), place.moved_to()), ("new.example/c/x/m/***", None));
        place.failed();
        assert_eq!(host(&place), "old.example", "where it came from is tried too");
        place.failed();
        assert_eq!(host(&place), "new.example");
        place.came_back();
        assert_eq!((host(&place).as_str(), place.former()), ("old.example", None));
        assert_eq!(place.lasting().map(|to| to.url().as_str()), Some("https://old.example/c/x/m/t"), "which is written down in turn");
    }

    #[test]
    fn attack_a_name_without_encryption_to_which_the_internet_led_is_not_written_down() {
        let mut far = place("http://rv.example");
        far.moved("publish", "http://other.example", Some(IpAddr::from([45, 45, 45, 45]))).unwrap();
        assert_eq!((far.lasting(), far.moved_to().is_some()), (None, true));
        let mut near = place("http://127.0.0.1:1");
        near.moved("publish", "http://127.0.0.1:2", None).unwrap();
        assert!(near.lasting().is_some());
    }

    #[test]
    fn attack_whoever_is_on_the_way_once_does_not_keep_a_community_for_good() {
        let far = Some(IpAddr::from([45, 45, 45, 45]));
        let mut taken = place("http://rv.example/c/x/m/t");
        taken.moved("publish", "https://evil.example/c/x", far).unwrap();
        assert_eq!((taken.lasting(), taken.moved_to().is_some()), (None, true), "it is followed, and forgotten with the program");
        taken.moved("publish", "https://other.example/c/x", far).unwrap();
        assert_eq!(taken.lasting(), None, "nor where that leads in turn");
        let mut certified = place("https://rv.example/c/x/m/t");
        certified.moved("publish", "https://new.example/c/x", far).unwrap();
        assert!(certified.lasting().is_some());
        let mut home = place("http://nas.local:8787");
        home.moved("publish", "https://new.example", Some(IpAddr::from([192, 168, 1, 5]))).unwrap();
        assert!(home.lasting().is_some());
    }
}
