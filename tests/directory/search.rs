//! What is found, in which order, and how pages go on.

use goop::proto::community::Kind;
use goop::proto::directory::Listing;
use goop::proto::health::Health;
use goop::proto::names::{Lang, Tag};
use goop::proto::search::Query;
use goop::superhub::directory::{Filter, Least, Observed, Sort};

use super::stage::{Stage, about, at, in_language, listing, names};

async fn stage(listings: Vec<Listing>) -> (tempfile::TempDir, Stage) {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    for listing in listings {
        stage.list(listing).await;
    }
    (folder, stage)
}

#[tokio::test]
async fn what_was_acknowledged_is_in_the_very_next_search() {
    let (_folder, stage) = stage(vec![]).await;
    for number in 0..50 {
        let name = format!("Zebra {number}");
        stage.list(listing(&name)).await;
        assert_eq!(stage.names(&format!("zebra {number} ")).await, [name]);
    }
}

#[tokio::test]
async fn a_word_of_the_name_comes_before_its_beginning_a_tag_and_a_mention() {
    let listings = vec![
        about("Board games", "We play chess and go.", &[]),
        about("Chessboard makers", "", &[]),
        about("Old strategists", "", &["chess"]),
        about("Berlin Chess", "", &[]),
    ];
    let (_folder, stage) = stage(listings).await;
    assert_eq!(stage.names("chess").await, ["Berlin Chess", "Chessboard makers", "Old strategists", "Board games"]);
    assert_eq!(stage.names("che").await, ["Chessboard makers", "Old strategists", "Berlin Chess", "Board games"]);
    assert_eq!(stage.names("ber che").await, [""; 0], "only the last word is unfinished");
    assert_eq!(stage.names("che ").await, [""; 0], "a blank finishes it");
}

#[tokio::test]
async fn all_words_must_be_there_in_any_order() {
    let (_folder, stage) =
        stage(vec![about("Go Developers", "Code in Berlin", &["tech"]), listing("Go Club"), listing("Developers")]).await;
    assert_eq!(stage.names("developers go").await, ["Go Developers"]);
    assert_eq!(stage.names("go berl").await, ["Go Developers"]);
    assert_eq!(stage.names("go ham").await, [""; 0]);
}

#[tokio::test]
async fn small_typing_errors_are_forgiven_where_nothing_else_fits() {
    let (_folder, stage) = stage(vec![listing("Chess Club"), listing("Photography"), listing("Chest pain")]).await;
    for typed in ["chess clbu", "hcess", "chesss", "photografy", "phtogr"] {
        let found = stage.names(typed).await;
        assert!(found.iter().any(|name| name == "Chess Club" || name == "Photography"), "{typed}: {found:?}");
    }
    assert_eq!(stage.names("chess").await, ["Chess Club"], "a word that there is, is no typing error");
    assert_eq!(stage.names("xyzzy").await, [""; 0]);
}

#[tokio::test]
async fn long_beginnings_are_found_like_short_ones() {
    let (_folder, stage) = stage(vec![listing("Internationalisation"), listing("International"), listing("Internet")]).await;
    for length in 1..="internationa".len() {
        assert!(stage.names(&"international"[..length]).await.contains(&"International".to_owned()), "{length}");
    }
    assert_eq!(stage.names("internationalis").await[0], "Internationalisation");
}

#[tokio::test]
async fn signs_and_operators_of_the_index_are_no_operators() {
    let (_folder, stage) = stage(vec![listing("Chess AND Go"), listing("NEAR and far")]).await;
    for query in
        ["chess AND", "\"chess\"", "chess*", "name:chess", "chess OR xyz", "NOT chess", "(chess", "chess^2", "{name}: chess", "k:open"]
    {
        let found = stage.search(query).await;
        assert!(found.complete, "{query}");
    }
    assert_eq!(stage.names("chess or").await, [""; 0]);
    assert_eq!(stage.names("near").await, ["NEAR and far"]);
    assert_eq!(stage.names("\"chess\" -go").await, ["Chess AND Go"]);
}

#[tokio::test]
async fn without_a_word_it_is_browsed_by_age_and_facets() {
    let open = |name: &str| Listing { tags: Tag::parse_all(["games"]).unwrap(), ..listing(name) };
    let closed = |name: &str| Listing { kind: Kind::InviteOnly, paid: true, ..in_language(name, "pt-BR") };
    let (_folder, stage) = stage(vec![open("A"), closed("B"), open("C"), closed("D")]).await;
    let browse = async |filter, sort| names(&stage.find("", filter, sort).await);
    assert_eq!(browse(Filter::default(), Sort::Newest).await, ["D", "C", "B", "A"]);
    assert_eq!(browse(Filter::default(), Sort::Oldest).await, ["A", "B", "C", "D"]);
    assert_eq!(browse(Filter { tag: Tag::parse("games").ok(), ..Filter::default() }, Sort::Newest).await, ["C", "A"]);
    assert_eq!(browse(Filter { kind: Some(Kind::InviteOnly), ..Filter::default() }, Sort::Newest).await, ["D", "B"]);
    assert_eq!(browse(Filter { paid: Some(false), ..Filter::default() }, Sort::Newest).await, ["C", "A"]);
    for lang in ["pt", "pt-br"] {
        assert_eq!(browse(Filter { lang: Lang::parse(lang).ok(), ..Filter::default() }, Sort::Newest).await, ["D", "B"], "{lang}");
    }
    assert_eq!(browse(Filter { lang: Lang::parse("en").ok(), ..Filter::default() }, Sort::Newest).await, [""; 0]);
    let both = Filter { kind: Some(Kind::Open), tag: Tag::parse("games").ok(), ..Filter::default() };
    assert_eq!(names(&stage.find("c", both, Sort::Best).await), ["C"]);
}

#[tokio::test]
async fn what_was_seen_well_stands_before_what_was_not_and_the_older_before_the_newer() {
    let listings = ["dead", "well", "never-seen", "well"].map(|place| at(&format!("Chess {place}"), &format!("{place}.example:80")));
    let (_folder, stage) = stage(listings.to_vec()).await;
    assert_eq!(stage.names("chess").await, ["Chess dead", "Chess well", "Chess never-seen", "Chess well"], "nothing was seen yet: by age");
    for (endpoint, health) in [(1, Health::Down), (2, Health::Healthy)] {
        let seen = Observed { endpoint, health, misses: 0, peer: None, due: goop::clock::UnixMillis(0) };
        let moved = stage.directory.change(0, move |desk| Ok((desk.observed(&seen)?, desk.move_listings(endpoint, 100)?))).await.unwrap();
        assert_eq!(moved, (true, endpoint as usize));
    }
    assert_eq!(stage.names("chess").await, ["Chess well", "Chess well", "Chess never-seen", "Chess dead"]);
    let online = Filter { health: Some(Least::AtLeast(Health::Degraded)), ..Filter::default() };
    assert_eq!(names(&stage.find("", online.clone(), Sort::Newest).await), ["Chess well", "Chess well"]);
    assert_eq!(names(&stage.find("chess", online, Sort::Best).await).len(), 2);
    let unknown = Filter { health: Some(Least::Is(Health::Unknown)), ..Filter::default() };
    assert_eq!(names(&stage.find("", unknown, Sort::Newest).await), ["Chess never-seen"]);
}

#[tokio::test]
async fn attack_claimed_members_change_no_rank() {
    let boast = Listing { members: u32::MAX, ..listing("Chess now") };
    let (_folder, stage) = stage(vec![listing("Chess one"), boast]).await;
    assert_eq!(stage.names("chess").await, ["Chess one", "Chess now"]);
}

#[tokio::test]
async fn what_one_page_shows_at_once_stands_in_the_order_of_many_pages() {
    let words = ["chess", "chessmen", "club", "go", "berlin", "chees", "café"];
    let pick = |number: usize, salt: usize| words[(number * 7 + salt * 3 + number / 5) % words.len()];
    let listings = (0..40).map(|number| {
        let (name, text) = (format!("{} {}", pick(number, 1), pick(number / 3, 2)), format!("{} {}", pick(number, 4), pick(number, 5)));
        about(&name, &text, &[pick(number / 2, 6)])
    });
    let (_folder, stage) = stage(listings.collect()).await;
    for query in ["chess", "che", "club berlin", "berlin ch", "go chess ", "cafe g", "chess club go", "clbu", "chess xyz"] {
        let (query, mut cursor, mut one_by_one) = (Query::parse(query).unwrap(), None, Vec::new());
        let all = stage.directory.search(query.clone(), Filter::default(), Sort::Best, None, 50).await.unwrap();
        loop {
            let page = stage.directory.search(query.clone(), Filter::default(), Sort::Best, cursor, 1).await.unwrap();
            one_by_one.extend(page.entries.into_iter().map(|entry| entry.id));
            match page.next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(all.entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), one_by_one, "{query:?}");
    }
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended_without_gap_or_repetition() {
    let listings = (0..60).map(|number| match number % 3 {
        0 => about(&format!("Chess {number}"), "", &[]),
        1 => about(&format!("Club {number}"), "for chess", &[]),
        _ => about(&format!("Chessmen {number}"), "", &["chess"]),
    });
    let (_folder, stage) = stage(listings.collect()).await;
    for (text, sort) in
        [("chess", Sort::Best), ("chess", Sort::Newest), ("chess", Sort::Oldest), ("", Sort::Newest), ("", Sort::Best), ("", Sort::Oldest)]
    {
        let (mut cursor, mut seen, mut pages) = (None, Vec::new(), 0);
        loop {
            let query = Query::parse(text).unwrap();
            let found = stage.directory.search(query, Filter::default(), sort, cursor, 7).await.unwrap();
            assert!(found.entries.len() <= 7);
            seen.extend(found.entries.iter().map(|entry| entry.number));
            pages += 1;
            match found.next {
                Some(next) => cursor = Some(next.to_string().parse().unwrap()),
                None => break,
            }
        }
        let mut sorted = seen.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!((seen.len(), sorted.len(), pages), (60, 60, 9), "{text} {sort:?}");
        match sort {
            Sort::Newest => assert!(seen.is_sorted_by(|a, b| a > b)),
            Sort::Oldest => assert!(seen.is_sorted()),
            Sort::Best => {}
        }
    }
}
