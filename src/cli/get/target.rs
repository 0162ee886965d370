//! Where a fetched file goes: never through a link or over a file that somebody else put beside it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file being written. A regular one appears under its name only when it is whole; devices and pipes are written as they are.
pub(super) struct Target {
    out: File,
    part: Option<PathBuf>,
    place: PathBuf,
}

impl Target {
    /// Opens `file` for writing; a link stays, and what it points to is written.
    pub(super) fn open(file: &Path) -> io::Result<Self> {
        match fs::metadata(file) {
            Ok(found) if found.is_file() => Self::beside(fs::canonicalize(file)?),
            Ok(_) => Ok(Self { out: OpenOptions::new().write(true).open(file)?, part: None, place: file.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::beside(pointed_to(file)),
            Err(error) => Err(error),
        }
    }

    /// A new file with a name that nobody can guess, in the same folder, so that it can be renamed.
    fn beside(place: PathBuf) -> io::Result<Self> {
        let part = place.with_file_name(format!(".goop-{:016x}.part", rand::random::<u64>()));
        let out = OpenOptions::new().write(true).create_new(true).open(&part)?;
        Ok(Self { out, part: Some(part), place })
    }

    /// The file is whole: gives it its name.
    pub(super) fn keep(mut self) -> io::Result<()> {
        self.out.flush()?;
        if let Some(part) = &self.part {
            fs::rename(part, &self.place)?;
        }
        self.part = None;
        Ok(())
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(part) = &self.part {
            let _ = fs::remove_file(part);
        }
    }
}

/// What a link that leads nowhere yet points to; any other path is its own.
fn pointed_to(file: &Path) -> PathBuf {
    match fs::read_link(file) {
        Ok(to) => file.parent().map_or(to.clone(), |folder| folder.join(&to)),
        Err(_) => file.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt, symlink};

    use super::*;

    fn save(file: &Path) {
        let mut target = Target::open(file).unwrap();
        target.write_all(b"new").unwrap();
        target.keep().unwrap();
    }

    #[test]
    fn what_lies_at_the_old_name_of_the_part_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name| dir.path().join(name);
        fs::write(at("victim"), "precious").unwrap();
        symlink("victim", at("out.part")).unwrap();
        save(&at("out"));
        assert_eq!(fs::read_to_string(at("victim")).unwrap(), "precious");
        assert_eq!(fs::read_to_string(at("out")).unwrap(), "new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "nothing else is left behind");
    }

    #[test]
    fn a_link_stays_and_its_target_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name| dir.path().join(name);
        fs::write(at("old"), "old").unwrap();
        for (name, to) in [("link", "old"), ("dangling", "fresh")] {
            symlink(to, at(name)).unwrap();
            save(&at(name));
            assert!(at(name).is_symlink());
            assert_eq!(fs::read_to_string(at(to)).unwrap(), "new");
        }
    }

    #[test]
    fn a_device_stays_a_device() {
        save(Path::new("/dev/null"));
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }

    #[test]
    fn a_file_that_was_cut_off_leaves_nothing_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "old").unwrap();
        let mut target = Target::open(&file).unwrap();
        target.write_all(b"half").unwrap();
        drop(target);
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
