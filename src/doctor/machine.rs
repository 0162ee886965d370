//! What goop needs of this machine: a folder it may write, room on the disk, files it may open, and a name that leads to itself.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};
use rustix::process::{Resource, getrlimit};
use tokio::net::lookup_host;
use tokio::task::spawn_blocking;

use super::{Finding, Look, Patient};
use crate::config::files::read_bounded;
use crate::proto::shell::quoted;

/// Files and sockets that a server under attack may need to have open: the streams and connections that are let in, and the rest.
pub const ENOUGH_FILES: u64 = 4096;
/// Bytes that have to be free: less, and messages and files of others are refused.
const NO_ROOM: u64 = 64 * 1024 * 1024;
/// Bytes that should be free.
const LITTLE_ROOM: u64 = 1024 * 1024 * 1024;
/// Longest `/proc/<pid>/limits` that is read, in bytes.
const MAX_LIMITS: u64 = 64 * 1024;

const FOLDER: &str = "folder";
const DISK: &str = "disk";
const FILES: &str = "open-files";
const LOCALHOST: &str = "localhost";

/// Looks at this machine.
pub(super) async fn examine(patient: Patient) -> Vec<Finding> {
    let (root, config) = (patient.loaded.data.root.clone(), &patient.loaded.config);
    let warnings = patient.loaded.warnings.iter();
    let mut found: Vec<Finding> =
        warnings.map(|warning| Finding::of("config", "The configuration", Look::Warn, "careful").said(warning.to_string())).collect();
    let has_sites = patient.has_peer() && config.viewer.http_addr.get().is_some();
    let on_disk = spawn_blocking(move || [Some(folder(&root)), disk(&root)].into_iter().flatten().collect::<Vec<_>>());
    found.extend(on_disk.await.unwrap_or_default());
    if patient.is_server() {
        found.extend(open_files(allowed(patient.running.as_ref().map(|running| running.pid))));
    }
    if has_sites {
        let resolved = lookup_host(("goop-doctor.localhost", 80)).await;
        found.push(localhost(resolved.map(|all| all.map(|addr| addr.ip()).collect()).ok()));
    }
    found
}

/// Whether the folder can be written, or made.
fn folder(root: &Path) -> Finding {
    let place = nearest(root);
    let access = access(&place, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK);
    of_folder(root, &place, access)
}

fn of_folder(root: &Path, place: &Path, access: rustix::io::Result<()>) -> Finding {
    let what = format!("The data folder {}", root.display());
    match access {
        Ok(()) if place == root => Finding::of(FOLDER, what, Look::Good, "writable"),
        Ok(()) => Finding::of(FOLDER, what, Look::Good, "not made yet").said("It is made when goop starts."),
        Err(error) => Finding::of(FOLDER, what, Look::Bad, "not writable")
            .said(format!("{}: {error}.", place.display()))
            .todo("Give the folder to the user that runs goop, or name another one with --data.")
            .copy(format!("sudo chown -R \"$USER\" {}", quoted(&place.display().to_string()))),
    }
}

/// Whether there is room where the folder lies, or will lie.
fn disk(root: &Path) -> Option<Finding> {
    let stat = statvfs(nearest(root)).ok()?;
    Some(room(stat.f_bavail.saturating_mul(stat.f_frsize), root))
}

fn room(free: u64, root: &Path) -> Finding {
    let what = "The disk of the data folder";
    let told = format!("{} MB are free.", free / 1_000_000);
    match free {
        0..NO_ROOM => Finding::of(DISK, what, Look::Bad, "full").said(told).todo("Make room: what others send is refused until then."),
        NO_ROOM..LITTLE_ROOM => Finding::of(DISK, what, Look::Warn, "little room").said(told).todo("Make room before it is full."),
        _ => return Finding::of(DISK, what, Look::Good, "room").said(format!("{} GB are free.", free / 1_000_000_000)),
    }
    .copy(format!("df -h {}", quoted(&root.display().to_string())))
}

/// The folder itself, or the nearest one above it that is there.
fn nearest(root: &Path) -> PathBuf {
    root.ancestors().find(|folder| folder.exists()).unwrap_or(root).to_owned()
}

/// How many files that process, or one that is started now, may have open. goop raises its limit to the hard one when it starts.
fn allowed(pid: Option<u32>) -> Option<u64> {
    let limits = pid.and_then(|pid| read_bounded(Path::new(&format!("/proc/{pid}/limits")), MAX_LIMITS).ok());
    match limits {
        Some(text) => in_limits(&String::from_utf8_lossy(&text)),
        None => getrlimit(Resource::Nofile).maximum,
    }
}

/// The soft limit in the text of `/proc/<pid>/limits`; none where it is unlimited.
fn in_limits(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok())
}

fn open_files(allowed: Option<u64>) -> Option<Finding> {
    let (what, allowed) = ("Open files (ulimit -n)", allowed?);
    if allowed >= ENOUGH_FILES {
        return Some(Finding::of(FILES, what, Look::Good, "enough").said(format!("This server may have {allowed} open.")));
    }
    let finding = Finding::of(FILES, what, Look::Bad, "few")
        .said(format!("This server may have {allowed} open: with that many connections it refuses further ones."))
        .todo("Under systemd, in the unit; in a shell, before goop is started:");
    Some(finding.copy("LimitNOFILE=65536").copy("ulimit -n 65536"))
}

/// Whether names below `localhost` lead to this machine (RFC 6761, 6.3): each peer's site has one.
fn localhost(resolved: Option<Vec<IpAddr>>) -> Finding {
    let what = "Names below localhost";
    match resolved {
        Some(all) if !all.is_empty() && all.iter().all(IpAddr::is_loopback) => {
            Finding::of(LOCALHOST, what, Look::Good, "work").said("Every site opens at an address of its own.")
        }
        Some(all) if !all.is_empty() => Finding::of(LOCALHOST, what, Look::Bad, "lead elsewhere")
            .said(format!("Your name server says that they are {}: sites would open somewhere else.", all[0]))
            .todo("Use another name server, or one on this machine that knows better.")
            .copy("resolvectl query goop.localhost"),
        _ => Finding::of(LOCALHOST, what, Look::Warn, "not known")
            .said("This system does not know them. Chrome, Edge and Firefox do without; in other browsers sites open in a closed frame.")
            .todo("Let the system know them:")
            .copy("sudo apt install libnss-myhostname"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_written_is_told_with_what_to_type() {
        let found = of_folder(Path::new("/data/goop"), Path::new("/data"), Err(rustix::io::Errno::ROFS));
        assert!(found.look == Look::Bad && found.said.contains("Read-only") && found.copy[0].ends_with("'/data'"), "{found:?}");
        let folder_of_mine = tempfile::TempDir::new().unwrap();
        assert_eq!(folder(folder_of_mine.path()).word, "writable");
        assert_eq!(folder(&folder_of_mine.path().join("a/b")).word, "not made yet");
    }

    #[test]
    fn a_disk_is_full_before_nothing_is_left() {
        let looks = [0, NO_ROOM - 1, NO_ROOM, LITTLE_ROOM].map(|free| room(free, Path::new("/data")).look);
        assert_eq!(looks, [Look::Bad, Look::Bad, Look::Warn, Look::Good]);
    }

    #[test]
    fn few_open_files_are_told_with_what_to_type() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max processes             1                    2                    processes \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(in_limits(limits), Some(1024));
        assert_eq!(in_limits("Max open files            unlimited            unlimited            files"), None);
        let few = open_files(Some(1024)).unwrap();
        assert!(few.look == Look::Bad && few.said.contains("1024") && few.copy.len() == 2);
        assert_eq!(open_files(Some(ENOUGH_FILES)).unwrap().look, Look::Good);
        assert!(open_files(None).is_none(), "unlimited");
    }

    #[test]
    fn names_below_localhost_must_lead_here_and_nowhere_else() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(localhost(Some(vec![ip("127.0.0.1"), ip("::1")])).look, Look::Good);
        assert_eq!(localhost(Some(vec![ip("127.0.0.1"), ip("203.0.113.1")])).look, Look::Bad);
        assert!([None, Some(vec![])].into_iter().all(|resolved| localhost(resolved).look == Look::Warn));
    }
}
