//! Who this node is: one Ed25519 key, made once and never overwritten (THREATS 51).
//!
//! The key is made only if neither its file nor the memory of an earlier key is there. Whatever else is found (an empty, cut or
//! changed file, one that cannot be read, a folder, another kind of key, another peer's key) stops the start with the way out:
//! a new key would make this peer a stranger to everyone who knows it.

mod bases;
pub mod envelope;
mod key_file;
mod lock;
mod peer_text;

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use libp2p::PeerId;
use libp2p::identity::Keypair;
use thiserror::Error;

use crate::config::files::{create_private, create_private_dir, is_exposed, read_bounded, write_private_atomically};
use crate::config::{GivenKey, Loaded, Warning};

pub use key_file::KeyFault;
pub use lock::{DataLock, LockError};
pub use peer_text::{NotAPeerId, nameless, peer_id_from_text, to_base36};

/// Longest file that can hold a key (base64 of the legacy form, and some), in bytes.
const MAX_KEY_FILE: u64 = 4096;

/// Why there is no identity. Nothing was written over; each message says the way out.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// There is something at the key's place that cannot be read.
    #[error("{}: the identity key cannot be read: {error}. Make it readable for this user, or {}", path.display(), way_out(path))]
    Unreadable {
        /// The key file.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
    /// The file is there but holds no key.
    #[error("{}: this is no identity key: {fault}. {}", path.display(), capitalised(&way_out(path)))]
    Damaged {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        fault: KeyFault,
    },
    /// The key is gone, and it is known that there was one.
    #[error(
        "{}: the identity key of {known} is gone. Put it back from a backup; or, to start as a new peer whom nobody knows, remove {}",
        path.display(), memory.display()
    )]
    Vanished {
        /// The key file.
        path: PathBuf,
        /// Where the peer id is remembered.
        memory: PathBuf,
        /// Who this peer was.
        known: String,
    },
    /// The key is another peer's.
    #[error(
        "{}: this is the key of {found}, but this folder belongs to {known}. Put the right key back; or, to go on as {found}, remove {}",
        path.display(), memory.display()
    )]
    Swapped {
        /// The key file.
        path: PathBuf,
        /// Where the peer id is remembered.
        memory: PathBuf,
        /// Who this peer was.
        known: String,
        /// Whose key it is.
        found: String,
    },
    /// The remembered peer id cannot be read.
    #[error("{}: the remembered peer id cannot be read: {error}. If the key is the right one, remove this file", path.display())]
    Memory {
        /// Where the peer id is remembered.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
    /// A new key could not be kept.
    #[error("{}: this could not be written: {error}. Make room, or the folder writable, and start again", path.display())]
    NotWritten {
        /// Which file.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
    /// The environment gives a key that is none.
    #[error("GOOP_IDENTITY_KEY: this is no identity key in base64: {0}")]
    Given(KeyFault),
}

fn way_out(path: &Path) -> String {
    format!("put a backup in its place; or, to start as a new peer whom nobody knows, move {} away", path.display())
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// Who this node is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The private key; always Ed25519.
    pub keypair: Keypair,
}

impl Identity {
    /// The name of this node.
    pub fn peer_id(&self) -> PeerId {
        self.keypair.public().to_peer_id()
    }

    /// The identity that a configuration means: the one the environment gives, or that of the data folder. The folder must be there
    /// ([`crate::config::DataDir::create`]).
    pub fn of(loaded: &Loaded) -> Result<(Self, Vec<Warning>), IdentityError> {
        match &loaded.given_key {
            Some(GivenKey::Text(text)) => key_file::from_base64(text.expose()).map(Self::plain).map_err(IdentityError::Given),
            Some(GivenKey::File(path)) => Self::from_given_file(path),
            None => {
                let key_file = loaded.data.identity_key(&loaded.config);
                let identity = Self::load_or_create(&key_file, &loaded.data.known_peer_id())?;
                Ok((identity, exposure(&key_file)))
            }
        }
    }

    /// The key in `key_file`; a new one if neither the file nor the peer id in `memory` is there. `memory` is written where it is missing.
    pub fn load_or_create(key_file: &Path, memory: &Path) -> Result<Self, IdentityError> {
        let known = read_memory(memory)?;
        let identity = match (Self::read(key_file), &known) {
            (Err(IdentityError::Unreadable { error, .. }), known) if is_absent(key_file, &error) => match known {
                None => Self::create(key_file)?,
                Some(known) => {
                    return Err(IdentityError::Vanished { path: key_file.to_owned(), memory: memory.to_owned(), known: known.clone() });
                }
            },
            (found, _) => found?,
        };
        identity.remember(key_file, memory, known)?;
        Ok(identity)
    }

    fn plain(keypair: Keypair) -> (Self, Vec<Warning>) {
        (Self { keypair }, Vec::new())
    }

    /// Such a file is never made: it is somebody else's care that it is there.
    fn from_given_file(path: &Path) -> Result<(Self, Vec<Warning>), IdentityError> {
        let bytes = bytes_of(path)?;
        let text = std::str::from_utf8(&bytes).ok().and_then(|text| key_file::from_base64(text.trim()).ok());
        let identity = text.map_or_else(|| Self::decode(path, &bytes), |keypair| Ok(Self { keypair }))?;
        Ok((identity, exposure(path)))
    }

    fn read(path: &Path) -> Result<Self, IdentityError> {
        Self::decode(path, &bytes_of(path)?)
    }

    fn decode(path: &Path, bytes: &[u8]) -> Result<Self, IdentityError> {
        let keypair = key_file::decode(bytes).map_err(|fault| IdentityError::Damaged { path: path.to_owned(), fault })?;
        Ok(Self { keypair })
    }

    /// If another process makes the key at the same moment, its key is the one.
    fn create(key_file: &Path) -> Result<Self, IdentityError> {
        let (keypair, bytes) = key_file::generate();
        let parent = key_file.parent().unwrap_or(Path::new("."));
        match create_private_dir(parent).and_then(|()| create_private(key_file, &bytes)) {
            Ok(()) => Ok(Self { keypair }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Self::read(key_file),
            Err(error) => Err(IdentityError::NotWritten { path: key_file.to_owned(), error }),
        }
    }

    fn remember(&self, key_file: &Path, memory: &Path, known: Option<String>) -> Result<(), IdentityError> {
        let found = self.peer_id().to_base58();
        match known {
            Some(known) if known == found => Ok(()),
            Some(known) => Err(IdentityError::Swapped { path: key_file.to_owned(), memory: memory.to_owned(), known, found }),
            None => {
                let parent = memory.parent().unwrap_or(Path::new("."));
                create_private_dir(parent)
                    .and_then(|()| write_private_atomically(memory, format!("{found}\n").as_bytes()))
                    .map_err(|error| IdentityError::NotWritten { path: memory.to_owned(), error })
            }
        }
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, IdentityError> {
    read_bounded(path, MAX_KEY_FILE).map_err(|error| IdentityError::Unreadable { path: path.to_owned(), error })
}

/// The peer id that was remembered, as text: even one that is damaged proves that there was a key.
fn read_memory(memory: &Path) -> Result<Option<String>, IdentityError> {
    match read_bounded(memory, MAX_KEY_FILE) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).trim().escape_debug().to_string())),
        Err(error) if is_absent(memory, &error) => Ok(None),
        Err(error) => Err(IdentityError::Memory { path: memory.to_owned(), error }),
    }
}

/// Nothing at all is there: a link that leads nowhere is something.
fn is_absent(path: &Path, error: &io::Error) -> bool {
    let nothing_there = || std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound);
    error.kind() == ErrorKind::NotFound && nothing_there()
}

fn exposure(key_file: &Path) -> Vec<Warning> {
    let file = key_file.display();
    let text = || Warning::new(format!("{file} is this peer's private key and can be read by others: chmod 600 {file}"));
    is_exposed(key_file).then(text).into_iter().collect()
}
