//! What the newest goop2 peers write beside the seed's keys. A board keeps it and passes it on within bounds: without `publicKey` two of
//! them would not encrypt to each other through us.

use serde::Serialize;

/// Longest `publicKey`, in bytes; an X25519 key in base64 has 44.
pub const MAX_PUBLIC_KEY: usize = 256;
/// Longest `activeTemplate`, in bytes.
pub const MAX_TEMPLATE: usize = 128;

/// The keys of newest goop2 that we pass on as they are. What is absent is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Extras {
    /// The key for sealed messages.
    #[serde(rename = "publicKey", skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// Whether the peer understands sealed messages.
    #[serde(rename = "encryptionSupported", skip_serializing_if = "is_false")]
    pub encryption_supported: bool,
    /// The template its site is made with.
    #[serde(rename = "activeTemplate", skip_serializing_if = "Option::is_none")]
    pub active_template: Option<String>,
    /// Whether it takes no video calls.
    #[serde(rename = "videoDisabled", skip_serializing_if = "is_false")]
    pub video_disabled: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}
