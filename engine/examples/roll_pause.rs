//! How long the core is busy with the roll of a day, command by command: 262,144 good-till orders of 1,024 accounts on five instruments rest,
//! every eighth of them an iceberg.
//!
//! `cargo run --release -p engine --example roll_pause -- [--orders N] [--accounts N]`

#![expect(clippy::print_stdout, reason = "a report")]
#![expect(clippy::float_arithmetic, reason = "figures of a report")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock itself")]

use engine::core::{Core, EventBuffer};
use protocol::command::{EnterOrder, ListInstrument, OpenAccount, OpenVenue, OrderTags, SetTradingState, TagSet};
use protocol::types::{
    AccountId, AccountName, Capacity, Channel, ClOrdId, CrossType, Display, Firm, InstrumentId, Nanos, Owner, Price,
    Qty, Sequence, SessionName, Side, Symbol, TimeInForce, TradingState, UserRefNum,
};
use protocol::{Command, CommandBody, VenueCommand};
use std::time::{Duration, Instant};

const INSTRUMENTS: u16 = 5;

struct Venue {
    core: Core,
    events: EventBuffer,
    sequence: u64,
}

impl Venue {
    fn tell(&mut self, body: CommandBody) -> (Duration, usize) {
        self.sequence += 1;
        let command = Command { sequence: Sequence(self.sequence), ingress: Nanos(self.sequence), body };
        self.events.clear();
        let start = Instant::now();
        self.core.apply(&command, &mut self.events);
        (start.elapsed(), self.events.as_slice().len())
    }

    fn open(orders: u32, accounts: u32) -> Self {
        let mut venue = Self { core: Core::new(), events: EventBuffer::default(), sequence: 0 };
        venue.tell(CommandBody::OpenVenue(OpenVenue {
            session: SessionName(*b"S000000001"),
            orders_max: (2 * orders).next_power_of_two(),
            accounts_max: accounts,
            channels_max: 8,
            instruments_max: INSTRUMENTS,
            orders_per_command_max: 16_384,
        }));
        for account in (0..accounts).map(AccountId) {
            let name = AccountName::from_text(&format!("{}", account.0)).unwrap_or_default();
            venue.tell(CommandBody::OpenAccount(OpenAccount { account, name, firm: Firm(*b"DEMA") }));
        }
        for instrument in (1..=INSTRUMENTS).map(InstrumentId) {
            venue.tell(CommandBody::ListInstrument(ListInstrument {
                instrument,
                symbol: Symbol::from_text(&format!("S{}", instrument.0)).unwrap_or_default(),
                price_decimals: 4,
                qty_decimals: 0,
                tick: Price(100),
                lot: Qty(1),
                max_qty: Qty(999_999),
                reference_price: Price(0),
            }));
            let (state, reason) = (TradingState::Trading, Firm::BLANK);
            venue.tell(CommandBody::SetTradingState(SetTradingState { instrument, state, reason }));
        }
        venue
    }

    fn fill(&mut self, orders: u32, accounts: u32) {
        for order in 0..orders {
            let is_buy = order % 2 == 0;
            let off = (order / 2 % 997) * 100;
            let mut tags = OrderTags::NONE;
            if order % 8 == 7 {
                tags.present = TagSet::MAX_FLOOR;
                tags.max_floor = Qty(1);
            }
            self.tell(CommandBody::Enter(EnterOrder {
                // Neighbours in time are of accounts far apart, as in a real day.
                owner: Owner::new(AccountId(order.wrapping_mul(2_654_435_761) % accounts), Channel(0)),
                user_ref_num: UserRefNum(order + 1),
                instrument: InstrumentId(1 + u16::try_from(order % u32::from(INSTRUMENTS)).unwrap_or(0)),
                side: if is_buy { Side::Buy } else { Side::Sell },
                quantity: Qty(10),
                price: Price(if is_buy { 1_000_000 - off } else { 1_000_100 + off }),
                time_in_force: TimeInForce::Gtc,
                display: Display::Visible,
                capacity: Capacity::Principal,
                sweep: false,
                cross_type: CrossType::Continuous,
                cl_ord_id: ClOrdId::BLANK,
                tags,
            }));
        }
    }
}

fn argument(name: &str, default: u32) -> u32 {
    let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
    arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() {
    let (orders, accounts) = (argument("--orders", 262_144), argument("--accounts", 1_024));
    let mut venue = Venue::open(orders, accounts);
    venue.fill(orders, accounts);
    println!("{} orders of {accounts} accounts rest", venue.core.orders().count());
    let start = Instant::now();
    let (mut took, mut told) = venue.tell(CommandBody::Venue(VenueCommand::RollDay(SessionName(*b"S000000002"))));
    println!("{:>3}  {:>9.3} ms  {told} events  RollDay", 0, took.as_secs_f64() * 1e3);
    let (mut longest, mut events) = (took, told);
    let mut ticks = 0;
    while venue.core.is_day_ending() {
        (took, told) = venue.tell(CommandBody::Venue(VenueCommand::Tick));
        ticks += 1;
        if took > longest || ticks <= 2 {
            println!("{ticks:>3}  {:>9.3} ms  {told} events  Tick", took.as_secs_f64() * 1e3);
        }
        longest = longest.max(took);
        events += told;
    }
    println!(
        "{ticks} ticks, {events} events, {:.1} ms in all, longest command {:.3} ms",
        start.elapsed().as_secs_f64() * 1e3,
        longest.as_secs_f64() * 1e3
    );
}
