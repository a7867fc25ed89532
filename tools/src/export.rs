//! `hft journal export`: the commands as CSV or Parquet, or what the feed said as an ITCH 5.0 file. Read-only; works while the venue runs.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::ValueEnum;
use journal::JournalReader;
use protocol::itch::{self, BLOCK_BYTES_MAX};
use protocol::{
    Command, CommandBody, Event, EventBody, InstrumentId, Nanos, Owner, Sequence, Symbol, VenueCommand, record,
};
use serde_json::json;

use crate::export_parquet::{Row, Table};
use crate::output::print_line;
use crate::venue::reading::{self, Begin};

/// What is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// One line per command
    Csv,
    /// ITCH 5.0 as the feed sent it, each message behind its length in two bytes, big-endian (`BinaryFILE`)
    Itch,
    /// One row per command, columns as in the CSV, Snappy-compressed
    Parquet,
}

/// How to export.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Data directory of the venue
    #[arg(long, value_name = "DIR", default_value = "./data")]
    data_dir: PathBuf,
    /// What to write
    #[arg(long, value_enum)]
    format: Format,
    /// File to write; replaced if there is one
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Exports `journal_dir`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let journal_dir = args.data_dir.join("journal");
    ensure!(journal_dir.is_dir(), "no journal at {}; name the data directory with --data-dir", journal_dir.display());
    let cannot = || format!("cannot write {}", args.out.display());
    let mut out = BufWriter::new(File::create(&args.out).with_context(cannot)?);
    let rows = match args.format {
        Format::Csv => csv(&journal_dir, &mut out)?,
        Format::Itch => itch(&args.data_dir, &mut out)?,
        Format::Parquet => return parquet(&journal_dir, args),
    };
    done(&out.into_inner().map_err(std::io::IntoInnerError::into_error).with_context(cannot)?, args, rows)
}

/// Waits until the file is on disk, and says so.
fn done(file: &File, args: &Args, rows: u64) -> anyhow::Result<ExitCode> {
    file.sync_all().with_context(|| format!("cannot write {}", args.out.display()))?;
    print_line(&json!({ "out": args.out.display().to_string(), "rows": rows }).to_string());
    Ok(ExitCode::SUCCESS)
}

fn parquet(journal_dir: &Path, args: &Args) -> anyhow::Result<ExitCode> {
    let file = File::create(&args.out).with_context(|| format!("cannot write {}", args.out.display()))?;
    let mut table = Table::new(file)?;
    let rows = each_command(journal_dir, |sequence, ingress, body| {
        let (command, fields) = (kind(body), format!("{body:?}"));
        let row = Row { sequence: sequence.0, ingress_ns: ingress.0, command, columns: columns(body), fields };
        Ok(table.push(row)?)
    })?;
    done(&table.finish()?, args, rows)
}

/// Hands out the commands that the journal holds; how many there were.
fn each_command(
    journal_dir: &Path,
    mut each: impl FnMut(Sequence, Nanos, &CommandBody) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let mut reader = JournalReader::open_oldest(journal_dir)?;
    let mut rows = 0;
    while let Some(found) = reader.next()? {
        let body = record::decode(found.body)
            .map_err(|error| anyhow::anyhow!("the record of sequence {} is no command: {error}", found.sequence))?;
        each(found.sequence, found.ingress, &body)?;
        rows += 1;
    }
    Ok(rows)
}

/// The same messages as the feed's stream, made again by replay; from the oldest snapshot on where the first commands are
/// archived.
fn itch(data_dir: &Path, out: &mut (impl Write + Send)) -> anyhow::Result<u64> {
    let mut replica = reading::replica(data_dir, Begin::First, None)?;
    let mut symbols: Vec<(InstrumentId, Symbol)> =
        replica.core.instruments().map(|view| (view.listed.instrument, view.listed.symbol)).collect();
    let mut midnight = replica.core.midnight();
    let mut block = [0; BLOCK_BYTES_MAX];
    let mut messages = 0;
    let told = |_: &Command, event: &Event| {
        if let EventBody::InstrumentListed { instrument, symbol, .. } = &event.body {
            // Each roll tells them again.
            if !symbols.contains(&(*instrument, *symbol)) {
                symbols.push((*instrument, *symbol));
            }
        }
        midnight = event.midnight_after(midnight);
        let symbol = |id| symbols.iter().find(|(listed, _)| *listed == id).map_or(Symbol::BLANK, |(_, symbol)| *symbol);
        let bytes = itch::from_event(event, midnight, symbol, &mut block);
        if bytes > 0 {
            out.write_all(block.get(..bytes).unwrap_or_default())?;
            messages += 1;
        }
        Ok(())
    };
    replica.replay(&data_dir.join("journal"), None, |_| Ok(()), told)?;
    Ok(messages)
}

const COLUMNS: [&str; 11] = [
    "sequence",
    "ingress_ns",
    "command",
    "account",
    "channel",
    "user_ref_num",
    "instrument",
    "side",
    "price",
    "quantity",
    "fields",
];

/// Prices and quantities in wire units; `fields` is the whole command in words.
fn csv(journal_dir: &Path, out: &mut impl Write) -> anyhow::Result<u64> {
    let mut table = csv::Writer::from_writer(out);
    table.write_record(COLUMNS)?;
    let rows = each_command(journal_dir, |sequence, ingress, body| {
        let [account, channel, number, instrument, side, price, quantity] = columns(body);
        let (sequence, ingress) = (sequence.0.to_string(), ingress.0.to_string());
        let fields = format!("{body:?}");
        let row = [&sequence, &ingress, kind(body), &account, &channel, &number, &instrument, &side, &price, &quantity];
        Ok(table.write_record(row.into_iter().chain([fields.as_str()]))?)
    })?;
    table.flush()?;
    Ok(rows)
}

/// Account, channel, user reference number, instrument, side, price, quantity: empty where a command has none.
fn columns(body: &CommandBody) -> [String; 7] {
    let mut row: [String; 7] = Default::default();
    let mut owned = |owner: &Owner, number: Option<u32>| {
        row[0] = owner.account().0.to_string();
        row[1] = owner.channel().0.to_string();
        row[2] = number.map(|number| number.to_string()).unwrap_or_default();
    };
    match body {
        CommandBody::Enter(order) => {
            owned(&order.owner, Some(order.user_ref_num.0));
            row[3] = order.instrument.0.to_string();
            row[4] = char::from(order.side.letter()).to_string();
            (row[5], row[6]) = (order.price.0.to_string(), order.quantity.0.to_string());
        }
        CommandBody::Replace(order) => {
            owned(&order.owner, Some(order.user_ref_num.0));
            (row[5], row[6]) = (order.price.0.to_string(), order.quantity.0.to_string());
        }
        CommandBody::Cancel(order) => {
            owned(&order.owner, Some(order.user_ref_num.0));
            row[6] = order.quantity.0.to_string();
        }
        CommandBody::Modify(order) => {
            owned(&order.owner, Some(order.user_ref_num.0));
            row[4] = char::from(order.side.letter()).to_string();
            row[6] = order.quantity.0.to_string();
        }
        CommandBody::MassCancel(cancel) => owned(&cancel.owner, Some(cancel.user_ref_num.0)),
        CommandBody::DisableEntry(switch) | CommandBody::EnableEntry(switch) => {
            owned(&switch.owner, Some(switch.user_ref_num.0));
        }
        CommandBody::Query(query) => owned(&query.owner, None),
        CommandBody::Refuse(refuse) => owned(&refuse.owner, Some(refuse.user_ref_num.0)),
        CommandBody::RefuseReplace(refuse) => owned(&refuse.owner, Some(refuse.user_ref_num.0)),
        CommandBody::ListInstrument(listed) => row[3] = listed.instrument.0.to_string(),
        CommandBody::SetTradingState(set) => row[3] = set.instrument.0.to_string(),
        CommandBody::SetShortSaleTest(set) => row[3] = set.instrument.0.to_string(),
        CommandBody::OpenAccount(open) => row[0] = open.account.0.to_string(),
        CommandBody::OpenVenue(_) | CommandBody::SystemEvent(_) | CommandBody::Operator(_) => {}
        CommandBody::Venue(command) => venue_columns(command, &mut row),
    }
    row
}

/// Name of a command.
pub fn kind(body: &CommandBody) -> &'static str {
    match body {
        CommandBody::Enter(_) => "Enter",
        CommandBody::Replace(_) => "Replace",
        CommandBody::Cancel(_) => "Cancel",
        CommandBody::Modify(_) => "Modify",
        CommandBody::MassCancel(_) => "MassCancel",
        CommandBody::DisableEntry(_) => "DisableEntry",
        CommandBody::EnableEntry(_) => "EnableEntry",
        CommandBody::Query(_) => "Query",
        CommandBody::Refuse(_) => "Refuse",
        CommandBody::RefuseReplace(_) => "RefuseReplace",
        CommandBody::OpenVenue(_) => "OpenVenue",
        CommandBody::ListInstrument(_) => "ListInstrument",
        CommandBody::SetTradingState(_) => "SetTradingState",
        CommandBody::SetShortSaleTest(_) => "SetShortSaleTest",
        CommandBody::OpenAccount(_) => "OpenAccount",
        CommandBody::SystemEvent(_) => "SystemEvent",
        CommandBody::Operator(_) => "Operator",
        CommandBody::Venue(command) => venue_kind(command),
    }
}

fn venue_columns(command: &VenueCommand, row: &mut [String; 7]) {
    match command {
        VenueCommand::SetMatching(set) => row[3] = set.instrument.0.to_string(),
        VenueCommand::SetBands(set) => row[3] = set.instrument.0.to_string(),
        VenueCommand::SetReferencePrice(set) => {
            (row[3], row[5]) = (set.instrument.0.to_string(), set.price.0.to_string());
        }
        VenueCommand::StartAuction(auction) => row[3] = auction.instrument.0.to_string(),
        VenueCommand::SetOperationalHalt(set) => row[3] = set.instrument.0.to_string(),
        VenueCommand::SetAccountDefaults(set) => row[0] = set.account.0.to_string(),
        VenueCommand::Connected(account) | VenueCommand::Disconnected(account) => row[0] = account.0.to_string(),
        VenueCommand::BustTrade(bust) => {
            row[3] = bust.instrument.0.to_string();
            (row[5], row[6]) = (bust.price.0.to_string(), bust.quantity.0.to_string());
        }
        VenueCommand::Tick
        | VenueCommand::SetMarketWideLevels(_)
        | VenueCommand::BreachMarketWide(_)
        | VenueCommand::RollDay(_)
        | VenueCommand::SetDayRolls(_) => {}
    }
}

fn venue_kind(command: &VenueCommand) -> &'static str {
    match command {
        VenueCommand::Tick => "Tick",
        VenueCommand::SetMatching(_) => "SetMatching",
        VenueCommand::SetBands(_) => "SetBands",
        VenueCommand::SetReferencePrice(_) => "SetReferencePrice",
        VenueCommand::StartAuction(_) => "StartAuction",
        VenueCommand::SetAccountDefaults(_) => "SetAccountDefaults",
        VenueCommand::Connected(_) => "Connected",
        VenueCommand::Disconnected(_) => "Disconnected",
        VenueCommand::SetOperationalHalt(_) => "SetOperationalHalt",
        VenueCommand::SetMarketWideLevels(_) => "SetMarketWideLevels",
        VenueCommand::BreachMarketWide(_) => "BreachMarketWide",
        VenueCommand::BustTrade(_) => "BustTrade",
        VenueCommand::RollDay(_) => "RollDay",
        VenueCommand::SetDayRolls(_) => "SetDayRolls",
    }
}
