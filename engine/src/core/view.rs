//! Read access for whoever shows or stores the state: snapshots, the ladder of an operator. Never on the hot path.

use super::Core;
use super::book::ladder::{SideId, instrument_of, is_displayed, side_id, tick_of};
use super::risk::OpenOrder;
use protocol::EventBody;
use protocol::command::{ListInstrument, OpenVenue};
use protocol::money::Legs;
use protocol::types::{
    AccountId, AccountName, Capacity, ClOrdId, CrossType, Display, Firm, InstrumentId, MatchingAlgorithm, OrderRef,
    Owner, Price, Qty, Side, TimeInForce, TradingState, UserRefNum,
};

/// An account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Its index.
    pub account: AccountId,
    /// Its login name.
    pub name: AccountName,
    /// Its firm.
    pub firm: Firm,
    /// Highest number used up on channel 0.
    pub consumed: UserRefNum,
    /// New orders are refused.
    pub entry_disabled: bool,
    /// Open orders.
    pub open_orders: u32,
    /// Self-match strategy of orders that name none: a letter of the AIQ table, `N` = none, `B` = cancel both.
    pub self_match: u8,
    /// Self-match group of orders that name none.
    pub self_match_group: [u8; 2],
    /// Orders without tag 204 are cancelled when the session ends.
    pub cancel_on_disconnect: bool,
    /// Time before that, ms.
    pub grace_ms: u32,
}

/// An instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstrumentView {
    /// As it was listed.
    pub listed: ListInstrument,
    /// What a trade exchanges.
    pub legs: Legs,
    /// Trading state.
    pub state: TradingState,
    /// Short-sale price test.
    pub short_sale_test: u8,
    /// Price of the last trade; 0 = none yet.
    pub last_trade: Price,
    /// How quantity is shared at a price.
    pub algorithm: MatchingAlgorithm,
    /// Least pro-rata share.
    pub minimum: Qty,
    /// Stops elected by one command at the most.
    pub elections_max: u16,
    /// Band around the static reference, parts per million; 0 = none.
    pub static_ppm: u32,
    /// Band around the last trade.
    pub dynamic_ppm: u32,
    /// Collar of market orders.
    pub collar_ppm: u32,
    /// Seconds of a volatility auction.
    pub auction_s: u32,
}

/// A resting order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderView {
    /// Account and channel.
    pub owner: Owner,
    /// Client's number.
    pub user_ref_num: UserRefNum,
    /// The venue's reference.
    pub order_ref: OrderRef,
    /// Instrument.
    pub instrument: InstrumentId,
    /// Side with marking.
    pub side: Side,
    /// Price.
    pub price: Price,
    /// Open quantity.
    pub leaves_qty: Qty,
    /// Executed over the whole replace chain.
    pub cum_qty: Qty,
    /// How it is shown.
    pub display: Display,
    /// Time in force.
    pub time_in_force: TimeInForce,
    /// Capacity.
    pub capacity: Capacity,
    /// Cross type.
    pub cross_type: CrossType,
    /// Text of the client.
    pub cl_ord_id: ClOrdId,
    /// Group for mass cancel.
    pub group_id: u16,
    /// Entered post-only.
    pub post_only: bool,
    /// Its owner asked for details.
    pub report_details: bool,
    /// It is cancelled when the session of its owner ends; `None` = as the account does by default.
    pub cancel_on_disconnect: Option<bool>,
}

/// A price level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelView {
    /// Price.
    pub price: Price,
    /// Displayed quantity.
    pub displayed_qty: u64,
    /// Hidden quantity.
    pub hidden_qty: u64,
    /// Orders, displayed and hidden.
    pub orders: u32,
}

impl Core {
    /// The command that opened the venue.
    pub fn venue(&self) -> Option<&OpenVenue> {
        self.venue.as_ref()
    }

    /// Orders on all books.
    pub fn open_orders(&self) -> u32 {
        self.books.slab.orders()
    }

    /// Order references given so far: also the last one.
    pub fn last_order_ref(&self) -> OrderRef {
        OrderRef(self.order_refs)
    }

    /// Executions so far: also the last match number.
    pub fn matches(&self) -> u64 {
        self.matches
    }

    /// All accounts, by index.
    pub fn accounts(&self) -> impl Iterator<Item = AccountView> {
        (0..).take(self.accounts.count()).map(AccountId).map(|account| {
            let (hot, names) = (self.accounts.account(account), self.accounts.names(account));
            AccountView {
                account,
                name: names.name,
                firm: names.firm,
                consumed: self.accounts.consumed(Owner::new(account, protocol::types::Channel(0))),
                entry_disabled: hot.is_disabled(),
                open_orders: hot.open_orders(),
                self_match: self.accounts.defaults(account).aiq,
                self_match_group: self.accounts.defaults(account).aiq_group,
                cancel_on_disconnect: self.accounts.defaults(account).cancel_on_disconnect,
                grace_ms: self.accounts.defaults(account).grace_ms,
            }
        })
    }

    /// Channels other than 0 that used a number up, by account and channel, with the highest number. Allocates.
    pub fn channels(&self) -> impl Iterator<Item = (Owner, UserRefNum)> {
        self.accounts.channels().into_iter()
    }

    /// All instruments, by index.
    pub fn instruments(&self) -> impl Iterator<Item = InstrumentView> {
        (1..).take(self.instruments.count()).map(InstrumentId).map(|id| {
            let terms = self.instruments.terms(id);
            InstrumentView {
                listed: terms.listed,
                legs: self.risk.legs(id),
                state: self.instruments.instrument(id).state,
                short_sale_test: terms.short_sale_test,
                last_trade: self.instruments.instrument(id).last_trade,
                algorithm: terms.algorithm,
                minimum: Qty(terms.minimum),
                elections_max: terms.elections_max,
                static_ppm: terms.bands.static_ppm,
                dynamic_ppm: terms.bands.dynamic_ppm,
                collar_ppm: terms.bands.collar_ppm,
                auction_s: terms.bands.auction_s,
            }
        })
    }

    /// All live orders: by instrument, bids before asks, best price first, displayed before hidden, oldest first; then what waits
    /// beside the book, oldest first.
    pub fn orders(&self) -> impl Iterator<Item = OrderView> {
        (1..)
            .take(self.instruments.count())
            .flat_map(|id| {
                let on_book =
                    [side_id(id, true), side_id(id, false)].into_iter().flat_map(|side| self.books.orders(side));
                on_book.filter(|slot| !self.is_reserve(*slot)).chain(self.beside(id).into_iter().map(|(_, slot)| slot))
            })
            .map(|slot| self.order(slot))
    }

    /// An open order as the risk state counts it.
    pub(super) fn open_order(&self, slot: u32) -> OpenOrder {
        let node = self.books.slab.node(slot);
        let level = self.books.slab.node(node.level);
        let instrument = InstrumentId(instrument_of(level.side()));
        let (price, leaves) = match self.specials.extra_of(slot, node.flags()) {
            Some(extra) => (if extra.price.is_market() { 0 } else { extra.price.0 }, self.open_of(slot)),
            None => (self.price_at(instrument, level.side(), level.key()).0, node.leaves),
        };
        let (owner, number, is_buy) = (node.owner(), node.user_ref_num(), node.flags().side().is_buy());
        OpenOrder { owner, number, price, leaves, instrument, is_buy }
    }

    /// The same for one that is not special.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "on the way of every cancel of a limited account")]
    pub(super) fn plain_order(&self, slot: u32) -> OpenOrder {
        let node = self.books.slab.node(slot);
        let level = self.books.slab.node(node.level);
        let instrument = InstrumentId(instrument_of(level.side()));
        let price = self.price_at(instrument, level.side(), level.key()).0;
        let (owner, number, is_buy) = (node.owner(), node.user_ref_num(), level.side() & 1 == 1);
        OpenOrder { owner, number, price, leaves: node.leaves, instrument, is_buy }
    }

    /// The open orders that an event is about, when their account's are counted and they rest.
    pub(super) fn resting_in(&self, body: &EventBody) -> [Option<OpenOrder>; 2] {
        let open = |owner, number| {
            let slot = if self.risk.is_counted(owner) { self.find(owner, number) } else { None };
            slot.map(|slot| self.open_order(slot))
        };
        if let EventBody::Traded { maker, maker_user_ref_num, taker, taker_user_ref_num, .. } = *body {
            [open(maker, maker_user_ref_num), open(taker, taker_user_ref_num)]
        } else if let EventBody::CrossExecuted { owner, user_ref_num, .. }
        | EventBody::Canceled { owner, user_ref_num, .. }
        | EventBody::SelfMatchPrevented { owner, user_ref_num, .. }
        | EventBody::Modified { owner, user_ref_num, .. } = *body
        {
            [open(owner, user_ref_num), None]
        } else {
            [None; 2]
        }
    }

    fn order(&self, slot: u32) -> OrderView {
        let node = self.books.slab.node(slot);
        let level = self.books.slab.node(node.level);
        let cold = self.books.slab.cold(slot);
        let instrument = InstrumentId(instrument_of(level.side()));
        let extra = self.specials.extra_of(slot, node.flags());
        OrderView {
            owner: node.owner(),
            user_ref_num: node.user_ref_num(),
            order_ref: extra.map_or(node.order_ref(), |extra| OrderRef(extra.order_ref)),
            instrument,
            side: node.flags().side(),
            price: match extra {
                Some(extra) => extra.price,
                None => self.price_at(instrument, level.side(), level.key()),
            },
            leaves_qty: Qty(self.open_of(slot)),
            cum_qty: Qty(cold.done),
            display: node.flags().display(),
            time_in_force: cold.time_in_force,
            capacity: cold.capacity,
            cross_type: cold.cross_type,
            cl_ord_id: cold.cl_ord_id,
            group_id: cold.group_id,
            post_only: node.flags().post_only(),
            report_details: node.flags().details(),
            cancel_on_disconnect: match cold.cancel_on_disconnect {
                b'Y' => Some(true),
                b'N' => Some(false),
                _ => None,
            },
        }
    }

    /// The live order of this owner with this number.
    pub fn find_order(&self, owner: Owner, user_ref_num: UserRefNum) -> Option<OrderView> {
        self.find(owner, user_ref_num).map(|slot| self.order(slot))
    }

    /// Price levels of one side of a listed instrument, best first; none for any other index.
    pub fn levels(&self, instrument: InstrumentId, is_buy: bool) -> impl Iterator<Item = LevelView> {
        let side: Option<SideId> = self.instruments.find(instrument).map(|_| side_id(instrument.0, is_buy));
        let mut levels = side.into_iter().flat_map(|side| self.books.levels(side)).peekable();
        std::iter::from_fn(move || {
            let side = side?;
            let (key, _) = *levels.peek()?;
            let tick = tick_of(side, key);
            let price = self.price_at(instrument, side, key);
            let mut view = LevelView { price, displayed_qty: 0, hidden_qty: 0, orders: 0 };
            // The displayed and the hidden orders of a price are levels of their own.
            while let Some((key, level)) = levels.next_if(|(key, _)| tick_of(side, *key) == tick) {
                let node = self.books.slab.node(level);
                *(if is_displayed(key) { &mut view.displayed_qty } else { &mut view.hidden_qty }) = node.total();
                view.orders += node.orders();
            }
            Some(view)
        })
    }

    /// Best price of one side, hidden orders included, and the level there.
    pub fn best(&self, instrument: InstrumentId, is_buy: bool) -> Option<LevelView> {
        self.levels(instrument, is_buy).next()
    }

    /// Best displayed price of one side, and the level there.
    pub fn best_displayed(&self, instrument: InstrumentId, is_buy: bool) -> Option<LevelView> {
        self.levels(instrument, is_buy).find(|level| level.displayed_qty != 0)
    }
}
