//! What a browser is told with every answer: what the page may load, who may frame it, that types are not guessed.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;

/// Sensors and devices that no page of ours or of a peer gets.
const NO_DEVICES: &str = "accelerometer=(), bluetooth=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), \
                          local-fonts=(), magnetometer=(), microphone=(), midi=(), payment=(), publickey-credentials-get=(), \
                          serial=(), usb=(), xr-spatial-tracking=()";

/// What our own pages may load: their own files, nothing inline, and nobody frames them.
pub const OWN_PAGE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; \
                            form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Bytes that others wrote, where they must never render.
pub const ATTACHMENT: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";

/// Adds what every answer of ours carries; a handler that is stricter about loading or caching keeps its word.
pub fn dressed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let csp = headers.remove(header::CONTENT_SECURITY_POLICY).unwrap_or(HeaderValue::from_static(OWN_PAGE));
    secure(headers, csp);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The headers of every answer; `csp` says what the page may load.
pub fn secure(headers: &mut HeaderMap, csp: HeaderValue) {
    headers.insert(header::CONTENT_SECURITY_POLICY, csp);
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("origin-agent-cluster"), "?1"),
        (HeaderName::from_static("permissions-policy"), NO_DEVICES),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// `Content-Disposition` of a download named after the last part of `path`; odd characters of the name become `_`.
pub fn attachment(path: &str) -> HeaderValue {
    let name = path.rsplit('/').next().unwrap_or_default();
    let plain: String = name.chars().take(128).map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    let name = plain.trim_start_matches('.');
    let value = if name.is_empty() { "attachment".to_owned() } else { format!("attachment; filename=\"{name}\"") };
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_s_name_cannot_leave_its_quotes_or_its_folder() {
        assert_eq!(attachment("/a/b.txt"), "attachment; filename=\"b.txt\"");
        assert_eq!(attachment("/x\"; filename=evil.exe"), "attachment; filename=\"x___filename_evil.exe\"");
        assert_eq!(attachment("/.bashrc"), "attachment; filename=\"bashrc\"");
        assert_eq!(attachment("/grüße\r\nSet-Cookie: a"), "attachment; filename=\"gr__e__Set-Cookie__a\"");
        assert_eq!(attachment("/"), "attachment");
    }
}
