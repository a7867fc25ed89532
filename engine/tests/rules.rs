//! The rules of the venue as tables: every file in `tests/scenarios`, and every example in `docs/order-types.md`, played to
//! the naive model, and to the core as far as it has what they need.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use engine::core::{Core, EventBuffer};
use engine::testing::features::Features;
use engine::testing::naive_book::NaiveVenue;
use engine::testing::scenario::Scenario;
use std::path::{Path, PathBuf};

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file of rules: a scenario each.
fn files() -> Vec<Scenario> {
    let folder = here().join("tests/scenarios");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    paths.iter().map(|path| read(path.file_stem().unwrap().to_str().unwrap(), &text_of(path))).collect()
}

fn read(name: &str, text: &str) -> Scenario {
    Scenario::read(name, text).unwrap_or_else(|error| panic!("{error}"))
}

/// Every block marked `scenario` of the document on order types, under the heading before it.
fn examples() -> Vec<Scenario> {
    let text = text_of(&here().join("../docs/order-types.md"));
    let (mut examples, mut heading, mut block) = (Vec::new(), String::new(), None::<String>);
    for line in text.lines() {
        match (&mut block, line.trim_end()) {
            (Some(lines), "```") => {
                examples.push(read(&format!("docs/order-types.md, {heading}"), lines));
                block = None;
            }
            (Some(lines), line) => {
                lines.push_str(line);
                lines.push('\n');
            }
            (None, "```scenario") => block = Some(String::new()),
            (None, line) if line.starts_with('#') => line.trim_start_matches('#').trim().clone_into(&mut heading),
            (None, _) => {}
        }
    }
    examples
}

/// Plays all, and tells of all that fail.
fn play(scenarios: &[Scenario], on: &mut dyn FnMut(&Scenario) -> Result<(), String>) {
    let failures: Vec<String> = scenarios.iter().filter_map(|scenario| on(scenario).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn on_naive(scenario: &Scenario) -> Result<(), String> {
    let mut naive = NaiveVenue::with_features(Features::ALL);
    scenario.play(|command| naive.apply(command).to_vec())
}

fn on_core(scenario: &Scenario) -> Result<(), String> {
    let (mut core, mut events) = (Core::new(), EventBuffer::default());
    scenario.play(|command| {
        events.clear();
        core.apply(command, &mut events);
        core.verify().unwrap();
        events.as_slice().to_vec()
    })
}

#[test]
fn every_file_of_rules_holds() {
    let files = files();
    assert!(files.len() >= 20, "{} files", files.len());
    play(&files, &mut on_naive);
}

#[test]
fn every_example_of_the_order_types_holds() {
    let examples = examples();
    assert!(examples.len() >= 12, "{} examples", examples.len());
    play(&examples, &mut on_naive);
}

#[test]
fn the_core_keeps_the_rules_that_it_has() {
    let mut all = files();
    all.extend(examples());
    all.retain(|scenario| Features::CORE.has(scenario.needs));
    play(&all, &mut on_core);
}

/// A table that is wrong in any line fails.
#[test]
fn a_wrong_table_fails() {
    let right = "> enter 1 buy 5@100\naccepted 1 live 5@100 shown\n> cancel 1 0\ncanceled 1 5 leaves 0 U";
    assert_eq!(on_naive(&read("right", right)), Ok(()));
    for wrong in [
        right.replace("live 5", "live 6"),
        right.replace(" U", " I"),
        right.replace("\ncanceled 1 5 leaves 0 U", ""),
        format!("{right}\ncanceled 1 5 leaves 0 U"),
    ] {
        let failure = on_naive(&read("wrong", &wrong)).unwrap_err();
        assert!(failure.contains("accepted 1 live 5@100 shown"), "{failure}");
    }
}
