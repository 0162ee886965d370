//! Changes of settings as they are sent: a JSON object that names each key once, and no more keys than there are (THREATS 13).

use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::config::Config;

/// Key and new value; null takes a key out.
#[derive(Debug)]
pub(super) struct Wishes(pub(super) Map<String, Value>);

impl<'de> Deserialize<'de> for Wishes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reading { most: Config::keys().len() }).map(Self)
    }
}

struct Reading {
    most: usize,
}

impl<'de> Visitor<'de> for Reading {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object of at most {} keys", self.most)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut wishes = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if wishes.len() == self.most {
                return Err(A::Error::custom(format_args!("there are only {} keys", self.most)));
            }
            let value = members.next_value()?;
            if wishes.insert(key, value).is_some() {
                return Err(A::Error::custom("it names a key twice"));
            }
        }
        Ok(wishes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_a_key_is_named_once_and_no_more_keys_than_there_are() {
        let read = |text: &str| serde_json::from_str::<Wishes>(text).map(|Wishes(wishes)| wishes.len()).map_err(|why| why.to_string());
        assert_eq!(read("{\"profile.label\": \"a\", \"x\": null}"), Ok(2));
        assert!(read("{\"profile.label\": \"a\", \"profile.label\": \"b\"}").unwrap_err().contains("twice"));
        let many = |count: usize| format!("{{{}}}", (0..count).map(|at| format!("\"k{at}\":0")).collect::<Vec<_>>().join(","));
        assert_eq!(read(&many(Config::keys().len())), Ok(Config::keys().len()));
        assert!(read(&many(9000)).unwrap_err().contains("there are only"));
        assert!(read("[]").is_err() && read("null").is_err());
    }
}
