//! Logins that a browser keeps in a cookie no script can read and no other site can send (THREATS 31).

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use hashlink::LruCache;
use sha2::{Digest, Sha256};

use crate::clock::Moment;

/// The cookie's name.
pub const COOKIE: &str = "goop-admin";
/// Sessions at once; one more ends the one that was away longest.
const MOST: usize = 64;
/// How long a session lasts without a request.
const IDLE: Duration = Duration::from_secs(3600);
/// How long a session lasts at most.
const LONGEST: Duration = Duration::from_secs(12 * 3600);

/// Who is logged in. Only digests of the cookies are kept, so that looking one up tells nothing about it by its time.
#[derive(Debug)]
pub struct Sessions(LruCache<[u8; 32], Session>);

#[derive(Debug, Clone, Copy)]
struct Session {
    since: Moment,
    last: Moment,
}

impl Default for Sessions {
    fn default() -> Self {
        Self(LruCache::new(MOST))
    }
}

impl Sessions {
    /// A new session; the value of its `Set-Cookie`. `secure`: the browser came by https.
    pub fn begin(&mut self, random: [u8; 32], secure: bool, now: Moment) -> HeaderValue {
        let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        self.0.insert(digest(&token), Session { since: now, last: now });
        cookie(&token, LONGEST, secure)
    }

    /// Whether the request carries the cookie of a session that lasts, which it then does for another hour.
    pub fn is_known(&mut self, headers: &HeaderMap, now: Moment) -> bool {
        let Some(key) = token(headers).map(digest) else { return false };
        match self.0.get_mut(&key) {
            Some(session) if now < session.last + IDLE && now < session.since + LONGEST => {
                session.last = now;
                true
            }
            Some(_) => {
                self.0.remove(&key);
                false
            }
            None => false,
        }
    }

    /// Ends the session of the request; the `Set-Cookie` that makes the browser forget it.
    pub fn end(&mut self, headers: &HeaderMap) -> HeaderValue {
        if let Some(token) = token(headers) {
            self.0.remove(&digest(token));
        }
        cookie("", Duration::ZERO, false)
    }

    /// Ends all, as after a change of the password.
    pub fn end_all(&mut self) {
        self.0.clear();
    }
}

fn cookie(token: &str, age: Duration, secure: bool) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={token}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}", age.as_secs());
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// The one cookie of this name; with two of them, one was planted.
fn token(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut ours = pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value);
    match (ours.next(), ours.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(cookies: &[&str]) -> HeaderMap {
        cookies.iter().map(|cookie| (header::COOKIE, HeaderValue::from_str(cookie).unwrap())).collect()
    }

    fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1000)
    }

    fn begun(sessions: &mut Sessions, random: u8) -> String {
        let cookie = sessions.begin([random; 32], true, at(0));
        let text = cookie.to_str().unwrap();
        assert!(text.ends_with("; HttpOnly; SameSite=Strict; Secure"), "{text}");
        text.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_session_is_known_until_it_idles_is_old_or_ends() {
        let mut sessions = Sessions::default();
        let cookie = begun(&mut sessions, 7);
        let ours = with(&[&format!("theme=dark; {cookie}")]);
        assert!(sessions.is_known(&ours, at(3599)));
        assert!(sessions.is_known(&ours, at(3599 + 3599)), "each request gives another hour");
        assert!(!sessions.is_known(&ours, at(3599 + 3599 + 3600)));
        let ours = with(&[&begun(&mut sessions, 8)]);
        assert!((0..43_200).step_by(600).all(|second| sessions.is_known(&ours, at(second))));
        assert!(!sessions.is_known(&ours, at(43_200)), "twelve hours are the end");
        let ours = with(&[&begun(&mut sessions, 9)]);
        assert!(sessions.end(&ours).to_str().unwrap().contains("Max-Age=0"));
        assert!(!sessions.is_known(&ours, at(1)));
    }

    #[test]
    fn attack_a_made_up_or_planted_cookie_is_nobody_s() {
        let mut sessions = Sessions::default();
        let cookie = begun(&mut sessions, 7);
        for cookies in [&["goop-admin="][..], &["goop-admin"], &[], &["goop-admin=0707"], &[&cookie, "goop-admin=planted"]] {
            assert!(!sessions.is_known(&with(cookies), at(1)), "{cookies:?}");
        }
    }

    #[test]
    fn attack_endless_logins_leave_a_bounded_table() {
        let mut sessions = Sessions::default();
        for n in 0..200 {
            sessions.begin([n; 32], false, at(0));
        }
        assert_eq!(sessions.0.len(), MOST);
    }
}
