//! The base URL of a rendezvous server or super hub.

use std::fmt;
use std::net::IpAddr;

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

    /// The same as text, without a slash at its end.
    pub fn bare(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    /// Its path without a slash at its end: where a proxy has put the server, or which community is meant; mostly empty.
    pub fn root(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }

    /// The URL of `path`, as in `api/v1/events`, below this one.
    pub fn below(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/{path}", self.root()));
        url
    }

    /// Scheme, host and port, as in `https://rv.example.org`: the name by which browsers and signed messages go.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The address that stands in it; `localhost` is one too, every other name is none.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.0.host_str()? {
            "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
            host => host.trim_matches(['[', ']']).parse().ok(),
        }
    }

    /// Whether the server is on this machine.
    pub fn is_loopback(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_loopback())
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
    fn a_path_prefix_is_kept_below_it_and_a_slash_at_its_end_is_none() {
        for text in ["https://rv.example/c/chess", "https://rv.example/c/chess/"] {
            let url = BaseUrl::parse(text).unwrap();
            assert_eq!((url.bare(), url.root(), url.origin().as_str()), ("https://rv.example/c/chess", "/c/chess", "https://rv.example"));
            assert_eq!(url.below("api/v1/events").as_str(), "https://rv.example/c/chess/api/v1/events");
        }
        let url = BaseUrl::parse("http://rv.example:8787").unwrap();
        assert_eq!((url.bare(), url.root(), url.below("join").as_str()), ("http://rv.example:8787", "", "http://rv.example:8787/join"));
    }

    #[test]
    fn only_addresses_and_localhost_are_on_this_machine() {
        let is_loopback = |text: &str| BaseUrl::parse(text).unwrap().is_loopback();
        assert!(["http://localhost:1", "http://127.0.0.2", "http://[::1]:1"].into_iter().all(is_loopback));
        assert!(!["http://rv.example", "http://192.168.1.1", "http://[fd00::1]", "http://127.0.0.1.example"].into_iter().any(is_loopback));
    }

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
