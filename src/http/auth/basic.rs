//! HTTP Basic (RFC 7617): the user is `admin`, the password may hold anything, `:` too.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::password::MAX_PASSWORD;
use crate::http::origin;

/// The only user there is.
pub const USER: &str = "admin";
/// What a client is told to ask for; goop2's words, so that its users know it.
pub const CHALLENGE: &str = "Basic realm=\"Goop2 Admin\"";

/// The credentials of a request, as `user:password`; `None` where there are none, or none that can be read.
pub(super) fn credentials(headers: &HeaderMap) -> Option<Vec<u8>> {
    let (scheme, encoded) = origin::only(headers, &header::AUTHORIZATION)?.split_once(' ')?;
    let encoded = encoded.trim();
    let readable = scheme.eq_ignore_ascii_case("basic") && encoded.len() <= (USER.len() + 1 + MAX_PASSWORD).div_ceil(3) * 4;
    STANDARD.decode(encoded).ok().filter(|_| readable)
}

/// The password, where the user is [`USER`].
pub(super) fn password(credentials: &[u8]) -> Option<&[u8]> {
    credentials.strip_prefix(USER.as_bytes())?.strip_prefix(b":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(value: &str) -> Option<String> {
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
        let credentials = credentials(&headers)?;
        password(&credentials).map(|password| String::from_utf8_lossy(password).into_owned())
    }

    #[test]
    fn the_password_of_admin_is_read_and_nobody_else_s() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert_eq!(given(&basic("admin:secret")).as_deref(), Some("secret"));
        assert_eq!(given(&basic("admin:a:b:")).as_deref(), Some("a:b:"));
        assert_eq!(given(&basic("admin:")).as_deref(), Some(""));
        assert_eq!(given(&basic("admin:pässword")).as_deref(), Some("pässword"));
        assert_eq!(given(&basic("admin:secret").to_lowercase().replacen("basic", "bAsIc", 1)), None, "base64 knows letter case");
        for wrong in ["root:secret", "admin", "administrator:x", ":secret", "Admin:secret", ""] {
            assert_eq!(given(&basic(wrong)), None, "{wrong}");
        }
        for wrong in ["Basic", "Basic ", "Basic !", "Bearer YWRtaW46c2VjcmV0", "YWRtaW46c2VjcmV0"] {
            assert_eq!(given(wrong), None, "{wrong}");
        }
        assert_eq!(given(&basic(&format!("admin:{}", "a".repeat(5000)))), None, "longer than any password");
    }
}
