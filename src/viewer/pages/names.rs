//! How peers, paths and sizes are called on every page.

use libp2p::PeerId;

use crate::peer::Path;

/// Where a peer has no name.
pub(super) fn named(label: &str) -> &str {
    if label.is_empty() { "(no name)" } else { label }
}

/// The end of an id, which differs between peers; all begin alike.
pub(super) fn short(peer: &PeerId) -> String {
    let id = peer.to_string();
    id[id.len().saturating_sub(8)..].to_owned()
}

/// How a peer is reached, in words; `assets/static/kit.js` has the same.
pub(super) fn way(path: Path) -> &'static str {
    match path {
        Path::Lan => "same network",
        Path::Direct => "direct",
        Path::Relayed => "relayed",
        Path::Unreachable => "unreachable",
        Path::NotTried => "not tried yet",
    }
}

/// A number of bytes as people say it: `1.5 MB`; `assets/static/kit.js` has the same.
pub(super) fn bytes(count: u64) -> String {
    let mut units = ["kB", "MB", "GB", "TB"].into_iter();
    let (mut rest, mut unit) = (count as f64, "bytes");
    while rest >= 999.5 {
        let Some(larger) = units.next() else { break };
        (rest, unit) = (rest / 1000.0, larger);
    }
    if rest < 9.95 && unit != "bytes" { format!("{rest:.1} {unit}") } else { format!("{rest:.0} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_two_or_three_digits_and_a_unit() {
        let told = [0, 999, 1000, 1_500_000, 12_000_000, 999_999, u64::MAX].map(bytes);
        assert_eq!(told, ["0 bytes", "999 bytes", "1.0 kB", "1.5 MB", "12 MB", "1.0 MB", "18446744 TB"]);
    }
}
