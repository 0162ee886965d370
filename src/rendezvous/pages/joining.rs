//! What somebody is told who wants to join a board: its address in the forms that each generation of goop understands.

use reqwest::Url;

use crate::http::page::Qr;

/// How to join one board.
pub(super) struct Joining {
    /// The base URL.
    pub(super) url: String,
    /// The base URL for goop2; differs where its newest peers need `404` in it.
    pub(super) goop2_url: String,
    /// The base URL as a QR code.
    pub(super) qr: Option<Qr>,
    /// Whether the address means this machine alone.
    pub(super) only_here: bool,
    /// Whether newest goop2 peers take the address for an error and hear nothing.
    pub(super) deaf: bool,
}

impl Joining {
    /// How to join the board at `path` (`/c/chess`, or nothing) of the server at `origin`.
    pub(super) fn new(origin: &str, path: &str) -> Self {
        let url = format!("{origin}{path}");
        let goop2_url = if needs_404(&url) { format!("{origin}/via404{path}") } else { url.clone() };
        let only_here = Url::parse(&url).is_ok_and(|url| is_loopback(&url));
        Self { qr: Qr::of(&url), deaf: goop2_url.contains("425"), only_here, goop2_url, url }
    }
}

/// Newest goop2 peers dial `wss://` wherever `http://` does not lead to loopback by one of these names, and hear nothing, unless the
/// URL holds `404`: then they read `/events` (goop2-wire.md §6, §13).
fn needs_404(url: &str) -> bool {
    Url::parse(url).is_ok_and(|parsed| parsed.scheme() == "http" && !is_loopback(&parsed)) && !url.contains("404")
}

fn is_loopback(url: &Url) -> bool {
    matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_to_other_machines_needs_404_in_its_url() {
        for fine in
            ["https://rv.example.org", "http://127.0.0.1:8787", "http://localhost:8787", "http://[::1]:8787", "http://rv.example:4040"]
        {
            assert_eq!(Joining::new(fine, "/c/chess").goop2_url, format!("{fine}/c/chess"));
        }
        for plain in ["http://192.168.1.5:8787", "http://localhost.example", "http://127.0.0.1.example:1", "http://[::2]:8787"] {
            assert_eq!(Joining::new(plain, "/c/chess").goop2_url, format!("{plain}/via404/c/chess"));
        }
        assert_eq!(Joining::new("http://rv.example", "/c/hall-404").goop2_url, "http://rv.example/c/hall-404");
    }

    #[test]
    fn an_address_that_does_not_work_for_somebody_says_so() {
        assert!(Joining::new("http://localhost:8787", "").only_here && !Joining::new("http://pi.local:8787", "").only_here);
        assert!(Joining::new("http://rv.example:4250", "").deaf && !Joining::new("http://rv.example:8787", "").deaf);
    }
}
