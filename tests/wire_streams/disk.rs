//! THREATS 54: a full disk fails the write, says so, leaves the old version whole, and reading goes on.

use std::path::Path;
use std::process::Command;

use futures::TryStreamExt;
use goop::peer::site_root::{Precondition, SiteError, SiteRoot};

/// A file system of a fixed size, mounted where it is asked for; gone with this value.
struct TinyDisk<'a>(&'a Path);

impl<'a> TinyDisk<'a> {
    /// `None` where this user may not mount.
    fn mount(at: &'a Path, size: &str) -> Option<Self> {
        let size = format!("size={size}");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "goop-test"]).arg(at).status();
        let mounted = status.is_ok_and(|status| status.success());
        assert!(mounted || std::env::var("CI").as_deref() != Ok("true"), "this test needs the right to mount a tmpfs");
        if !mounted {
            eprintln!("skipped: no right to mount a tmpfs");
        }
        mounted.then_some(Self(at))
    }
}

impl Drop for TinyDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_fails_the_write_and_leaves_the_old_version() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = TinyDisk::mount(folder.path(), "256k") else { return };
    let site = SiteRoot::new(disk.0.join("site"));
    site.write("/a.html", &b"old"[..], Precondition::None, 100).await.unwrap();
    let more = vec![b'a'; 1 << 20];
    for path in ["/a.html", "/new/b.html"] {
        assert!(matches!(site.write(path, &more[..], Precondition::None, 2 << 20).await, Err(SiteError::Full)), "{path}");
    }
    let pieces: Vec<_> = site.open("/a.html").await.unwrap().body.into_stream().try_collect().await.unwrap();
    assert_eq!(pieces.concat(), b"old");
    assert_eq!(site.list().await.unwrap().entries.len(), 1);
    assert_eq!(std::fs::read_dir(site.path()).unwrap().count(), 2, "nothing half-written is left beside a.html and the folder");
    assert_eq!(std::fs::read_dir(site.path().join("new")).unwrap().count(), 0);
    site.write("/a.html", &b"new"[..], Precondition::None, 100).await.expect("there is room for small files again");
}

#[tokio::test]
async fn a_large_file_leaves_the_node_its_part_of_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = TinyDisk::mount(folder.path(), "66m") else { return };
    let site = SiteRoot::new(disk.0.join("site"));
    let room = site.room().await.unwrap();
    assert!((1 << 20..=2 << 20).contains(&room), "{room}");
    let write = |path: &'static str, length: usize| {
        let site = site.clone();
        async move { site.write(path, &vec![b'a'; length][..], Precondition::None, 1 << 30).await }
    };
    assert!(matches!(write("/a.bin", 3 << 20).await, Err(SiteError::Full)));
    assert_eq!(std::fs::read_dir(site.path()).unwrap().count(), 0, "nothing half-written is left");
    write("/a.bin", 1 << 20).await.expect("there is room for that");
    for path in ["/b.html", "/c.html", "/d.html", "/e.html", "/f.html", "/g.html"] {
        write(path, 200 << 10).await.expect("a page is saved even there");
    }
    assert_eq!(site.room().await.unwrap(), 0);
}
