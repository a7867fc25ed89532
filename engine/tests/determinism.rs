//! The same commands give the same events and the same state: in this build and in every other (the figures below are
//! fixed), with any batch boundaries, with and without prefetch hints.

use engine::core::{Core, EventBuffer, EventSink};
use engine::event_hash::EventHasher;
use engine::runtime::agent::Agent;
use engine::runtime::core_agent::CoreAgent;
use engine::runtime::cursor::Cursor;
use engine::runtime::pipeline::{input_ring, output_ring};
use engine::testing::naive_book::NaiveVenue;
use engine::testing::order_flow::{OrderFlow, opening};
use engine::testing::random::Random;
use engine::testing::workload::{REGIMES, Scale, generate};
use protocol::types::{Nanos, Price, Qty, Sequence, TimeInForce};
use protocol::{Command, CommandBody, Event};
use std::sync::Arc;

fn commands(seed: u64, count: usize) -> Vec<Command> {
    let (mut naive, mut flow) = (NaiveVenue::new(), OrderFlow::new(seed));
    let mut commands: Vec<Command> = Vec::new();
    let mut opening = opening(seed).into_iter();
    while commands.len() < count {
        let body = opening.next().unwrap_or_else(|| flow.next(&naive));
        let sequence = commands.len() as u64 + 1;
        let command = Command { sequence: Sequence(sequence), ingress: Nanos(sequence * 1_000), body };
        naive.apply(&command);
        commands.push(command);
    }
    commands
}

/// Keeps everything.
#[derive(Default)]
struct All(Vec<Event>);

impl EventSink for All {
    fn push(&mut self, event: Event) {
        self.0.push(event);
    }
}

#[test]
fn batch_boundaries_and_hints_change_nothing() {
    for seed in 100..110 {
        let commands = commands(seed, 4_000);
        let (mut core, mut all) = (Core::new(), All::default());
        for command in &commands {
            core.apply(command, &mut all);
        }
        for batch_seed in 0..4 {
            let (mut again, mut batch, mut told) = (Core::new(), EventBuffer::new(40_000), Vec::new());
            let mut random = Random::new(batch_seed);
            let mut rest = &commands[..];
            while !rest.is_empty() {
                let size = random.between(1, 64).min(u32::try_from(rest.len()).unwrap()) as usize;
                again.prefetch_batch(&rest[..size]);
                rest[..size].iter().for_each(|command| again.apply(command, &mut batch));
                told.extend_from_slice(batch.as_slice());
                batch.clear();
                rest = &rest[size..];
            }
            assert!(told == all.0, "seed {seed}, batches {batch_seed}");
            assert_eq!(again.state_hash(), core.state_hash());
        }
    }
}

/// A market in which one new order in three takes from dozens of others: a batch of commands makes more events than are handed
/// over at once.
fn sweeping_market() -> (Vec<Command>, Vec<Command>) {
    let scale = Scale { instruments: 1, accounts: 4, orders_max: 1 << 16, standing: Some(40_000) };
    let [regime, ..] = &REGIMES;
    let mut workload = generate(regime, scale, 6, 3_000);
    for command in workload.commands.iter_mut().filter(|command| command.sequence.0 % 3 == 0) {
        if let CommandBody::Enter(enter) = &mut command.body {
            let price = enter.price.0;
            enter.price = Price(if enter.side.is_buy() { price / 100 * 150 } else { price / 200 * 100 });
            enter.quantity = Qty(4_000);
            enter.time_in_force = TimeInForce::Ioc;
        }
    }
    (workload.opening, workload.commands)
}

/// The core on its thread, between small rings that fill up in the middle of batches, against the core alone.
#[test]
fn the_agent_between_full_rings_loses_nothing_and_changes_nothing() {
    let (opening, flow) = sweeping_market();
    let (mut core, mut all) = (Core::new(), All::default());
    let mut replica = Core::new();
    for command in &opening {
        core.apply(command, &mut all);
        replica.apply(command, &mut All::default());
    }
    all.0.clear();
    for command in &flow {
        core.apply(command, &mut all);
    }
    let last = opening.last().unwrap();
    let (mut publisher, mut journal, poller) = input_ring(128, last.sequence, last.ingress);
    let (output, mut readers) = output_ring(64);
    let applied = Arc::new(Cursor::new(last.sequence));
    let mut agent = CoreAgent::new(replica, poller, output, Arc::clone(&applied), || Nanos(0));
    let (mut told, mut random, mut waiting) = (Vec::new(), Random::new(3), flow.iter().peekable());
    let mut stood_still = 0;
    while applied.load() < flow.last().unwrap().sequence || told.len() < all.0.len() {
        for _ in 0..random.between(0, 100) {
            let Some(command) = waiting.peek() else { break };
            if publisher.try_submit(command.ingress, &command.body).is_err() {
                break;
            }
            waiting.next();
        }
        journal.poll(u64::MAX, |_| ());
        let before = applied.load();
        agent.turn();
        stood_still += u32::from(applied.load() == before);
        let share = random.between(0, 40).into();
        let [edge, feed, projections] = &mut readers;
        edge.poll(share, |event| told.push(*event));
        feed.poll(share, |_| ());
        projections.poll(share, |_| ());
    }
    assert!(told == all.0);
    assert_eq!(agent.into_core().state_hash(), core.state_hash());
    assert!(all.0.len() > 8 * flow.len(), "{} events", all.0.len());
    assert!(stood_still > 50, "the rings were full {stood_still} times");
}

/// Hints are given to large books only: this one is large enough, and on many instruments.
#[test]
fn hints_to_a_large_book_change_nothing() {
    let scale = Scale { instruments: 100, accounts: 1_000, orders_max: 1 << 19, standing: Some(290_000) };
    let regime = REGIMES.iter().find(|regime| regime.name == "itch-mix").unwrap();
    let workload = generate(regime, scale, 5, 20_000);
    let (mut core, mut again) = (Core::new(), Core::new());
    let (mut all, mut told) = (EventHasher::new(), EventHasher::new());
    let (mut events, mut batch) = (EventBuffer::default(), EventBuffer::new(200_000));
    for command in &workload.opening {
        core.apply(command, &mut events);
        again.apply(command, &mut batch);
        events.clear();
        batch.clear();
    }
    for commands in workload.commands.chunks(50) {
        again.prefetch_batch(commands);
        again.apply_some(commands, &mut batch, |_| false);
        batch.as_slice().iter().for_each(|event| told.push(event));
        batch.clear();
        for command in commands {
            core.apply(command, &mut events);
            events.as_slice().iter().for_each(|event| all.push(event));
            events.clear();
        }
    }
    assert_eq!(told.finish(), all.finish());
    assert_eq!(again.state_hash(), core.state_hash());
    again.verify().unwrap();
}

/// A core that was taken down to its bytes and built again goes on as if nothing had happened.
#[test]
fn a_decoded_core_goes_on_alike() {
    let commands = commands(9, 6_000);
    let (mut core, mut all) = (Core::new(), All::default());
    let (mut other, mut told) = (Core::new(), All::default());
    for (at, command) in commands.iter().enumerate() {
        core.apply(command, &mut all);
        other.apply(command, &mut told);
        if at % 500 == 499 {
            let mut bytes = Vec::new();
            other.encode_state(&mut bytes);
            other = Core::decode_state(&bytes).unwrap();
        }
    }
    assert!(told.0 == all.0);
    assert_eq!(other.state_hash(), core.state_hash());
}

/// One figure for every build and machine: it changes only when a rule of the venue or the format of the state does.
#[test]
fn the_state_after_a_fixed_flow_is_known() {
    let (mut core, mut all) = (Core::new(), All::default());
    for command in &commands(42, 10_000) {
        core.apply(command, &mut all);
    }
    let mut hasher = EventHasher::new();
    all.0.iter().for_each(|event| hasher.push(event));
    let hex = |hash: [u8; 32]| blake3::Hash::from_bytes(hash).to_string();
    assert_eq!(all.0.len(), 7_628);
    assert_eq!(
        [hex(hasher.finish()), hex(core.state_hash())],
        [
            "66c1688b29f30928f4bbfec9ca9de1ff9126c1d3fe8e65e9259080ee175cdb25",
            "fc543162373c889946982c8a412d0b95bb42aeae2509d6fb538ebdef573a8080",
        ]
    );
}
