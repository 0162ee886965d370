//! The hops that forwarding headers name, last one first.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, header};

/// The hops of a request from right to left; `None` is a hop that is no address.
pub(super) fn from_the_right(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let x_forwarded_for = HeaderName::from_static("x-forwarded-for");
    let (name, read): (_, fn(&str) -> Option<IpAddr>) =
        if headers.contains_key(&x_forwarded_for) { (x_forwarded_for, node) } else { (header::FORWARDED, forwarded) };
    let lines: Vec<&str> = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or("unknown")).collect();
    let elements = lines.into_iter().rev().flat_map(|line| line.rsplit(',')).map(str::trim);
    elements.filter(|element| !element.is_empty()).map(read)
}

/// The `for` of one element of `Forwarded`, such as `for="[2001:db8::1]:80";proto=https`; one that stands twice is none.
fn forwarded(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let mut fors = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for")).map(|(_, value)| value.trim());
    match (fors.next(), fors.next()) {
        (Some(value), None) => node(value),
        _ => None,
    }
}

/// One address: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`, quoted or not.
fn node(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(text).trim();
    let addr: IpAddr = match bare.strip_prefix('[') {
        Some(rest) => {
            let (addr, port) = rest.split_once(']')?;
            let port_is_fine = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            IpAddr::V6(addr.parse().ok().filter(|_| port_is_fine)?)
        }
        None => match bare.split_once(':') {
            Some((v4, port)) if is_port(port) && v4.contains('.') => IpAddr::V4(v4.parse().ok()?),
            _ => bare.parse().ok()?,
        },
    };
    let addr = addr.to_canonical();
    (!addr.is_unspecified()).then_some(addr)
}

/// A port, or the obfuscated one of RFC 7239 §6.
fn is_port(text: &str) -> bool {
    !text.is_empty() && text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}
