//! One JSON object from a stream, complete as soon as its last brace is there: goop2 does not wait for the LF behind it.
//!
//! Bounded before anything is built from it: bytes, members, nesting. What follows the object is not read. Keys count in any letter
//! case, as in goop2; one that comes twice is refused (THREATS 13).

use std::fmt;

use serde::Deserialize;
use serde::de::{Error, MapAccess, Visitor};
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::{IDLE, StreamError};

mod buffer;

use buffer::{BUDGET, Buffer};

/// Largest object, in bytes (THREATS 43): a message of 64 KiB fits however it is escaped.
pub(super) const MAX_OBJECT: usize = 512 * 1024;
/// Commas and opening brackets of one object; each costs memory when it is built.
const MAX_MEMBERS: usize = 4096;
/// Brackets within brackets.
const MAX_NESTING: usize = 64;
const CHUNK: usize = 8 * 1024;

/// Read one object, all of it within [`IDLE`].
pub(super) async fn read_object<R: AsyncRead + Unpin>(io: &mut R) -> Result<Map<String, Value>, StreamError> {
    timeout(IDLE, read_whole(io)).await.map_err(|_| StreamError::Idle)?
}

async fn read_whole<R: AsyncRead + Unpin>(io: &mut R) -> Result<Map<String, Value>, StreamError> {
    let (mut text, mut scan) = (Buffer::new(&BUDGET), Scan::default());
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = io.read(&mut chunk).await?;
        if read == 0 {
            return Err(malformed("the stream ended within the object"));
        }
        if let Some(end) = scan.feed(&chunk[..read])? {
            text.extend(&chunk[..end]).await?;
            return parse(text.text());
        }
        text.extend(&chunk[..read]).await?;
    }
}

fn parse(text: &[u8]) -> Result<Map<String, Value>, StreamError> {
    serde_json::from_slice(text).map(|Fields(fields)| fields).map_err(|error| malformed(error.to_string()))
}

fn malformed(what: impl Into<String>) -> StreamError {
    StreamError::Malformed(what.into())
}

/// Finds the end of an object without building it.
#[derive(Debug, Default)]
struct Scan {
    depth: usize,
    members: usize,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    /// How many bytes of `piece` belong to the object if it ends there.
    fn feed(&mut self, piece: &[u8]) -> Result<Option<usize>, StreamError> {
        for (at, byte) in piece.iter().enumerate() {
            if self.in_string {
                self.step_in_string(*byte);
            } else if self.step(*byte)? {
                return Ok(Some(at + 1));
            }
        }
        Ok(None)
    }

    fn step_in_string(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => self.in_string = false,
            _ => {}
        }
    }

    /// Whether the object ends with this byte.
    fn step(&mut self, byte: u8) -> Result<bool, StreamError> {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => return Ok(false),
            _ if self.depth == 0 && byte != b'{' => return Err(malformed("not a JSON object")),
            b'"' => self.in_string = true,
            b'{' | b'[' => (self.depth, self.members) = (self.depth + 1, self.members + 1),
            b'}' | b']' => self.depth -= 1,
            b',' => self.members += 1,
            _ => {}
        }
        if self.depth > MAX_NESTING || self.members > MAX_MEMBERS {
            return Err(malformed(format!("more than {MAX_MEMBERS} members or {MAX_NESTING} levels")));
        }
        Ok(self.depth == 0)
    }
}

/// An object with its keys in lower case.
struct Fields(Map<String, Value>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Map::new();
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            if fields.insert(key.to_ascii_lowercase(), value).is_some() {
                return Err(A::Error::custom(format_args!("the key {:?} comes twice", super::line::printable(&key, 64))));
            }
        }
        Ok(Fields(fields))
    }
}

/// The text under `key`; empty where it is missing or null, as Go reads it.
pub(super) fn text(fields: &mut Map<String, Value>, key: &str) -> Result<String, StreamError> {
    match fields.remove(key) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(malformed(format!("{key:?} is not text"))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn read(bytes: &[u8]) -> Result<Map<String, Value>, StreamError> {
        read_object(&mut &bytes[..]).await
    }

    #[tokio::test]
    async fn an_object_is_complete_with_its_last_brace() {
        let (mut opener, mut io) = tokio::io::duplex(64);
        opener.write_all(br#" {"a":"}\"{","B":[{}]}"#).await.unwrap();
        let fields = read_object(&mut io).await.unwrap();
        assert_eq!(fields["a"], "}\"{");
        assert!(fields.contains_key("b"), "keys count in any letter case");
    }

    #[tokio::test]
    async fn what_is_no_object_is_refused_at_the_first_byte() {
        for bytes in [&b"hello"[..], b"[1]", b"}", b"\"{}\"", b"7"] {
            assert!(matches!(read(bytes).await, Err(StreamError::Malformed(_))), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn bombs_of_size_nesting_and_members_are_refused() {
        let endless = tokio::io::AsyncReadExt::chain(&b"{\"a\":\""[..], tokio::io::repeat(b'a'));
        assert!(matches!(read_object(&mut Box::pin(endless)).await, Err(StreamError::TooLong { .. })));
        let deep = |levels| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        let wide = |members| format!("{{\"a\":[0{}]}}", ",0".repeat(members));
        for good in [deep(MAX_NESTING - 1), wide(MAX_MEMBERS - 2)] {
            assert!(read(good.as_bytes()).await.is_ok());
        }
        for bomb in [deep(MAX_NESTING), wide(MAX_MEMBERS - 1)] {
            assert!(matches!(read(bomb.as_bytes()).await, Err(StreamError::Malformed(_))));
        }
    }

    #[tokio::test]
    async fn a_key_that_comes_twice_is_refused() {
        assert!(matches!(read(br#"{"id":"a","ID":"b"}"#).await, Err(StreamError::Malformed(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_that_never_ends_is_left_after_the_idle_time() {
        let (mut opener, mut io) = tokio::io::duplex(64);
        opener.write_all(b"{\"type\":\"msg\",\"id\":\"").await.unwrap();
        assert!(matches!(read_object(&mut io).await, Err(StreamError::Idle)));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), "[\\PC\"\\\\{}\\[\\]]{0,8}".prop_map(Value::from)];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[a-z\"\\\\{}]{0,4}", inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn an_object_ends_where_it_ends_however_it_is_cut_and_whatever_follows(
            map in prop::collection::btree_map("[a-z\"\\\\{}]{0,4}", value(), 0..6), after in ".{0,8}", cut in any::<prop::sample::Index>(),
        ) {
            let text = serde_json::to_vec(&map).unwrap();
            let sent = [&text[..], after.as_bytes()].concat();
            let cut = cut.index(sent.len());
            let mut scan = Scan::default();
            let end = match scan.feed(&sent[..cut]).unwrap() {
                Some(end) => end,
                None => cut + scan.feed(&sent[cut..]).unwrap().unwrap(),
            };
            prop_assert_eq!(end, text.len());
            prop_assert_eq!(Value::Object(parse(&text).unwrap()), Value::Object(map.into_iter().collect()));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\",:\\ \n".to_vec())], 0..200)) {
            let _ = Scan::default().feed(&bytes);
            let _ = parse(&bytes);
        }
    }
}
