//! The base URL of a rendezvous server or super hub.

use std::fmt;

use reqwest::Url;
use toml_edit::Value;

use super::setting::{Kind, Setting, unexpected};

/// The base URL of a server, `http` or `https`, without query and fragment. Passwords and the token of a personal community URL
/// (`/m/<token>`) are left out wherever it is shown (THREATS 56).
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
            "http" | "https" => Ok(Self(url)),
            _ => refuse("it must begin with https:// or http://"),
        }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        if shown.password().is_some() && shown.set_password(Some("***")).is_err() {
            return f.write_str("(a URL with a password)");
        }
        if let Some((before, after)) = shown.path().split_once("/m/") {
            let rest = after.split_once('/').map_or("", |(_, rest)| rest);
            let path = format!("{before}/m/***/{rest}");
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
}
