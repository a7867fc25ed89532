//! Commands of the venue itself: time, defaults of accounts, and what an operator decides. What contradicts the state or is not
//! offered is refused, and changes nothing.

use super::Core;
use super::accounts::Defaults;
use super::bands::Bands;
use super::instruments::unusual;
use super::risk::Fill;
use super::sink::{EventSink, Out};
use protocol::limits::{BUSTS_MAX, ELECTIONS_PER_COMMAND_MAX_DEFAULT};
use protocol::types::{AccountId, InstrumentId, MatchingAlgorithm};
use protocol::venue_command::{BustTrade, Party, SetAccountDefaults, SetBands, SetMatching};
use protocol::{Amount, EventBody, RejectReason, VenueCommand};

/// Trades broken, as far as they are remembered.
#[derive(Debug)]
pub(super) struct Busts {
    /// Their numbers, ascending; at most [`BUSTS_MAX`].
    pub(super) broken: Vec<u64>,
    /// Whether a trade up to this number was broken is not known any more: it cannot be.
    pub(super) forgotten: u64,
}

impl Default for Busts {
    fn default() -> Self {
        Self { broken: Vec::with_capacity(BUSTS_MAX), forgotten: 0 }
    }
}

impl Core {
    /// Does what the venue asks, or says why not.
    #[cold]
    pub(super) fn obey(&mut self, command: &VenueCommand, out: &mut Out<'_, impl EventSink>) {
        if let Err(reason) = self.try_obey(command, out) {
            out.push(EventBody::OperatorRefused { reason });
        }
    }

    fn try_obey(&mut self, command: &VenueCommand, out: &mut Out<'_, impl EventSink>) -> Result<(), RejectReason> {
        match command {
            VenueCommand::Tick => {
                self.tick(out);
                Ok(())
            }
            VenueCommand::SetAccountDefaults(set) => self.set_account_defaults(set),
            VenueCommand::SetMatching(set) => self.set_matching(set),
            VenueCommand::Connected(account) => self.connected(*account),
            VenueCommand::Disconnected(account) => self.disconnected(*account, out),
            VenueCommand::BustTrade(bust) => self.bust(bust, out),
            VenueCommand::RollDay(session) => self.roll_day(*session, out),
            VenueCommand::SetDayRolls(rolls) => {
                self.set_day_rolls(*rolls, out);
                Ok(())
            }
            VenueCommand::SetBands(set) => self.set_bands(set),
            VenueCommand::SetReferencePrice(set) => {
                let instrument = self.listed(set.instrument)?;
                self.instruments.terms_mut(instrument).reference = set.price;
                out.push(EventBody::ReferenceChanged { instrument, price: set.price });
                Ok(())
            }
            VenueCommand::StartAuction(auction) => self.start_auction(auction, out),
            VenueCommand::SetOperationalHalt(set) => self.operational_halt(*set, out),
            VenueCommand::SetMarketWideLevels(set) => {
                let (level_1, level_2, level_3) = (set.level_1, set.level_2, set.level_3);
                out.push(EventBody::MarketWideLevels { level_1, level_2, level_3 });
                Ok(())
            }
            VenueCommand::BreachMarketWide(level) => {
                out.push(EventBody::MarketWideBreached { level: *level });
                self.halting = Some((*level, 0));
                if !self.is_restating() {
                    self.halt_more(out);
                }
                Ok(())
            }
        }
    }

    pub(super) fn known(&self, account: AccountId) -> Result<AccountId, RejectReason> {
        if (account.0 as usize) < self.accounts.count() { Ok(account) } else { Err(RejectReason::FirmNotAuthorized) }
    }

    pub(super) fn listed(&self, instrument: InstrumentId) -> Result<InstrumentId, RejectReason> {
        self.instruments.find(instrument).map(|_| instrument).ok_or(RejectReason::SymbolUnknown)
    }

    fn set_matching(&mut self, set: &SetMatching) -> Result<(), RejectReason> {
        let id = self.listed(set.instrument)?;
        let terms = self.instruments.terms_mut(id);
        terms.algorithm = set.algorithm;
        terms.minimum = set.minimum.0;
        terms.elections_max = match set.elections_per_command_max {
            0 => ELECTIONS_PER_COMMAND_MAX_DEFAULT,
            most => most,
        };
        let is_shared = set.algorithm != MatchingAlgorithm::PriceTime;
        self.instruments.instrument_mut(id).set_unusual(unusual::ALGORITHM, is_shared);
        Ok(())
    }

    fn set_bands(&mut self, set: &SetBands) -> Result<(), RejectReason> {
        let id = self.listed(set.instrument)?;
        let SetBands { static_ppm, dynamic_ppm, collar_ppm, auction_s, .. } = *set;
        self.instruments.terms_mut(id).bands = Bands { static_ppm, dynamic_ppm, collar_ppm, auction_s };
        let has_bands = static_ppm != 0 || dynamic_ppm != 0 || collar_ppm != 0;
        self.instruments.instrument_mut(id).set_unusual(unusual::BANDS, has_bands);
        Ok(())
    }

    fn bust(&mut self, bust: &BustTrade, out: &mut Out<'_, impl EventSink>) -> Result<(), RejectReason> {
        let number = bust.match_number.0;
        let is_known = number > self.busts.forgotten && number <= self.matches;
        let Err(mut place) = self.busts.broken.binary_search(&number) else { return Err(RejectReason::TradeUnknown) };
        let is_full = self.busts.broken.len() == BUSTS_MAX;
        if !is_known || (is_full && place == 0) {
            return Err(RejectReason::TradeUnknown);
        }
        if is_full {
            self.busts.forgotten = self.busts.broken.remove(0);
            place -= 1;
        }
        self.busts.broken.insert(place, number);
        let mut given_back = None;
        let known = |party: &Party| (party.owner.account().0 as usize) < self.accounts.count();
        if known(&bust.buyer) && known(&bust.seller) && self.instruments.find(bust.instrument).is_some() {
            let BustTrade { instrument, quantity, price, .. } = *bust;
            let fill = Fill { instrument, quantity, price, now: out.ingress() };
            let buyer = (bust.buyer.owner.account(), Amount::from(bust.buyer_fee));
            let seller = (bust.seller.owner.account(), Amount::from(bust.seller_fee));
            given_back = self.risk.undo(buyer, seller, fill);
            self.sync_guards();
        }
        out.push(EventBody::TradeBroken {
            match_number: bust.match_number,
            instrument: bust.instrument,
            reason: bust.reason,
            buyer: bust.buyer.owner,
            buyer_user_ref_num: bust.buyer.user_ref_num,
            seller: bust.seller.owner,
            seller_user_ref_num: bust.seller.user_ref_num,
        });
        if let Some((currency, [maker, taker])) = given_back {
            out.push(EventBody::FeesCharged { match_number: bust.match_number, currency, maker, taker });
        }
        Ok(())
    }

    fn set_account_defaults(&mut self, set: &SetAccountDefaults) -> Result<(), RejectReason> {
        let account = self.known(set.account)?;
        let SetAccountDefaults { aiq_strategy: aiq, aiq_group_id: aiq_group, cancel_on_disconnect, grace_ms, .. } =
            *set;
        let now = *self.accounts.defaults(account);
        self.accounts.set_defaults(account, Defaults { aiq, aiq_group, cancel_on_disconnect, grace_ms, ..now });
        Ok(())
    }
}
