//! A disk so small that a test can fill it.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A file system in memory, of a fixed size; unmounted when dropped. Needs root.
pub(crate) struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// `size` as mount takes it: `64k`, `1m`.
    pub(crate) fn new(size: &str) -> Self {
        let folder = TempDir::new().expect("make a folder");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(folder.path()).status();
        assert!(mount.is_ok_and(|status| status.success()), "a small file system can be mounted");
        Self { folder }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Write until nothing more fits.
    pub(crate) fn fill(&self) {
        let mut filler = std::fs::File::create(self.path().join("filler")).expect("make a file");
        while filler.write_all(&[0; 512]).is_ok() {}
    }

    /// Give it another size.
    pub(crate) fn grow(&self, size: &str) {
        let mount = Command::new("mount").args(["-o", &format!("remount,size={size}")]).arg(self.path()).status();
        assert!(mount.is_ok_and(|status| status.success()), "it can be mounted anew");
    }

    /// Make room again.
    pub(crate) fn clear(&self) {
        std::fs::remove_file(self.path().join("filler")).expect("remove the file");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
    }
}
