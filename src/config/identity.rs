//! `[identity]`: who this node is.

use std::path::PathBuf;

use super::section::section;

section! {
    /// Who this node is.
    IdentityConfig in "identity" {
        /// The file with the private key; made on the first start and never changed after. Keep a backup of it.
        /// A relative path starts at the data folder. In a goop2 peer folder the default is data/identity.key.
        key_file: PathBuf = PathBuf::from("identity.key");
    }
}
