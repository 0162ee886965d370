//! A thousand peers on one LAN, in a second of real time for a minute of theirs: the pure parts of discovery and presence, driven by
//! a seeded discrete-event simulation, without sockets or sleeps. What it models, and what it leaves out, stands in
//! `simulation/world.rs`; a failing run repeats exactly.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[path = "simulation/mesh.rs"]
mod mesh;
#[path = "simulation/world.rs"]
mod world;

use world::{TTL, World};

/// Everyone must know a newcomer, and it everyone, within this many milliseconds.
const KNOWN_WITHIN: u64 = 10_000;
const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;

#[test]
fn a_thousand_that_join_in_a_minute_know_each_other_and_stay_known_through_churn() {
    let mut world = World::new(1);
    world.join_spread(1000, MINUTE);
    let settled = MINUTE + KNOWN_WITHIN;
    world.run_until(settled);
    assert_eq!(world.strangers(), [], "ten seconds after the last one joined");
    world.churn(75, settled, 45 * SECOND);
    world.run_until(settled + 45 * SECOND + TTL + SECOND);
    assert_eq!(world.strangers(), [], "after a tenth a minute was killed and replaced");
    world.graph_is_sound(96);
    world.chatter_is_bounded(0.8);
}

#[test]
fn a_thousand_that_join_at_once_know_each_other() {
    let mut world = World::new(2);
    world.join_spread(1000, 2 * SECOND);
    world.run_until(2 * SECOND + KNOWN_WITHIN);
    assert_eq!(world.strangers(), []);
    world.graph_is_sound(96);
    world.chatter_is_bounded(1.0);
}

#[test]
fn the_graph_is_connected_and_balanced_whatever_the_seed() {
    for seed in 0..5 {
        for (peers, within) in [(30, SECOND), (120, SECOND), (200, 20 * SECOND)] {
            let mut world = World::new(seed);
            world.join_spread(peers, within);
            world.run_until(within + 5 * SECOND);
            world.graph_is_sound(96);
        }
    }
}

#[test]
fn a_few_peers_know_each_other_within_two_seconds() {
    for seed in 0..40 {
        let mut world = World::new(seed);
        world.join_spread(2 + seed as usize % 8, SECOND);
        world.run_until(3 * SECOND);
        assert_eq!(world.strangers(), [], "seed {seed}");
    }
}

#[test]
fn two_full_lans_that_are_joined_become_one() {
    for seed in 0..4 {
        let mut world = World::new(seed);
        world.join_spread(80, 2 * SECOND);
        (0..40).for_each(|peer| world.settle_on(peer, 1));
        world.run_until(30 * SECOND);
        world.strangers_between_islands(80 * 40);
        world.join_islands();
        world.run_until(50 * SECOND);
        assert_eq!(world.strangers(), [], "seed {seed}");
        world.graph_is_sound(96);
    }
}

#[test]
fn a_pulled_cable_heals_within_three_seconds_of_its_return_however_long_it_was_out() {
    for (seed, peers) in [(0, 2), (1, 2), (2, 9), (3, 9), (4, 40)] {
        for outage in [30 * SECOND, 5 * MINUTE, 110 * MINUTE / peers as u64] {
            let mut world = World::new(seed);
            world.join_spread(peers, SECOND);
            world.run_until(10 * SECOND);
            world.settle_on(0, 1);
            world.run_until(10 * SECOND + outage);
            world.settle_on(0, 0);
            world.run_until(13 * SECOND + outage);
            assert_eq!(world.strangers(), [], "{peers} peers, out for {outage} ms");
        }
    }
}
