//! What stands in a link into a community: the places where it is met, and nothing that a hub would have to know.

use reqwest::Url;

use super::Endpoint;

/// `at=…` for each place, as it stands behind the `#` of a hub's `/join` and behind `goop:join?`.
pub fn places_in_link(endpoints: &[Endpoint]) -> String {
    let link = Url::parse_with_params("goop:join", endpoints.iter().map(|endpoint| ("at", endpoint.as_str())));
    link.ok().and_then(|link| link.query().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_address_holds_ends_no_parameter() {
        let endpoints = ["https://rv.example/c/a+b=c", "rv.example:8787"].map(|text| Endpoint::parse(text).unwrap());
        assert_eq!(places_in_link(&endpoints), "at=https%3A%2F%2Frv.example%2Fc%2Fa%2Bb%3Dc&at=rv.example%3A8787");
    }
}
