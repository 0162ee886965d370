//! What stands in a link into a community: the places where it is met, and nothing that a hub would have to know. And where one comes in by
//! hand.

use reqwest::Url;

use super::Endpoint;

/// `at=…` for each place, as it stands behind the `#` of a hub's `/join` and behind `goop:join?`.
pub fn places_in_link(endpoints: &[Endpoint]) -> String {
    let link = Url::parse_with_params("goop:join", endpoints.iter().map(|endpoint| ("at", endpoint.as_str())));
    link.ok().and_then(|link| link.query().map(str::to_owned)).unwrap_or_default()
}

/// The page of a community's server at which an invitation is shown, or one asks to come in.
pub fn page_to_come_in(endpoint: &Endpoint) -> Option<String> {
    endpoint.urls().first().map(|url| format!("{}/join", url.as_str().trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_address_holds_ends_no_parameter() {
        let endpoints = ["https://rv.example/c/a+b=c", "rv.example:8787"].map(|text| Endpoint::parse(text).unwrap());
        assert_eq!(places_in_link(&endpoints), "at=https%3A%2F%2Frv.example%2Fc%2Fa%2Bb%3Dc&at=rv.example%3A8787");
    }

    #[test]
    fn one_comes_in_below_the_community_whether_or_not_its_address_ends_in_a_slash() {
        let page = |text| page_to_come_in(&Endpoint::parse(text).unwrap());
        assert_eq!(page("https://rv.example/c/chess").as_deref(), Some("https://rv.example/c/chess/join"));
        assert_eq!(page("rv.example:8787").as_deref(), Some("https://rv.example:8787/join"));
    }
}
