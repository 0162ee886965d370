//! To whom a host belongs, as far as its name or address tells. Whoever has a name has all below it for nothing, and whoever has a network all of
//! its addresses (THREATS 16): so what is counted of strangers is counted by *site* too.
//!
//! No list of suffixes is read: the site of a name is its last two labels, or three below a country's `co.uk` and the like. Some services hand
//! out names below their own to everybody, so a site may be many people, and nobody is refused for his site alone.

use std::net::IpAddr;

/// What stands before a country's label and is nobody's name.
const NOBODYS: [&str; 16] = ["ac", "co", "com", "edu", "go", "gob", "gov", "ltd", "mil", "ne", "net", "nom", "or", "org", "plc", "sch"];

/// A host as it is kept, so that what belongs together stands together: the labels of a name from the right, each with a dot behind it; an
/// address with all of its digits.
pub fn standing(host: &str) -> String {
    match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V4(ip)) => ip.to_string(),
        Ok(IpAddr::V6(ip)) => ip.segments().map(|part| format!("{part:04x}")).join(":"),
        Err(_) => host.rsplit('.').filter(|label| !label.is_empty()).map(|label| format!("{label}.")).collect(),
    }
}

/// The beginning of a [`standing`] host that its site has: of an address its /24 or /48.
pub fn site(standing: &str) -> &str {
    let parts = match standing.ends_with('.') {
        true => labels(standing),
        false => 3,
    };
    let mut ends = standing.match_indices(['.', ':']).map(|(at, _)| at + 1);
    ends.nth(parts - 1).map_or(standing, |end| &standing[..end])
}

/// How many labels a site's name has.
fn labels(standing: &str) -> usize {
    let mut labels = standing.split('.');
    let (country, below) = (labels.next().unwrap_or_default(), labels.next().unwrap_or_default());
    if country.len() == 2 && NOBODYS.contains(&below) { 3 } else { 2 }
}

/// What stands behind everything that a site has: its hosts are those from the site on and before this.
pub fn behind(site: &str) -> String {
    let mut behind = site.to_owned();
    match behind.pop() {
        Some('.') => behind.push('/'),
        Some(':') => behind.push(';'),
        last => behind.extend(last.into_iter().chain(['\0'])),
    }
    behind
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(host: &str) -> String {
        site(&standing(host)).to_owned()
    }

    #[test]
    fn names_below_a_name_and_addresses_of_a_network_are_one_site() {
        let same = [
            ["evil.example", "a.evil.example", "b.c.evil.example", "evil.example."],
            ["t.de", "a.t.de", "b.t.de", "b.a.t.de"],
            ["club.co.uk", "a.club.co.uk", "b.club.co.uk", "x.y.club.co.uk"],
            ["9.8.7.6", "9.8.7.1", "9.8.7.255", "[::ffff:9.8.7.5]"],
            ["[2001:db8:1::1]", "[2001:db8:1:ffff::2]", "2001:db8:1:2:3:4:5:6", "[2001:db8:1::]"],
        ];
        for hosts in same {
            assert!(hosts.iter().all(|host| of(host) == of(hosts[0])), "{hosts:?}: {}", of(hosts[1]));
        }
        let others =
            ["evil.example", "good.example", "a.co.uk", "b.co.uk", "9.8.6.6", "9.8.7.6", "[2001:db8:2::1]", "localhost", "x.localhost"];
        for (at, one) in others.iter().enumerate() {
            assert!(others[..at].iter().all(|other| of(other) != of(one)), "{one}");
        }
    }

    #[test]
    fn a_site_s_hosts_stand_between_it_and_what_is_behind() {
        for (host, near) in [("a.evil.example", "z.evil.example"), ("9.8.7.6", "9.8.7.250"), ("[2001:db8:1::1]", "[2001:db8:1:9::1]")] {
            let (one, other) = (standing(host), standing(near));
            let (from, to) = (site(&one), behind(site(&one)));
            assert!(from <= &*other && *other < *to, "{host}");
        }
        for (host, far) in [("a.evil.example", "a.evilest.example"), ("9.8.7.6", "9.8.70.6"), ("[2001:db8:1::1]", "[2001:db8:12::1]")] {
            let (one, other) = (standing(host), standing(far));
            assert!(site(&one) > &*other || *other >= *behind(site(&one)), "{host}");
        }
    }

    proptest! {
        #[test]
        fn any_host_stands_in_its_site(host in "\\PC{0,40}") {
            let standing = standing(&host);
            let (from, to) = (site(&standing), behind(site(&standing)));
            prop_assert!(from <= &*standing && *standing < *to);
        }
    }
}
