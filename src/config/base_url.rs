//! The base URL of a rendezvous server or super hub.

use std::fmt;

use reqwest::Url;
use toml_edit::Value;

use super::setting::{Kind, Setting, unexpected};

/// What stands where a secret is not shown.
const HIDDEN: &str = "***";

/// The base URL of a server, `http` or `https`, without query and fragment. User names, passwords and the token of a personal community URL
/// (`/m/<token>`, and whatever follows) are left out wherever it is shown (THREATS 56). What is shown instead is no secret, and is not read
/// as one.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// The URL with its secrets, for requests.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Read a URL; the error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("must be a URL such as \"https://rv.example.org\": {why}"));
        let Ok(url) = Url::parse(text.trim()) else { return refuse("this is no URL") };
        let unspecified = matches!(url.host_str(), Some("0.0.0.0" | "[::]"));
        match url.scheme() {
            "http" | "https" if unspecified => refuse("0.0.0.0 is no place to go to"),
            "http" | "https" if url.port() == Some(0) => refuse("there is no port 0"),
            "http" | "https" if url.fragment().is_some() && (url.path().ends_with("/join") || text.contains("at=")) => {
                Err("is the link of an invitation, which has to be exchanged first: goop join 'LINK' does that, or paste it into the page Communities".to_owned())
            }
            "http" | "https" if url.query().is_some() || url.fragment().is_some() => refuse("it may have no ? and no #"),
            "http" | "https" if is_shown(&url) => refuse("its secret is not shown here: put it where *** stands"),
            "http" | "https" => Ok(Self(url)),
            _ => refuse("it must begin with https:// or http://"),
        }
    }
}

/// Whether this is how a URL with a secret is shown.
fn is_shown(url: &Url) -> bool {
    let token = url.path().split_once("/m/").and_then(|(_, rest)| rest.split('/').next());
    [Some(url.username()), url.password(), token].contains(&Some(HIDDEN))
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        let password = shown.password().map(|_| HIDDEN);
        let hidden = shown.username().is_empty() || shown.set_username(HIDDEN).is_ok();
        if !hidden || (password.is_some() && shown.set_password(password).is_err()) {
            return f.write_str("(a URL with a password)");
        }
        if let Some((before, _)) = shown.path().split_once("/m/") {
            let path = format!("{before}/m/{HIDDEN}");
            shown.set_path(&path);
        }
        f.write_str(shown.as_str())
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({self})")
    }
}

impl Setting for BaseUrl {
    const KIND_OF_MANY: Kind = Kind::Urls;

    fn read(value: &Value) -> Result<Self, String> {
        Self::parse(value.as_str().ok_or_else(|| unexpected("a URL such as \"https://rv.example.org\"", value))?)
    }

    fn write(&self) -> Value {
        Value::from(self.0.as_str())
    }

    fn show(&self) -> Value {
        Value::from(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_of_an_invitation_says_what_to_do_with_it_and_stays_secret() {
        for link in ["https://rv.example/c/club/join#s3cret", "https://hub.example/join#at=rv.example:1&invite=s3cret"] {
            let why = BaseUrl::parse(link).unwrap_err();
            assert!(why.contains("goop join") && !why.contains("s3cret"), "{why}");
        }
        assert!(!BaseUrl::parse("https://rv.example/#x").unwrap_err().contains("goop join"));
    }

    /// THREATS 56.
    #[test]
    fn attack_no_secret_of_a_url_is_shown_wherever_it_stands() {
        for (url, shown) in [
            ("https://rv.example/c/x/m/s3cret", "https://rv.example/c/x/m/***"),
            ("https://rv.example/m/s3cret/", "https://rv.example/m/***"),
            ("https://rv.example/m/m/s3cret", "https://rv.example/m/***"),
            ("https://rv.example/c/x/m/a/s3cret/m/b", "https://rv.example/c/x/m/***"),
            ("https://s3cret@rv.example/", "https://***@rv.example/"),
            ("https://u:s3cret@rv.example/", "https://***:***@rv.example/"),
            ("https://:s3cret@rv.example/", "https://:***@rv.example/"),
            ("https://rv.example/c/m", "https://rv.example/c/m"),
        ] {
            let url = BaseUrl::parse(url).unwrap();
            assert_eq!((url.to_string().as_str(), format!("{url:?}").contains("s3cret")), (shown, false));
        }
    }

    #[test]
    fn what_is_shown_in_place_of_a_secret_is_not_taken_for_it() {
        for url in ["https://rv.example/c/x/m/***", "https://rv.example/m/***/", "https://***@rv.example", "https://u:***@rv.example/"] {
            let why = BaseUrl::parse(url).unwrap_err();
            assert!(why.contains("put it where *** stands"), "{why}");
        }
        assert!(BaseUrl::parse("https://rv.example/***").is_ok());
    }
}
