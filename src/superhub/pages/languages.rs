//! What the commonest languages call themselves; the others are shown by their code (BCP 47).

const NAMES: [(&str, &str); 36] = [
    ("ar", "العربية"),
    ("bg", "Български"),
    ("bn", "বাংলা"),
    ("ca", "Català"),
    ("cs", "Čeština"),
    ("da", "Dansk"),
    ("de", "Deutsch"),
    ("el", "Ελληνικά"),
    ("en", "English"),
    ("eo", "Esperanto"),
    ("es", "Español"),
    ("et", "Eesti"),
    ("fa", "فارسی"),
    ("fi", "Suomi"),
    ("fr", "Français"),
    ("he", "עברית"),
    ("hi", "हिन्दी"),
    ("hr", "Hrvatski"),
    ("hu", "Magyar"),
    ("id", "Bahasa Indonesia"),
    ("it", "Italiano"),
    ("ja", "日本語"),
    ("ko", "한국어"),
    ("lt", "Lietuvių"),
    ("lv", "Latviešu"),
    ("nl", "Nederlands"),
    ("no", "Norsk"),
    ("pl", "Polski"),
    ("pt", "Português"),
    ("ro", "Română"),
    ("ru", "Русский"),
    ("sv", "Svenska"),
    ("tr", "Türkçe"),
    ("uk", "Українська"),
    ("vi", "Tiếng Việt"),
    ("zh", "中文"),
];

/// The language of this code as people call it; a dialect keeps its code behind it.
pub(super) fn called(code: &str) -> String {
    let primary = code.split('-').next().unwrap_or_default();
    let found = NAMES.binary_search_by_key(&primary, |(code, _)| code).ok().map(|at| NAMES[at].1);
    match found {
        Some(name) if primary == code => name.to_owned(),
        Some(name) => format!("{name} ({code})"),
        None => code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_called_as_its_speakers_call_it() {
        assert!(NAMES.is_sorted_by_key(|(code, _)| *code), "it is searched by halves");
        assert_eq!(["de", "pt-br", "tlh", ""].map(called), ["Deutsch", "Português (pt-br)", "tlh", ""]);
    }
}
