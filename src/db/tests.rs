use super::*;

const FIRST: &str = "CREATE TABLE things (name TEXT) STRICT;";
const SECOND: &str = "ALTER TABLE things ADD COLUMN size INTEGER;";

fn add(db: &Db, name: &str) -> Result<usize, DbError> {
    db.write(|change| change.execute("INSERT INTO things (name) VALUES (?1)", [name]))
}

fn count(db: &Db) -> i64 {
    db.read(|look| look.query_row("SELECT count(*) FROM things", [], |row| row.get(0))).unwrap()
}

#[test]
fn what_was_written_is_there_after_a_restart_and_the_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("goop.db");
    add(&Db::open(&path, &[FIRST]).unwrap(), "one").unwrap();
    let again = Db::open(&path, &[FIRST, SECOND]).unwrap();
    assert_eq!(count(&again), 1);
    again.read(|look| look.query_row("SELECT count(size) FROM things", [], |row| row.get::<_, i64>(0))).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_change_happens_as_a_whole_or_not_at_all() {
    let db = Db::in_memory(&[FIRST]).unwrap();
    let broken = db.write(|change| {
        change.execute("INSERT INTO things (name) VALUES ('half')", [])?;
        change.execute("INSERT INTO nowhere VALUES (1)", [])
    });
    assert!(broken.is_err());
    assert_eq!(count(&db), 0);
}

#[test]
fn a_file_of_a_newer_goop_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("goop.db");
    Db::open(&path, &[FIRST, SECOND]).unwrap();
    assert!(matches!(Db::open(&path, &[FIRST]), Err(DbError::Newer { found: 2, known: 1, .. })));
}

#[test]
fn a_damaged_file_is_told_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("goop.db");
    let garbage = b"this was never a database, and it is long enough to be looked at as one".repeat(100);
    std::fs::write(&path, &garbage).unwrap();
    assert!(matches!(Db::open(&path, &[FIRST]), Err(DbError::Damaged { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), garbage);
}

#[test]
fn after_an_unclean_stop_the_file_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let (path, stopped) = (folder.path().join("goop.db"), folder.path().join("stopped.db"));
    let db = Db::open(&path, &[FIRST]).unwrap();
    (0..2000).for_each(|n| drop(db.write(|change| change.execute("INSERT INTO things VALUES (?1)", [format!("{n} {}", "x".repeat(200))]))));
    db.read(|look| look.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")).unwrap();
    add(&db, "last").unwrap();
    std::fs::copy(wal(&path), wal(&stopped)).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let page = bytes.len() / 2 / 4096 * 4096;
    bytes[page..page + 4096].fill(0xff);
    std::fs::write(&stopped, bytes).unwrap();
    assert!(matches!(Db::open(&stopped, &[FIRST]), Err(DbError::Damaged { .. })));
    std::fs::copy(&path, &stopped).unwrap();
    std::fs::copy(wal(&path), wal(&stopped)).unwrap();
    assert_eq!(count(&Db::open(&stopped, &[FIRST]).unwrap()), 2001, "what was acknowledged is there after a power cut");
}

#[test]
fn once_damage_is_seen_nothing_is_acknowledged_any_more() {
    use std::os::unix::fs::FileExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("goop.db");
    let db = Db::open(&path, &[FIRST]).unwrap();
    (0..200).for_each(|n| drop(add(&db, &format!("{n} {}", "x".repeat(1000)))));
    db.read(|look| look.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA shrink_memory")).unwrap();
    let other = Db::open(&path, &[FIRST]).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&vec![0x5a; 4096 * 20], 4096 * 5).unwrap();
    let damaged = other.read(|look| look.query_row("SELECT sum(length(name)) FROM things", [], |row| row.get::<_, i64>(0)));
    assert!(matches!(damaged, Err(DbError::Damaged { .. })), "{damaged:?}");
    assert!(matches!(add(&other, "lost"), Err(DbError::Damaged { .. })));
    assert!(matches!(other.read(|_| Ok(())), Err(DbError::Damaged { .. })));
}

#[test]
fn a_full_disk_fails_the_change_and_not_what_is_read() {
    let db = Db::in_memory(&[FIRST]).unwrap();
    add(&db, "one").unwrap();
    db.read(|look| look.pragma_update(None, "max_page_count", 3)).unwrap();
    let full = (0..100).find_map(|_| add(&db, &"x".repeat(4096)).err());
    assert!(matches!(full, Some(DbError::Full { .. })), "{full:?}");
    assert!(count(&db) >= 1);
}

#[test]
fn another_process_s_change_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("goop.db");
    let (one, other) = (Db::open(&path, &[FIRST]).unwrap(), Db::open(&path, &[FIRST]).unwrap());
    let before = one.version_of_others().unwrap();
    add(&one, "mine").unwrap();
    assert_eq!(one.version_of_others().unwrap(), before);
    add(&other, "theirs").unwrap();
    assert_ne!(one.version_of_others().unwrap(), before);
    assert_eq!(count(&one), 2);
}

#[test]
fn rooms_that_share_a_file_count_their_own_migrations() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("goop.db");
    let one = Db::open(&path, &[FIRST]).unwrap();
    let room = |migrations: &[&str]| Db::open_room(&path, "attic", migrations);
    let other = room(&["CREATE TABLE boxes (name TEXT) STRICT;"]).unwrap();
    other.write(|change| change.execute("INSERT INTO boxes VALUES ('old')", [])).unwrap();
    let both = ["CREATE TABLE boxes (name TEXT) STRICT;", "ALTER TABLE boxes ADD COLUMN weight INTEGER;"];
    let again = room(&both).unwrap();
    again.read(|look| look.query_row("SELECT count(weight) FROM boxes", [], |row| row.get::<_, i64>(0))).unwrap();
    assert!(matches!(room(&both[..1]), Err(DbError::Newer { found: 2, known: 1, .. })));
    add(&one, "still here").unwrap();
    assert_eq!(count(&Db::open(&path, &[FIRST]).unwrap()), 1);
}
