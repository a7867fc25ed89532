//! The codecs of the edge: an Enter Order from its packet into a ring, and an Accepted from its event to bytes.
//!
//! `cargo bench -p benches --bench codec` prints nanoseconds per message, the best and the middle of its rounds; `-- --tiny` is the
//! short run of CI. The aims are 100 ns and 60 ns.

#![expect(clippy::print_stdout, reason = "a report")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use benches::matching::host;
use engine::runtime::pipeline::input_ring;
use protocol::event::Shown;
use protocol::ouch::answer::{AnswerBuffer, write};
use protocol::ouch::inbound::{Admission, admit};
use protocol::soupbin::{Cut, cut};
use protocol::{
    AccountId, Command, Event, EventBody, Firm, InstrumentId, Nanos, OrderRef, OrderState, Sequence, Symbol,
};

const MESSAGES: usize = 1 << 14;
const SYMBOL: Symbol = Symbol(*b"AAPL    ");

/// Packets of Enter Orders with rising numbers, back to back.
fn packets() -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 1..=MESSAGES {
        let mut message = vec![b'O'];
        message.extend_from_slice(&u32::try_from(number).unwrap_or_default().to_be_bytes());
        message.push(b'B');
        message.extend_from_slice(&100_u32.to_be_bytes());
        message.extend_from_slice(&SYMBOL.0);
        message.extend_from_slice(&1_503_400_u64.to_be_bytes());
        message.extend_from_slice(b"0YPNNclient-order  \0\0");
        bytes.extend_from_slice(&u16::try_from(message.len() + 1).unwrap_or_default().to_be_bytes());
        bytes.push(b'U');
        bytes.extend_from_slice(&message);
    }
    bytes
}

fn resolve(symbol: Symbol) -> Option<InstrumentId> {
    (symbol == SYMBOL).then_some(InstrumentId(1))
}

/// Cuts, decodes, admits and publishes every packet; nanoseconds per message without what reading the ring costs.
fn decode(packets: &[u8]) -> (f64, u64) {
    let (mut ring, mut journal, mut core) = input_ring(2 * MESSAGES, Sequence::ZERO, Nanos(0));
    let mut rest = packets;
    let begun = Instant::now();
    while let Cut::Frame { frame, consumed } = cut(rest) {
        if let Admission::Command(body) = admit(black_box(frame.payload), AccountId(1), resolve) {
            black_box(ring.try_submit(Nanos(7), &body).is_ok());
        }
        rest = rest.get(consumed..).unwrap_or_default();
    }
    let took = per_message(begun);
    let mut hash = 0_u64;
    while core.poll(256, |command| hash = hash.wrapping_mul(31).wrapping_add(command.sequence.0)) > 0 {}
    while journal.poll(256, |_| ()) > 0 {}
    (took, hash)
}

/// The commands of these packets, to be answered.
fn commands(packets: &[u8]) -> Vec<Command> {
    let (mut rest, mut commands) = (packets, Vec::new());
    while let Cut::Frame { frame, consumed } = cut(rest) {
        if let Admission::Command(body) = admit(frame.payload, AccountId(1), resolve) {
            let sequence = Sequence(commands.len() as u64 + 1);
            commands.push(Command { sequence, ingress: Nanos(1_700_000_000_000_000_000), body });
        }
        rest = rest.get(consumed..).unwrap_or_default();
    }
    commands
}

fn accepted(command: &Command) -> Option<Event> {
    let protocol::CommandBody::Enter(enter) = command.body else { return None };
    let body = EventBody::Accepted {
        owner: enter.owner,
        user_ref_num: enter.user_ref_num,
        quantity: enter.quantity,
        price: enter.price,
        order_ref: OrderRef(command.sequence.0),
        instrument: enter.instrument,
        side: enter.side,
        state: OrderState::Live,
        shown: Shown::Anonymous,
        firm: Firm::BLANK,
    };
    Some(Event { sequence: command.sequence, ingress: command.ingress, body })
}

/// Makes the answer to every command, and copies it where a stream would take it; nanoseconds per message.
fn encode(commands: &[Command], events: &[Event]) -> (f64, u64) {
    let mut buffer = AnswerBuffer::new();
    let mut stream = vec![0_u8; 128 * MESSAGES];
    let mut at = 0;
    let begun = Instant::now();
    for (command, event) in commands.iter().zip(events) {
        write(black_box(command), black_box(event), None, |_| SYMBOL, &mut buffer);
        for answer in buffer.answers() {
            let end = at + answer.packet.len();
            if let Some(place) = stream.get_mut(at..end) {
                place.copy_from_slice(answer.packet);
                at = end;
            }
        }
    }
    let took = per_message(begun);
    let hash = stream.iter().take(at).fold(0_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    (took, hash)
}

#[expect(clippy::float_arithmetic, reason = "a report")]
fn per_message(begun: Instant) -> f64 {
    let nanos = u32::try_from(begun.elapsed().as_nanos()).map_or(f64::INFINITY, f64::from);
    nanos / u32::try_from(MESSAGES).map_or(f64::INFINITY, f64::from)
}

fn report(name: &str, aim: u32, mut rounds: Vec<(f64, u64)>) -> bool {
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (best, hash) = rounds.first().copied().unwrap_or_default();
    let middle = rounds.get(rounds.len() / 2).map_or(best, |round| round.0);
    println!("{name:16} best {best:6.1} ns, middle {middle:6.1} ns, aim {aim} ns, hash {hash:016x}");
    rounds.iter().all(|round| round.1 == hash)
}

fn main() -> ExitCode {
    let rounds = if std::env::args().any(|argument| argument == "--tiny") { 3 } else { 200 };
    println!("{}", host());
    let packets = packets();
    let commands = commands(&packets);
    let events: Vec<Event> = commands.iter().filter_map(accepted).collect();
    if commands.len() != MESSAGES || events.len() != MESSAGES {
        println!("{} commands and {} events of {MESSAGES} messages", commands.len(), events.len());
        return ExitCode::FAILURE;
    }
    let decoded = report("decode to ring", 100, (0..rounds).map(|_| decode(&packets)).collect());
    let encoded = report("event to bytes", 60, (0..rounds).map(|_| encode(&commands, &events)).collect());
    if decoded && encoded { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
