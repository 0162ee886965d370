//! A Rust file as far as its floors are concerned: which rooms it names, on which line, outside comments and text.

use std::fs;
use std::path::Path;

pub(crate) struct Source {
    /// From the package's folder, with slashes.
    pub(crate) path: String,
    /// The top-level module it belongs to.
    pub(crate) room: String,
    depth: usize,
    /// The code without comments and literals, each line where it was.
    code: String,
}

/// Every `.rs` file below `folder`.
pub(crate) fn sources(folder: &Path) -> Vec<Source> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let short = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().components();
                let short: Vec<_> = short.map(|part| part.as_os_str().to_string_lossy()).collect();
                found.push(Source::new(&short.join("/"), &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
        let room = inside.split('/').next().unwrap_or(inside).to_owned();
        Self { path: path.to_owned(), room, depth: inside.split('/').count(), code: bare(text) }
    }

    /// The rooms named by `crate::…`, in braces too, and by chains of `super::` that end at the crate's root, where `is_room` tells
    /// a room from a module of the file's own.
    pub(crate) fn rooms_used(&self, is_room: impl Fn(&str) -> bool) -> Vec<(usize, String)> {
        let tokens = tokens(&self.code);
        let mut used = Vec::new();
        for at in 0..tokens.len() {
            let starts = at == 0 || tokens[at - 1].1 != "::";
            match tokens[at].1 {
                "crate" if is_next(&tokens, at, "::") => used.extend(heads(&tokens, at + 2)),
                "super" if starts => {
                    let (supers, after) = climb(&tokens, at);
                    let rooms = heads(&tokens, after).into_iter().filter(|(_, name)| is_room(name));
                    used.extend(rooms.filter(|_| supers >= self.depth));
                }
                _ => {}
            }
        }
        used
    }

    /// Which of `words` stand in the code that is not for tests, each once per line.
    pub(crate) fn words<'a>(&self, words: &[&'a str]) -> Vec<(usize, &'a str)> {
        if self.path.ends_with("/tests.rs") {
            return Vec::new();
        }
        let code = self.code.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().zip(1..);
        lines.filter_map(|(line, number)| Some((number, *words.iter().find(|word| has_word(line, word))?))).collect()
    }
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let before = line[..at].chars().next_back().is_some_and(is_part);
        let after = line[at + word.len()..].chars().next().is_some_and(is_part) && word.ends_with(is_part);
        !before && !after
    })
}

/// `code` as names, `::`, and single other characters, each with its line.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (line, number) in code.lines().zip(1..) {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let name = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let length = if name > 0 {
                name
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            if !first.is_whitespace() {
                found.push((number, &rest[..length]));
            }
            rest = &rest[length..];
        }
    }
    found
}

fn is_next(tokens: &[(usize, &str)], at: usize, token: &str) -> bool {
    tokens.get(at + 1).is_some_and(|(_, next)| *next == token)
}

/// How many `super`s stand in a row, and where the path goes on.
fn climb(tokens: &[(usize, &str)], mut at: usize) -> (usize, usize) {
    let mut supers = 0;
    while tokens.get(at).is_some_and(|(_, token)| *token == "super") && is_next(tokens, at, "::") {
        supers += 1;
        at += 2;
    }
    (supers, at)
}

/// The name at `at`, or the first name of each path in the braces that open there.
fn heads(tokens: &[(usize, &str)], at: usize) -> Vec<(usize, String)> {
    let Some((line, first)) = tokens.get(at) else { return Vec::new() };
    if *first != "{" {
        return vec![(*line, (*first).to_owned())];
    }
    let (mut found, mut depth, mut starts) = (Vec::new(), 0, false);
    for (line, token) in &tokens[at..] {
        match *token {
            "{" => depth += 1,
            "}" => depth -= 1,
            name if starts => found.push((*line, name.to_owned())),
            _ => {}
        }
        starts = depth == 1 && matches!(*token, "{" | ",");
        if depth == 0 {
            break;
        }
    }
    found
}

/// `text` with comments and the insides of literals blanked; line ends stay.
fn bare(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = literal_or_comment(rest);
        if skipped == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            code.push(' ');
            code.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
            rest = &rest[skipped..];
        }
    }
    code
}

/// The length of the comment or literal that `rest` starts with; 0 where there is none.
fn literal_or_comment(rest: &str) -> usize {
    let to = |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return to("*/", 2);
    }
    let hashes = rest.strip_prefix('r').map_or(0, |raw| raw.len() - raw.trim_start_matches('#').len());
    if rest.starts_with('r') && rest[1 + hashes..].starts_with('"') {
        return to(&format!("\"{}", "#".repeat(hashes)), hashes + 2);
    }
    match rest.as_bytes() {
        [b'"', ..] => quoted(rest, '"'),
        [b'\'', b'\\', ..] => quoted(rest, '\''),
        [b'\'', ..] if rest.chars().nth(2) == Some('\'') => rest.char_indices().nth(3).map_or(rest.len(), |(at, _)| at),
        _ => 0,
    }
}

fn quoted(rest: &str, end: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == end => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}
