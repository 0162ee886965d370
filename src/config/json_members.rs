//! The members of a JSON object and where each stands, which `serde_json` alone does not tell.

use std::ops::Range;

use serde::de::{DeserializeOwned, IgnoredAny};

/// One member of an object, in bytes of the document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) key: String,
    /// Where the key begins.
    pub(super) at: usize,
    /// Where the value stands.
    pub(super) value: Range<usize>,
}

/// The members of the object that begins at `start` in `document`, in its order, equal keys too. The document must be JSON.
pub(super) fn members(document: &str, start: usize) -> Vec<Member> {
    let mut members = Vec::new();
    let mut at = skip_until(document, start, |character| character == '{') + 1;
    loop {
        at = skip_until(document, at, |character| matches!(character, '"' | '}'));
        let Some((key, after_key)) = next::<String>(document, at) else { return members };
        let colon = skip_until(document, after_key, |character| character == ':');
        let start = skip_until(document, colon + 1, |character| !character.is_ascii_whitespace());
        let Some((IgnoredAny, end)) = next::<IgnoredAny>(document, start) else { return members };
        members.push(Member { key, at, value: start..end });
        at = end;
    }
}

/// The JSON value at `start`, and where it ends.
fn next<T: DeserializeOwned>(document: &str, start: usize) -> Option<(T, usize)> {
    let mut values = serde_json::Deserializer::from_str(document.get(start..)?).into_iter::<T>();
    let value = values.next()?.ok()?;
    Some((value, start + values.byte_offset()))
}

fn skip_until(document: &str, from: usize, wanted: impl Fn(char) -> bool) -> usize {
    let rest = document.get(from..).unwrap_or_default();
    rest.find(wanted).map_or(document.len(), |found| from + found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_member_is_found_where_it_stands() {
        let document = "{ \"a\" : 1,\n \"b\\\"{\" :{\"}\": \"{\"}, \"a\":[ {\"x\":2} ] , \"n\":null}";
        let found: Vec<(String, &str)> = members(document, 0).into_iter().map(|member| (member.key, &document[member.value])).collect();
        let expected = [("a", "1"), ("b\"{", "{\"}\": \"{\"}"), ("a", "[ {\"x\":2} ]"), ("n", "null")];
        assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), value)));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".{0,200}", start in 0_usize..250) {
            members(&text, start);
        }

        #[test]
        fn any_object_is_read_whole(keys in proptest::collection::vec(".{0,8}", 0..8)) {
            let body: Vec<String> = keys.iter().map(|key| format!("{}:{{\"v\":[{}]}}", serde_json::json!(key), serde_json::json!(key))).collect();
            let document = format!(" {{{}\n}}", body.join(" ,\t"));
            let found: Vec<String> = members(&document, 0).into_iter().map(|member| member.key).collect();
            prop_assert_eq!(found, keys);
        }
    }
}
