//! Whether a file lies where several computers can write it.

use std::path::Path;

use rustix::fs::statfs;

/// Network file systems, by the number that Linux gives them (statfs(2)).
const NETWORK: [(u64, &str); 9] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xfe53_4d42, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0x0102_1997, "9P"),
    (0x5346_414f, "AFS"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (0x7461_636f, "OCFS2"),
];

/// A file system that a program plays: a local disk, or sshfs, or a folder of the machine around a virtual one. It cannot be told which.
const FUSE: u64 = 0x6573_5546;

/// Whether the file system of `path` is played by a program, which several processes cannot trust to share memory through it.
pub(super) fn is_played(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| found.f_type as u64 & 0xffff_ffff == FUSE)
}

/// The network file system that `path` is on, where that can be seen.
pub(super) fn network(path: &Path) -> Option<&'static str> {
    let found = statfs(path).ok()?.f_type;
    named(found as u64)
}

fn named(found: u64) -> Option<&'static str> {
    // The kernel's number is signed on some machines, so only its lower half counts.
    NETWORK.iter().find(|(number, _)| *number == found & 0xffff_ffff).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_file_system_is_told_from_a_local_one() {
        assert_eq!(named(0x6969), Some("NFS"));
        assert_eq!(named(0xffff_ffff_ff53_4d42), Some("CIFS"), "sign-extended");
        assert_eq!(named(0xef53), None, "ext4");
        assert_eq!((network(Path::new("/")), is_played(Path::new("/"))), (None, false));
    }
}
