//! What the owner shows of themselves: name, email if they share it, avatar.

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// The owner's profile as others see it.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    /// The name; one line, at most 256 bytes.
    pub label: String,
    /// Only where the owner shares it.
    pub email: Option<String>,
    /// The avatar's bytes.
    pub avatar: Option<Bytes>,
}

impl Profile {
    /// First 8 bytes of the avatar's SHA-256, in lower-case hex (docs/PROTOCOL.md).
    pub fn avatar_hash(&self) -> Option<String> {
        let digest = Sha256::digest(self.avatar.as_ref()?);
        Some(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_avatar_is_known_by_the_first_eight_bytes_of_its_hash() {
        let profile = Profile { avatar: Some(Bytes::from_static(b"abc")), ..Profile::default() };
        assert_eq!(profile.avatar_hash().as_deref(), Some("ba7816bf8f01cfea"));
        assert_eq!(Profile::default().avatar_hash(), None);
    }
}
