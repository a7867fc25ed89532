//! `hft trade bust`: voids an execution. The core keeps no trades, so the asker finds it in the journal and sends it
//! along; who may open the operator's socket may do that.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use protocol::venue_command::{BustTrade, PackedAmount, Party};
use protocol::{
    Amount, BustReason, ClOrdId, Command, CommandBody, Event, EventBody, InstrumentId, LiquidityFlag, MatchNumber,
    Owner, Price, Qty, UserRefNum, VenueCommand, record,
};

use crate::control::client::{self, Where};
use crate::control::request::Request;
use crate::output::hex;
use crate::venue::reading::{self, Begin};

/// Executions.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, subcommand_required = true, after_help = "Example:\n  hft trade bust 17")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Void an execution that the journal still has: both sides and the feed are told, positions, balances and fees turned back
    #[command(after_help = "Example:\n  hft trade bust 17 --reason erroneous")]
    Bust(Bust),
}

#[derive(Debug, clap::Args)]
struct Bust {
    /// Its match number, as both sides and the feed were told
    #[arg(allow_negative_numbers = true, value_parser = crate::units::whole::<u64>)]
    match_number: u64,
    /// Why
    #[arg(long, value_enum, default_value_t = Reason::Supervisory)]
    reason: Reason,
    #[command(flatten)]
    place: Where,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reason {
    Erroneous,
    Consent,
    Supervisory,
    External,
}

/// Finds the trade, asks for its end, prints the reply.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let What::Bust(Bust { match_number, reason, place }) = &args.what;
    let reason = match reason {
        Reason::Erroneous => BustReason::Erroneous,
        Reason::Consent => BustReason::Consent,
        Reason::Supervisory => BustReason::Supervisory,
        Reason::External => BustReason::External,
    };
    let mut search = Search::new(MatchNumber(*match_number));
    reading::replica(&place.data_dir, Begin::First, None)?.replay(
        &place.data_dir.join("journal"),
        None,
        |_| Ok(()),
        |command, event| {
            search.look(command, event);
            Ok(())
        },
    )?;
    let bust = search.found(reason).with_context(|| {
        format!("no execution has the number {match_number}; see the executions of an account statement")
    })?;
    let mut bytes = [0; record::BODY_BYTES_MAX];
    let length = record::encode(&CommandBody::Venue(VenueCommand::BustTrade(bust)), &mut bytes);
    let record = hex(bytes.get(..length).unwrap_or_default());
    client::run(place, &Request::BustTrade { record })
}

/// Follows the journal until it has seen both sides of the trade.
struct Search {
    wanted: MatchNumber,
    texts: BTreeMap<(Owner, UserRefNum), ClOrdId>,
    terms: Option<(InstrumentId, Qty, Price)>,
    buyer: Option<Party>,
    seller: Option<Party>,
    /// The maker of what was told last of it bought.
    maker_buys: bool,
    /// What the buyer and the seller paid.
    fees: [Amount; 2],
}

impl Search {
    fn new(wanted: MatchNumber) -> Self {
        Self {
            wanted,
            texts: BTreeMap::new(),
            terms: None,
            buyer: None,
            seller: None,
            maker_buys: false,
            fees: [Amount::ZERO; 2],
        }
    }

    fn look(&mut self, command: &Command, event: &Event) {
        if let CommandBody::Enter(enter) = &command.body {
            self.texts.insert((enter.owner, enter.user_ref_num), enter.cl_ord_id);
        }
        if let CommandBody::Replace(replace) = &command.body {
            self.texts.insert((replace.owner, replace.user_ref_num), replace.cl_ord_id);
        }
        if let EventBody::Traded {
            match_number,
            quantity,
            price,
            maker,
            maker_user_ref_num,
            taker,
            taker_user_ref_num,
            instrument,
            maker_side,
            maker_flag,
            taker_flag,
            ..
        } = event.body
            && match_number == self.wanted
        {
            self.side(maker_side.is_buy(), (maker, maker_user_ref_num), maker_flag);
            self.side(!maker_side.is_buy(), (taker, taker_user_ref_num), taker_flag);
            self.maker_buys = maker_side.is_buy();
            self.terms = Some((instrument, quantity, price));
        }
        if let EventBody::CrossExecuted {
            match_number,
            quantity,
            price,
            owner,
            user_ref_num,
            instrument,
            side,
            flag,
            ..
        } = event.body
            && match_number == self.wanted
        {
            self.side(side.is_buy(), (owner, user_ref_num), flag);
            self.maker_buys = side.is_buy();
            self.terms = Some((instrument, quantity, price));
        }
        if let EventBody::FeesCharged { match_number, maker, taker, .. } = event.body
            && match_number == self.wanted
        {
            let [buyer, seller] = if self.maker_buys { [maker, taker] } else { [taker, maker] };
            for (sum, fee) in self.fees.iter_mut().zip([buyer, seller]) {
                *sum = sum.checked_add(fee).unwrap_or(*sum);
            }
        }
    }

    fn side(&mut self, is_buy: bool, (owner, user_ref_num): (Owner, UserRefNum), flag: LiquidityFlag) {
        let cl_ord_id = self.texts.get(&(owner, user_ref_num)).copied().unwrap_or(ClOrdId::BLANK);
        let party = Some(Party { owner, user_ref_num, cl_ord_id, flag });
        *(if is_buy { &mut self.buyer } else { &mut self.seller }) = party;
    }

    fn found(&self, reason: BustReason) -> Option<BustTrade> {
        let (instrument, quantity, price) = self.terms?;
        let (buyer, seller) = (self.buyer?, self.seller?);
        let [buyer_fee, seller_fee] = self.fees.map(PackedAmount::from);
        let match_number = self.wanted;
        Some(BustTrade { match_number, instrument, quantity, price, reason, buyer, seller, buyer_fee, seller_fee })
    }
}
