//! What a peer is given that knows no transfers: a link to our site.
//!
//! Only this one file is shared, with whoever has the link: it lies in `shared/<32 random hex digits>/`, and `shared/` has an index file that
//! lists nothing. The link ends with the transfer: cancelled by its owner, or when its time is over.

use tokio::io::AsyncRead;
use tracing::warn;

use crate::peer::site_root::{Precondition, SiteError, SiteRoot, encoded};
use crate::proto::transfer::MAX_FILE;
use crate::proto::transfer::name::safe;

/// The folder in the site.
const FOLDER: &str = "shared";
/// What stands in the place of a list.
const NO_LIST: &str = "<!doctype html><meta charset=\"utf-8\"><title>Shared files</title><p>Each file here has a link of its own.\n";

/// Puts `body` into the site; answers the path.
pub(super) async fn put(site: &SiteRoot, name: &str, body: impl AsyncRead + Unpin) -> Result<String, SiteError> {
    let index = format!("{FOLDER}/index.html");
    match site.write(&index, NO_LIST.as_bytes(), Precondition::Absent, NO_LIST.len() as u64).await {
        Ok(_) | Err(SiteError::Changed) => {}
        Err(error) => return Err(error),
    }
    let token: String = rand::random::<[u8; 16]>().iter().map(|byte| format!("{byte:02x}")).collect();
    let path = format!("{FOLDER}/{token}/{}", safe(name));
    site.write(&path, body, Precondition::Absent, MAX_FILE).await?;
    Ok(path)
}

/// Takes a link back.
pub(super) async fn remove(site: &SiteRoot, path: &str) {
    match site.remove(path, Precondition::None).await {
        Ok(()) | Err(SiteError::NotFound | SiteError::NoSite) => {}
        Err(error) => warn!(%error, "a shared file could not be removed"),
    }
    let is_ours = path.split('/').count() == 3 && path.starts_with(FOLDER);
    if let Some((folder, _)) = path.rsplit_once('/').filter(|_| is_ours) {
        let _ = std::fs::remove_dir(site.path().join(folder));
    }
}

/// What the other side is told; goop2 opens a peer's site at `/p/<id>/` of its own pages.
pub(super) fn message(me: &libp2p::PeerId, name: &str, size: u64, path: &str) -> String {
    let path = path.split('/').map(encoded).collect::<Vec<_>>().join("/");
    format!("I have a file for you: {} ({size} bytes). It is on my site for seven days: /p/{me}/{path}", safe(name))
}
