//! What strangers write to have it run on somebody else's page: two hundred pieces, by kind, in `tests/data/xss.txt`.

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = String> {
    let lines = include_str!("../data/xss.txt").lines();
    lines.filter(|line| !line.starts_with("# ")).map(str::to_owned)
}
