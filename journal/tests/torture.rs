//! A journal on a disk that fails: a few of the cases that `cargo run --release -p journal --example torture` tries by the million.

use std::io::ErrorKind;

use journal::testing::{every_bit, every_cut, every_page, failing_calls, full_disks, power_cuts};

#[test]
fn power_cuts_lose_nothing_that_was_acknowledged_and_need_no_help() {
    let figures = power_cuts(0..800).unwrap();
    assert!(figures.torn > 100 && figures.lost_unacknowledged > 1_000 && figures.acknowledged > 50_000, "{figures:?}");
}

#[test]
fn each_call_to_the_disk_may_fail() {
    for (seed, kind) in [(1, ErrorKind::StorageFull), (2, ErrorKind::Other), (3, ErrorKind::Other)] {
        let figures = failing_calls(seed, kind).unwrap();
        assert!(figures.failed > 50 && figures.acknowledged > 1_000, "{figures:?}");
    }
}

#[test]
fn each_flipped_bit_is_found() {
    for (flushes, is_sealed) in [(false, true), (true, true), (true, false), (false, false)] {
        let figures = every_bit(1_000, 1, flushes, is_sealed).unwrap();
        assert_eq!(figures.damaged + figures.torn, figures.cases);
        assert_eq!(figures.torn > 0, !is_sealed, "{figures:?}");
        let longer = every_bit(150_000, 499, flushes, is_sealed).unwrap();
        assert!(longer.cases > 2_000, "{longer:?}");
    }
}

#[test]
fn each_cut_leaves_the_longest_valid_prefix() {
    let figures = every_cut(4_000).unwrap();
    assert!(figures.cases > 10_000 && figures.torn > 2_000 && figures.damaged == 640, "{figures:?}");
}

#[test]
fn a_disk_that_fills_up_is_told_before_it_hurts_and_loses_nothing() {
    let figures = full_disks(4..60).unwrap();
    assert!(figures.cases == 56 && figures.acknowledged > 56_000, "{figures:?}");
}

#[test]
fn a_snapshot_that_is_loaded_is_one_that_was_written_whatever_was_done_to_its_pages() {
    let temp = tempfile::tempdir().unwrap();
    let figures = every_page(temp.path(), 9_973).unwrap();
    let loaded = figures.newest + figures.older + figures.none;
    assert!(figures.pages > 50 && loaded == figures.cases && figures.cases > 450, "{figures:?}");
    assert!(figures.newest > 50 && figures.older > 100 && figures.none > 0, "{figures:?}");
}
