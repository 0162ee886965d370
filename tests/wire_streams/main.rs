//! The stream protocols against what real goop2 peers said, against hostile peers, and against a hostile site folder.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod disk;
mod evil_paths;
mod files;
mod hostile;
mod link_race;
mod recorded;
mod recorded_fetch;
mod recordings;
mod transfer;

use goop::peer::site_root::SiteRoot;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// A temporary folder and an empty site in it.
fn empty_site() -> (TempDir, SiteRoot) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("site");
    std::fs::create_dir(&root).unwrap();
    (folder, SiteRoot::new(root))
}

/// What the side that answers does with `request`: its result, and every byte it wrote.
async fn exchange<T>(request: &[u8], closes: bool, answering: impl AsyncFnOnce(DuplexStream) -> T) -> (T, Vec<u8>) {
    let (opener, io) = duplex(4096);
    let (mut answer, mut requests) = tokio::io::split(opener);
    let ask = async {
        let _ = requests.write_all(request).await;
        if closes {
            let _ = requests.shutdown().await;
        }
    };
    let mut bytes = Vec::new();
    let (result, _, read) = tokio::join!(answering(io), ask, answer.read_to_end(&mut bytes));
    read.unwrap();
    (result, bytes)
}
