//! Who may be asked now: a stranger's listing must not make this hub knock at anybody's door all day (THREATS 38). Counted is the address that
//! is knocked at, so a thousand names, paths or ports of one machine are one machine.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use libp2p::PeerId;

use super::asking::{Answer, AskError, ask, find};
use crate::clock::Moment;
use crate::http::client_ip::host_key;
use crate::http::limit::{KeyedLimit, TABLE};
use crate::proto::directory::Endpoint;
use crate::proto::directory::target::Trust;
use crate::proto::rate::{Rate, TokenBucket};

/// Questions in all.
const ALL: Rate = Rate { burst: 50, per_second: 50.0 };
/// Questions to one stranger's endpoint: one a minute.
const ENDPOINT: Rate = Rate { burst: 1, per_second: 1.0 / 60.0 };
/// Questions to one address of strangers, behind which may be a few endpoints.
const ADDRESS: Rate = Rate { burst: 10, per_second: 10.0 / 60.0 };

/// Asks servers who they are; a clone of the hub's one.
pub struct Prober {
    all: Mutex<TokenBucket>,
    endpoints: Mutex<KeyedLimit<Endpoint>>,
    addresses: Mutex<KeyedLimit<IpAddr>>,
}

impl Default for Prober {
    fn default() -> Self {
        Self {
            all: Mutex::new(TokenBucket::new(ALL, Moment::now())),
            endpoints: Mutex::new(KeyedLimit::new(ENDPOINT, TABLE)),
            addresses: Mutex::new(KeyedLimit::new(ADDRESS, TABLE)),
        }
    }
}

impl Prober {
    /// Who is at this endpoint; `host:port` is asked by https, then by http.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn ask(&self, endpoint: &Endpoint, trust: Trust) -> Result<Answer, AskError> {
        self.may_ask(endpoint, trust)?;
        let mut last = AskError::Silent("it has no address".into());
        for url in endpoint.urls() {
            let found = find(url, trust).await?;
            self.may_knock(found.addresses.iter().map(|address| address.ip()), trust)?;
            match ask(&found).await {
                Ok(answer) => return Ok(answer),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Whether the server at this endpoint is `peer`.
    ///
    /// # Errors
    /// [`AskError::SomebodyElse`], [`AskError::Nameless`]; see [`AskError`].
    pub async fn proves(&self, endpoint: &Endpoint, peer: &PeerId, trust: Trust) -> Result<(), AskError> {
        match self.ask(endpoint, trust).await?.peer {
            Some(found) if found == *peer => Ok(()),
            Some(found) => Err(AskError::SomebodyElse(found)),
            None => Err(AskError::Nameless),
        }
    }

    fn may_ask(&self, endpoint: &Endpoint, trust: Trust) -> Result<(), AskError> {
        let now = Moment::now();
        if trust == Trust::Stranger {
            let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
            endpoints.take(endpoint.clone(), now).map_err(AskError::TooSoon)?;
        }
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.take(now) { Ok(()) } else { Err(AskError::TooSoon(all.next_token(now).since(now).max(Duration::from_secs(1)))) }
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn attack_many_names_of_one_machine_are_one_machine() {
        let prober = Prober::default();
        let endpoint = |number: usize| Endpoint::parse(&format!("https://203.0.113.{number}:1")).unwrap();
        for number in 0..50 {
            assert!(matches!(prober.ask(&endpoint(number), Trust::Stranger).await, Err(AskError::Target(_))));
        }
        assert!(matches!(prober.ask(&endpoint(99), Trust::Stranger).await, Err(AskError::TooSoon(_))), "fifty a second in all");
        assert!(matches!(prober.ask(&endpoint(1), Trust::Stranger).await, Err(AskError::TooSoon(_))), "one a minute of each");
        let machine = ["9.9.9.9".parse().unwrap()];
        let knocks = (0..1000).filter(|_| prober.may_knock(machine.into_iter(), Trust::Stranger).is_ok()).count();
        assert_eq!(knocks, 10);
        assert!(prober.may_knock(machine.into_iter(), Trust::Operator).is_ok());
    }
}
