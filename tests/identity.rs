//! The identity is made once and never lost (THREATS 51, 52): whatever happens to the key file, there is never a new peer id by itself.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use goop::config::{Config, Sources};
use goop::identity::{Identity, IdentityError, peer_id_from_text};
use tempfile::TempDir;

/// A data folder with an identity, and its peer id.
struct Home {
    dir: TempDir,
    id: String,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let id = load(dir.path()).unwrap();
        Self { dir, id }
    }

    fn key(&self) -> PathBuf {
        self.dir.path().join("identity.key")
    }

    fn memory(&self) -> PathBuf {
        self.dir.path().join("peer_id")
    }

    /// The start must fail, change nothing, name the file and say the way out; the error is returned.
    fn must_stop(&self) -> String {
        let before = snapshot(self.dir.path());
        let error = load(self.dir.path()).expect_err("a start with a damaged key");
        assert_eq!(snapshot(self.dir.path()), before, "{error}");
        let told = error.to_string();
        assert!(told.contains(self.dir.path().to_str().unwrap()), "{told}");
        assert!(["backup", "readable", "right key", "remove"].iter().any(|way_out| told.contains(way_out)), "{told}");
        told
    }
}

fn load(dir: &Path) -> Result<String, IdentityError> {
    let identity = Identity::load_or_create(&dir.join("identity.key"), &dir.join("peer_id"))?;
    Ok(identity.peer_id().to_base58())
}

/// Every name in a folder, and the bytes of every file.
fn snapshot(dir: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).map(|path| (path.clone(), fs::read(path).ok())).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn goop(dir: &Path, env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goop"));
    command.env_clear().envs(env.iter().copied()).args(["id", "--data"]).arg(dir).output().unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap().trim().to_owned()
}

#[test]
fn the_first_start_makes_a_key_for_its_owner_alone_and_later_ones_keep_it() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("new/data");
    let first = text(goop(&dir, &[]).stdout);
    assert!(peer_id_from_text(&first).is_ok(), "{first}");
    assert_eq!(text(goop(&dir, &[]).stdout), first);
    assert_eq!((mode(&dir), mode(&dir.join("identity.key")), mode(&dir.join("peer_id"))), (0o700, 0o600, 0o600));
    assert_eq!(fs::metadata(dir.join("identity.key")).unwrap().len(), 68, "goop2 can read it");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 2, "nothing else stays behind");
}

#[test]
fn first_starts_at_the_same_moment_make_one_identity() {
    for _ in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let starts: Vec<_> = std::iter::repeat_with(|| {
            let path = dir.path().to_owned();
            std::thread::spawn(move || text(goop(&path, &[]).stdout))
        })
        .take(6)
        .collect();
        let ids: std::collections::BTreeSet<String> = starts.into_iter().map(|start| start.join().unwrap()).collect();
        assert!(ids.len() == 1 && !ids.contains(""), "{ids:?}");
    }
}

#[test]
fn a_key_cut_at_any_length_stops_the_start() {
    let home = Home::new();
    let whole = fs::read(home.key()).unwrap();
    for length in 0..whole.len() {
        fs::write(home.key(), &whole[..length]).unwrap();
        home.must_stop();
    }
    fs::write(home.key(), &whole).unwrap();
    assert_eq!(load(home.dir.path()).unwrap(), home.id, "and a backup brings the peer back");
}

#[test]
fn a_key_with_any_bit_flipped_stops_the_start_even_if_nothing_is_remembered() {
    let home = Home::new();
    fs::remove_file(home.memory()).unwrap();
    let whole = fs::read(home.key()).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(home.key(), &flipped).unwrap();
        home.must_stop();
    }
}

#[test]
fn whatever_stands_in_the_place_of_a_key_stops_the_start() {
    let home = Home::new();
    let whole = fs::read(home.key()).unwrap();
    fs::write(home.key(), [0; 100_000]).unwrap();
    assert!(home.must_stop().contains("longer than"));
    fs::remove_file(home.key()).unwrap();
    fs::create_dir(home.key()).unwrap();
    assert!(home.must_stop().contains("not a regular file"));
    fs::remove_dir(home.key()).unwrap();
    symlink(home.dir.path().join("unplugged/identity.key"), home.key()).unwrap();
    assert!(home.must_stop().contains("cannot be read"), "a link to a disk that is not there");
    fs::remove_file(home.memory()).unwrap();
    home.must_stop();
    fs::remove_file(home.key()).unwrap();
    fs::write(home.dir.path().join("elsewhere"), whole).unwrap();
    symlink(home.dir.path().join("elsewhere"), home.key()).unwrap();
    assert_eq!(load(home.dir.path()).unwrap(), home.id, "a link to a key is a key");
}

#[test]
fn a_key_that_may_not_be_read_stops_the_start() {
    let home = Home::new();
    fs::set_permissions(home.key(), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(home.key()).is_ok() {
        eprintln!("skipped: this user may read everything");
        return;
    }
    let error = load(home.dir.path()).unwrap_err().to_string();
    assert!(error.contains("Make it readable for this user"), "{error}");
}

#[test]
fn a_key_that_vanished_is_not_replaced_by_a_new_one() {
    let home = Home::new();
    fs::remove_file(home.key()).unwrap();
    let told = home.must_stop();
    assert!(told.contains("is gone") && told.contains(&home.id), "{told}");
    for damage in ["", "garbage\n\u{1b}[2J"] {
        fs::write(home.memory(), damage).unwrap();
        assert!(!home.must_stop().chars().any(char::is_control), "even a damaged memory proves that there was a key");
    }
    fs::remove_file(home.memory()).unwrap();
    assert_ne!(load(home.dir.path()).unwrap(), home.id, "the way out that the message names starts a new peer");
}

#[test]
fn another_peers_key_in_this_folder_stops_the_start() {
    let (home, other) = (Home::new(), Home::new());
    fs::copy(other.key(), home.key()).unwrap();
    let told = home.must_stop();
    assert!(told.contains(&home.id) && told.contains(&other.id), "{told}");
    fs::remove_file(home.memory()).unwrap();
    assert_eq!(load(home.dir.path()).unwrap(), other.id, "the way out that the message names");
}

#[test]
fn a_goop2_folder_keeps_its_key_to_the_byte() {
    let (home, folder) = (Home::new(), tempfile::tempdir().unwrap());
    let key = folder.path().join("data/identity.key");
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::copy(home.key(), &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(folder.path().join("goop.json"), "{}").unwrap();
    let before = (fs::read(&key).unwrap(), mode(&key), snapshot(folder.path()));
    let output = goop(folder.path(), &[]);
    assert_eq!(text(output.stdout), home.id);
    assert!(text(output.stderr).contains("can be read by others: chmod 600"), "THREATS 34: told, and left as it is");
    fs::remove_file(folder.path().join(".goop/peer_id")).unwrap();
    fs::remove_dir(folder.path().join(".goop")).unwrap();
    assert_eq!((fs::read(&key).unwrap(), mode(&key), snapshot(folder.path())), before);
}

#[test]
fn the_environment_can_give_the_key_where_no_disk_lasts() {
    let home = Home::new();
    let bytes = fs::read(home.key()).unwrap();
    let base64 = encode_base64(&bytes);
    let nowhere = home.dir.path().join("never-made");
    let id = |env: &[(&str, &str)]| text(goop(&nowhere, env).stdout);
    assert_eq!(id(&[("GOOP_IDENTITY_KEY", &base64)]), home.id);
    assert_eq!(id(&[("GOOP_IDENTITY_KEY_FILE", home.key().to_str().unwrap())]), home.id, "the bytes themselves");
    let written = home.dir.path().join("key.txt");
    fs::write(&written, format!("{base64}\n")).unwrap();
    assert_eq!(id(&[("GOOP_IDENTITY_KEY_FILE", written.to_str().unwrap())]), home.id, "base64");
    let other = Home::new();
    let wins = goop(other.dir.path(), &[("GOOP_IDENTITY_KEY", &base64)]);
    assert_eq!(text(wins.stdout), home.id, "the environment wins over the folder");
    assert_eq!(load(other.dir.path()).unwrap(), other.id, "and leaves it as it was");
    for wrong in [("GOOP_IDENTITY_KEY", "AAAA"), ("GOOP_IDENTITY_KEY", "%"), ("GOOP_IDENTITY_KEY_FILE", "/nowhere/key")] {
        let output = goop(&nowhere, &[wrong]);
        assert!(!output.status.success() && output.stdout.is_empty() && !nowhere.exists(), "{wrong:?}");
    }
}

fn encode_base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| {
        let number = (0..3).fold(0_u32, |number, at| number << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        let digit = |place: usize| if place > chunk.len() { '=' } else { DIGITS[(number >> (18 - 6 * place) & 63) as usize].into() };
        (0..4).map(digit).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

/// `RLIMIT_FSIZE` 0 makes every write to a file fail, as a full disk does.
fn goop_that_cannot_write(dir: &Path) -> Output {
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" id --data \"$1\"";
    Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_goop")]).arg(dir).output().unwrap()
}

#[test]
fn a_disk_that_takes_nothing_leaves_no_half_key_and_changes_no_whole_one() {
    let empty = tempfile::tempdir().unwrap();
    let output = goop_that_cannot_write(empty.path());
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert!(text(output.stderr).contains("could not be written"));
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0, "not even a temporary file");
    let home = Home::new();
    assert_eq!(text(goop_that_cannot_write(home.dir.path()).stdout), home.id, "what is there needs no writing");
    fs::remove_file(home.memory()).unwrap();
    let before = snapshot(home.dir.path());
    assert!(!goop_that_cannot_write(home.dir.path()).status.success());
    assert_eq!(snapshot(home.dir.path()), before);
    assert_eq!(load(home.dir.path()).unwrap(), home.id);
}

/// In a mount namespace of its own: a file system that runs out of space at the first, second, … file that is made.
#[test]
fn a_disk_that_fills_up_at_any_write_never_costs_an_identity() {
    let dir = tempfile::tempdir().unwrap();
    let script = r#"
        for files in 1 2 3 4 5 6 7; do
            mount -t tmpfs -o nr_inodes=$files,mode=0700 goop-test "$1" || exit 77
            first=$("$0" id --data "$1/data" 2>"$2")
            kept=$(cat "$1/data/identity.key" 2>"$2" | cksum)
            mount -o remount,nr_inodes=100 "$1" || exit 77
            had_key=$(test -e "$1/data/identity.key" && echo yes)
            second=$("$0" id --data "$1/data") || exit 1
            now=$(cksum < "$1/data/identity.key")
            third=$("$0" id --data "$1/data") || exit 2
            test -z "$first" || test "$first" = "$second" || exit 3
            test -z "$had_key" || test "$kept" = "$now" || exit 4
            test "$second" = "$third" || exit 5
            echo "$files ${first:+whole} ${had_key:-no}"
            umount "$1"
        done"#;
    let errors = dir.path().join("errors");
    let disk = dir.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let run = Command::new("unshare").args(["-m", "sh", "-c", script, env!("CARGO_BIN_EXE_goop")]).args([&disk, &errors]).output();
    match run {
        Ok(output) if output.status.success() => {
            let told = text(output.stdout);
            assert!(told.contains(" no") && told.contains("whole"), "some runs must fail early and some succeed:\n{told}");
        }
        Ok(output) if output.status.code() != Some(77) && !text(output.stderr.clone()).starts_with("unshare:") => {
            panic!("{:?}\n{}{}", output.status, text(output.stdout), text(output.stderr));
        }
        _ => eprintln!("skipped: this user may not mount"),
    }
}

#[test]
fn a_key_that_others_can_read_is_warned_about() {
    let home = Home::new();
    let loaded = Config::load(&Sources { data: Some(home.dir.path().to_owned()), ..Sources::default() }).unwrap();
    assert!(Identity::of(&loaded).unwrap().1.is_empty());
    fs::set_permissions(home.key(), fs::Permissions::from_mode(0o640)).unwrap();
    let (identity, warnings) = Identity::of(&loaded).unwrap();
    assert_eq!(identity.peer_id().to_base58(), home.id);
    assert!(warnings[0].to_string().contains("chmod 600"), "{warnings:?}");
}

#[test]
fn the_private_key_is_never_shown() {
    let home = Home::new();
    let loaded = Config::load(&Sources { data: Some(home.dir.path().to_owned()), ..Sources::default() }).unwrap();
    let (identity, _) = Identity::of(&loaded).unwrap();
    let seed = format!("{:?}", &fs::read(home.key()).unwrap()[4..12]);
    let shown = format!("{identity:?}");
    assert!(!shown.contains(seed.trim_matches(['[', ']'])), "{shown}");
    let given = Sources { env: BTreeMap::from([("GOOP_IDENTITY_KEY".to_owned(), "canary".to_owned())]), ..Sources::default() };
    let given = Sources { default_data: home.dir.path().to_owned(), ..given };
    assert!(!format!("{:?}", Config::load(&given).unwrap()).contains("canary"));
}
