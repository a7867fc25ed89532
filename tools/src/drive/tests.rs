//! The player against a venue of a few lines: sorted vectors, no sockets. What the venue shows is compared with the file, so a
//! mistake of the player's own book cannot hide itself.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use protocol::{Price, Qty};

use super::generate;
use super::lobster::{Level, LobsterError, LobsterReader, Step, Window};
use super::mirror::{Fill, Handle, Instruction};
use super::player::{Foreseen, InstrumentLimits, Played, Player, Recorded};
use super::report::{Exclusion, ExecutionDifference, ExecutionTally, Report, RowDifference};

const LIMITS: InstrumentLimits = InstrumentLimits { tick: 100, quantity_max: Qty(999_999) };

#[derive(Clone, Copy)]
struct Order {
    handle: Handle,
    leaves: u32,
    done: u32,
}

/// Orders by side and by how good the price is, in the order of entry.
#[derive(Default)]
struct PlainVenue {
    sides: [BTreeMap<u32, Vec<Order>>; 2],
    places: BTreeMap<Handle, (bool, u32)>,
}

/// Lower is better, on both sides.
fn rank(is_buy: bool, price: Price) -> u32 {
    if is_buy { u32::MAX - price.0 } else { price.0 }
}

impl PlainVenue {
    /// One window per feed message, and the executions.
    fn take(&mut self, instruction: &Instruction, seen: &mut Vec<Window>, executed: &mut Vec<(Handle, Qty)>) {
        match *instruction {
            Instruction::Rest { handle, is_buy, price, quantity } => {
                let best = self.sides[usize::from(!is_buy)].keys().next();
                assert!(best.is_none_or(|best| *best > rank(!is_buy, price)), "an order to rest would trade");
                assert!(quantity > Qty::ZERO && quantity <= LIMITS.quantity_max && price.0 % LIMITS.tick == 0);
                let queue = self.sides[usize::from(is_buy)].entry(rank(is_buy, price)).or_default();
                queue.push(Order { handle, leaves: quantity.0, done: 0 });
                self.places.insert(handle, (is_buy, rank(is_buy, price)));
                seen.push(self.window());
            }
            Instruction::Reduce { handle, total } => {
                let (is_buy, rank) = self.places[&handle];
                let queue = self.sides[usize::from(is_buy)].get_mut(&rank).expect("it rests");
                let order = queue.iter_mut().find(|order| order.handle == handle).expect("it rests");
                let open = total.0.saturating_sub(order.done);
                assert!(open < order.leaves, "a cancel that takes nothing off gets no answer");
                order.leaves = open;
                self.tidy(is_buy, rank);
                seen.push(self.window());
            }
            Instruction::Sweep { is_buy, price, quantity, fills } => {
                let (mut left, before) = (quantity.0, executed.len());
                while left > 0 {
                    let (best, queue) = self.sides[usize::from(!is_buy)].iter_mut().next().expect("it fills");
                    let best = *best;
                    assert!(best <= rank(!is_buy, price), "it fills within its limit");
                    let traded = left.min(queue[0].leaves);
                    left -= traded;
                    queue[0].leaves -= traded;
                    queue[0].done += traded;
                    executed.push((queue[0].handle, Qty(traded)));
                    self.tidy(!is_buy, best);
                    seen.push(self.window());
                }
                assert_eq!(executed.len() - before, fills as usize);
            }
        }
    }

    fn tidy(&mut self, is_buy: bool, rank: u32) {
        let side = &mut self.sides[usize::from(is_buy)];
        let queue = side.get_mut(&rank).expect("it was there");
        queue.retain(|order| order.leaves > 0);
        if queue.is_empty() {
            side.remove(&rank);
        }
    }

    fn window(&self) -> Window {
        let side = |is_buy: bool| {
            let level = |(rank, queue): (&u32, &Vec<Order>)| Level {
                price: Price(if is_buy { u32::MAX - rank } else { *rank }),
                quantity: queue.iter().map(|order| u64::from(order.leaves)).sum(),
            };
            self.sides[usize::from(is_buy)].iter().take(5).map(level).collect()
        };
        Window { depth: 5, bids: side(true), asks: side(false) }
    }
}

#[derive(Debug, Default)]
struct Outcome {
    rows: u64,
    compared: u64,
    equal: u64,
    excluded: Vec<Exclusion>,
    different: Vec<(u64, RowDifference)>,
    executions: ExecutionTally,
}

fn play(messages: &Path, book: &Path, rows: u64) -> Result<Outcome, LobsterError> {
    let mut reader = LobsterReader::open(messages, book, rows)?;
    let mut player = Player::new(LIMITS);
    let mut venue = PlainVenue::default();
    let (mut step, mut played) = (Step::default(), Played::default());
    let (mut seen, mut executed) = (vec![Window { depth: 5, ..Window::default() }], Vec::new());
    let mut gone = 0;
    let mut outcome = Outcome::default();
    while reader.next_step(&mut step)? {
        player.play(&step, &mut played);
        executed.clear();
        for instruction in &played.instructions {
            venue.take(instruction, &mut seen, &mut executed);
        }
        super::judge(&played, &executed, &mut outcome.executions);
        assert_eq!(executed, played.fills.iter().map(|fill| (fill.handle, fill.quantity)).collect::<Vec<_>>());
        outcome.rows += step.rows.len() as u64;
        assert_eq!(played.checks.len(), step.rows.len(), "every row is compared or excluded");
        for check in &played.checks {
            let shown = &seen[usize::try_from(check.feed_messages - gone).unwrap()];
            let equal = *shown == check.window;
            match check.foreseen {
                Foreseen::Excluded(why) => outcome.excluded.push(why),
                Foreseen::Equal => assert!(equal, "line {}: {shown:?} is not {:?}", check.line, check.window),
                Foreseen::Differs(why) => {
                    assert_eq!(Some(shown), check.told.as_ref(), "line {}", check.line);
                    outcome.different.push((check.line, why));
                }
            }
            outcome.compared += u64::from(!matches!(check.foreseen, Foreseen::Excluded(_)));
            outcome.equal += u64::from(equal && !matches!(check.foreseen, Foreseen::Excluded(_)));
        }
        gone += seen.len() as u64 - 1;
        seen.drain(..seen.len() - 1);
    }
    Ok(outcome)
}

fn write(folder: &Path, messages: &str, book: &str) -> (PathBuf, PathBuf) {
    let paths = (folder.join("messages.csv"), folder.join("book.csv"));
    std::fs::write(&paths.0, messages).unwrap();
    std::fs::write(&paths.1, book).unwrap();
    paths
}

fn play_text(messages: &str, book: &str) -> Result<Outcome, LobsterError> {
    let folder = tempfile::tempdir().unwrap();
    let (messages, book) = write(folder.path(), messages, book);
    play(&messages, &book, u64::MAX)
}

#[test]
fn a_generated_day_is_equal_in_every_row() {
    for seed in [1, 2, 0x5eed] {
        let day = generate::day(seed, 20_000);
        let outcome = play_text(&day.messages, &day.book).unwrap();
        assert!(outcome.rows >= 20_000);
        assert_eq!(outcome.excluded, [Exclusion::FirstRow]);
        assert_eq!(outcome.different, [], "seed {seed}");
        assert_eq!(outcome.equal, outcome.rows - 1);
        let executions = &outcome.executions;
        assert!(executions.executions_comparable > 500, "{executions:?}");
        assert_eq!(executions.executions_same_order, executions.executions_comparable);
    }
}

#[test]
fn the_recorded_day_reaches_its_aims() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data"));
    if !folder.exists() {
        println!("no recorded day at {}: skipped", folder.display());
        return;
    }
    let files = tempfile::tempdir().unwrap();
    let archive = std::fs::File::open(folder.join("LOBSTER_SampleFile_AMZN_2012-06-21_5.zip")).unwrap();
    let mut archive = zip::ZipArchive::new(archive).unwrap();
    let mut unzip = |part: &str| {
        let name = archive.file_names().flatten().find(|name| name.contains(part)).unwrap().into_owned();
        let mut text = String::new();
        archive.by_name(&name).unwrap().read_to_string(&mut text).unwrap();
        text
    };
    let (messages, book) = (unzip("_message_"), unzip("_orderbook_"));
    let (messages, book) = write(files.path(), &messages, &book);
    let outcome = play(&messages, &book, u64::MAX).unwrap();
    assert_eq!((outcome.rows, outcome.compared), (155_935, 155_934));
    assert!(outcome.equal * 1_000 >= outcome.compared * 989, "{} of {}", outcome.equal, outcome.compared);
    let executions = &outcome.executions;
    assert!(executions.executions_same_order * 1_000 >= executions.executions_comparable * 984, "{executions:?}");
    assert!(executions.executions_comparable >= 7_479, "{executions:?}");
    assert!(outcome.different.iter().all(|(_, why)| *why != RowDifference::NoMessage && *why != RowDifference::Venue));
}

/// One row of a book file with one level.
fn level(ask: (u64, u64), bid: (u64, u64)) -> String {
    format!("{},{},{},{}\n", ask.0, ask.1, bid.0, bid.1)
}

/// Plays a day of depth 1 and gives what the checks foresee, and all instructions.
fn play_level_one(messages: &str, book: &str) -> (Vec<Foreseen>, Vec<Instruction>) {
    let folder = tempfile::tempdir().unwrap();
    let (messages, book) = write(folder.path(), messages, book);
    let mut reader = LobsterReader::open(&messages, &book, u64::MAX).unwrap();
    let mut player = Player::new(LIMITS);
    let (mut step, mut played) = (Step::default(), Played::default());
    let (mut foreseen, mut instructions) = (Vec::new(), Vec::new());
    while reader.next_step(&mut step).unwrap() {
        player.play(&step, &mut played);
        foreseen.extend(played.checks.iter().map(|check| check.foreseen));
        instructions.extend_from_slice(&played.instructions);
    }
    (foreseen, instructions)
}

#[test]
fn what_a_venue_cannot_show_has_its_category() {
    let start = level((1_000_200, 10), (1_000_000, 10));
    let first = Foreseen::Excluded(Exclusion::FirstRow);
    let second = |row: &str, after: &str| {
        let (foreseen, _) = play_level_one(&format!("1.0,5,0,1,1000100,1\n2.0,{row}\n"), &format!("{start}{after}"));
        assert_eq!(foreseen[0], first);
        foreseen[1]
    };
    let off_tick = second("1,7,5,1000050,1", &level((1_000_200, 10), (1_000_050, 5)));
    assert_eq!(off_tick, Foreseen::Excluded(Exclusion::OffTick));
    let crossed = second("1,7,5,1000200,1", &level((1_000_200, 10), (1_000_200, 5)));
    assert_eq!(crossed, Foreseen::Excluded(Exclusion::CrossedInFile));
    let silent_change = second("5,0,1,1000100,1", &level((1_000_200, 11), (1_000_000, 10)));
    assert_eq!(silent_change, Foreseen::Differs(RowDifference::NoMessage));
}

#[test]
fn a_partial_cancel_counts_what_was_executed() {
    let messages = "1.0,5,0,1,1000100,1\n2.0,1,7,100,1000100,1\n3.0,4,7,30,1000100,1\n4.0,2,7,20,1000100,1\n5.0,3,7,50,1000100,1\n";
    let ask = (1_000_200, 10);
    let bids = [(1_000_000, 10), (1_000_100, 100), (1_000_100, 70), (1_000_100, 50), (1_000_000, 10)];
    let book: String = bids.iter().map(|bid| level(ask, *bid)).collect();
    let (foreseen, instructions) = play_level_one(messages, &book);
    assert!(foreseen[1..].iter().all(|foreseen| *foreseen == Foreseen::Equal), "{foreseen:?}");
    let handle = Handle(2);
    let price = Price(1_000_100);
    assert_eq!(
        instructions[2..],
        [
            Instruction::Rest { handle, is_buy: true, price, quantity: Qty(100) },
            Instruction::Sweep { is_buy: false, price, quantity: Qty(30), fills: 1 },
            Instruction::Reduce { handle, total: Qty(80) },
            Instruction::Reduce { handle, total: Qty(0) },
        ]
    );
}

#[test]
fn an_aggressor_above_the_maximum_goes_in_parts() {
    let messages = "1.0,5,0,1,1000100,1\n2.0,4,7,1200000,1000000,1\n";
    let book = level((1_000_200, 10), (1_000_000, 1_500_000)) + &level((1_000_200, 10), (1_000_000, 300_000));
    let (foreseen, instructions) = play_level_one(messages, &book);
    assert_eq!(foreseen[1], Foreseen::Equal);
    let sweeps: Vec<u32> = instructions
        .iter()
        .filter_map(|instruction| match instruction {
            Instruction::Sweep { quantity, .. } => Some(quantity.0),
            Instruction::Rest { .. } | Instruction::Reduce { .. } => None,
        })
        .collect();
    assert_eq!(sweeps, [999_999, 200_001]);
    assert_eq!(instructions.iter().map(Instruction::fills).sum::<u32>(), 2);
}

#[test]
fn executions_that_the_player_did_not_foresee_count_against_the_venue() {
    let (first, second) = (Handle(0), Handle(1));
    let fill = |handle| Fill { handle, label: Some(7), quantity: Qty(5), price: Price(100), guessed: false };
    let recorded = Recorded { handle: Some(first), quantity: Qty(5), foreseen: None };
    let unknown = Recorded { handle: None, ..recorded };
    let played = Played { recorded: vec![recorded, unknown], fills: vec![fill(first)], ..Played::default() };
    let mut tally = ExecutionTally::default();
    super::judge(&played, &[(first, Qty(5))], &mut tally);
    assert_eq!((tally.executions, tally.executions_comparable, tally.executions_same_order), (2, 1, 1));
    super::judge(&played, &[(second, Qty(5))], &mut tally);
    super::judge(&played, &[(first, Qty(4))], &mut tally);
    assert_eq!((tally.executions_comparable, tally.executions_same_order), (3, 1));
    assert_eq!(tally.executions_different.get(&ExecutionDifference::Venue), Some(&2));
    let mut report = Report { executions_tally: tally, ..Report::default() };
    assert!(!report.is_faithful());
    report.executions_tally = ExecutionTally::default();
    assert!(report.is_faithful());
}

#[test]
fn files_that_are_no_lobster_day_are_named() {
    let book = level((1_000_200, 10), (1_000_000, 10));
    for (messages, book, expected) in [
        ("1.0,1,7,5,1000000\n", book.as_str(), "column 6 is missing"),
        ("x,1,7,5,1000000,1\n", &book, "line 1: column 1 (time)"),
        ("1.0,9,7,5,1000000,1\n", &book, "expected 1 to 7"),
        ("1.0,1,7,5,1000000,2\n", &book, "expected 1 or -1"),
        ("1.0,1,7,0,1000000,1\n", &book, "above zero"),
        ("1.0,1,7,-5,1000000,1\n", &book, "(size)"),
        ("1.0,1,7,5,0,1\n", &book, "cannot be a limit price"),
        ("1.0,1,7,5,2000000000,1\n", &book, "cannot be a limit price"),
        ("1.0,1,7,5,1000000,1\n", "1,2,3\n", "3 columns"),
        ("1.0,1,7,5,1000000,1\n", "1000200,10,1000000,10,1000100,5,999900,5\n", "not sorted"),
        ("1.0,1,7,5,1000000,1\n2.0,5,0,1,1,1\n", &book, "the other file goes on"),
        ("", &book, "the other file goes on"),
    ] {
        let error = play_text(messages, book).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
    assert_eq!(play_text("", "").unwrap().rows, 0);
}

#[test]
fn times_made_through_floating_point_are_rounded() {
    let book = level((1_000_200, 10), (1_000_000, 10)).repeat(2);
    let folder = tempfile::tempdir().unwrap();
    let (messages, book) = write(folder.path(), "43002.632812672004,5,0,1,1,1\n43002.6328126719996,5,0,1,1,1\n", &book);
    let mut reader = LobsterReader::open(&messages, &book, u64::MAX).unwrap();
    let mut step = Step::default();
    for _ in 0..2 {
        assert!(reader.next_step(&mut step).unwrap());
        assert_eq!(step.rows[0].time_ns, 43_002_632_812_672);
    }
}
