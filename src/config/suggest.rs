//! "Did you mean …?": the key nearest to a wrong one.

use super::section::KeyDoc;

/// Longest name that is compared; nothing longer was meant to be a key.
const MAX_COMPARED: usize = 64;

/// What `wrong` (`section.name`, or a word alone) was probably meant to be: the same name in another section, a name of that section
/// that begins so, or a key a few letters away; for a word alone also a section.
pub(super) fn nearest(wrong: &str, keys: &[KeyDoc]) -> Option<String> {
    let wrong = wrong.to_lowercase().replace('-', "_");
    if wrong.len() > MAX_COMPARED {
        return None;
    }
    let (section, name) = wrong.split_once('.').unwrap_or(("", &wrong));
    let same_name = keys.iter().find(|key| key.name == name);
    let longer = || keys.iter().find(|key| key.section == section && name.len() >= 3 && key.name.starts_with(name));
    let sections = keys.iter().filter(|_| section.is_empty()).map(|key| (distance(name, key.section), 1, format!("[{}]", key.section)));
    let near = keys.iter().map(|key| {
        let within_section = key.section == section;
        let allowed = if within_section { name.len() / 2 } else { name.len() / 3 };
        (distance(name, key.name) + distance(section, key.section), allowed, key.path())
    });
    let few_letters = || near.chain(sections).filter(|(letters, allowed, _)| letters <= allowed.max(&1)).min().map(|(_, _, meant)| meant);
    same_name.or_else(longer).map(KeyDoc::path).or_else(few_letters)
}

/// How many letters must be changed, added, dropped or swapped with their neighbour to make `one` into `other`.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows = vec![(0..=other.len()).collect::<Vec<usize>>()];
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let changed = rows[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut least = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_mistyped_key_finds_the_one_that_was_meant() {
        let keys = Config::keys();
        let meant = |wrong: &str| nearest(wrong, &keys);
        for (wrong, right) in [
            ("presence.ttl_secnds", "presence.ttl_seconds"),
            ("presense.ttl_seconds", "presence.ttl_seconds"),
            ("presence.ttlseconds", "presence.ttl_seconds"),
            ("presence.ttl_secs", "presence.ttl_seconds"),
            ("presence.ttl", "presence.ttl_seconds"),
            ("presense.ttl_secnds", "presence.ttl_seconds"),
            ("presence.listen_port", "p2p.listen_port"),
            ("label", "profile.label"),
            ("presense", "[presence]"),
            ("P2P.Listen-Port", "p2p.listen_port"),
            ("profile.lable", "profile.label"),
        ] {
            assert_eq!(meant(wrong).as_deref(), Some(right), "{wrong}");
        }
        assert_eq!(meant("weather.rain"), None);
        assert_eq!(meant("presence.weather"), None);
        assert_eq!(meant("x"), None);
        assert_eq!(meant(&"x".repeat(100_000)), None);
    }
}
