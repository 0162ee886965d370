//! The folder that the program names on its first start must be there, so that files can be dropped into it.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tracing::warn;

use crate::config::Loaded;

/// Makes the site's folder (mode 0755) where nobody chose another one and the data folder is not goop2's, and warns if something
/// stands there that is no folder. The node runs without a site too.
pub(super) fn prepare(loaded: &Loaded) {
    let path = loaded.data.site(&loaded.config);
    if !loaded.data.goop2
        && !loaded.is_explicit("paths.site_root")
        && let Err(error) = make(&path)
    {
        warn!(path = %path.display(), %error, "the site folder could not be made");
    }
    if path.symlink_metadata().is_ok() && !path.is_dir() {
        warn!(path = %path.display(), "this is where the site's folder belongs, but it is no folder: nothing is served");
    }
}

fn make(path: &Path) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    fs::create_dir(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_once_and_nothing_that_stands_there_is_touched() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("site");
        make(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0, "no placeholder");
        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        make(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let file = home.path().join("file");
        fs::write(&file, "mine").unwrap();
        make(&file).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"mine");
    }
}
