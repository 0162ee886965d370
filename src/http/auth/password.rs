//! The operator's password: kept and compared only as an argon2id string (THREATS 33, 34).

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Argon2, Params};
use thiserror::Error;

use crate::config::{ConfigErrors, Fault, Loaded, Secret};

/// How an argon2 string begins; plain text cannot begin so.
const PREFIX: &str = "$argon2";
/// Most memory that a string may ask for, in KiB: 1 GiB.
const MAX_MEMORY: u32 = 1024 * 1024;
/// Most passes over the memory that a string may ask for.
const MAX_PASSES: u32 = 64;
/// Most lanes that a string may ask for.
const MAX_LANES: u32 = 16;
/// Where the operator's password stands.
pub const KEY: &str = "presence.admin_password";
/// Longest password, in bytes.
pub const MAX_PASSWORD: usize = 1024;

/// The password cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PasswordError {
    /// It begins like an argon2 string and is none that we can verify.
    #[error("it begins with $argon2 and is no argon2 string; make one with: goop hash-password")]
    NotArgon2,
    /// Verifying it would take more memory or time than a server can spare.
    #[error("this argon2 string asks for more than 1 GiB, 64 passes or 16 lanes; make one with: goop hash-password")]
    TooExpensive,
    /// It is longer than [`MAX_PASSWORD`].
    #[error("a password has at most {MAX_PASSWORD} bytes")]
    TooLong,
    /// The system gives no randomness, or not the memory that hashing takes.
    #[error("the password could not be hashed")]
    NotHashed,
}

/// A password that can be verified, and not told.
#[derive(Debug, Clone)]
pub struct Password(PasswordHash);

impl Password {
    /// Takes plain text, which is hashed here, or an argon2 string.
    ///
    /// # Errors
    /// See [`PasswordError`].
    pub fn new(secret: &Secret) -> Result<Self, PasswordError> {
        match secret.expose() {
            text if text.starts_with(PREFIX) => verifiable(text).map(Self),
            plain => hashed(plain.as_bytes()).map(Self),
        }
    }

    /// Whether this is the password. Takes about as long as hashing it did, and its memory.
    pub fn is(&self, given: &[u8]) -> bool {
        given.len() <= MAX_PASSWORD && Argon2::default().verify_password(given, &self.0).is_ok()
    }
}

/// The argon2id string of a password, with a salt of its own: 19 MiB, 2 passes, 1 lane.
///
/// # Errors
/// [`PasswordError::TooLong`], [`PasswordError::NotHashed`].
pub fn argon2_string(password: &[u8]) -> Result<String, PasswordError> {
    hashed(password).map(|hash| hash.to_string())
}

/// Whether a server would start with the password of a configuration, as far as that can be told without hashing it.
///
/// # Errors
/// The fault, and where it stands.
pub fn check(loaded: &Loaded) -> Result<(), ConfigErrors> {
    let text = loaded.config.presence.admin_password.expose();
    let checked = if text.starts_with(PREFIX) { verifiable(text).map(drop) } else { short_enough(text.as_bytes()) };
    checked.map_err(|error| ConfigErrors(vec![Fault::new(loaded.origin(KEY).clone(), KEY, error.to_string())]))
}

fn verifiable(text: &str) -> Result<PasswordHash, PasswordError> {
    let hash = PasswordHash::new(text.trim()).map_err(|_| PasswordError::NotArgon2)?;
    let params = Params::try_from(&hash).map_err(|_| PasswordError::NotArgon2)?;
    let usable = hash.salt.is_some() && hash.hash.is_some() && argon2::Algorithm::try_from(hash.algorithm.as_str()).is_ok();
    match () {
        () if !usable => Err(PasswordError::NotArgon2),
        () if params.m_cost() > MAX_MEMORY || params.t_cost() > MAX_PASSES || params.p_cost() > MAX_LANES => {
            Err(PasswordError::TooExpensive)
        }
        () => Ok(hash),
    }
}

fn short_enough(password: &[u8]) -> Result<(), PasswordError> {
    if password.len() > MAX_PASSWORD { Err(PasswordError::TooLong) } else { Ok(()) }
}

fn hashed(password: &[u8]) -> Result<PasswordHash, PasswordError> {
    short_enough(password)?;
    Argon2::default().hash_password(password).map_err(|_| PasswordError::NotHashed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_and_its_argon2_string_are_the_same_password() {
        let string = argon2_string(b"correct horse").unwrap();
        assert!(string.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{string}");
        assert_ne!(string, argon2_string(b"correct horse").unwrap(), "each has a salt of its own");
        for secret in ["correct horse", &string] {
            let password = Password::new(&Secret::new(secret)).unwrap();
            assert!(password.is(b"correct horse"));
            for wrong in ["", "correct horse ", "Correct horse", &string] {
                assert!(!password.is(wrong.as_bytes()), "{wrong}");
            }
        }
    }

    #[test]
    fn a_broken_or_greedy_argon2_string_is_an_error_and_never_taken_for_plain_text() {
        let salt_and_hash = "c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let not_argon2 =
            ["$argon2id$", "$argon2id$v=19$m=19456,t=2,p=1", "$argon2x$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aGFzaGhhc2g", "$argon2id$v=19$m=8"];
        for text in not_argon2 {
            assert_eq!(Password::new(&Secret::new(text)).err(), Some(PasswordError::NotArgon2), "{text}");
        }
        for params in ["m=4194304,t=1,p=1", "m=19456,t=1000,p=1", "m=19456,t=1,p=64"] {
            let text = format!("$argon2id$v=19${params}${salt_and_hash}");
            assert_eq!(Password::new(&Secret::new(text)).err(), Some(PasswordError::TooExpensive), "{params}");
        }
        assert!(Password::new(&Secret::new(format!("$argon2id$v=19$m=64,t=1,p=1${salt_and_hash}"))).is_ok());
        assert_eq!(argon2_string(&[b'a'; 1025]).err(), Some(PasswordError::TooLong));
    }

    #[test]
    fn a_password_is_not_told() {
        let text = format!("{:?}", Secret::new("canary"));
        assert!(!text.contains("canary"));
    }
}
