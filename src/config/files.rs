//! Files of ours on disk: readable by their owner alone, and never half written, whatever happens in between (THREATS 34, 51).

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Mode of the files we write.
pub(super) const PRIVATE_FILE: u32 = 0o600;
/// How the name of a file ends that is not whole yet; each has one of its own, so that two writers never write into the same.
const TEMPORARY: &str = ".tmp";
/// Mode of the folders we make.
const PRIVATE_DIR: u32 = 0o700;

/// Replace the file at `path`, or make it, with mode 0600: after a crash it holds all of the old or all of the new bytes.
/// A link at `path` is followed, so that a file kept elsewhere stays where it is kept; one that leads nowhere is refused.
pub fn write_private_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = replaced(path)?;
    let temporary = write_temporary(&target, bytes)?;
    fs::rename(&temporary, &target).inspect_err(|_| discard(&temporary))?;
    sync_parent(&target)
}

/// Whether the file at `path` could be replaced by one of `length` bytes now: writes as much beside it, and removes that again.
pub fn rehearse_write(path: &Path, length: usize) -> io::Result<()> {
    discard(&write_temporary(&replaced(path)?, &vec![0; length])?);
    Ok(())
}

/// The file that is meant by `path`, behind all links; it need not be there, but what a link names must be: who put a link where nothing is
/// yet, such as a volume that is not mounted, does not want a file in its place.
pub(super) fn replaced(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => Ok(path.to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(io::Error::new(ErrorKind::NotFound, "this is a link to a file that is not there, and was left as it is"))
        }
        other => other,
    }
}

/// The hidden file beside `target` that is named after it, ending in `.what`.
pub(super) fn beside(target: &Path, what: &str) -> io::Result<PathBuf> {
    let name = target.file_name().ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "this path names no file"))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".");
    hidden.push(what);
    Ok(target.with_file_name(hidden))
}

/// Remove what writers of `target` left behind that were killed, secrets and all. Only for whoever keeps all other writers away.
pub(super) fn sweep_temporaries(target: &Path) {
    let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else { return };
    let begins = format!(".{}.", name.to_string_lossy());
    let is_ours = |found: &str| found.strip_prefix(&begins).is_some_and(|rest| rest.ends_with(TEMPORARY));
    for found in fs::read_dir(parent).into_iter().flatten().flatten() {
        if found.file_name().to_str().is_some_and(is_ours) {
            discard(&found.path());
        }
    }
}

/// Make the file at `path` with mode 0600; fails with [`ErrorKind::AlreadyExists`] if anything is there, and never replaces it.
pub fn create_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = write_temporary(path, bytes)?;
    let linked = fs::hard_link(&temporary, path);
    discard(&temporary);
    match linked {
        Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) => create_in_place(path, bytes)?,
        other => other?,
    }
    sync_parent(path)
}

/// Make a folder and those above it, each with mode 0700; one that is there is left as it is.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(PRIVATE_DIR).create(path)
}

/// Whether anyone but its owner may read or write the file or folder at `path`; `false` if there is none.
pub fn is_exposed(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}

/// The bytes of a file of at most `limit` bytes; anything but a regular file is refused, so that a pipe cannot hang the start.
pub fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "this is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("longer than the {limit} bytes allowed")));
    }
    Ok(bytes)
}

/// File systems without hard links (FAT): `O_EXCL` alone still never replaces anything.
fn create_in_place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let written = OpenOptions::new().write(true).create_new(true).mode(PRIVATE_FILE).open(path)?;
    fill(written, bytes).inspect_err(|_| discard(path))
}

fn write_temporary(target: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let temporary = beside(target, &format!("{}.{:016x}{TEMPORARY}", std::process::id(), rand::random::<u64>()))?;
    let file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE_FILE).open(&temporary)?;
    fill(file, bytes).inspect_err(|_| discard(&temporary))?;
    Ok(temporary)
}

fn fill(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.set_permissions(fs::Permissions::from_mode(PRIVATE_FILE))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A rename or link lasts only once its folder is on the disk.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// A temporary file that stays behind does no harm.
fn discard(temporary: &Path) {
    let _ = fs::remove_file(temporary);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_we_write_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/b");
        create_private_dir(&inner).unwrap();
        assert_eq!((mode(&inner), mode(&dir.path().join("a"))), (0o700, 0o700));
        let file = inner.join("f");
        write_private_atomically(&file, b"one").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(is_exposed(&file));
        write_private_atomically(&file, b"two").unwrap();
        assert_eq!((fs::read(&file).unwrap().as_slice(), mode(&file)), (b"two".as_slice(), 0o600));
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 1, "no temporary file stays behind");
    }

    #[test]
    fn creating_never_replaces_what_is_there_not_even_a_dangling_link() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        create_private(&file, b"first").unwrap();
        assert_eq!(create_private(&file, b"second").unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&file).unwrap(), b"first");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path().join("nowhere"), &link).unwrap();
        assert_eq!(create_private(&link, b"x").unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(create_in_place(&file, b"third").unwrap_err().kind(), ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_link_stays_a_link_when_its_file_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::write(&real, b"old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write_private_atomically(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"new");
    }

    #[test]
    fn a_link_to_nowhere_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (gone, link) = (dir.path().join("gone"), dir.path().join("link"));
        std::os::unix::fs::symlink(&gone, &link).unwrap();
        let why = write_private_atomically(&link, b"new").unwrap_err();
        assert!(why.to_string().contains("a link to a file that is not there"), "{why}");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && !gone.exists());
    }

    #[test]
    fn attack_two_writers_of_one_file_never_write_into_one_another() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        let whole: Vec<Vec<u8>> = (0..4).map(|writer| vec![b'a' + writer; 64 * 1024]).collect();
        std::thread::scope(|scope| {
            let write = |bytes: &Vec<u8>| (0..50).all(|_| write_private_atomically(&file, bytes).is_ok());
            let writers: Vec<_> = whole.iter().map(|bytes| scope.spawn(move || write(bytes))).collect();
            while writers.iter().any(|writer| !writer.is_finished()) {
                assert!(fs::read(&file).map_or(true, |found| whole.contains(&found)), "never anything in between");
            }
            assert!(writers.into_iter().all(|writer| writer.join().unwrap()), "nobody takes another's file away");
        });
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_rehearsal_leaves_nothing_behind_and_fails_where_the_write_would() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        fs::write(&file, b"old").unwrap();
        rehearse_write(&file, 100_000).unwrap();
        assert_eq!((fs::read(&file).unwrap().as_slice(), fs::read_dir(dir.path()).unwrap().count()), (b"old".as_slice(), 1));
        assert!(rehearse_write(&dir.path().join("no/folder"), 1).is_err());
    }

    #[test]
    fn long_files_and_folders_are_refused_unread() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        fs::write(&file, [0; 11]).unwrap();
        assert_eq!(read_bounded(&file, 10).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(read_bounded(&file, 11).unwrap().len(), 11);
        assert_eq!(read_bounded(dir.path(), 10).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
