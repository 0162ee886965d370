//! Files of every size go over whole, or the receiver hears that they did not.

use std::fs::{File, OpenOptions};
use std::io::Write;

use goop::peer::site_root::{AHEAD_CHUNK, CHUNK, SiteRoot};
use goop::peer::streams::{StreamError, site};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use crate::empty_site;

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 251) as u8).collect()
}

async fn fetch(site: &SiteRoot, path: &str) -> std::io::Result<Vec<u8>> {
    let (asking, answering) = duplex(64 * 1024);
    let site = site.clone();
    let serving = tokio::spawn(async move { site::serve(answering, &site).await });
    let mut file = site::fetch(asking, path).await.map_err(std::io::Error::other)?;
    let mut body = Vec::new();
    file.body.read_to_end(&mut body).await?;
    assert_eq!(body.len() as u64, file.size);
    assert_eq!(serving.await.unwrap().unwrap(), site::Served::File(file.size));
    Ok(body)
}

#[tokio::test]
async fn files_of_every_size_arrive_whole() {
    let (_folder, site) = empty_site();
    let around = [0, CHUNK, AHEAD_CHUNK, CHUNK + AHEAD_CHUNK, CHUNK + 2 * AHEAD_CHUNK];
    for size in around.into_iter().flat_map(|size| [size.saturating_sub(1), size, size + 1]).chain([5_000_000]) {
        std::fs::write(site.path().join("file.bin"), pattern(size)).unwrap();
        assert!(fetch(&site, "/file.bin").await.unwrap() == pattern(size), "{size} bytes");
    }
}

#[tokio::test]
async fn thirty_at_a_time_none_is_lost() {
    let (_folder, site) = empty_site();
    std::fs::write(site.path().join("small.bin"), pattern(4096)).unwrap();
    let workers = (0..30).map(|_| {
        let site = site.clone();
        tokio::spawn(async move {
            for _ in 0..34 {
                assert!(fetch(&site, "/small.bin").await.unwrap() == pattern(4096));
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
}

/// The head of an answer, so that the file is open and its size said; the rest is still to come.
async fn begin(site: &SiteRoot) -> (impl AsyncReadExt + Unpin, tokio::task::JoinHandle<Result<site::Served, StreamError>>) {
    let (asking, answering) = duplex(1024);
    let serving_site = site.clone();
    let serving = tokio::spawn(async move { site::serve(answering, &serving_site).await });
    (site::fetch(asking, "/file.bin").await.unwrap().body, serving)
}

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_sent_ends_short() {
    let (_folder, site) = empty_site();
    std::fs::write(site.path().join("file.bin"), pattern(4 * AHEAD_CHUNK)).unwrap();
    let (mut body, serving) = begin(&site).await;
    File::options().write(true).open(site.path().join("file.bin")).unwrap().set_len(CHUNK as u64 + 1).unwrap();
    let error = body.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    assert!(matches!(serving.await.unwrap(), Err(StreamError::Io(_))));
}

#[tokio::test]
async fn a_file_that_grows_while_it_is_sent_is_sent_as_long_as_it_was() {
    let (_folder, site) = empty_site();
    std::fs::write(site.path().join("file.bin"), pattern(2 * AHEAD_CHUNK)).unwrap();
    let (mut body, serving) = begin(&site).await;
    OpenOptions::new().append(true).open(site.path().join("file.bin")).unwrap().write_all(&pattern(1000)).unwrap();
    let mut bytes = Vec::new();
    body.read_to_end(&mut bytes).await.unwrap();
    assert!(bytes == pattern(2 * AHEAD_CHUNK));
    assert_eq!(serving.await.unwrap().unwrap(), site::Served::File(2 * AHEAD_CHUNK as u64));
}

#[tokio::test]
async fn a_body_that_ends_early_is_an_error_wherever_it_ends() {
    for sent in [0, 1, 99] {
        let (asking, mut answering) = duplex(1024);
        answering.write_all(b"OK text/plain 100\n").await.unwrap();
        answering.write_all(&pattern(sent)).await.unwrap();
        answering.shutdown().await.unwrap();
        let mut file = site::fetch(asking, "/").await.unwrap();
        let error = file.body.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    }
}
