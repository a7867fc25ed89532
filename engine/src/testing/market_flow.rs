//! What [`OrderFlow`] adds for a venue that knows more than plain orders: icebergs, stops, pegs, cross orders and the rest,
//! and the commands of the venue itself. Without features it adds nothing, and draws no number.

use super::features::Features;
use super::naive_book::NaiveVenue;
use super::order_flow::{GRIDS, OrderFlow, firm};
use protocol::command::{EnterOrder, OrderTags, ReplaceOrder, SetTradingState, TagSet};
use protocol::types::{
    AccountId, BustReason, ClOrdId, CrossType, Display, InstrumentId, LiquidityFlag, MatchNumber, MatchingAlgorithm,
    Nanos, Owner, Price, Qty, Side, SystemEventCode, TimeInForce, TradingState, UserRefNum,
};
use protocol::venue_command::{
    BustTrade, Party, SetAccountDefaults, SetBands, SetMarketWideLevels, SetMatching, SetOperationalHalt,
    SetReferencePrice, StartAuction, VenueCommand,
};
use protocol::{Amount, CommandBody};

/// Every letter of the self-match table.
const STRATEGIES: &[u8] = b"YyZ0DdE1OoP2WwX4RrS5N*";

/// What new orders and replacements have in common.
struct Terms<'a> {
    instrument: InstrumentId,
    side: Side,
    quantity: Qty,
    price: &'a mut Price,
    time_in_force: &'a mut TimeInForce,
    display: &'a mut Display,
    tags: &'a mut OrderTags,
}

impl OrderFlow {
    fn knows(&self, feature: Features) -> bool {
        self.features.has(feature)
    }

    pub(super) fn widen_enter(&mut self, enter: &mut EnterOrder, venue: &NaiveVenue) {
        if self.features == Features::NONE {
            return;
        }
        if self.knows(Features::STATES) && self.random.chance(4) {
            enter.cross_type = self.random.pick(&[CrossType::Opening, CrossType::Closing, CrossType::Halt]);
            enter.time_in_force = self.random.pick(&[TimeInForce::Day, TimeInForce::Ioc, TimeInForce::Day]);
            enter.tags = OrderTags::NONE;
            if self.random.chance(30) {
                enter.tags.handle_inst = b'I';
                enter.tags.present = TagSet::HANDLE_INST;
            }
            return;
        }
        self.widen(
            Terms {
                instrument: enter.instrument,
                side: enter.side,
                quantity: enter.quantity,
                price: &mut enter.price,
                time_in_force: &mut enter.time_in_force,
                display: &mut enter.display,
                tags: &mut enter.tags,
            },
            venue,
        );
    }

    pub(super) fn widen_replace(&mut self, replace: &mut ReplaceOrder, venue: &NaiveVenue) {
        if self.features == Features::NONE || self.random.chance(50) {
            return;
        }
        let found = venue.live(replace.owner, replace.orig_user_ref_num);
        let (instrument, side) = found.map_or((InstrumentId(1), Side::Buy), |order| (order.instrument, order.side));
        self.widen(
            Terms {
                instrument,
                side,
                quantity: replace.quantity,
                price: &mut replace.price,
                time_in_force: &mut replace.time_in_force,
                display: &mut replace.display,
                tags: &mut replace.tags,
            },
            venue,
        );
    }

    /// Makes one of the known order types of a plain order.
    fn widen(&mut self, mut terms: Terms<'_>, venue: &NaiveVenue) {
        let kinds = [
            Features::ICEBERGS,
            Features::HIDDEN_MIN,
            Features::STOPS,
            Features::PEGS,
            Features::TIMED,
            Features::SELF_MATCH,
            Features::DISCONNECT,
        ];
        for kind in kinds {
            if self.knows(kind) && self.random.chance(10) {
                self.make(kind, &mut terms, venue);
            }
        }
        if self.knows(Features::SELF_MATCH) && self.random.chance(20) {
            self.make(Features::SELF_MATCH, &mut terms, venue);
        }
    }

    fn make(&mut self, kind: Features, terms: &mut Terms<'_>, venue: &NaiveVenue) {
        let (tick, lot, _) = GRIDS[usize::from(terms.instrument.0.clamp(1, 3)) - 1];
        let lots = (terms.quantity.0 / lot).max(1);
        let send = |tags: &mut OrderTags, tag: TagSet| tags.present = tags.present.with(tag);
        match kind {
            Features::ICEBERGS => {
                *terms.display = self.random.pick(&[Display::Visible, Display::Visible, Display::Attributable]);
                if terms.time_in_force.is_immediate() && self.random.chance(90) {
                    *terms.time_in_force = TimeInForce::Day;
                }
                terms.tags.max_floor = Qty(self.random.between(1, (lots / 2).max(1)) * lot);
                send(terms.tags, TagSet::MAX_FLOOR);
                if self.random.chance(40) {
                    terms.tags.random_reserves = Qty(self.random.between(1, lots) * lot);
                    send(terms.tags, TagSet::RANDOM_RESERVES);
                }
            }
            Features::HIDDEN_MIN => {
                *terms.display = Display::Hidden;
                terms.tags.min_qty = Qty(self.random.between(1, terms.quantity.0.max(1)));
                send(terms.tags, TagSet::MIN_QTY);
            }
            Features::STOPS => self.make_stop(terms, tick),
            Features::PEGS => {
                *terms.display = if self.random.chance(95) { Display::Hidden } else { Display::Visible };
                terms.tags.price_type = self.random.pick(b"PPPMMMRRRmQL");
                send(terms.tags, TagSet::PRICE_TYPE);
                if self.random.chance(50) {
                    let ticks = i32::try_from(self.random.below(7)).unwrap_or(0) - 3;
                    terms.tags.peg_offset = ticks * i32::try_from(tick).unwrap_or(1);
                    send(terms.tags, TagSet::PEG_OFFSET);
                }
                if self.random.chance(30) {
                    *terms.price = Price::MARKET;
                }
            }
            Features::TIMED => self.make_timed(terms, venue),
            Features::SELF_MATCH => {
                terms.tags.aiq_strategy = self.random.pick(STRATEGIES);
                send(terms.tags, TagSet::AIQ_STRATEGY);
                if self.random.chance(30) {
                    terms.tags.aiq_group_id = self.random.pick(&[*b"  ", *b"G1", *b"G2"]);
                    send(terms.tags, TagSet::AIQ_GROUP_ID);
                }
            }
            _ => {
                terms.tags.cancel_on_disconnect = self.random.pick(b"YYN");
                send(terms.tags, TagSet::CANCEL_ON_DISCONNECT);
            }
        }
    }

    fn make_stop(&mut self, terms: &mut Terms<'_>, tick: u32) {
        let near = self.price(terms.instrument, terms.side, false);
        if near.is_limit() && self.random.chance(80) {
            terms.tags.stop_price = near;
            terms.tags.present = terms.tags.present.with(TagSet::STOP_PRICE);
        }
        if self.random.chance(40) {
            terms.tags.trail_offset = Price(self.random.between(1, 5) * tick);
            terms.tags.present = terms.tags.present.with(TagSet::TRAIL_OFFSET);
        }
        if self.random.chance(60) {
            terms.tags.stop_trigger = self.random.pick(b"LQM");
            terms.tags.present = terms.tags.present.with(TagSet::STOP_TRIGGER);
        }
        if self.random.chance(30) {
            *terms.price = Price::MARKET;
        }
    }

    fn make_timed(&mut self, terms: &mut Terms<'_>, venue: &NaiveVenue) {
        if self.random.chance(50) {
            *terms.time_in_force = TimeInForce::Gtt;
            if self.random.chance(90) {
                terms.tags.expire_time_s = self.random.below(5);
                terms.tags.present = terms.tags.present.with(TagSet::EXPIRE_TIME);
            }
        } else {
            *terms.time_in_force = TimeInForce::Gtd;
            if self.random.chance(90) {
                terms.tags.expire_at = self.soon(venue, 4_000);
                terms.tags.present = terms.tags.present.with(TagSet::EXPIRE_AT);
            }
        }
    }

    /// Some time from now, up to so many milliseconds.
    fn soon(&mut self, venue: &NaiveVenue, most_ms: u32) -> Nanos {
        Nanos(venue.now() + u64::from(self.random.below(most_ms)) * 1_000_000)
    }

    /// What keeps a venue going, now and then: the tick that is due, and an instrument that opens again.
    pub(super) fn due(&mut self, venue: &NaiveVenue) -> Option<CommandBody> {
        if venue.next_due().is_some_and(|due| due.0 <= venue.now()) && self.random.chance(15) {
            return Some(CommandBody::Venue(VenueCommand::Tick));
        }
        let instrument = InstrumentId(self.random.pick(&[1, 1, 2, 3]));
        let is_shut = !venue.is_trading(instrument) && !venue.is_frozen(instrument);
        (self.knows(Features::STATES) && is_shut && self.random.chance(4)).then(|| {
            let (state, reason) = (TradingState::Trading, firm("T1"));
            CommandBody::SetTradingState(SetTradingState { instrument, state, reason })
        })
    }

    /// A command of the venue itself.
    pub(super) fn of_venue(&mut self, venue: &NaiveVenue) -> CommandBody {
        let instrument = InstrumentId(self.random.pick(&[1, 1, 1, 2, 2, 3]));
        let account = AccountId(self.random.below(3));
        // Up to 50, and whatever the venue does not know: a tick.
        let command = match self.random.below(100) {
            50..65 if self.knows(Features::STATES) => return self.state(instrument, venue),
            65..70 if self.knows(Features::PRO_RATA) => VenueCommand::SetMatching(SetMatching {
                instrument,
                algorithm: self.random.pick(MatchingAlgorithm::ALL),
                minimum: Qty(self.random.below(4)),
                elections_per_command_max: self.random.pick(&[0, 1, 2, 5]),
            }),
            70..75 if self.knows(Features::BANDS) => VenueCommand::SetBands(SetBands {
                instrument,
                static_ppm: self.random.pick(&[0, 0, 20_000, 200_000]),
                dynamic_ppm: self.random.pick(&[0, 0, 10_000, 100_000]),
                collar_ppm: self.random.pick(&[0, 5_000, 50_000]),
                auction_s: self.random.between(1, 3),
            }),
            75..77 if self.knows(Features::STATES) => {
                let price = self.price(instrument, Side::Buy, false);
                let price = if price.is_limit() { price } else { Price(0) };
                VenueCommand::SetReferencePrice(SetReferencePrice { instrument, price })
            }
            77..82 => self.defaults(account),
            82..86 => VenueCommand::Connected(account),
            86..91 => VenueCommand::Disconnected(account),
            91..95 if self.knows(Features::BUSTS) => VenueCommand::BustTrade(self.bust(instrument, venue)),
            95..98 if self.knows(Features::STATES) => return self.market_wide(instrument),
            98..100 if self.knows(Features::ROLL) => {
                let roll = self.roll(venue);
                let rolls = VenueCommand::SetDayRolls(self.random.chance(70));
                self.random.pick(&[VenueCommand::Tick, roll, rolls, VenueCommand::RollDay(venue.session())])
            }
            _ => VenueCommand::Tick,
        };
        CommandBody::Venue(command)
    }

    fn state(&mut self, instrument: InstrumentId, venue: &NaiveVenue) -> CommandBody {
        let reason = firm("T1");
        if self.random.chance(35) {
            let auctions =
                [TradingState::PreOpen, TradingState::PreClose, TradingState::QuotationOnly, TradingState::Paused];
            let (state, until) = (self.random.pick(&auctions), self.soon(venue, 1_500));
            let auction = StartAuction { instrument, state, reason, until };
            return CommandBody::Venue(VenueCommand::StartAuction(auction));
        }
        let state = if self.random.chance(85) { TradingState::Trading } else { self.random.pick(TradingState::ALL) };
        CommandBody::SetTradingState(SetTradingState { instrument, state, reason })
    }

    fn defaults(&mut self, account: AccountId) -> VenueCommand {
        let strategy = self.random.pick(b"NNNNNNNNNNWODYBd0");
        let strategy = if self.knows(Features::SELF_MATCH) { strategy } else { b'N' };
        VenueCommand::SetAccountDefaults(SetAccountDefaults {
            account,
            aiq_strategy: strategy,
            aiq_group_id: self.random.pick(&[*b"  ", *b"  ", *b"G1"]),
            cancel_on_disconnect: self.knows(Features::DISCONNECT) && self.random.chance(30),
            grace_ms: self.random.pick(&[0, 0, 300, 1_000]),
        })
    }

    fn bust(&mut self, instrument: InstrumentId, venue: &NaiveVenue) -> BustTrade {
        let most = u32::try_from(venue.matches).unwrap_or(u32::MAX);
        let party = |account| Party {
            owner: Owner::new(AccountId(account), protocol::Channel(0)),
            user_ref_num: UserRefNum(1),
            cl_ord_id: ClOrdId::BLANK,
            flag: LiquidityFlag::Added,
        };
        BustTrade {
            match_number: MatchNumber(self.random.below(most.saturating_add(2)).into()),
            instrument,
            quantity: Qty(1),
            price: Price(1),
            reason: self.random.pick(BustReason::ALL),
            buyer: party(0),
            seller: party(1),
            buyer_fee: Amount(self.random.pick(&[0, 0, 5, -7_000_000])).into(),
            seller_fee: Amount(self.random.pick(&[0, 0, 2_000_000])).into(),
        }
    }

    fn roll(&mut self, venue: &NaiveVenue) -> VenueCommand {
        let mut name = venue.session();
        name.0[9] = self.random.pick(b"0123456789");
        VenueCommand::RollDay(name)
    }

    fn market_wide(&mut self, instrument: InstrumentId) -> CommandBody {
        let is_halted = self.random.chance(20);
        CommandBody::Venue(match self.random.below(10) {
            0 if self.random.chance(30) => VenueCommand::BreachMarketWide(self.random.pick(&[1, 2, 3])),
            1 => VenueCommand::SetMarketWideLevels(SetMarketWideLevels { level_1: 3, level_2: 2, level_3: 1 }),
            2..6 => VenueCommand::SetOperationalHalt(SetOperationalHalt { instrument, is_halted }),
            6 if self.random.chance(30) => {
                let code = [
                    SystemEventCode::EndOfMarketHours,
                    SystemEventCode::EndOfSystemHours,
                    SystemEventCode::EndOfMessages,
                ];
                return CommandBody::SystemEvent(self.random.pick(&code));
            }
            _ => VenueCommand::Tick,
        })
    }
}
