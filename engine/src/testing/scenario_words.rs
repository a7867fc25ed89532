//! Commands of scenarios, from words.

use super::scenario::{AAPL, TICK};
use super::scenario_money::amount;
use protocol::command::{
    AccountQuery, CancelOrder, EnterOrder, EntrySwitch, MassCancel, ModifyOrder, OrderTags, ReplaceOrder,
    SetTradingState, TagSet,
};
use protocol::types::{
    AccountId, BustReason, Capacity, Channel, ClOrdId, CrossType, Display, Firm, LiquidityFlag, MatchNumber,
    MatchingAlgorithm, Nanos, Owner, Price, Qty, SessionName, Side, Symbol, SystemEventCode, TimeInForce, TradingState,
    UserRefNum,
};
use protocol::venue_command::{
    BustTrade, Party, SetAccountDefaults, SetBands, SetMarketWideLevels, SetMatching, SetOperationalHalt,
    SetReferencePrice, StartAuction, VenueCommand,
};
use protocol::{Amount, CommandBody};

/// A line, cut into words.
pub(super) struct Line<'a> {
    text: &'a str,
    words: Vec<&'a str>,
}

impl<'a> Line<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, words: text.split_whitespace().collect() }
    }

    pub(super) fn word(&self, at: usize) -> &'a str {
        self.words.get(at).copied().unwrap_or_default()
    }

    pub(super) fn has(&self, word: &str) -> bool {
        self.words.contains(&word)
    }

    /// What stands behind `name=`.
    pub(super) fn option(&self, name: &str) -> Option<&'a str> {
        self.words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    pub(super) fn wrong(&self, what: &str) -> String {
        format!("{:?}: {what}", self.text)
    }

    pub(super) fn number_of(&self, name: &str) -> Result<Option<u32>, String> {
        self.option(name).map(|text| text.parse().map_err(|_| self.wrong(name))).transpose()
    }

    pub(super) fn number(&self, at: usize) -> Result<u32, String> {
        self.word(at).parse().map_err(|_| self.wrong("a number is expected"))
    }

    pub(super) fn signed(&self, at: usize) -> Result<i32, String> {
        self.word(at).parse().map_err(|_| self.wrong("a whole number is expected"))
    }

    fn user_ref_num(&self, at: usize) -> Result<UserRefNum, String> {
        self.number(at).map(UserRefNum)
    }

    /// A time like `3s` or `250ms`.
    pub(super) fn nanos(&self, at: usize) -> Result<u64, String> {
        self.nanos_in(self.word(at))
    }

    fn nanos_in(&self, text: &str) -> Result<u64, String> {
        let (number, unit) = match text.strip_suffix("ms") {
            Some(number) => (number, 1_000_000),
            None => (text.strip_suffix('s').unwrap_or(text), 1_000_000_000),
        };
        number.parse::<u64>().map(|number| number * unit).map_err(|_| self.wrong("a time is expected"))
    }

    /// A price in ticks, or `market`.
    fn price_in(&self, text: &str) -> Result<Price, String> {
        if text == "market" {
            return Ok(Price::MARKET);
        }
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let part = if part.len() == 1 { format!("{part}0") } else { part.to_owned() };
        match (whole.parse::<u32>(), part.parse::<u32>()) {
            (Ok(whole), Ok(part)) if part < TICK => Ok(Price(whole * TICK + part)),
            (Ok(_) | Err(_), _) => Err(self.wrong("a price is expected")),
        }
    }

    fn price_of(&self, name: &str) -> Result<Option<Price>, String> {
        self.option(name).map(|text| self.price_in(text)).transpose()
    }

    /// `10@100`.
    fn terms(&self, at: usize) -> Result<(Qty, Price), String> {
        self.terms_in(self.word(at))
    }

    fn terms_in(&self, text: &str) -> Result<(Qty, Price), String> {
        let (quantity, price) = text.split_once('@').ok_or_else(|| self.wrong("10@100 is expected"))?;
        Ok((Qty(quantity.parse().map_err(|_| self.wrong("a quantity is expected"))?), self.price_in(price)?))
    }

    pub(super) fn account(&self) -> Result<AccountId, String> {
        Ok(AccountId(self.number_of("acct")?.unwrap_or(0)))
    }

    fn owner(&self) -> Result<Owner, String> {
        let channel = self.number_of("ch")?.unwrap_or(0);
        Ok(Owner::new(self.account()?, Channel(u8::try_from(channel).map_err(|_| self.wrong("ch"))?)))
    }

    fn side(&self, at: usize) -> Result<Side, String> {
        side_of(self.word(at)).ok_or_else(|| self.wrong("a side is expected"))
    }

    fn time_in_force(&self) -> TimeInForce {
        let words = [
            ("ioc", TimeInForce::Ioc),
            ("fok", TimeInForce::Fok),
            ("gtc", TimeInForce::Gtc),
            ("gtx", TimeInForce::Gtx),
        ];
        if self.option("gtt").is_some() || self.has("gtt") {
            TimeInForce::Gtt
        } else if self.option("gtd").is_some() {
            TimeInForce::Gtd
        } else {
            words.iter().find(|(word, _)| self.has(word)).map_or(TimeInForce::Day, |(_, found)| *found)
        }
    }

    fn display(&self) -> Display {
        if self.has("hidden") {
            Display::Hidden
        } else if self.has("named") {
            Display::Attributable
        } else {
            Display::Visible
        }
    }

    fn cross_type(&self) -> Result<CrossType, String> {
        match self.option("cross") {
            None => Ok(CrossType::Continuous),
            Some("open") => Ok(CrossType::Opening),
            Some("close") => Ok(CrossType::Closing),
            Some("halt") => Ok(CrossType::Halt),
            Some("retail") => Ok(CrossType::Retail),
            Some(_) => Err(self.wrong("cross")),
        }
    }

    /// The optional fields of an order.
    fn tags(&self, now: u64) -> Result<OrderTags, String> {
        let mut tags = OrderTags::NONE;
        let mut present = TagSet::NONE;
        let mut send = |is_sent: bool, tag: TagSet| {
            if is_sent {
                present = present.with(tag);
            }
        };
        if let Some(quantity) = self.number_of("min")? {
            tags.min_qty = Qty(quantity);
            send(true, TagSet::MIN_QTY);
        }
        if let Some(quantity) = self.number_of("floor")? {
            tags.max_floor = Qty(quantity);
            send(true, TagSet::MAX_FLOOR);
        }
        if let Some(quantity) = self.number_of("random")? {
            tags.random_reserves = Qty(quantity);
            send(true, TagSet::RANDOM_RESERVES);
        }
        if let Some(group) = self.number_of("group")? {
            tags.group_id = u16::try_from(group).map_err(|_| self.wrong("group"))?;
            send(true, TagSet::GROUP_ID);
        }
        if let Some(price) = self.price_of("stop")? {
            tags.stop_price = price;
            send(true, TagSet::STOP_PRICE);
        }
        if let Some(price) = self.price_of("trail")? {
            tags.trail_offset = price;
            send(true, TagSet::TRAIL_OFFSET);
        }
        if let Some(time) = self.option("gtt") {
            tags.expire_time_s = u32::try_from(self.nanos_in(time)? / 1_000_000_000).unwrap_or(u32::MAX);
            send(true, TagSet::EXPIRE_TIME);
        }
        if let Some(time) = self.option("gtd") {
            tags.expire_at = Nanos(now + self.nanos_in(time)?);
            send(true, TagSet::EXPIRE_AT);
        }
        self.letters(&mut tags, &mut send)?;
        tags.present = present;
        Ok(tags)
    }

    /// The optional fields that are letters.
    fn letters(&self, tags: &mut OrderTags, send: &mut impl FnMut(bool, TagSet)) -> Result<(), String> {
        let pick = |name: &str, words: &[(&str, u8)]| -> Result<Option<u8>, String> {
            let Some(found) = self.option(name) else { return Ok(None) };
            let letter = words.iter().find(|(word, _)| *word == found).map(|(_, letter)| *letter);
            letter.map(Some).ok_or_else(|| self.wrong(name))
        };
        if let Some(letter) = pick("by", &[("last", b'L'), ("quote", b'Q'), ("mid", b'M')])? {
            tags.stop_trigger = letter;
            send(true, TagSet::STOP_TRIGGER);
        }
        let pegs = [("primary", b'R'), ("mid", b'M'), ("market", b'P'), ("maker", b'Q'), ("none", b'L')];
        if let Some(letter) = pick("peg", &pegs)? {
            tags.price_type = letter;
            send(true, TagSet::PRICE_TYPE);
        }
        if let Some(offset) = self.option("offset") {
            let ticks: i32 = offset.parse().map_err(|_| self.wrong("offset"))?;
            tags.peg_offset = ticks * TICK.cast_signed();
            send(true, TagSet::PEG_OFFSET);
        }
        if let Some(letter) = self.option("smp").and_then(|text| text.bytes().next()) {
            tags.aiq_strategy = letter;
            send(true, TagSet::AIQ_STRATEGY);
        }
        if let Some(group) = self.option("smp-group") {
            tags.aiq_group_id = group.as_bytes().try_into().map_err(|_| self.wrong("smp-group"))?;
            send(true, TagSet::AIQ_GROUP_ID);
        }
        if let Some(letter) = pick("disconnect", &[("cancel", b'Y'), ("keep", b'N')])? {
            tags.cancel_on_disconnect = letter;
            send(true, TagSet::CANCEL_ON_DISCONNECT);
        }
        if self.has("located") {
            tags.shares_located = b'Y';
            send(true, TagSet::SHARES_LOCATED);
        }
        if self.has("imbalance-only") {
            tags.handle_inst = b'I';
            send(true, TagSet::HANDLE_INST);
        }
        tags.post_only = self.has("post");
        send(self.has("post") || self.has("no-post"), TagSet::POST_ONLY);
        tags.report_details = self.has("details");
        send(self.has("details"), TagSet::REPORT_DETAILS);
        tags.side = self.option("mark").and_then(side_of);
        send(tags.side.is_some(), TagSet::SIDE);
        Ok(())
    }

    /// `10%`, `2.5%`: parts per million; 0 when it is not there.
    fn ppm(&self, name: &str) -> Result<u32, String> {
        let Some(text) = self.option(name) else { return Ok(0) };
        let text = text.strip_suffix('%').ok_or_else(|| self.wrong(name))?;
        let (whole, tenths) = text.split_once('.').unwrap_or((text, "0"));
        match (whole.parse::<u32>(), tenths.parse::<u32>()) {
            (Ok(whole), Ok(tenths)) if tenths < 10 => Ok(whole * 10_000 + tenths * 1_000),
            (Ok(_) | Err(_), _) => Err(self.wrong(name)),
        }
    }

    fn state(&self, at: usize) -> Result<TradingState, String> {
        let words = [
            ("halted", TradingState::Halted),
            ("paused", TradingState::Paused),
            ("quotation", TradingState::QuotationOnly),
            ("trading", TradingState::Trading),
            ("pre-open", TradingState::PreOpen),
            ("pre-close", TradingState::PreClose),
            ("closed", TradingState::Closed),
        ];
        let found = words.iter().find(|(word, _)| *word == self.word(at));
        found.map(|(_, state)| *state).ok_or_else(|| self.wrong("a trading state is expected"))
    }
}

fn side_of(word: &str) -> Option<Side> {
    match word {
        "buy" => Some(Side::Buy),
        "sell" => Some(Side::Sell),
        "short" => Some(Side::SellShort),
        "exempt" => Some(Side::SellShortExempt),
        _ => None,
    }
}

/// The commands that a line stands for; more than one where one would be tedious to write.
pub(super) fn bodies(line: &Line<'_>, now: u64) -> Result<Vec<CommandBody>, String> {
    if let Some(request) = super::scenario_money::request(line)? {
        return Ok(vec![request]);
    }
    let body = match line.word(0) {
        "enter" => CommandBody::Enter(enter(line, now)?),
        "replace" => CommandBody::Replace(replace(line, now)?),
        "cancel" => CommandBody::Cancel(CancelOrder {
            owner: line.owner()?,
            user_ref_num: line.user_ref_num(1)?,
            quantity: Qty(line.number(2)?),
        }),
        "modify" => CommandBody::Modify(ModifyOrder {
            owner: line.owner()?,
            user_ref_num: line.user_ref_num(1)?,
            side: line.side(2)?,
            quantity: Qty(line.number(3)?),
            present: if line.has("located") { TagSet::SHARES_LOCATED } else { TagSet::NONE },
            shares_located: if line.has("located") { b'Y' } else { b'N' },
            locate_broker: Firm::BLANK,
        }),
        "mass" => {
            let tags = line.tags(now)?;
            CommandBody::MassCancel(MassCancel {
                owner: line.owner()?,
                user_ref_num: line.user_ref_num(1)?,
                firm: Firm::BLANK,
                symbol: Symbol::BLANK,
                instrument: None,
                side: tags.side,
                group_id: tags.group_id,
                present: TagSet(tags.present.0 & (TagSet::SIDE.0 | TagSet::GROUP_ID.0)),
            })
        }
        "disable" | "enable" => {
            let switch = EntrySwitch { owner: line.owner()?, user_ref_num: line.user_ref_num(1)?, firm: Firm::BLANK };
            if line.word(0) == "disable" { CommandBody::DisableEntry(switch) } else { CommandBody::EnableEntry(switch) }
        }
        "query" => CommandBody::Query(AccountQuery { owner: line.owner()? }),
        "state" => {
            let reason = Firm::from_text(line.word(2)).unwrap_or_default();
            CommandBody::SetTradingState(SetTradingState { instrument: AAPL, state: line.state(1)?, reason })
        }
        "day" => {
            let letter = line.word(1).bytes().next().unwrap_or_default();
            CommandBody::SystemEvent(SystemEventCode::from_letter(letter).ok_or_else(|| line.wrong("day"))?)
        }
        _ => CommandBody::Venue(venue_command(line, now)?),
    };
    Ok(vec![body])
}

fn enter(line: &Line<'_>, now: u64) -> Result<EnterOrder, String> {
    let (quantity, price) = line.terms(3)?;
    Ok(EnterOrder {
        owner: line.owner()?,
        user_ref_num: line.user_ref_num(1)?,
        quantity,
        price,
        instrument: AAPL,
        side: line.side(2)?,
        time_in_force: line.time_in_force(),
        display: line.display(),
        capacity: Capacity::Principal,
        sweep: false,
        cross_type: line.cross_type()?,
        cl_ord_id: ClOrdId::BLANK,
        tags: line.tags(now)?,
    })
}

fn replace(line: &Line<'_>, now: u64) -> Result<ReplaceOrder, String> {
    let (quantity, price) = line.terms(3)?;
    Ok(ReplaceOrder {
        owner: line.owner()?,
        orig_user_ref_num: line.user_ref_num(1)?,
        user_ref_num: line.user_ref_num(2)?,
        quantity,
        price,
        time_in_force: line.time_in_force(),
        display: line.display(),
        sweep: false,
        cl_ord_id: ClOrdId::BLANK,
        tags: line.tags(now)?,
    })
}

fn venue_command(line: &Line<'_>, now: u64) -> Result<VenueCommand, String> {
    let instrument = AAPL;
    Ok(match line.word(0) {
        "tick" => VenueCommand::Tick,
        "auction" => {
            let until = Nanos(now + line.nanos_in(line.option("for").unwrap_or("0s"))?);
            let state = line.state(1)?;
            VenueCommand::StartAuction(StartAuction { instrument, state, reason: Firm::BLANK, until })
        }
        "matching" => VenueCommand::SetMatching(SetMatching {
            instrument,
            algorithm: match line.word(1) {
                "price-time" => MatchingAlgorithm::PriceTime,
                "pro-rata" => MatchingAlgorithm::ProRata,
                "top-pro-rata" => MatchingAlgorithm::TopThenProRata,
                _ => return Err(line.wrong("an algorithm is expected")),
            },
            minimum: Qty(line.number_of("minimum")?.unwrap_or(0)),
            elections_per_command_max: u16::try_from(line.number_of("elections")?.unwrap_or(0)).unwrap_or(0),
        }),
        "bands" => VenueCommand::SetBands(SetBands {
            instrument,
            static_ppm: line.ppm("static")?,
            dynamic_ppm: line.ppm("dynamic")?,
            collar_ppm: line.ppm("collar")?,
            auction_s: line.number_of("seconds")?.unwrap_or(0),
        }),
        "reference" => {
            VenueCommand::SetReferencePrice(SetReferencePrice { instrument, price: line.price_in(line.word(1))? })
        }
        "defaults" => VenueCommand::SetAccountDefaults(SetAccountDefaults {
            account: line.account()?,
            aiq_strategy: line.option("smp").and_then(|text| text.bytes().next()).unwrap_or(b'N'),
            aiq_group_id: *b"  ",
            cancel_on_disconnect: line.option("disconnect") == Some("cancel"),
            grace_ms: u32::try_from(line.nanos_in(line.option("grace").unwrap_or("0s"))? / 1_000_000).unwrap_or(0),
        }),
        "connect" => VenueCommand::Connected(line.account()?),
        "disconnect" => VenueCommand::Disconnected(line.account()?),
        "operational-halt" => VenueCommand::SetOperationalHalt(SetOperationalHalt { instrument, is_halted: true }),
        "operational-resume" => VenueCommand::SetOperationalHalt(SetOperationalHalt { instrument, is_halted: false }),
        "levels" => {
            let [level_1, level_2, level_3] = [1, 2, 3].map(|at| line.number(at).map(u64::from));
            let levels = SetMarketWideLevels { level_1: level_1?, level_2: level_2?, level_3: level_3? };
            VenueCommand::SetMarketWideLevels(levels)
        }
        "breach" => VenueCommand::BreachMarketWide(u8::try_from(line.number(1)?).unwrap_or(1)),
        "bust" => VenueCommand::BustTrade(bust(line)?),
        "day-rolls" => VenueCommand::SetDayRolls(line.word(1) == "yes"),
        "roll" => {
            let name: [u8; 10] = line.word(1).as_bytes().try_into().map_err(|_| line.wrong("ten letters"))?;
            VenueCommand::RollDay(SessionName(name))
        }
        _ => return Err(line.wrong("no such command")),
    })
}

/// `bust MATCH buyer=NUMBER seller=NUMBER [of=10@100 buyer-acct=N seller-acct=N buyer-fee=X seller-fee=X]`.
fn bust(line: &Line<'_>) -> Result<BustTrade, String> {
    let party = |name: &str, account: &str| -> Result<Party, String> {
        let account = line.number_of(account)?.map_or_else(|| line.account(), |account| Ok(AccountId(account)))?;
        Ok(Party {
            owner: Owner::new(account, Channel(0)),
            user_ref_num: UserRefNum(line.number_of(name)?.unwrap_or(0)),
            cl_ord_id: ClOrdId::BLANK,
            flag: LiquidityFlag::Added,
        })
    };
    let (quantity, price) = line.option("of").map_or(Ok((Qty(1), Price(TICK))), |text| line.terms_in(text))?;
    let fee = |name| line.option(name).map_or(Ok(Amount::ZERO), |text| amount(line, text));
    Ok(BustTrade {
        match_number: MatchNumber(line.number(1)?.into()),
        instrument: AAPL,
        quantity,
        price,
        reason: BustReason::Erroneous,
        buyer: party("buyer", "buyer-acct")?,
        seller: party("seller", "seller-acct")?,
        buyer_fee: fee("buyer-fee")?.into(),
        seller_fee: fee("seller-fee")?.into(),
    })
}
