use std::fs;

use futures::TryStreamExt;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use super::*;

fn site() -> (TempDir, SiteRoot) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("site");
    fs::create_dir_all(root.join("sub")).unwrap();
    fs::write(root.join("index.html"), "home").unwrap();
    fs::write(root.join("sub/index.htm"), "sub").unwrap();
    (folder, SiteRoot::new(root))
}

async fn bytes(site: &SiteRoot, path: &str) -> Result<Vec<u8>, SiteError> {
    let file = site.open(path).await?;
    let pieces: Vec<_> = file.body.into_stream().try_collect().await.map_err(SiteError::Io)?;
    Ok(pieces.concat())
}

#[tokio::test]
async fn a_folder_answers_with_its_index_file() {
    let (_folder, site) = site();
    for path in ["/", "", "/index.html", "sub/.."] {
        assert_eq!(bytes(&site, path).await.unwrap(), b"home", "{path}");
    }
    for path in ["/sub", "/sub/", "sub/index.htm"] {
        assert_eq!(bytes(&site, path).await.unwrap(), b"sub", "{path}");
    }
    fs::create_dir(site.path().join("empty")).unwrap();
    assert!(matches!(site.open("/empty").await, Err(SiteError::NotFound)));
    assert!(matches!(site.open("/index.html/").await, Err(SiteError::NotFound)));
}

#[tokio::test]
async fn a_site_folder_may_appear_vanish_and_be_replaced() {
    let (folder, site) = site();
    assert!(site.open("/").await.is_ok());
    fs::rename(site.path(), folder.path().join("away")).unwrap();
    assert!(matches!(site.open("/").await, Err(SiteError::NoSite)));
    fs::create_dir(site.path()).unwrap();
    fs::write(site.path().join("index.html"), "new").unwrap();
    assert_eq!(bytes(&site, "/").await.unwrap(), b"new");
}

#[tokio::test]
async fn what_is_written_is_served_and_changes_the_etag() {
    let (_folder, site) = site();
    let first = site.write("/new/deep/page.html", &b"one"[..], Precondition::None, 100).await.unwrap();
    assert_eq!(site.open("/new/deep/page.html").await.unwrap().etag, first);
    let second = site.write("/new/deep/page.html", &b"two"[..], Precondition::Is(first.clone()), 100).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(bytes(&site, "/new/deep/page.html").await.unwrap(), b"two");
}

#[tokio::test]
async fn a_file_that_another_program_writes_to_changes_its_etag() {
    let (_folder, site) = site();
    let before = site.open("/").await.unwrap().etag;
    fs::write(site.path().join("index.html"), "HOME").unwrap();
    assert_ne!(site.open("/").await.unwrap().etag, before);
}

#[tokio::test]
async fn a_writer_who_saw_another_version_changes_nothing() {
    let (_folder, site) = site();
    let seen = site.open("/").await.unwrap().etag;
    site.write("/index.html", &b"theirs"[..], Precondition::None, 100).await.unwrap();
    assert!(matches!(site.write("/index.html", &b"mine"[..], Precondition::Is(seen.clone()), 100).await, Err(SiteError::Changed)));
    assert!(matches!(site.remove("/index.html", Precondition::Is(seen.clone())).await, Err(SiteError::Changed)));
    assert!(matches!(site.write("/absent.html", &b"mine"[..], Precondition::Is(seen), 100).await, Err(SiteError::Changed)));
    assert_eq!(bytes(&site, "/").await.unwrap(), b"theirs");
}

#[tokio::test]
async fn of_two_writers_with_one_etag_one_loses() {
    let (_folder, site) = site();
    for _ in 0..20 {
        let seen = site.open("/").await.unwrap().etag;
        let write = |text: &'static [u8]| site.write("/index.html", text, Precondition::Is(seen.clone()), 100);
        let (one, other) = tokio::join!(write(b"one"), write(b"other"));
        assert_eq!(u8::from(one.is_ok()) + u8::from(other.is_ok()), 1);
    }
}

#[tokio::test]
async fn of_two_writers_of_a_new_file_one_loses() {
    let (_folder, site) = site();
    for n in 0..20 {
        let path = format!("/new-{n}.html");
        let write = |text: &'static [u8]| site.write(&path, text, Precondition::Absent, 100);
        let (one, other) = tokio::join!(write(b"one"), write(b"other"));
        assert_eq!(u8::from(one.is_ok()) + u8::from(other.is_ok()), 1);
    }
    assert!(matches!(site.remove("/index.html", Precondition::Absent).await, Err(SiteError::Changed)));
}

#[tokio::test]
async fn a_body_that_is_too_long_breaks_or_is_dropped_leaves_nothing_behind() {
    let (_folder, site) = site();
    let names = || fs::read_dir(site.path()).unwrap().count();
    let before = names();
    assert!(matches!(site.write("/a", &b"12345"[..], Precondition::None, 4).await, Err(SiteError::TooLarge { limit: 4 })));
    let broken = tokio_util::io::StreamReader::new(futures::stream::iter([Ok(&b"x"[..]), Err(io::Error::other("gone"))]));
    assert!(matches!(site.write("/a", broken, Precondition::None, 100).await, Err(SiteError::Io(_))));
    let (mut never_ends, endless) = tokio::io::duplex(1);
    tokio::select! {
        _ = site.write("/a", endless, Precondition::None, 100) => unreachable!("the body goes on"),
        begun = never_ends.write_all(b"ab") => begun.unwrap(),
    }
    assert_eq!(names(), before);
    assert!(site.write("/a", &b"1234"[..], Precondition::None, 4).await.is_ok());
}

#[tokio::test]
async fn nothing_is_written_or_removed_outside_or_under_private_names() {
    let (folder, site) = site();
    fs::create_dir(folder.path().join("outside")).unwrap();
    fs::write(folder.path().join("outside/page.html"), "theirs").unwrap();
    std::os::unix::fs::symlink("../outside", site.path().join("link")).unwrap();
    for path in ["../x", "/../x", "link/page.html", "link/new/page.html", ".env", "lua/x.lua", "goop.json", "/", "sub", "sub/", "a\0b"] {
        let written = site.write(path, &b"mine"[..], Precondition::None, 100).await;
        assert!(matches!(written, Err(SiteError::NotFound | SiteError::Forbidden)), "{path}: {written:?}");
        let removed = site.remove(path, Precondition::None).await;
        assert!(matches!(removed, Err(SiteError::NotFound | SiteError::Forbidden)), "{path}: {removed:?}");
    }
    assert_eq!(fs::read(folder.path().join("outside/page.html")).unwrap(), b"theirs");
    assert_eq!(fs::read_dir(folder.path().join("outside")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_written_file_can_be_read_by_everyone_and_the_folder_is_made() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let site = SiteRoot::new(folder.path().join("not/yet/there"));
    site.write("index.html", &b"hi"[..], Precondition::None, 100).await.unwrap();
    assert_eq!(fs::metadata(site.path().join("index.html")).unwrap().permissions().mode() & 0o777, 0o644);
}

#[tokio::test]
async fn a_removed_file_is_gone() {
    let (_folder, site) = site();
    let seen = site.open("/").await.unwrap().etag;
    site.remove("/index.html", Precondition::Is(seen)).await.unwrap();
    assert!(matches!(site.open("/index.html").await, Err(SiteError::NotFound)));
    assert!(matches!(site.remove("/index.html", Precondition::None).await, Err(SiteError::NotFound)));
}

#[tokio::test]
async fn a_file_is_renamed_within_the_site_and_replaces_nothing() {
    let (folder, site) = site();
    let seen = site.open("/index.html").await.unwrap().etag;
    assert!(matches!(site.rename("index.html", "a.html", Precondition::Is("other".into())).await, Err(SiteError::Changed)));
    let etag = site.rename("index.html", "new/deep/a.html", Precondition::Is(seen)).await.unwrap();
    assert_eq!(site.open("new/deep/a.html").await.unwrap().etag, etag);
    assert!(matches!(site.rename("new/deep/a.html", "sub/index.htm", Precondition::None).await, Err(SiteError::Taken)));
    assert_eq!(bytes(&site, "sub/index.htm").await.unwrap(), b"sub");
    fs::create_dir(folder.path().join("outside")).unwrap();
    std::os::unix::fs::symlink("../outside", site.path().join("link")).unwrap();
    for to in ["../x", "/../x", "link/x.html", ".env", "lua/x.lua", "goop.json", "/", "sub", "b/", "a\0b", "a\\b"] {
        let renamed = site.rename("new/deep/a.html", to, Precondition::None).await;
        assert!(matches!(renamed, Err(SiteError::NotFound | SiteError::Forbidden | SiteError::Taken)), "{to}: {renamed:?}");
    }
    for from in ["../site/new/deep/a.html", "none.html", "sub", "link/x", ".env"] {
        let renamed = site.rename(from, "b.html", Precondition::None).await;
        assert!(matches!(renamed, Err(SiteError::NotFound | SiteError::Forbidden)), "{from}: {renamed:?}");
    }
    assert_eq!(fs::read_dir(folder.path().join("outside")).unwrap().count(), 0);
    assert_eq!(bytes(&site, "new/deep/a.html").await.unwrap(), b"home");
}

#[tokio::test]
async fn a_listing_shows_what_is_served_and_nothing_else() {
    let (folder, site) = site();
    fs::write(folder.path().join("secret"), "x").unwrap();
    for private in [".env", "goop.json", "a.key"] {
        fs::write(site.path().join(private), "x").unwrap();
    }
    fs::create_dir(site.path().join("LUA")).unwrap();
    fs::write(site.path().join("LUA/x.lua"), "x").unwrap();
    std::os::unix::fs::symlink("../secret", site.path().join("link-out")).unwrap();
    std::os::unix::fs::symlink("..", site.path().join("link-up")).unwrap();
    let listing = site.list().await.unwrap();
    assert_eq!(listing.entries.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>(), ["index.html", "sub/index.htm"]);
    assert!(!listing.cut);
    for entry in listing.entries {
        let file = site.open(&entry.path).await.unwrap();
        assert_eq!((file.size, file.mime, file.modified), (entry.size, entry.mime, entry.modified));
    }
    assert!(matches!(SiteRoot::new(folder.path().join("none")).list().await, Err(SiteError::NoSite)));
}

async fn page(site: &SiteRoot, path: &str) -> String {
    let file = site.open(path).await.unwrap();
    let (size, mime) = (file.size, file.mime.clone());
    let pieces: Vec<_> = file.body.into_stream().try_collect().await.unwrap();
    let html = String::from_utf8(pieces.concat()).unwrap();
    assert_eq!((size, mime.as_str()), (html.len() as u64, "text/html; charset=utf-8"), "{path}");
    html
}

/// THREATS 28, 40, 41.
#[tokio::test]
async fn a_folder_without_an_index_lists_what_is_served_escaped_and_nothing_else() {
    let (folder, site) = site();
    fs::write(folder.path().join("secret"), "x").unwrap();
    let photos = site.path().join("photos");
    fs::create_dir_all(photos.join("more.d")).unwrap();
    for name in ["<b>&\"'.jpg", "a b.txt", ".env", "x.key", "goop.json", "draft~"] {
        fs::write(photos.join(name), "12345").unwrap();
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink("../../secret", photos.join("link-out")).unwrap();
    let html = page(&site, "/photos/").await;
    let links: Vec<_> = html.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(links, ["../", "more.d/", "%3Cb%3E%26%22%27.jpg", "a%20b.txt"]);
    assert!(
        html.contains("5 bytes") && html.contains("a b.txt") && !html.contains("<b>") && html.contains("<title>/photos</title>"),
        "{html}"
    );
    assert!(page(&site, "/photos").await.contains("href=\"photos/a%20b.txt\""), "links hold without the slash too");
    fs::remove_file(site.path().join("index.html")).unwrap();
    fs::create_dir(site.path().join("lua")).unwrap();
    let top = page(&site, "/").await;
    assert!(top.contains("href=\"photos/\"") && !top.contains("lua") && !top.contains("../"), "{top}");
    fs::remove_dir_all(&photos).unwrap();
    fs::remove_dir_all(site.path().join("sub")).unwrap();
    assert!(matches!(site.open("/").await, Err(SiteError::NotFound)), "nothing but private names is there");
}

#[tokio::test]
async fn the_page_of_a_folder_changes_its_etag_with_the_folder_and_is_cut_at_its_bound() {
    let (_folder, site) = site();
    fs::create_dir(site.path().join("many")).unwrap();
    let add = |n: usize| fs::File::create(site.path().join(format!("many/{n}"))).unwrap();
    (0..MAX_LISTED).for_each(|n| drop(add(n)));
    let before = site.open("/many/").await.unwrap().etag;
    assert_eq!(site.open("/many/").await.unwrap().etag, before);
    assert!(!page(&site, "/many/").await.contains("There is more"));
    drop(add(MAX_LISTED));
    let html = page(&site, "/many/").await;
    assert!(html.contains("There is more") && html.matches("<li>").count() == MAX_LISTED + 1);
}

#[tokio::test]
async fn a_listing_is_cut_at_its_bounds_and_says_so() {
    let (_folder, site) = site();
    let deep = site.path().join(["d"; MAX_DEPTH + 1].join("/"));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("too-deep.html"), "x").unwrap();
    let listing = site.list().await.unwrap();
    assert!(listing.cut && listing.entries.len() == 2);
    fs::remove_dir_all(site.path().join("d")).unwrap();
    for n in 0..MAX_ENTRIES {
        fs::File::create(site.path().join(n.to_string())).unwrap();
    }
    let listing = site.list().await.unwrap();
    assert!(listing.cut && listing.entries.len() == MAX_ENTRIES);
}
