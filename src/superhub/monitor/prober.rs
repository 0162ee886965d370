//! Who may be asked now: a stranger's listing must not make this hub knock at anybody's door all day (THREATS 38). Counted is the address that
//! is knocked at, so a thousand names, paths or ports of one machine are one machine.
//!
//! What is looked after and what strangers want to list have a share each, so nobody keeps a server from being looked after. Who answered at
//! an endpoint a moment ago is remembered for whoever else says that he is there: so nobody keeps a server from listing itself by saying it first.
//! And where strangers have used up what may be asked of an address, or of all, whoever asks from that address itself has a share of his own: only
//! his own machine is knocked at by it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hashlink::LruCache;
use libp2p::PeerId;
use tokio::sync::Semaphore;

use super::asking::{Answer, AskError, Found, ask, find};
use crate::clock::Moment;
use crate::http::client_ip::host_key;
use crate::http::limit::{KeyedLimit, TABLE};
use crate::proto::directory::Endpoint;
use crate::proto::directory::target::Trust;
use crate::proto::rate::{Rate, TokenBucket};

/// Servers in all that are looked after; with [`REGISTERING`] and [`AT_HOME`] fifty a second.
pub(super) const LOOKING: Rate = Rate { burst: 35, per_second: 35.0 };
/// Servers in all that want to be listed.
const REGISTERING: Rate = Rate { burst: 10, per_second: 10.0 };
/// Servers in all that want to be listed and ask from their own address, where strangers have used up the others.
const AT_HOME: Rate = Rate { burst: 5, per_second: 5.0 };
/// Names that are looked up at a time in each share: far fewer than this process has threads.
const NAMES: usize = 32;
/// Between two questions to one stranger's endpoint, and how long an answer counts for others who ask.
const MINUTE: Duration = Duration::from_secs(60);
/// Questions to one stranger's endpoint: one a [`MINUTE`].
const ENDPOINT: Rate = Rate { burst: 1, per_second: 1.0 / 60.0 };
/// Questions to one address of strangers, behind which may be a few endpoints.
const ADDRESS: Rate = Rate { burst: 10, per_second: 10.0 / 60.0 };
/// Answers that are remembered.
const ANSWERS: usize = 4096;

/// Asks servers who they are; a clone of the hub's one.
pub struct Prober {
    looking: Share,
    registering: Share,
    at_home: Share,
    answers: Mutex<LruCache<Endpoint, (Moment, Answer)>>,
}

impl Default for Prober {
    fn default() -> Self {
        let answers = Mutex::new(LruCache::new(ANSWERS));
        Self { looking: Share::of(LOOKING), registering: Share::of(REGISTERING), at_home: Share::of(AT_HOME), answers }
    }
}

impl Prober {
    /// Who is at this endpoint, which is listed; `host:port` is asked by https, then by http.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn ask(&self, endpoint: &Endpoint, trust: Trust) -> Result<Answer, AskError> {
        self.looking.ask(endpoint, trust, None).await
    }

    /// Whether the server at this endpoint is `peer`, who says so and asks from `client`.
    ///
    /// # Errors
    /// [`AskError::SomebodyElse`], [`AskError::Nameless`]; see [`AskError`].
    pub async fn proves(&self, endpoint: &Endpoint, peer: &PeerId, trust: Trust, client: IpAddr) -> Result<(), AskError> {
        let answer = match self.remembered(endpoint, Moment::now()).filter(|_| trust == Trust::Stranger) {
            Some(answer) => answer,
            None => {
                let answer = self.ask_for(endpoint, trust, client).await?;
                self.remember(endpoint, answer, Moment::now());
                answer
            }
        };
        match answer.peer {
            Some(found) if found == *peer => Ok(()),
            Some(found) => Err(AskError::SomebodyElse(found)),
            None => Err(AskError::Nameless),
        }
    }

    async fn ask_for(&self, endpoint: &Endpoint, trust: Trust, client: IpAddr) -> Result<Answer, AskError> {
        match self.registering.ask(endpoint, trust, None).await {
            Err(AskError::TooSoon(after)) => match self.at_home.ask(endpoint, trust, Some(client)).await {
                Err(AskError::TooSoon(_)) => Err(AskError::TooSoon(after)),
                asked => asked,
            },
            asked => asked,
        }
    }

    fn remembered(&self, endpoint: &Endpoint, now: Moment) -> Option<Answer> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(endpoint).filter(|(at, _)| now.since(*at) < MINUTE).map(|(_, answer)| *answer)
    }

    fn remember(&self, endpoint: &Endpoint, answer: Answer, now: Moment) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(endpoint.clone(), (now, answer));
    }
}

/// What may be asked for one purpose.
struct Share {
    all: Mutex<TokenBucket>,
    endpoints: Mutex<KeyedLimit<Endpoint>>,
    addresses: Mutex<KeyedLimit<IpAddr>>,
    names: Arc<Semaphore>,
}

impl Share {
    fn of(all: Rate) -> Self {
        Self {
            all: Mutex::new(TokenBucket::new(all, Moment::now())),
            endpoints: Mutex::new(KeyedLimit::new(ENDPOINT, TABLE)),
            addresses: Mutex::new(KeyedLimit::new(ADDRESS, TABLE)),
            names: Arc::new(Semaphore::new(NAMES)),
        }
    }

    /// What may not be asked takes nothing of what all share. With `home`, only that address is asked, and where the endpoint is elsewhere it is
    /// [`AskError::TooSoon`] and takes nothing at all.
    async fn ask(&self, endpoint: &Endpoint, trust: Trust, home: Option<IpAddr>) -> Result<Answer, AskError> {
        if home.is_none() {
            self.may_ask(endpoint, trust)?;
        }
        let mut last = AskError::Silent("it has no address".into());
        for (nth, url) in endpoint.urls().into_iter().enumerate() {
            let mut found = find(url, trust, &self.names).await?;
            if let Some(client) = home {
                found = found.at_home_of(client).ok_or(AskError::TooSoon(MINUTE))?;
            }
            self.may_ask_here(endpoint, &found, trust, nth == 0, home.is_some())?;
            match ask(&found).await {
                Err(error @ (AskError::Silent(_) | AskError::Strange(_))) => last = error,
                told => return told,
            }
        }
        Err(last)
    }

    /// Whether what was found may be asked; one endpoint counts once, however many URLs it has.
    fn may_ask_here(&self, endpoint: &Endpoint, found: &Found, trust: Trust, is_first: bool, at_home: bool) -> Result<(), AskError> {
        if is_first && at_home {
            self.may_ask(endpoint, trust)?;
        }
        self.may_knock(found.addresses.iter().map(|address| address.ip()), trust)?;
        if is_first { self.is_one_of_all() } else { Ok(()) }
    }

    fn may_ask(&self, endpoint: &Endpoint, trust: Trust) -> Result<(), AskError> {
        if trust == Trust::Operator {
            return Ok(());
        }
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        endpoints.take(endpoint.clone(), Moment::now()).map_err(AskError::TooSoon)
    }

    fn may_knock(&self, addresses: impl Iterator<Item = IpAddr>, trust: Trust) -> Result<(), AskError> {
        if trust == Trust::Operator {
            return Ok(());
        }
        let mut counted = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        for address in addresses {
            counted.take(host_key(address), Moment::now()).map_err(AskError::TooSoon)?;
        }
        Ok(())
    }

    fn is_one_of_all(&self) -> Result<(), AskError> {
        let now = Moment::now();
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.take(now) { Ok(()) } else { Err(AskError::TooSoon(all.next_token(now).since(now).max(Duration::from_secs(1)))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(8, 8, 8, 8));

    fn endpoint(number: usize) -> Endpoint {
        Endpoint::parse(&format!("https://203.0.113.{number}:1")).unwrap()
    }

    #[tokio::test]
    async fn attack_many_names_of_one_machine_are_one_machine() {
        let share = Share::of(REGISTERING);
        assert!(matches!(share.ask(&endpoint(1), Trust::Stranger, None).await, Err(AskError::Target(_))));
        assert!(matches!(share.ask(&endpoint(1), Trust::Stranger, None).await, Err(AskError::TooSoon(_))), "one a minute of each");
        let machine = ["9.9.9.9".parse().unwrap()];
        let knocks = (0..1000).filter(|_| share.may_knock(machine.into_iter(), Trust::Stranger).is_ok()).count();
        assert_eq!(knocks, 10);
        assert!(share.may_knock(machine.into_iter(), Trust::Operator).is_ok());
        let taken = (0..1000).filter(|_| share.is_one_of_all().is_ok()).count();
        assert!((10..500).contains(&taken), "ten a second in all: {taken}");
    }

    #[tokio::test]
    async fn attack_what_may_not_be_asked_takes_nothing_from_others() {
        let prober = Prober::default();
        for number in 0..200 {
            let refused = prober.proves(&endpoint(number), &PeerId::random(), Trust::Stranger, CLIENT).await;
            assert!(matches!(refused, Err(AskError::Target(_))), "{refused:?}");
        }
        assert!(prober.registering.is_one_of_all().is_ok() && prober.looking.is_one_of_all().is_ok());
    }

    /// Names of strangers that lead to somebody's server use up what may be asked of its address. Its own machine is still asked for itself, and
    /// for nobody else.
    #[tokio::test(start_paused = true)]
    async fn attack_strangers_who_knock_at_a_server_keep_it_not_from_listing_itself() {
        let (prober, server) = (Prober::default(), "http://9.9.9.9:8787".parse::<reqwest::Url>().unwrap());
        let (place, trust) = (Endpoint::parse(server.as_str()).unwrap(), Trust::Stranger);
        let machine: IpAddr = "9.9.9.9".parse().unwrap();
        while prober.registering.may_knock([machine].into_iter(), trust).is_ok() {}
        assert!(matches!(prober.registering.ask(&place, trust, None).await, Err(AskError::TooSoon(_))));
        let found = async |client| find(server.clone(), trust, &prober.at_home.names).await.unwrap().at_home_of(client);
        assert!(found(CLIENT).await.is_none());
        assert!(matches!(prober.at_home.ask(&place, trust, Some(CLIENT)).await, Err(AskError::TooSoon(_))));
        let own = found(machine).await.expect("it asks from there");
        assert!(prober.at_home.may_ask_here(&place, &own, trust, true, true).is_ok(), "whoever was elsewhere took nothing of it");
        assert!(prober.at_home.may_ask_here(&place, &own, trust, true, true).is_err(), "and once a minute is enough for it too");
    }

    #[tokio::test]
    async fn attack_whoever_says_first_that_he_is_a_server_keeps_it_neither_out_nor_unseen() {
        let (prober, place, owner) = (Prober::default(), endpoint(1), PeerId::random());
        let answer = Answer { peer: Some(owner), took: Duration::ZERO, resting: false };
        assert!(prober.registering.may_ask(&place, Trust::Stranger).is_ok(), "somebody says that it is his");
        prober.remember(&place, answer, Moment::now());
        let proves = async |peer: &PeerId| prober.proves(&place, peer, Trust::Stranger, CLIENT).await;
        assert_eq!(proves(&PeerId::random()).await, Err(AskError::SomebodyElse(owner)));
        assert_eq!(proves(&owner).await, Ok(()), "whoever it is proves it without a second knock");
        assert!(prober.looking.may_ask(&place, Trust::Stranger).is_ok(), "and it is looked after");
        assert_eq!(prober.remembered(&place, Moment::now() + MINUTE), None, "a minute later it is asked again");
    }
}
