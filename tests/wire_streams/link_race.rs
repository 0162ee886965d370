//! THREATS 40: links that are swapped in while a file is opened.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use goop::peer::site_root::{SiteError, SiteRoot};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::empty_site;
use crate::evil_paths::{SECRET, read};

/// Whoever can write into the site's folder cannot win a race against the check, because there is none.
#[test]
fn link_swap_races_never_show_the_secret() {
    const ROUNDS: usize = 10_000;
    let (folder, site) = empty_site();
    fs::create_dir_all(folder.path().join("outside")).unwrap();
    fs::create_dir_all(site.path().join("dir")).unwrap();
    for (file, text) in [("outside/page.html", SECRET), ("site/page.html", "public"), ("site/dir/page.html", "public")] {
        fs::write(folder.path().join(file), text).unwrap();
    }
    symlink("../outside/page.html", site.path().join("other.html")).unwrap();
    symlink("../outside", site.path().join("other")).unwrap();
    let swapper = Swapper::default();
    let (opened, refused) = std::thread::scope(|threads| {
        threads.spawn(|| swapper.run(site.path()));
        let _stop = Stop(&swapper.stop);
        tokio::runtime::Runtime::new().unwrap().block_on(race(&site, &swapper.swaps, ROUNDS))
    });
    assert!(opened > 0 && refused > 0, "both sides of the race were seen: {opened} {refused}");
}

#[derive(Default)]
struct Swapper {
    stop: AtomicBool,
    swaps: AtomicUsize,
}

impl Swapper {
    fn run(&self, root: &Path) {
        while !self.stop.load(Ordering::Relaxed) {
            for (a, b) in [("page.html", "other.html"), ("dir", "other")] {
                renameat_with(CWD, root.join(a), CWD, root.join(b), RenameFlags::EXCHANGE).unwrap();
            }
            self.swaps.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Ends the other thread also when an assertion fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How often a page was read and how often refused, until there were enough of both opens and swaps.
async fn race(site: &SiteRoot, swaps: &AtomicUsize, rounds: usize) -> (usize, usize) {
    let (mut opened, mut refused) = (0, 0);
    while opened + refused < 2 * rounds || swaps.load(Ordering::Relaxed) < rounds {
        for path in ["/page.html", "/dir/page.html"] {
            match read(site, path).await {
                Ok(bytes) => {
                    assert_eq!(bytes, b"public", "{path}");
                    opened += 1;
                }
                Err(SiteError::Forbidden | SiteError::NotFound) => refused += 1,
                Err(error) => panic!("{path}: {error}"),
            }
        }
    }
    (opened, refused)
}
