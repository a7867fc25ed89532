//! The core against the naive model: at least two million commands of every kind, every event compared.

use engine::testing::differential::{Failure, Pace, run, shrink};
use engine::testing::features::Features;
use engine::testing::naive_book::NaiveVenue;
use engine::testing::order_flow::{OrderFlow, opening};
use proptest::prelude::*;
use protocol::types::{Nanos, Qty, Sequence};
use protocol::{Command, CommandBody, EventBody, RejectReason};
use std::collections::BTreeSet;

fn play(seeds: std::ops::Range<u64>, steps: u64, pace: Pace) {
    for seed in seeds {
        let text = run(seed, steps, pace).err().map(|failure| {
            let Failure { steps, message, commands, .. } = *failure;
            format!(
                "seed {seed}, command {steps}: {message}\nfewest commands: {commands:#?}\nagain: cargo run --release -p engine \
                 --example soak -- --seed {seed} --commands {steps}"
            )
        });
        assert!(text.is_none(), "{}", text.unwrap_or_default());
    }
}

/// Many small venues, laws and state checked after each command.
#[test]
fn every_step_of_many_short_days() {
    play(1..201, 1_000, Pace { state_every: 1, verify_every: 1 });
}

/// Longer days, state compared now and then. Two tests, so that they run side by side.
#[test]
fn long_days_of_odd_seeds() {
    play(1_000..1_050, 20_000, Pace { state_every: 499, verify_every: 101 });
}

#[test]
fn long_days_of_even_seeds() {
    play(2_000..2_050, 20_000, Pace { state_every: 499, verify_every: 101 });
}

/// Refusals that the core itself makes.
const MADE_BY_THE_CORE: &[RejectReason] = &[
    RejectReason::QuantityZero,
    RejectReason::PriceOutOfRange,
    RejectReason::HandleInstUnsupported,
    RejectReason::StopPriceOutOfRange,
    RejectReason::MinQtyAboveQuantity,
    RejectReason::ExpiryInvalid,
    RejectReason::SymbolUnknown,
    RejectReason::FirmNotAuthorized,
    RejectReason::TradingHalted,
    RejectReason::QuantityAboveMax,
    RejectReason::QuantityNotOnLot,
    RejectReason::PriceNotOnTick,
    RejectReason::StopPriceNotOnTick,
    RejectReason::MinQtyOnDisplayed,
    RejectReason::MaxFloorInvalid,
    RejectReason::PostOnlyInvalid,
    RejectReason::NotSupported,
    RejectReason::PegNotSupported,
    RejectReason::CrossNotSupported,
    RejectReason::OrdersFull,
    RejectReason::ChannelsFull,
    RejectReason::PegOffsetNotOnTick,
    RejectReason::PegDisplayed,
    RejectReason::CancelPending,
];

/// Answers to orders.
const ANSWERS: &[&str] = &[
    "Details",
    "Accepted Live No",
    "Accepted Live Anonymous",
    "Accepted Live Attributed",
    "Accepted Dead No",
    "Replaced Live No true",
    "Replaced Live No false",
    "Replaced Live Anonymous true",
    "Replaced Live Anonymous false",
    "Replaced Dead No true",
    "Rested",
    "Traded true",
    "Traded false",
    "Canceled User 0",
    "Canceled User more",
    "Canceled PostOnly 0",
    "Canceled Immediate 0",
    "Canceled Collar 0",
    "Modified",
    "MassCancelTaken",
    "EntryDisabled",
    "EntryEnabled",
    "NextUserRefNum",
    "Traded AddedReserve",
    "Traded AddedHidden",
    "Restated",
    "PriorityUpdated",
    "SelfMatchPrevented 0",
    "SelfMatchPrevented more",
    "Canceled SelfMatch 0",
    "Canceled SelfMatch more",
    "Canceled Expired 0",
    "Canceled Supervisory 0",
    "Concealed",
    "TradeBroken",
    "OperatorRefused TradeUnknown",
    "SessionRolled",
    "MidnightChanged",
    "ReferenceChanged",
];

/// What states and crosses say.
const OF_MARKETS: &[&str] = &[
    "CrossExecuted true",
    "CrossExecuted false",
    "Crossed Opening",
    "Crossed Closing",
    "Crossed Halt",
    "Imbalance",
    "CancelPending",
    "CancelRejected",
    "Canceled Closed 0",
    "OperationalHaltChanged",
    "MarketWideLevels",
    "MarketWideBreached",
    "Rejected CrossInvalid",
    "Rejected MarketClosed",
];

/// The order flow reaches every answer of the venue; otherwise the tests above would prove less than they seem to.
#[test]
fn the_flow_reaches_every_answer() {
    let mut seen = BTreeSet::new();
    for seed in 1..201 {
        let mut naive = NaiveVenue::new();
        let mut flow = OrderFlow::new(seed);
        let mut sequence = 0;
        let mut apply = |naive: &mut NaiveVenue, body| {
            sequence += 1;
            let command =
                Command { sequence: Sequence(sequence), ingress: Nanos(1_000_000_000 + sequence * 20_000_000), body };
            seen.extend(naive.apply(&command).iter().flat_map(|event| names(&event.body)));
        };
        for body in opening(seed) {
            apply(&mut naive, body);
        }
        for _ in 0..2_000 {
            let body = flow.next(&naive);
            apply(&mut naive, body);
        }
    }
    let rejects = MADE_BY_THE_CORE.iter().map(|reason| format!("Rejected {reason:?}"));
    let is_market = Features::CORE.has(Features::STATES);
    let answers = ANSWERS.iter().chain(OF_MARKETS.iter().filter(|_| is_market));
    let answers = answers.chain(Features::CORE.has(Features::BANDS).then_some(&"AuctionCollar"));
    for answer in answers.map(ToString::to_string).chain(rejects) {
        assert!(seen.contains(&answer), "never seen: {answer}");
    }
}

/// What one event shows of the venue.
fn names(body: &EventBody) -> Vec<String> {
    let mut names = vec![name(body)];
    if let EventBody::Traded { maker_flag, .. } = body {
        names.push(format!("Traded {maker_flag:?}"));
    }
    if let EventBody::Canceled { concealed, .. } = body
        && *concealed > Qty::ZERO
    {
        names.push("Concealed".to_owned());
    }
    names
}

fn name(body: &EventBody) -> String {
    let rest = |leaves: &Qty| if *leaves == Qty::ZERO { "0" } else { "more" };
    match body {
        EventBody::Details { .. } => "Details".to_owned(),
        EventBody::Accepted { state, shown, .. } => format!("Accepted {state:?} {shown:?}"),
        EventBody::Replaced { state, shown, old_shown, .. } => format!("Replaced {state:?} {shown:?} {old_shown}"),
        EventBody::Rested { .. } => "Rested".to_owned(),
        EventBody::Traded { maker_shown, .. } => format!("Traded {maker_shown}"),
        EventBody::Canceled { reason, leaves, .. } => format!("Canceled {reason:?} {}", rest(leaves)),
        EventBody::Modified { .. } => "Modified".to_owned(),
        EventBody::Rejected { reason, .. } => format!("Rejected {reason:?}"),
        EventBody::MassCancelTaken { .. } => "MassCancelTaken".to_owned(),
        EventBody::EntryDisabled { .. } => "EntryDisabled".to_owned(),
        EventBody::EntryEnabled { .. } => "EntryEnabled".to_owned(),
        EventBody::NextUserRefNum { .. } => "NextUserRefNum".to_owned(),
        EventBody::VenueOpened { .. }
        | EventBody::InstrumentListed { .. }
        | EventBody::TradingStateChanged { .. }
        | EventBody::ShortSaleTestChanged { .. }
        | EventBody::AccountOpened { .. }
        | EventBody::SystemEvent { .. }
        | EventBody::Answered { .. }
        | EventBody::BalanceMoved { .. }
        | EventBody::FeesCharged { .. }
        | EventBody::LimitChanged { .. }
        | EventBody::KillSwitched { .. } => "operator".to_owned(),
        EventBody::PriorityUpdated { .. } => "PriorityUpdated".to_owned(),
        EventBody::Restated { .. } => "Restated".to_owned(),
        EventBody::SelfMatchPrevented { leaves, .. } => format!("SelfMatchPrevented {}", rest(leaves)),
        EventBody::CancelPending { .. } => "CancelPending".to_owned(),
        EventBody::CancelRejected { .. } => "CancelRejected".to_owned(),
        EventBody::CrossExecuted { shown, .. } => format!("CrossExecuted {shown}"),
        EventBody::Crossed { cross_type, .. } => format!("Crossed {cross_type:?}"),
        EventBody::Imbalance { .. } => "Imbalance".to_owned(),
        EventBody::AuctionCollar { .. } => "AuctionCollar".to_owned(),
        EventBody::OperationalHaltChanged { .. } => "OperationalHaltChanged".to_owned(),
        EventBody::MarketWideLevels { .. } => "MarketWideLevels".to_owned(),
        EventBody::MarketWideBreached { .. } => "MarketWideBreached".to_owned(),
        EventBody::TradeBroken { .. } => "TradeBroken".to_owned(),
        EventBody::OperatorRefused { reason } => format!("OperatorRefused {reason:?}"),
        EventBody::SessionRolled { .. } => "SessionRolled".to_owned(),
        EventBody::MidnightChanged { .. } => "MidnightChanged".to_owned(),
        EventBody::ReferenceChanged { .. } => "ReferenceChanged".to_owned(),
    }
}

/// Shrinking finds the two commands that matter among many.
#[test]
fn a_failure_is_cut_down() {
    let seed = 7;
    let mut bodies = opening(seed);
    let mut flow = OrderFlow::new(seed);
    let mut naive = NaiveVenue::new();
    for (sequence, body) in (1..).zip(&bodies) {
        naive.apply(&Command { sequence: Sequence(sequence), ingress: Nanos(sequence), body: *body });
    }
    bodies.extend((0..500).map(|_| flow.next(&naive)));
    let enters = |bodies: &[CommandBody]| bodies.iter().filter(|body| matches!(body, CommandBody::Enter(_))).count();
    let few = shrink(&bodies, |bodies| enters(bodies) >= 2);
    assert_eq!(enters(&few), 2);
    let openings = few.iter().filter(|body| matches!(body, CommandBody::OpenVenue(_))).count();
    assert_eq!(openings, 1);
    assert!(few.len() <= 12, "{} commands are left", few.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any seed, any number of steps.
    #[test]
    fn any_flow_agrees(seed in any::<u64>(), steps in 1_u64..3_000) {
        let result = run(seed, steps, Pace { state_every: 97, verify_every: 13 });
        prop_assert!(result.is_ok(), "{:#?}", result.err());
    }
}
