//! Names that lead into the internet only, for places to which a server on the internet has sent us: whatever name it writes, nobody is
//! made to knock at this machine or in the house (THREATS 4, 37). What a name means is asked once per connection, and that address is
//! dialled, so it cannot mean another one a moment later.

use std::net::SocketAddr;

use reqwest::dns::{Name, Resolve, Resolving};

use crate::proto::signed::addrs::is_public;

/// See the head of this file.
#[derive(Debug, Clone, Copy)]
pub struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|addr| is_public(addr.ip())).collect();
            if public.is_empty() {
                return Err("the server moved into a private network".into());
            }
            Ok(Box::new(public.into_iter()) as Box<dyn Iterator<Item = SocketAddr> + Send>)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn attack_a_name_that_leads_into_this_machine_is_no_place_to_go_to() {
        let found = PublicOnly.resolve("localhost".parse().unwrap()).await.map(Iterator::count);
        assert_eq!(found.unwrap_err().to_string(), "the server moved into a private network");
    }
}
