//! Listings as there might be a million of: names of two to four words, a topic or a place among them, and a sentence.

use serde_json::{Value, json};

const TOPICS: [&str; 40] = [
    "chess",
    "go",
    "rust",
    "music",
    "gaming",
    "linux",
    "photography",
    "art",
    "books",
    "gardening",
    "coffee",
    "cycling",
    "history",
    "running",
    "cooking",
    "yoga",
    "film",
    "science",
    "football",
    "climbing",
    "hiking",
    "knitting",
    "poetry",
    "robotics",
    "astronomy",
    "sailing",
    "theatre",
    "languages",
    "travel",
    "investing",
    "parenting",
    "cats",
    "dogs",
    "anime",
    "comics",
    "design",
    "python",
    "security",
    "radio",
    "baking",
];
const SUFFIXES: [&str; 16] = [
    "club",
    "community",
    "group",
    "circle",
    "friends",
    "network",
    "society",
    "meetup",
    "crew",
    "guild",
    "league",
    "lab",
    "hub",
    "house",
    "team",
    "union",
];
const PLACES: [&str; 24] = [
    "berlin",
    "paris",
    "london",
    "tokyo",
    "lagos",
    "lima",
    "oslo",
    "prague",
    "rome",
    "madrid",
    "vienna",
    "cairo",
    "delhi",
    "seoul",
    "boston",
    "chicago",
    "cheltenham",
    "chennai",
    "hamburg",
    "lisbon",
    "dublin",
    "kyiv",
    "athens",
    "zurich",
];
const SYLLABLES: [&str; 24] = [
    "ka", "che", "lo", "mi", "ra", "to", "ber", "sin", "do", "vel", "ma", "pu", "ti", "ner", "gol", "es", "an", "qui", "zo", "fa", "li",
    "no", "ster", "ham",
];
const LANGS: [&str; 12] = ["en", "de", "fr", "es", "pt-br", "ja", "it", "nl", "pl", "tr", "uk", "hi"];
/// Words that are made up, beside those above.
const RARE: u64 = 400_000;

/// Numbers that look random and are the same each time (xorshift).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..4 {
            random.next();
        }
        random
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }

    /// A made-up word; the small ones are common, as in any language.
    fn word(&mut self) -> String {
        let share = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        let mut number = (RARE as f64).powf(0.25 + 0.75 * share) as u64;
        let mut word = String::new();
        while number > 0 || word.len() < 3 {
            word.push_str(SYLLABLES[(number % 24) as usize]);
            number /= 24;
        }
        word
    }
}

/// Name, tags and description of the listing with this number.
pub fn columns(number: u64) -> (String, String, String) {
    let random = &mut Random::new(number + 1000);
    let topic = random.one(&TOPICS);
    let name = match random.below(4) {
        0 => format!("{topic} {} {}", random.one(&SUFFIXES), random.one(&PLACES)),
        1 => format!("{} {topic} {}", random.word(), random.one(&SUFFIXES)),
        2 => format!("{} {topic} {}", random.one(&PLACES), random.word()),
        _ => format!("{} {} {}", random.word(), random.word(), random.one(&SUFFIXES)),
    };
    let words: Vec<String> =
        (0..8 + random.below(8)).map(|_| if random.below(5) == 0 { random.one(&TOPICS).into() } else { random.word() }).collect();
    let tags = format!("{topic} {}", random.word());
    (name, tags, words.join(" "))
}

/// The same as the API takes it.
pub fn json(number: u64) -> Value {
    let (name, tags, text) = columns(number);
    let random = &mut Random::new(number + 7);
    let kind = random.one(&["open", "open", "invite-only", "application"]);
    json!({
        "community": name, "description": text, "tags": tags.split(' ').collect::<Vec<_>>(), "lang": random.one(&LANGS), "type": kind,
        "rendezvous": format!("rv{number}.example.org:8787"), "members": random.below(1000),
    })
}

/// A name as somebody types it: each tenth with a letter wrong.
pub fn typed(random: &mut Random, count: u64) -> String {
    let (name, ..) = columns(random.below(count));
    let mut letters: Vec<char> = name.chars().collect();
    if random.below(10) == 0 {
        let at = random.below(letters.len() as u64) as usize;
        letters[at] = 'x';
    }
    letters.into_iter().collect()
}
