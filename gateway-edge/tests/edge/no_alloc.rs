//! No allocation per message after the login, on the order port and on the feed.

#![expect(unsafe_code, reason = "counting allocations takes an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use gateway_edge::StreamRead;

use crate::client::{enter, packet};
use crate::feed_client::FeedClient;
use crate::feed_rig::FeedRig;
use crate::rig::Rig;

/// Counts what the current thread allocates.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // Not there while a thread ends; then nobody counts.
    ALLOCATIONS.try_with(|count| count.set(count.get() + 1)).unwrap_or_default();
}

// SAFETY: hands everything on to the system's allocator, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}

/// How many allocations `work` makes on this thread.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(7)))), 1);
}

#[test]
fn an_order_and_its_answer_need_no_memory() {
    let mut rig = Rig::new();
    let mut client = rig.log_in("DEMO01", 0);
    rig.venue.reserve(5_000);
    let orders = |from: u32| (from..from + 100).flat_map(|n| packet(b'U', &enter(n, b'B', 100, 1_000_000))).collect();
    let batches: Vec<Vec<u8>> = (0..20).map(|batch| orders(1 + batch * 100)).collect();
    let mut allocated = 0;
    for (round, batch) in (1..).zip(&batches) {
        client.send(batch);
        rig.until(|rig| {
            allocated += allocations(|| {
                rig.edge.receive(Duration::ZERO);
                rig.edge.send();
            });
            (rig.edge.counters().answers == round * 100).then_some(())
        });
        client.pump();
    }
    assert_eq!(allocated, 0);
    assert!(rig.edge.counters().bytes_out > 100_000);
}

#[test]
fn a_message_of_the_feed_needs_no_memory() {
    let mut rig = FeedRig::new();
    let mut clients: Vec<FeedClient> = (0..3).map(|_| FeedClient::connect(&mut rig, "/itch")).collect();
    rig.venue.reserve(5_000);
    let mut next = rig.stream.messages() + 1;
    let mut allocated = 0;
    for _ in 0..40 {
        rig.rest(50);
        allocated += allocations(|| {
            for _ in 0..3 {
                rig.feed.turn(Duration::ZERO);
            }
        });
        let until = rig.stream.messages() + 1;
        for client in &mut clients {
            rig.blocks(client, next, until);
        }
        next = until;
    }
    assert_eq!(allocated, 0);
    assert!(rig.feed.counters().messages >= 2_000);
}
