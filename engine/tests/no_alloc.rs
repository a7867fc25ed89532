//! After `OpenVenue` the core allocates nothing, whatever it is asked: counted by the allocator itself.

#![expect(unsafe_code, reason = "a global allocator that counts is an unsafe trait")]

use engine::core::{Core, EventBuffer};
use engine::testing::naive_book::NaiveVenue;
use engine::testing::order_flow::{OrderFlow, opening};
use protocol::Command;
use protocol::types::{Nanos, Sequence};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

struct Counting;

/// Written by every thread that allocates; read when only this test runs. A count guards nothing, so `Relaxed`.
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is handed on to the system's allocator unchanged; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System` through `alloc` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test only: nothing else may allocate while it counts.
#[test]
fn nothing_is_allocated_after_the_venue_is_open() {
    for seed in 1..41 {
        let (mut core, mut events) = (Core::new(), EventBuffer::default());
        let (mut naive, mut flow) = (NaiveVenue::new(), OrderFlow::new(seed));
        let mut commands = Vec::new();
        let mut push = |naive: &mut NaiveVenue, body| {
            let sequence = commands.len() as u64 + 1;
            let command = Command { sequence: Sequence(sequence), ingress: Nanos(sequence), body };
            naive.apply(&command);
            commands.push(command);
        };
        for body in opening(seed) {
            push(&mut naive, body);
        }
        for _ in 0..5_000 {
            let body = flow.next(&naive);
            push(&mut naive, body);
        }
        let (first, rest) = commands.split_first().unwrap();
        core.apply(first, &mut events);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        let mut told = 0;
        for command in rest {
            core.prefetch_batch(std::slice::from_ref(command));
            events.clear();
            core.apply(command, &mut events);
            told += events.as_slice().len();
        }
        let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
        assert_eq!(allocations, 0, "seed {seed}");
        assert!(told > 1_000);
    }
    // The counter works.
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    drop(std::hint::black_box(vec![1_u8; 100]));
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 1);
}
