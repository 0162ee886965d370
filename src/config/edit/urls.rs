//! A list of URLs in the configuration file: its entries change, and no comment in it is lost.

use toml_edit::{Array, RawString, Value};

use crate::config::base_url::BaseUrl;

/// The list with these entries. What stays, stays as it was written.
pub(super) fn changed(old: Option<&Array>, urls: &[BaseUrl]) -> Array {
    let (mut list, mut known, mut comments) = (Array::new(), Vec::new(), String::new());
    for entry in old.into_iter().flat_map(Array::iter) {
        let before = entry.decor().prefix().and_then(RawString::as_str).unwrap_or_default();
        match entry.as_str().and_then(|text| BaseUrl::parse(text).ok()).filter(|url| urls.contains(url)) {
            Some(url) => {
                let mut kept = entry.clone();
                kept.decor_mut().set_prefix(std::mem::take(&mut comments) + before);
                list.push_formatted(kept);
                known.push(url);
            }
            // A comment behind an entry stands before the next one.
            None if before.contains('#') => comments = comments + before.trim_end() + "\n",
            None => {}
        }
    }
    comments.push_str(old.and_then(|old| old.trailing().as_str()).unwrap_or_default());
    for url in urls.iter().filter(|url| !known.contains(url)) {
        let mut entry = Value::from(url.url().as_str());
        if comments.contains('\n') {
            entry.decor_mut().set_prefix(format!("{}\n    ", comments.trim_end()));
            comments = "\n".to_owned();
        } else if !list.is_empty() {
            entry.decor_mut().set_prefix(" ");
        }
        list.push_formatted(entry);
    }
    list.set_trailing_comma(comments.contains('\n') && !list.is_empty());
    list.set_trailing(comments);
    list
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Draft;
    use super::*;

    fn changed(before: &str, urls: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("goop.toml");
        fs::write(&path, before).unwrap();
        let urls: Vec<BaseUrl> = urls.iter().map(|url| BaseUrl::parse(url).unwrap()).collect();
        let mut draft = Draft::open(&path).unwrap();
        draft.set_urls("presence.rendezvous_wan", &urls).unwrap();
        draft.save().unwrap();
        fs::read_to_string(&path).unwrap()
    }

    #[test]
    fn a_list_of_urls_is_changed_and_keeps_every_comment() {
        let file = "# mine\n[presence]\nrendezvous_wan = [\n    \"https://a.b\", # first\n    # the second\n    \"https://c.d/x\", # last\n] # all\n";
        let more = changed(file, &["https://a.b", "https://c.d/x", "https://e.f"]);
        assert_eq!(more, file.replace(" # last\n", " # last\n    \"https://e.f/\",\n"));
        let fewer = changed(file, &["https://a.b"]);
        assert!(["# mine", "# first", "# the second", "# last", "# all"].iter().all(|comment| fewer.contains(comment)), "{fewer}");
        assert!(!fewer.contains("c.d"), "{fewer}");
        assert!(changed(file, &[]).contains("# last"));
    }

    #[test]
    fn one_url_becomes_a_list_and_nothing_becomes_one() {
        let one = "presence.rendezvous_wan = \"https://a.b\" # mine\n";
        assert_eq!(
            changed(one, &["https://a.b", "https://c.d"]),
            "presence.rendezvous_wan = [\"https://a.b/\", \"https://c.d/\"] # mine\n"
        );
        assert_eq!(changed("", &["https://a.b"]), "[presence]\nrendezvous_wan = [\"https://a.b/\"]\n");
        assert_eq!(changed("# mine\n", &["https://a.b"]), "# mine\n[presence]\nrendezvous_wan = [\"https://a.b/\"]\n");
    }
}
