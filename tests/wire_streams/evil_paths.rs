//! THREATS 39-41: no path, link, name or race reads what is not the site's.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use futures::TryStreamExt;
use goop::peer::site_root::{SiteError, SiteRoot};
use rustix::fs::{CWD, Mode, mknodat};

use crate::empty_site;

/// In every file that must never be read, inside the root and outside.
pub(crate) const SECRET: &str = "SECRET";

/// Ways to say "up" that some program, file system or decoder has fallen for.
const CLIMBS: [&str; 27] = [
    "../",
    "..\\",
    "..//",
    "..\\/",
    "..;/",
    ".../",
    "....//",
    "....\\\\",
    ".. /",
    ". ./",
    "../\u{200c}",
    "..\u{200c}/",
    "%2e%2e/",
    "%2E%2E%2F",
    "..%2f",
    "..%5c",
    "%252e%252e%252f",
    "%c0%ae%c0%ae/",
    "%c0%ae%c0%ae%c0%af",
    "%uff0e%uff0e/",
    "\u{ff0e}\u{ff0e}/",
    "\u{2024}\u{2024}/",
    "..%00/",
    "..\0/",
    "..\u{2215}",
    "./../",
    "sub/../../",
];
const TARGETS: [&str; 5] = ["secret.txt", "goop.json", "data/identity.key", "site-evil/secret.txt", "etc/passwd"];

/// Names beneath the root that hold secrets, and every way found to name them otherwise.
const PRIVATE: [&str; 40] = [
    ".env",
    "/.env",
    "//.env",
    "./.env",
    ".ENV",
    ".env.",
    ".env ",
    ".env::$DATA",
    "sub/.env",
    "sub/../.env",
    ".git/config",
    "/.git//config",
    ".goop-1.tmp",
    "lua/secret.lua",
    "LUA/secret.lua",
    "Lua/secret.lua",
    "lua./secret.lua",
    "lua /secret.lua",
    "lua::$INDEX_ALLOCATION/secret.lua",
    "l\u{200d}ua/secret.lua",
    "\u{feff}lua/secret.lua",
    "sub/../lua/secret.lua",
    "lua/../lua/secret.lua",
    "LUA~1/secret.lua",
    "lua\\secret.lua",
    "\\lua\\secret.lua",
    "lua/.",
    "goop.json",
    "Goop.JSON",
    "goop.json.",
    "GOOP~1.JSO",
    "goop.json:x",
    "identity.key",
    "IDENTITY.KEY",
    "data.db",
    "data.db-wal",
    "run.json",
    "index.html~",
    "server.pem",
    "id_ed25519",
];

const WINDOWS: [&str; 22] = [
    "C:\\secret.txt",
    "C:/secret.txt",
    "C:secret.txt",
    "/C:/secret.txt",
    "c|/secret.txt",
    "\\\\?\\C:\\secret.txt",
    "//?/C:/secret.txt",
    "\\\\.\\C:\\secret.txt",
    "//./C:/secret.txt",
    "\\\\host\\share\\secret.txt",
    "//host/share/secret.txt",
    "\\secret.txt",
    "index.html::$DATA",
    "index.html:secret",
    "CON",
    "nul",
    "aux.html",
    "COM1",
    "lpt1.txt",
    "sub\\..\\..\\secret.txt",
    "..\\site-evil\\secret.txt",
    "~/secret.txt",
];

const STRANGE: [&str; 14] = [
    "/proc/self/environ",
    "/proc/self/root/etc/passwd",
    "proc/self/cwd/secret.txt",
    "file:///etc/passwd",
    "/dev/zero",
    "/dev/stdin",
    "link-out",
    "link-abs",
    "linkdir/secret.txt",
    "linkdir/../secret.txt",
    "link-up/secret.txt",
    "link-loop",
    "/index.html\0.css",
    "\u{202e}txt.terces",
];

fn corpus(outside: &Path) -> Vec<String> {
    let climbing = CLIMBS.iter().flat_map(|climb| {
        TARGETS.iter().flat_map(move |target| {
            (1..=3).flat_map(move |times| ["", "/", "sub/"].map(|start| format!("{start}{}{target}", climb.repeat(times))))
        })
    });
    let fixed = PRIVATE.iter().chain(&WINDOWS).chain(&STRANGE).map(|path| (*path).to_owned());
    let absolute = ["", "/", "//", "file://"].map(|start| format!("{start}{}", outside.join("secret.txt").display()));
    climbing.chain(fixed).chain(absolute).collect()
}

fn fill_with_secrets(folder: &Path, root: &Path) {
    let inside =
        [".env", ".git/config", ".goop-1.tmp", "lua/secret.lua", "goop.json", "identity.key", "data.db", "data.db-wal", "run.json"];
    let more_inside = ["index.html~", "server.pem", "id_ed25519", "sub/.env", "LUA/secret.lua"];
    let outside = ["secret.txt", "goop.json", "data/identity.key", "site-evil/secret.txt", "etc/passwd"];
    let files = inside.iter().chain(&more_inside).map(|name| root.join(name)).chain(outside.iter().map(|name| folder.join(name)));
    for file in files {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, SECRET).unwrap();
    }
    fs::write(root.join("index.html"), "home").unwrap();
    symlink(folder.join("secret.txt"), root.join("link-abs")).unwrap();
    symlink("../secret.txt", root.join("link-out")).unwrap();
    symlink(folder, root.join("linkdir")).unwrap();
    symlink("..", root.join("link-up")).unwrap();
    symlink("link-loop", root.join("link-loop")).unwrap();
}

pub(crate) async fn read(site: &SiteRoot, path: &str) -> Result<Vec<u8>, SiteError> {
    let file = site.open(path).await?;
    let pieces: Vec<_> = file.body.into_stream().try_collect().await.map_err(SiteError::Io)?;
    Ok(pieces.concat())
}

#[tokio::test]
async fn no_path_of_the_corpus_reads_a_secret() {
    let (folder, site) = empty_site();
    fill_with_secrets(folder.path(), site.path());
    let corpus = corpus(folder.path());
    assert!(corpus.len() >= 300, "{}", corpus.len());
    for path in corpus {
        match read(&site, &path).await {
            Ok(bytes) => panic!("{path:?} was opened: {:?}", String::from_utf8_lossy(&bytes)),
            Err(SiteError::NotFound | SiteError::Forbidden) => {}
            Err(other) => panic!("{path:?}: {other}"),
        }
    }
    assert_eq!(read(&site, "/").await.unwrap(), b"home");
}

#[tokio::test]
async fn a_link_to_etc_passwd_is_forbidden_and_a_link_inside_is_followed() {
    let (_folder, site) = empty_site();
    fs::write(site.path().join("page.html"), "page").unwrap();
    symlink("/etc/passwd", site.path().join("passwd")).unwrap();
    symlink("/etc", site.path().join("etc")).unwrap();
    symlink("page.html", site.path().join("link.html")).unwrap();
    for path in ["/passwd", "/etc/passwd", "/etc/"] {
        assert!(matches!(read(&site, path).await, Err(SiteError::Forbidden)), "{path}");
    }
    assert_eq!(read(&site, "/link.html").await.unwrap(), b"page");
}

#[tokio::test]
async fn pipes_sockets_and_unreadable_files_answer_at_once() {
    let (_folder, site) = empty_site();
    mknodat(CWD, site.path().join("pipe"), rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    let _socket = UnixListener::bind(site.path().join("socket")).unwrap();
    for path in ["/pipe", "/socket"] {
        let opened = tokio::time::timeout(Duration::from_secs(20), read(&site, path)).await;
        // Lets an open go that waits for a writer, or the runtime could not end.
        let _writer = fs::File::options().read(true).write(true).open(site.path().join("pipe")).unwrap();
        assert!(matches!(opened, Ok(Err(SiteError::NotFound))), "{path}");
    }
}
