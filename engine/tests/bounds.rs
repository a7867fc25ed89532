//! What happens when the tables of unfinished work and of broken trades are full, in the core and in the naive model alike: what does
//! not fit is refused or waits, and nothing is forgotten.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use engine::testing::differential::Pair;
use protocol::command::{
    EnterOrder, ListInstrument, MassCancel, OpenAccount, OpenVenue, OrderTags, SetTradingState, TagSet,
};
use protocol::limits::{BUSTS_MAX, CANCELS_UNFINISHED_MAX};
use protocol::operator::{LimitKind, OperatorAction, OperatorCommand, Scope, SetLimit};
use protocol::types::{
    AccountId, AccountName, BustReason, CancelReason, Capacity, Channel, ClOrdId, CrossType, Display, Firm,
    InstrumentId, LiquidityFlag, MatchNumber, Owner, Price, Qty, SessionName, Side, Symbol, SystemEventCode,
    TimeInForce, TradingState, UserRefNum,
};
use protocol::venue_command::{BustTrade, PackedAmount, Party, SetAccountDefaults};
use protocol::{Amount, CommandBody, EventBody, RejectReason, VenueCommand};
use std::collections::BTreeMap;

const AAPL: InstrumentId = InstrumentId(1);
/// Accounts with an unfinished mass cancel.
const FULL: u32 = 4_096;
const _: () = assert!(FULL as usize == CANCELS_UNFINISHED_MAX);
/// Whose mass cancel, whose end of a session, and whose switch find no room.
const ASKING: u32 = FULL;
const GONE: u32 = FULL + 1;
const KILLED: u32 = FULL + 2;
/// Its orders outlive the day.
const BYSTANDER: u32 = FULL + 3;

struct Venue(Pair);

impl Venue {
    fn open(accounts: u32, per_command: u32) -> Self {
        let mut venue = Self(Pair::default());
        venue.tell(&CommandBody::OpenVenue(OpenVenue {
            session: SessionName(*b"S000000001"),
            orders_max: 3 * accounts + 10,
            accounts_max: accounts,
            channels_max: 8,
            instruments_max: 1,
            orders_per_command_max: per_command,
        }));
        for account in (0..accounts).map(AccountId) {
            let name = AccountName::from_text(&format!("A{}", account.0)).unwrap();
            venue.tell(&CommandBody::OpenAccount(OpenAccount { account, name, firm: Firm(*b"DEMA") }));
        }
        venue.tell(&CommandBody::ListInstrument(ListInstrument {
            instrument: AAPL,
            symbol: Symbol::from_text("AAPL").unwrap(),
            price_decimals: 4,
            qty_decimals: 0,
            tick: Price(100),
            lot: Qty(1),
            max_qty: Qty(999_999),
            reference_price: Price(0),
        }));
        let (state, reason) = (TradingState::Trading, Firm::BLANK);
        venue.tell(&CommandBody::SetTradingState(SetTradingState { instrument: AAPL, state, reason }));
        venue
    }

    /// Both models say the same; what they say.
    fn tell(&mut self, body: &CommandBody) -> Vec<EventBody> {
        // All within a second or so: nothing comes back of a rate.
        self.0.apply_after(1_000, body).unwrap_or_else(|difference| panic!("{difference}"));
        self.0.told().iter().map(|event| event.body).collect()
    }

    fn ask(&mut self, command: VenueCommand) -> Vec<EventBody> {
        self.tell(&CommandBody::Venue(command))
    }

    fn enter(&mut self, account: u32, number: u32, quantity: u32, tif: TimeInForce) -> Vec<EventBody> {
        self.tell(&CommandBody::Enter(EnterOrder {
            owner: owner(account),
            user_ref_num: UserRefNum(number),
            instrument: AAPL,
            side: Side::Buy,
            quantity: Qty(quantity),
            price: Price(10_000),
            time_in_force: tif,
            display: Display::Visible,
            capacity: Capacity::Principal,
            sweep: false,
            cross_type: CrossType::Continuous,
            cl_ord_id: ClOrdId::BLANK,
            tags: OrderTags::NONE,
        }))
    }

    fn mass_cancel(&mut self, account: u32, number: u32) -> Vec<EventBody> {
        self.tell(&CommandBody::MassCancel(MassCancel {
            owner: owner(account),
            user_ref_num: UserRefNum(number),
            firm: Firm::BLANK,
            symbol: Symbol::BLANK,
            instrument: None,
            side: None,
            group_id: 0,
            present: TagSet::NONE,
        }))
    }

    fn same_states(&mut self) {
        self.0.verify().unwrap();
        self.0.compare_states().unwrap_or_else(|difference| panic!("{difference}"));
    }
}

fn owner(account: u32) -> Owner {
    Owner::new(AccountId(account), Channel(0))
}

/// The accounts whose orders were cancelled, with the reason.
fn canceled(told: &[EventBody]) -> Vec<(u32, CancelReason)> {
    let of = |body: &EventBody| {
        let EventBody::Canceled { owner, reason, .. } = *body else { return None };
        Some((owner.account().0, reason))
    };
    told.iter().filter_map(of).collect()
}

#[test]
fn too_many_cancels_are_refused_or_wait() {
    let mut venue = Venue::open(BYSTANDER + 1, 1);
    for account in 0..=BYSTANDER {
        let tif = if account == BYSTANDER { TimeInForce::Gtc } else { TimeInForce::Day };
        venue.enter(account, 1, 5, tif);
        venue.enter(account, 2, 6, tif);
    }
    let (aiq_strategy, aiq_group_id) = (b'N', *b"  ");
    venue.ask(VenueCommand::SetAccountDefaults(SetAccountDefaults {
        account: AccountId(GONE),
        aiq_strategy,
        aiq_group_id,
        cancel_on_disconnect: true,
        grace_ms: 0,
    }));
    let (scope, limit) = (Scope::Account(AccountId(KILLED)), LimitKind::KillRejectRate);
    let set = SetLimit { scope, limit, instrument: InstrumentId(0), value: Amount(Amount::ONE.0) };
    venue.tell(&CommandBody::Operator(OperatorCommand { request: 1, action: OperatorAction::SetLimit(set) }));
    // Each command may touch one order: one of two is left.
    for account in 0..FULL {
        let told = venue.mass_cancel(account, 3);
        assert_eq!(canceled(&told), [(account, CancelReason::User)]);
    }
    venue.same_states();

    let refused = venue.mass_cancel(ASKING, 3);
    assert!(
        matches!(refused[..], [EventBody::Rejected { reason: RejectReason::CancelPending, .. }]),
        "a client is told, and asks again: {refused:?}"
    );
    let told = venue.ask(VenueCommand::Disconnected(AccountId(GONE)));
    assert_eq!(canceled(&told), [], "it waits");
    venue.enter(KILLED, 3, 0, TimeInForce::Day);
    let told = venue.enter(KILLED, 4, 0, TimeInForce::Day);
    assert!(told.iter().any(|body| matches!(body, EventBody::KillSwitched { is_killed: true, .. })), "{told:?}");
    let mut all = canceled(&told);
    assert_eq!(all, [(KILLED, CancelReason::Supervisory)], "one cancel takes all accounts whose switch is on");
    // The end of a day has a place of its own.
    let mut expired = Vec::new();
    for code in [SystemEventCode::EndOfMarketHours, SystemEventCode::EndOfSystemHours] {
        expired.extend(canceled(&venue.tell(&CommandBody::SystemEvent(code))));
    }
    expired.extend(canceled(&venue.ask(VenueCommand::RollDay(SessionName(*b"S000000002")))));
    assert_eq!(expired, [0, 1, 2].map(|account| (account, CancelReason::Expired)));
    all.extend(expired);
    venue.same_states();

    let mut ticks = 0;
    let mut rolled = false;
    while !rolled {
        let told = venue.ask(VenueCommand::Tick);
        all.extend(canceled(&told));
        rolled = told.iter().any(|body| matches!(body, EventBody::SessionRolled { .. }));
        ticks += 1;
        assert!(ticks < 10 * FULL, "it comes to an end");
    }
    let mut of: BTreeMap<u32, u32> = BTreeMap::new();
    for (account, _) in &all {
        *of.entry(*account).or_default() += 1;
    }
    let one_each = (0..FULL).map(|account| (account, 1));
    let wanted: BTreeMap<u32, u32> = one_each.chain([ASKING, GONE, KILLED].map(|account| (account, 2))).collect();
    assert_eq!(of, wanted, "every mass cancel was done, and nothing else was forgotten");
    venue.same_states();
}

#[test]
fn the_oldest_of_too_many_broken_trades_is_forgotten_with_all_before_it() {
    let mut venue = Venue::open(2, 100);
    let remembered = u32::try_from(BUSTS_MAX).unwrap();
    let trades = remembered + 10;
    for number in 1..=trades {
        venue.enter(0, number, 1, TimeInForce::Day);
        venue.tell(&CommandBody::Enter(sell(number)));
    }
    let is_broken = |told: &[EventBody]| matches!(told, [EventBody::TradeBroken { .. }]);
    // The first three are not broken; then as many as are remembered.
    for number in 4..4 + remembered {
        assert!(is_broken(&venue.ask(bust(number))), "{number}");
    }
    assert!(!is_broken(&venue.ask(bust(2))), "there is no room for it, and it is older than all");
    assert!(is_broken(&venue.ask(bust(trades))));
    for forgotten in [3, 4] {
        assert!(!is_broken(&venue.ask(bust(forgotten))), "{forgotten}");
    }
    assert!(!is_broken(&venue.ask(bust(trades))), "once");
    venue.same_states();
}

fn sell(number: u32) -> EnterOrder {
    EnterOrder {
        owner: owner(1),
        user_ref_num: UserRefNum(number),
        instrument: AAPL,
        side: Side::Sell,
        quantity: Qty(1),
        price: Price(10_000),
        time_in_force: TimeInForce::Day,
        display: Display::Visible,
        capacity: Capacity::Principal,
        sweep: false,
        cross_type: CrossType::Continuous,
        cl_ord_id: ClOrdId::BLANK,
        tags: OrderTags::NONE,
    }
}

fn bust(number: u32) -> VenueCommand {
    let party = |account, flag| Party {
        owner: owner(account),
        user_ref_num: UserRefNum(number),
        cl_ord_id: ClOrdId::BLANK,
        flag,
    };
    VenueCommand::BustTrade(BustTrade {
        match_number: MatchNumber(number.into()),
        instrument: AAPL,
        quantity: Qty(1),
        price: Price(10_000),
        reason: BustReason::Erroneous,
        buyer: party(0, LiquidityFlag::Added),
        seller: party(1, LiquidityFlag::Removed),
        buyer_fee: PackedAmount::default(),
        seller_fee: PackedAmount::default(),
    })
}
