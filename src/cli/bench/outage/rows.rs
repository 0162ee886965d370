//! One client's table: a bit for every row, and the reader of its stream. Rows are told apart by the number in their text, so that a
//! hundred million of them can be read.

use super::watch::Watch;

/// How the text of a peer's row begins, in JSON.
pub(super) const ROW: &str = "row-";
/// The line that holds a snapshot.
const SNAPSHOT: &str = "data: {\"complete\":";

/// What a client knows.
pub(super) struct Rows {
    /// Everybody it shows.
    shown: Bits,
    /// Those of them it has heard of since its stream began.
    heard: Bits,
    rows: usize,
    at: At,
    complete: bool,
}

/// What comes next on the stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Line,
    Snapshot { complete: bool },
}

impl Rows {
    /// A client that knows none of `rows` rows.
    pub(super) fn new(rows: usize) -> Self {
        Self { shown: Bits::new(rows), heard: Bits::new(rows), rows, at: At::Line, complete: false }
    }

    /// Its stream ended: it goes on showing what it showed.
    pub(super) fn lose(&mut self, watch: &Watch) {
        watch.ends(self.complete);
        (self.complete, self.at) = (false, At::Line);
        self.heard.clear();
    }

    /// It was too long without word of those whom it has not heard of since.
    pub(super) fn lapse(&mut self, watch: &Watch) {
        watch.vanish(self.shown.only(&self.heard));
    }

    /// Reads what it can of `text`; answers how many bytes it has read.
    pub(super) fn read(&mut self, text: &str, watch: &Watch) -> usize {
        let mut read = 0;
        while let Some(more) = self.next(&text[read..], watch) {
            read += more;
        }
        if !self.complete && self.heard.count == self.rows {
            self.complete = true;
            watch.completes();
        }
        read
    }

    fn next(&mut self, text: &str, watch: &Watch) -> Option<usize> {
        if let At::Snapshot { complete } = self.at {
            if text.starts_with(']') {
                if complete {
                    watch.vanish(self.shown.only(&self.heard));
                }
                self.at = At::Line;
                return Some(1);
            }
            let end = text.find('}')?;
            self.hear(&text[..end]);
            return Some(end + 1);
        }
        if let Some(snapshot) = text.strip_prefix(SNAPSHOT) {
            let begin = text.find('[')?;
            self.at = At::Snapshot { complete: snapshot.starts_with('t') };
            return Some(begin + 1);
        }
        let end = text.find('\n')?;
        match &text[..end] {
            "event: gap" => self.start_anew(watch),
            line if line.starts_with("data: {\"type\":\"offline\"") => watch.vanish(1),
            line if line.starts_with("data: ") => self.hear(line),
            _ => {}
        }
        Some(end + 1)
    }

    fn start_anew(&mut self, watch: &Watch) {
        if self.complete {
            watch.starts_anew();
        }
        self.complete = false;
        self.heard.clear();
    }

    fn hear(&mut self, row: &str) {
        let number = row.find('-').and_then(|at| row.get(at + 1..at + 7)?.parse().ok());
        if let Some(number) = number.filter(|number| *number < self.rows) {
            self.heard.set(number);
            self.shown.set(number);
        }
    }
}

/// A bit for each row.
struct Bits {
    words: Vec<u64>,
    count: usize,
}

impl Bits {
    fn new(bits: usize) -> Self {
        Self { words: vec![0; bits.div_ceil(64)], count: 0 }
    }

    fn set(&mut self, bit: usize) {
        let (word, mask) = (&mut self.words[bit / 64], 1 << (bit % 64));
        self.count += usize::from(*word & mask == 0);
        *word |= mask;
    }

    fn clear(&mut self) {
        self.words.fill(0);
        self.count = 0;
    }

    /// Keeps only what `other` has too; answers how many went.
    fn only(&mut self, other: &Bits) -> usize {
        let before = self.count;
        for (word, theirs) in self.words.iter_mut().zip(&other.words) {
            *word &= theirs;
        }
        self.count = self.words.iter().map(|word| word.count_ones() as usize).sum();
        before - self.count
    }
}
