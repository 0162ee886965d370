//! Which program has a port, as far as this user may see it: the kernel's tables of sockets name an inode, and the program is the one that has
//! it open. Linux only; elsewhere nobody is named.

use std::fs;
use std::path::Path;

use crate::config::files::read_bounded;

/// Longest table that is read, in bytes.
const MAX_TABLE: u64 = 8 * 1024 * 1024;
/// Processes that are looked at.
const MAX_PROCESSES: usize = 4096;
/// Open files of one process that are looked at.
const MAX_FILES: usize = 4096;
/// Longest name of a program, in bytes.
const MAX_NAME: u64 = 256;
/// How the table of TCP sockets marks those that listen.
const LISTENS: &str = "0A";

/// Which kind of port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Tcp,
    Udp,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }

    fn tables(self) -> [&'static str; 2] {
        match self {
            Self::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
            Self::Udp => ["/proc/net/udp", "/proc/net/udp6"],
        }
    }
}

/// The program that listens at this port, as `name (process 12)`.
pub(super) fn holder(kind: Kind, port: u16) -> Option<String> {
    let tables = kind.tables().map(|table| read_bounded(Path::new(table), MAX_TABLE).unwrap_or_default());
    let sockets: Vec<String> = tables.iter().flat_map(|table| inodes(&String::from_utf8_lossy(table), kind, port)).collect();
    let links: Vec<String> = sockets.iter().map(|inode| format!("socket:[{inode}]")).collect();
    if links.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok).filter(|entry| is_number(entry.file_name().as_encoded_bytes()));
    let found = processes.take(MAX_PROCESSES).map(|entry| entry.path()).find(|process| has_open(process, &links))?;
    let name = read_bounded(&found.join("comm"), MAX_NAME).unwrap_or_default();
    let number = found.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Some(format!("{} (process {number})", String::from_utf8_lossy(&name).trim()))
}

fn is_number(name: &[u8]) -> bool {
    name.iter().all(u8::is_ascii_digit)
}

fn has_open(process: &Path, links: &[String]) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else { return false };
    let mut targets = files.filter_map(Result::ok).take(MAX_FILES).filter_map(|file| fs::read_link(file.path()).ok());
    targets.any(|target| links.iter().any(|link| target.as_os_str() == link.as_str()))
}

/// The inodes of the sockets at `port` in a table of `/proc/net`; of TCP those that listen.
fn inodes(table: &str, kind: Kind, port: u16) -> Vec<String> {
    let of_line = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (columns.get(1)?, columns.get(3)?, columns.get(9)?);
        let here = u16::from_str_radix(local.rsplit_once(':')?.1, 16) == Ok(port);
        (here && (kind == Kind::Udp || *state == LISTENS) && *inode != "0").then(|| (*inode).to_owned())
    };
    table.lines().skip(1).filter_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        0: 0100007F:2254 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n\
        1: 0100007F:2254 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1\n\
        2: 00000000:2253 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0\n";

    #[test]
    fn only_sockets_that_listen_at_the_port_have_it() {
        assert_eq!(inodes(TCP, Kind::Tcp, 8788), ["4711"]);
        assert_eq!(inodes(TCP, Kind::Udp, 8788), ["4711", "4712"]);
        assert!(inodes(TCP, Kind::Tcp, 22).is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_program_of_this_user_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let named = holder(Kind::Tcp, listener.local_addr().unwrap().port()).unwrap();
        assert!(named.ends_with(&format!("(process {})", std::process::id())), "{named}");
    }

    proptest! {
        #[test]
        fn no_table_makes_it_stumble(table in "\\PC*|([0-9A-F: ]{0,80}\n){0,9}", port: u16) {
            let _ = inodes(&table, Kind::Tcp, port);
        }
    }
}
