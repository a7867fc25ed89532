//! What the risk checks cost: the same commands with no limit and with every kind of limit set, in turns (A B B A). The limits
//! are so wide that nothing is refused: both must tell the same events.

#![expect(clippy::float_arithmetic, reason = "figures of a report")]

use super::matching::{Options, Regime, Spread, hash, time};
use engine::core::Core;
use engine::testing::workload::{Workload, generate};
use protocol::money::{Amount, Currency};
use protocol::operator::{LimitKind, OperatorAction, OperatorCommand, Scope, SetLimit};
use protocol::types::{InstrumentId, Nanos, Sequence};
use protocol::{Command, CommandBody};

const SEED: u64 = 0x5eed;

/// What was measured in one market. Times are nanoseconds per command.
#[derive(Clone, Debug)]
pub struct RiskFigures {
    /// The market.
    pub regime: &'static str,
    /// Nothing is set.
    pub without: Spread,
    /// Every kind of limit is set for every account.
    pub with: Spread,
    /// What the limits add, of each round.
    pub added: Spread,
    /// Both told the same events.
    pub is_equal: bool,
}

/// A value of each kind that refuses nothing.
fn wide(kind: LimitKind) -> Option<Amount> {
    let rate = Amount(1_000_000_000 * Amount::ONE.0);
    match kind {
        LimitKind::ShortSale | LimitKind::MarketOrders => Some(Amount::ONE),
        LimitKind::LocateRequired => Some(Amount::ZERO),
        LimitKind::PriceCollar => Some(Amount(1_000 * Amount::ONE.0)),
        LimitKind::OrderQuantity
        | LimitKind::OrderNotional
        | LimitKind::OpenOrders
        | LimitKind::OpenNotional
        | LimitKind::PositionLong
        | LimitKind::PositionShort
        | LimitKind::Credit
        | LimitKind::DayLoss
        | LimitKind::DayNotional => Some(Amount::MAX),
        LimitKind::MessageRate
        | LimitKind::SymbolRate
        | LimitKind::DuplicateRate
        | LimitKind::KillMessageRate
        | LimitKind::KillRejectRate => Some(rate),
        // Whoever is named may not trade at all.
        LimitKind::Restricted => None,
    }
}

/// The same market with every limit set as the venue's default before anything else happens, or with as many commands that
/// set nothing. Instruments have a mark from the start. The first half of the commands goes before the clock starts.
#[must_use]
pub fn limited(workload: &Workload, is_set: bool) -> Workload {
    let is_terms = |command: &&Command| !matches!(command.body, CommandBody::Enter(_));
    let terms = workload.opening.iter().take_while(is_terms).count();
    let (before, behind) = workload.opening.split_at(terms);
    let price_of =
        |command: &Command| if let CommandBody::Enter(enter) = &command.body { Some(enter.price) } else { None };
    let first_price = behind.iter().find_map(price_of);
    let kinds = LimitKind::ALL.iter().filter_map(|limit| Some((*limit, wide(*limit)?)));
    let set = kinds.map(|(limit, value)| {
        if is_set {
            OperatorAction::SetLimit(SetLimit { scope: Scope::Venue, limit, instrument: InstrumentId(0), value })
        } else {
            OperatorAction::SetRate { currency: Currency::Usd, rate: Amount::ONE }
        }
    });
    let asked = set.map(|action| CommandBody::Operator(OperatorCommand { request: 1, action }));
    let ingress = before.last().map_or(Nanos(0), |command| command.ingress);
    let inserted = asked.map(|body| Command { sequence: Sequence(0), ingress, body });
    let mut opening: Vec<Command> = before.iter().copied().chain(inserted).chain(behind.iter().copied()).collect();
    let mut commands = workload.commands.clone();
    for (command, sequence) in opening.iter_mut().chain(&mut commands).zip((1..).map(Sequence)) {
        command.sequence = sequence;
        if let (CommandBody::ListInstrument(listed), Some(price)) = (&mut command.body, first_price) {
            listed.reference_price = price;
        }
    }
    // What is known of an account is found out with its first orders: the clock starts when that is over.
    let begun = commands.split_off(commands.len() / 2);
    opening.append(&mut commands);
    Workload { opening, commands: begun, ..*workload }
}

/// One way alone, for a profiler: nanoseconds per command of each round.
#[must_use]
pub fn measure_risk_only(is_set: bool, regime: &Regime, options: &Options) -> Vec<f64> {
    let workload = limited(&generate(regime, options.scale, SEED, options.commands), is_set);
    (0..options.rounds).map(|_| time::<Core>(&workload, true)).collect()
}

/// Measures one market; `tick` is called after each round.
pub fn measure_risk(regime: &Regime, options: &Options, mut tick: impl FnMut()) -> RiskFigures {
    let workload = generate(regime, options.scale, SEED, options.commands);
    let (free, guarded) = (limited(&workload, false), limited(&workload, true));
    drop(workload);
    let is_equal = hash::<Core>(&free) == hash::<Core>(&guarded);
    let (mut without, mut with, mut added) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let (a, b) = (time::<Core>(&free, true), time::<Core>(&guarded, true));
        let (c, d) = (time::<Core>(&guarded, true), time::<Core>(&free, true));
        without.extend([a, d]);
        with.extend([b, c]);
        added.push(f64::midpoint(b - a, c - d));
        tick();
    }
    RiskFigures {
        regime: regime.name,
        without: Spread::of(&mut without),
        with: Spread::of(&mut with),
        added: Spread::of(&mut added),
        is_equal,
    }
}
