//! Time per message of the codecs on the way of an order, in nanoseconds: the median and the spread of many batches,
//! and a sum of the results, which is the same in every run.
//!
//! `cargo run --release -p protocol --example codec_speed`

#![expect(clippy::print_stdout, reason = "it prints a report")]
#![expect(clippy::disallowed_methods, reason = "it measures")]

use std::hint::black_box;
use std::time::Instant;

use protocol::command::{Command, CommandBody};
use protocol::event::Shown;
use protocol::itch::{self, Message};
use protocol::ouch::answer::{self, AnswerBuffer, Details};
use protocol::ouch::appendage::{AppendageBuffer, Element};
use protocol::ouch::inbound::{self, Admission, Inbound, admit};
use protocol::ouch::outbound::Outbound;
use protocol::record::{self, BODY_BYTES_MAX};
use protocol::soupbin::{self, Cut};
use protocol::{
    AccountId, Channel, ClOrdId, Event, EventBody, Firm, InstrumentId, LiquidityFlag, MatchNumber, Midnight, Nanos,
    OrderRef, OrderState, Owner, Price, Qty, Sequence, Side, Symbol, UserRefNum,
};

const BATCHES: usize = 401;
const BATCH: u32 = 2_000;

/// Runs `one` in batches and prints the 10th, 50th and 90th percentile of a batch, per call.
fn measure(name: &str, mut one: impl FnMut(u32) -> u64) {
    let mut sum = 0_u64;
    let mut batches: Vec<u128> = (0..BATCHES)
        .map(|_| {
            let start = Instant::now();
            for turn in 0..BATCH {
                sum = sum.wrapping_add(one(black_box(turn)));
            }
            start.elapsed().as_nanos() * 10 / u128::from(BATCH)
        })
        .collect();
    batches.sort_unstable();
    let at = |percent: usize| batches.get(BATCHES * percent / 100).copied().unwrap_or(0);
    let ns = |tenths: u128| format!("{}.{}", tenths / 10, tenths % 10);
    println!("{name:<44} {:>7} {:>7} {:>7}   {sum:x}", ns(at(10)), ns(at(50)), ns(at(90)));
}

fn enter_packet(tags: &AppendageBuffer) -> Vec<u8> {
    let order = Inbound::EnterOrder(inbound::EnterOrder {
        user_ref_num: UserRefNum(10),
        side: b'B',
        quantity: Qty(100),
        symbol: Symbol(*b"AAPL    "),
        price: 1_500_000,
        time_in_force: b'0',
        display: b'Y',
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        cl_ord_id: ClOrdId(*b"order-1       "),
    });
    let mut message = [0; 512];
    let length = order.encode(Some(tags.appendage()), &mut message).unwrap_or(0);
    let mut packet = vec![0; 600];
    let written = soupbin::encode(soupbin::UNSEQUENCED, &message[..length], &mut packet).unwrap_or(0);
    packet.truncate(written);
    packet
}

fn admitted(packet: &[u8]) -> Admission {
    match soupbin::cut(packet) {
        Cut::Frame { frame, .. } => {
            admit(frame.payload, AccountId(3), |symbol| (symbol.0 == *b"AAPL    ").then_some(InstrumentId(7)))
        }
        Cut::Need | Cut::Bad => Admission::Unreadable,
    }
}

fn number(admission: &Admission) -> u64 {
    match admission {
        Admission::Command(CommandBody::Enter(order)) => u64::from(order.quantity.0),
        Admission::Command(_) | Admission::Ignore | Admission::Unreadable => 0,
    }
}

fn event(body: EventBody) -> Event {
    Event { sequence: Sequence(9), ingress: Nanos(1_700_000_000_123_456_789), body }
}

fn accepted(turn: u32, channel: u8) -> Event {
    event(EventBody::Accepted {
        owner: Owner::new(AccountId(3), Channel(channel)),
        user_ref_num: UserRefNum(turn),
        quantity: Qty(100),
        price: Price(1_500_000),
        order_ref: OrderRef(77),
        instrument: InstrumentId(7),
        side: Side::Buy,
        state: OrderState::Live,
        shown: Shown::Anonymous,
        firm: Firm::BLANK,
    })
}

fn traded(turn: u32) -> Event {
    event(EventBody::Traded {
        match_number: MatchNumber(501),
        maker_ref: OrderRef(70),
        quantity: Qty(30),
        price: Price(1_500_000),
        maker: Owner::new(AccountId(4), Channel(0)),
        maker_user_ref_num: UserRefNum(turn),
        taker: Owner::new(AccountId(3), Channel(0)),
        taker_user_ref_num: UserRefNum(5),
        instrument: InstrumentId(7),
        maker_side: Side::Sell,
        maker_flag: LiquidityFlag::Added,
        taker_flag: LiquidityFlag::Removed,
        maker_shown: true,
    })
}

fn bytes_of(buffer: &AnswerBuffer) -> u64 {
    buffer.answers().map(|answer| answer.packet.last().copied().map_or(0, u64::from) + 1).sum()
}

fn main() {
    println!("{:<44} {:>7} {:>7} {:>7}", "nanoseconds per message", "p10", "p50", "p90");
    let symbol = |_: InstrumentId| Symbol(*b"AAPL    ");
    let plain = enter_packet(&AppendageBuffer::new());
    measure("Enter packet -> command", |_| number(&admitted(black_box(&plain))));
    let tags = AppendageBuffer::new()
        .with(Element::Firm(Firm(*b"DEMA")))
        .with(Element::PostOnly(b'P'))
        .with(Element::UserRefIdx(Channel(2)));
    let tagged = enter_packet(&tags);
    measure("Enter packet, 3 tags -> command", |_| number(&admitted(black_box(&tagged))));
    let cancel = Inbound::CancelOrder(inbound::CancelOrder { user_ref_num: UserRefNum(5), quantity: Qty(0) });
    let mut cancel_bytes = [0; 9];
    let _written = cancel.encode(None, &mut cancel_bytes);
    measure("Cancel bytes -> command", |_| {
        u64::from(admit(black_box(&cancel_bytes), AccountId(3), |_| None) == Admission::Ignore)
    });

    let Admission::Command(body) = admitted(&plain) else { return };
    let Admission::Command(tagged_body) = admitted(&tagged) else { return };
    let command = Command { sequence: Sequence(9), ingress: Nanos(1), body };
    let tagged_command = Command { body: tagged_body, ..command };
    let mut buffer = AnswerBuffer::new();
    measure("Accepted -> packet", |turn| {
        answer::write(black_box(&command), black_box(&accepted(turn, 0)), None, symbol, &mut buffer);
        bytes_of(&buffer)
    });
    let details = Details { for_owner: true, ..Details::default() };
    measure("Accepted, 3 tags and details -> packet", |turn| {
        let event = accepted(turn, 2);
        answer::write(black_box(&tagged_command), black_box(&event), Some(&details), symbol, &mut buffer);
        bytes_of(&buffer)
    });
    measure("Traded -> two packets", |turn| {
        answer::write(black_box(&command), black_box(&traded(turn)), None, symbol, &mut buffer);
        bytes_of(&buffer)
    });
    let mut block = [0; itch::BLOCK_BYTES_MAX];
    measure("Accepted -> feed block", |turn| {
        let written = itch::from_event(black_box(&accepted(turn, 0)), Midnight::EACH, symbol, &mut block);
        u64::from(black_box(&block)[30]) + written as u64
    });
    measure("Traded -> feed block", |turn| {
        let written = itch::from_event(black_box(&traded(turn)), Midnight::EACH, symbol, &mut block);
        u64::from(black_box(&block)[30]) + written as u64
    });
    measure("Event -> canonical bytes", |turn| u64::from(black_box(traded(turn).encode())[45]));

    let mut out = [0; BODY_BYTES_MAX];
    measure("command -> record", |_| record::encode(black_box(&body), &mut out) as u64 + u64::from(black_box(&out)[9]));
    let written = record::encode(&body, &mut out);
    let bytes = out;
    measure("record -> command", |_| u64::from(record::decode(black_box(&bytes[..written])).is_ok()));
    let written = record::encode(&tagged_body, &mut out);
    measure("record, 3 tags -> command", |_| u64::from(record::decode(black_box(&out[..written])).is_ok()));

    answer::write(&command, &accepted(1, 0), None, symbol, &mut buffer);
    let answers: Vec<Vec<u8>> = buffer.answers().map(|answer| answer.packet.to_vec()).collect();
    measure("Accepted bytes -> message", |_| {
        let read = Outbound::decode(black_box(&answers[0][3..]));
        u64::from(read.is_ok_and(|(message, _)| message.message_type() == b'A'))
    });
    let written = itch::from_event(&accepted(1, 0), Midnight::EACH, symbol, &mut block);
    measure("feed bytes -> message", |_| {
        u64::from(Message::decode(black_box(&block[2..written])).is_ok_and(|message| message.message_type() == b'A'))
    });
}
