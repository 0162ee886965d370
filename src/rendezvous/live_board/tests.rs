use std::task::Waker;

use super::*;
use crate::proto::board::{Message, Rules};

const ALICE: &str = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";

fn board() -> LiveBoard {
    LiveBoard::new(None, Board::new(Rules::open(Duration::from_secs(20)), 7, Moment::START), Arc::new(Notify::new()))
}

fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

fn says(content: &str) -> Publication {
    let message = Message::parse(format!(r#"{{"type":"update","peerID":"{ALICE}","content":"{content}"}}"#).as_bytes()).unwrap();
    Publication { message, signed: false, from: [192, 0, 2, 1].into(), at: UnixMillis(1) }
}

/// A reader who has taken all there is, and waits.
fn waits(board: &LiveBoard) {
    let seat = Seat { address: [192, 0, 2, 2].into(), peer: None, token: None };
    let (number, mut reader) = board.join(seat, Stream::Changes, None, at(0));
    while board.poll(number, &mut reader, &Context::from_waker(Waker::noop())).is_ready() {}
}

/// A reader who was woken and takes nothing.
fn is_stuck(board: &LiveBoard) {
    board.join(Seat { address: [192, 0, 2, 3].into(), peer: None, token: None }, Stream::Lines, None, at(0));
}

fn waits_for_the_second(board: &LiveBoard) -> Duration {
    assert!(board.publish(says("one"), at(1000)).is_ok());
    board.flush(at(1000));
    assert!(board.publish(says("two"), at(1000)).is_ok());
    board.flush(at(1000)).since(at(1000))
}

#[test]
fn a_flush_is_paid_back_by_three_times_its_price_within_bounds() {
    for (readers, quiet) in [(1, LEAST_QUIET), (1000, FLUSH_PRICE * QUIET * 1000), (10_000, MOST_QUIET)] {
        let board = board();
        (0..readers).for_each(|_| waits(&board));
        assert_eq!(waits_for_the_second(&board), quiet, "{readers} readers");
    }
}

#[test]
fn attack_a_thousand_stuck_readers_delay_nobody() {
    let board = board();
    waits(&board);
    (0..1000).for_each(|_| is_stuck(&board));
    assert_eq!(waits_for_the_second(&board), LEAST_QUIET);
}

#[test]
fn what_is_gathered_while_nobody_reads_is_bounded() {
    let board = board();
    for n in 0..100 {
        assert!(board.publish(says(&format!("{n}{}", "x".repeat(4000))), at(n)).is_ok());
        assert!(board.read(Board::gathered) <= MAX_UNREAD + 2 * 5000);
    }
}

#[test]
fn a_reader_who_is_told_nothing_gets_a_sign_of_life_though_others_are_told_much() {
    let board = board();
    let seat = Seat { address: [192, 0, 2, 2].into(), peer: None, token: None };
    let (number, mut reader) = board.join(seat, Stream::Changes, None, at(0));
    let mut text = String::new();
    for second in 0..60 {
        assert!(board.publish(says("the same"), at(second * 1000)).is_ok());
        board.flush(at(second * 1000));
        while let Poll::Ready(Some(bytes)) = board.poll(number, &mut reader, &Context::from_waker(Waker::noop())) {
            text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }
    assert_eq!(text.matches(": still here").count(), 3, "every fifteen seconds: {text}");
}

/// THREATS 9: readers come and go on every thread while others are told, flushed, ended and moved; nobody stumbles over who is gone.
#[test]
fn attack_forty_thousand_readers_that_come_and_go_while_all_are_told_break_nothing() {
    let (board, done) = (board(), std::sync::atomic::AtomicBool::new(false));
    let goes_on = || !done.load(std::sync::atomic::Ordering::Relaxed);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            for n in (0_i64..).take_while(|_| goes_on()) {
                assert!(board.publish(says(&n.to_string()), Moment::now()).is_ok());
                board.flush(Moment::now());
                board.end_streams(|seat| seat.token == Some(n % 7));
            }
        });
        let readers: Vec<_> = (0..4)
            .map(|thread| {
                let board = &board;
                threads.spawn(move || (0..10_000).for_each(|n| comes_and_goes(board, thread, n)))
            })
            .collect();
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(board.readers(), 0, "every seat is free again");
}

fn comes_and_goes(board: &LiveBoard, thread: u8, n: i64) {
    let seat = Seat { address: [192, 0, 2, thread].into(), peer: None, token: Some(n % 7) };
    let stream = if n % 2 == 0 { Stream::Changes } else { Stream::Lines };
    let (number, mut reader) = board.join(seat, stream, None, Moment::now());
    for _ in 0..n % 5 {
        let _ = board.poll(number, &mut reader, &Context::from_waker(Waker::noop()));
    }
    board.leave(number);
}
