//! Invitations to a community, and the tokens that prove one: random letters, kept as digests.
//!
//! A token is written in sixteen letters and no digits, so it never contains `425`, in which newest goop2 clients would see an HTTP status
//! (CONTRACT). Whoever may read the database learns none of them.

use serde::Serialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::clock::UnixMillis;

/// One letter for each half byte.
const LETTERS: &[u8; 16] = b"bcdfghjkmnpqrstw";
/// Longest text that is looked at as a token, in bytes.
pub const MAX_TOKEN: usize = 64;
/// Most uses of one invitation.
pub const MAX_USES: u32 = 100_000;

/// What proves an invitation, a membership or an application.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token of 128 random bits.
    pub fn new(random: [u8; 16]) -> Self {
        let letter = |half: u8| char::from(LETTERS[usize::from(half)]);
        Self(random.iter().flat_map(|byte| [letter(byte >> 4), letter(byte & 15)]).collect())
    }

    /// The token that somebody shows; anything too long counts as nothing.
    pub fn shown(text: &str) -> Self {
        Self(if text.len() > MAX_TOKEN { String::new() } else { text.to_owned() })
    }

    /// The text, for the one who is given it; it must not reach a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it, in hex.
    pub fn digest(&self) -> String {
        Sha256::digest(self.0.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(redacted)")
    }
}

/// Why an invitation does not count; whoever shows it is told no more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InviteError {
    /// The operator took it back.
    #[error("it was revoked")]
    Revoked,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Everybody whom it was for has come.
    #[error("it was used up")]
    UsedUp,
}

/// An invitation, as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Invitation {
    /// Its number.
    pub id: i64,
    /// The community.
    pub slug: String,
    /// How many may still use it.
    pub uses: u32,
    /// When it ends; `None`: never.
    pub ends: Option<UnixMillis>,
    /// What the operator noted, for people.
    pub note: String,
    /// Whether it was taken back.
    pub revoked: bool,
}

impl Invitation {
    /// Uses it once.
    ///
    /// # Errors
    /// See [`InviteError`]; then it is as before.
    pub fn redeem(&mut self, now: UnixMillis) -> Result<(), InviteError> {
        match () {
            () if self.revoked => Err(InviteError::Revoked),
            () if self.ends.is_some_and(|ends| now >= ends) => Err(InviteError::Expired),
            () if self.uses == 0 => Err(InviteError::UsedUp),
            () => {
                self.uses -= 1;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn invitation(uses: u32, ends: Option<u64>) -> Invitation {
        Invitation { id: 1, slug: "chess".into(), uses, ends: ends.map(UnixMillis), note: String::new(), revoked: false }
    }

    #[test]
    fn an_invitation_counts_as_often_and_as_long_as_it_says() {
        let mut twice = invitation(2, Some(100));
        assert_eq!(twice.redeem(UnixMillis(100)), Err(InviteError::Expired));
        assert_eq!([(); 3].map(|()| twice.redeem(UnixMillis(99))), [Ok(()), Ok(()), Err(InviteError::UsedUp)]);
        let mut revoked = Invitation { revoked: true, ..invitation(2, None) };
        assert_eq!((revoked.redeem(UnixMillis(1)), revoked.uses), (Err(InviteError::Revoked), 2));
    }

    proptest! {
        #[test]
        fn a_token_is_letters_alone_and_is_told_by_its_digest(one in any::<[u8; 16]>(), other in any::<[u8; 16]>()) {
            let token = Token::new(one);
            prop_assert!(token.reveal().len() == 32 && token.reveal().bytes().all(|byte| byte.is_ascii_lowercase()));
            prop_assert_eq!(Token::shown(token.reveal()).digest(), token.digest());
            prop_assert_eq!(Token::new(other).digest() == token.digest(), one == other);
            let shown = format!("{token:?}");
            prop_assert!(!shown.contains(token.reveal()));
        }
    }
}
