//! What real goop2 peers said on streams, from `tests/data/goop2-streams.jsonl`.

use serde::Deserialize;

/// One line of `tests/data/goop2-streams.jsonl`. `side`: `answers` where goop2 answered, `asks` where it opened the stream, `kept` for
/// what it remembered of the chat messages. Bytes that are no text stand in `…_hex`.
#[derive(Deserialize)]
pub(crate) struct Exchange {
    pub(crate) side: String,
    pub(crate) protocol: String,
    pub(crate) title: String,
    pub(crate) request: Option<String>,
    pub(crate) answer: Option<String>,
    answer_hex: Option<String>,
    /// Of the whole answer, where only its first line is given.
    pub(crate) answer_sha256: Option<String>,
    /// The opener closes its side when it has sent.
    #[serde(default)]
    pub(crate) closes: bool,
    /// Length of the whole request, where only its beginning is given; the rest repeats its last letter.
    request_bytes: Option<usize>,
    #[serde(default)]
    pub(crate) kept: Vec<(String, String, String)>,
}

pub(crate) const GOOP2: &str = "12D3KooWHFd1gyNYFqxt7ke9FY2VoVVWY2XSPhvL9vg2pB6wQGfa";
pub(crate) const RECORDER: &str = "12D3KooWK98A5qKRAA9qZccvoJLvcLu68PCFZLNfdd81iQLvHj6W";

pub(crate) fn recordings(side: &str, protocol: &str) -> Vec<Exchange> {
    let lines = include_str!("../data/goop2-streams.jsonl").lines();
    let all = lines.map(|line| serde_json::from_str::<Exchange>(line).unwrap());
    all.filter(|exchange| exchange.side == side && exchange.protocol == protocol).collect()
}

impl Exchange {
    pub(crate) fn request(&self) -> Vec<u8> {
        let mut request = self.request.clone().unwrap_or_default();
        if let Some(length) = self.request_bytes {
            let last = request.chars().last().unwrap();
            let tail = self.tail();
            request.extend(std::iter::repeat_n(last, length - request.len() - tail.len()));
            request += &tail;
        }
        request.into_bytes()
    }

    /// How a request ends of which only the beginning was recorded.
    fn tail(&self) -> String {
        match self.protocol.as_str() {
            "site" => "\n".into(),
            "chat" => format!(r#"","from":"{RECORDER}","id":"1","site_id":"","timestamp":1,"to":"","type":"direct"}}"#) + "\n",
            _ => "\"},\"seq\":19}\n".into(),
        }
    }

    pub(crate) fn answer(&self) -> Vec<u8> {
        match &self.answer_hex {
            Some(hex) => (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect(),
            None => self.answer.clone().unwrap_or_default().into_bytes(),
        }
    }
}
