//! What is kept, through changes, stops and attacks.

use goop::proto::directory::{Content, Record};
use goop::proto::names::Name;
use goop::superhub::directory::{Directory, StoreError};

use super::stage::{Stage, at, listing, options};

#[tokio::test]
async fn a_changed_name_keeps_its_id_and_a_removed_one_becomes_a_tombstone() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    let listed = stage.list(listing("Chess Club")).await;
    let id = listed.id;
    let changed = stage.directory.change(1, move |desk| {
        let entry = desk.own(&id, Some(listed.version))?;
        let renamed = goop::proto::directory::Listing { name: Name::parse("Go Club").unwrap(), ..entry.record.listing().unwrap().clone() };
        desk.edit(&entry, renamed, goop::proto::directory::target::Trust::Operator, "test")
    });
    let changed = changed.await.unwrap();
    assert_eq!(changed.id, id);
    assert!(changed.version > listed.version);
    assert_eq!((stage.names("chess").await.len(), stage.names("go").await), (0, vec!["Go Club".to_owned()]));
    let stale = stage.directory.change(1, move |desk| desk.own(&id, Some(listed.version)).map(|_| ())).await;
    assert!(matches!(stale, Err(StoreError::Changed(version)) if version == changed.version));
    stage
        .directory
        .change(1, move |desk| {
            let entry = desk.own(&id, None)?;
            desk.remove(&entry, "closed", "test")
        })
        .await
        .unwrap();
    assert_eq!(stage.names("go").await, [""; 0]);
    let entry = stage.directory.get(id).await.unwrap().unwrap();
    assert_eq!(entry.record.content, Content::Deleted("closed".into()));
    let again = stage.directory.change(1, move |desk| desk.own(&id, None).map(|_| ())).await;
    assert!(matches!(again, Err(StoreError::Gone)));
    stage.close().await;
}

#[tokio::test]
async fn every_statement_is_signed_and_numbers_only_grow_through_stops() {
    let folder = tempfile::tempdir().unwrap();
    let mut last = 0;
    for round in 0..4 {
        let stage = Stage::open(folder.path());
        for number in 0..3 {
            let listed = stage.list(listing(&format!("Round {round} {number}"))).await;
            assert!(listed.version > last);
            last = listed.version;
            let sealed = stage
                .directory
                .read(move |look| {
                    Ok(look.query_row("SELECT sealed FROM listings WHERE id = ?1", [listed.number], |row| row.get::<_, Vec<u8>>(0))?)
                })
                .await
                .unwrap();
            let (record, _) = Record::open(&sealed).unwrap();
            assert_eq!((record.id(), record.order.seq), (listed.id, listed.version));
        }
        assert_eq!(stage.names("round").await.len(), 3 * (round + 1));
        stage.close().await;
    }
}

#[tokio::test]
async fn attack_a_restored_database_gives_no_number_twice() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    stage.list(listing("One")).await;
    stage.close().await;
    let backup = std::fs::read(folder.path().join("directory.db")).unwrap();
    let stage = Stage::open(folder.path());
    let mut given = Vec::new();
    for number in 0..5 {
        given.push(stage.list(listing(&format!("Given {number}"))).await.version);
    }
    stage.close().await;
    std::fs::write(folder.path().join("directory.db"), backup).unwrap();
    let stage = Stage::open(folder.path());
    let after = stage.list(listing("After")).await.version;
    assert!(given.iter().all(|version| *version < after), "{given:?} {after}");
}

#[tokio::test]
async fn another_identity_or_damaged_numbers_are_refused_with_words() {
    let folder = tempfile::tempdir().unwrap();
    Stage::open(folder.path()).close().await;
    let mut other = options(folder.path());
    other.key = libp2p::identity::Keypair::generate_ed25519();
    let refused = Directory::open(other, &mut goop::shutdown::Tasks::default()).err().unwrap().to_string();
    assert!(refused.contains("another identity"), "{refused}");
    std::fs::write(folder.path().join("feed.state"), "what").unwrap();
    let refused = Directory::open(options(folder.path()), &mut goop::shutdown::Tasks::default()).err().unwrap().to_string();
    assert!(refused.contains("feed.state") && refused.contains("two numbers"), "{refused}");
}

#[tokio::test]
async fn attack_a_look_alike_of_somebody_else_is_marked_and_one_s_own_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    let first = stage.list(listing("Chess Club")).await;
    let own = stage.list(listing("CHESS CLUB")).await;
    let stranger = libp2p::PeerId::random();
    let fake = stage.list(goop::proto::directory::Listing { rendezvous_id: Some(stranger), ..at("Сhess CIub", "evil.example:80") }).await;
    let similar = async |id| stage.directory.get(id).await.unwrap().unwrap().similar;
    assert_eq!((similar(first.id).await, similar(own.id).await, similar(fake.id).await), (None, None, Some(first.id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_whoever_asks_and_hangs_up_takes_nobody_s_place() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    stage.list(listing("Chess Club")).await;
    let (begun, mut begins) = tokio::sync::mpsc::channel(1);
    for _ in 0..4 {
        let (directory, begun) = (stage.directory.clone(), begun.clone());
        let slow = tokio::spawn(async move {
            let look = move |_: &rusqlite::Connection| {
                let _ = begun.try_send(());
                std::thread::sleep(std::time::Duration::from_millis(300));
                Ok(())
            };
            directory.read(look).await
        });
        begins.recv().await.unwrap();
        slow.abort();
    }
    assert_eq!(stage.names("chess").await, ["Chess Club"], "it waits for its turn, and is not sent away");
    stage.close().await;
}

#[tokio::test]
async fn the_index_is_kept_tidy_and_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    let parts = async || {
        let count = "SELECT count(DISTINCT segid) FROM search_idx";
        stage.directory.read(move |look| Ok(look.query_row(count, [], |row| row.get::<_, i64>(0))?)).await.unwrap()
    };
    for number in 0..10 {
        stage.list(listing(&format!("Chess {number}"))).await;
    }
    let (before, names) = (parts().await, stage.names("chess").await);
    for _ in 0..20 {
        if !stage.directory.change(0, |desk| desk.tidy()).await.unwrap() {
            break;
        }
    }
    assert!(before > 3 && parts().await < before, "{before} parts became {}", parts().await);
    assert!(!stage.directory.change(0, |desk| desk.tidy()).await.unwrap(), "then there is nothing to do");
    assert_eq!(stage.names("chess").await, names);
    stage.close().await;
}

#[tokio::test]
async fn many_changes_at_once_share_transactions_and_each_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    let listed = futures::future::join_all((0..600).map(|number| stage.list(listing(&format!("Many {number}"))))).await;
    let mut versions: Vec<u64> = listed.iter().map(|listed| listed.version).collect();
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), 600);
    let count =
        stage.directory.read(|look| Ok(look.query_row("SELECT count(*) FROM listings", [], |row| row.get::<_, i64>(0))?)).await.unwrap();
    assert_eq!(count, 600);
}
