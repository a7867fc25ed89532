//! What README.md says can be typed, typed.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod support;

use std::fs;

use support::{Venue, run, stderr, stdout};

/// The commands of all code blocks, one line each.
fn commands() -> Vec<String> {
    let text = fs::read_to_string(support::workspace().join("README.md")).unwrap();
    let mut in_block = false;
    let mut commands = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = line == "```sh";
        } else if in_block {
            commands.push(line.to_owned());
        }
    }
    commands
}

#[test]
fn the_two_commands_are_there() {
    let commands = commands();
    for wanted in ["cargo run --release -- serve", "cargo test --workspace"] {
        assert!(commands.iter().any(|command| command == wanted), "{wanted}: {commands:?}");
    }
}

#[test]
fn trading_by_hand_works_as_written() {
    let temp = tempfile::tempdir().unwrap();
    let venue = Venue::start(&temp.path().join("data"));
    let offset = venue.offset.to_string();
    let mut orders = 0;
    for command in commands() {
        let Some(line) = command.strip_prefix("cargo run --release -- ") else { continue };
        let mut args: Vec<&str> = line.split_whitespace().collect();
        match args.first() {
            Some(&"order") => orders += 1,
            // Without --once it stays until it is stopped.
            Some(&"watch") => args.push("--once"),
            _ => continue,
        }
        args.extend(["--port-offset", &offset]);
        let output = run(&args);
        assert!(output.status.success(), "{command}: {}{}", stdout(&output), stderr(&output));
    }
    assert!(orders >= 3, "README trades by hand");
    let watched = stdout(&run(&["watch", "AAPL", "--once", "--port-offset", &offset]));
    assert!(watched.contains("150.34"), "{watched}");
}

#[test]
fn every_subcommand_of_the_table_has_help_with_an_example() {
    let text = fs::read_to_string(support::workspace().join("README.md")).unwrap();
    let mut found = 0;
    for row in text.lines().filter(|line| line.starts_with("| `hft ")) {
        for command in row.split('`').filter_map(|part| part.strip_prefix("hft ")) {
            let mut args: Vec<&str> = command.split_whitespace().collect();
            args.push("--help");
            let output = run(&args);
            assert!(output.status.success(), "{command}: {}", stderr(&output));
            assert!(stdout(&output).contains("Example"), "{command} --help shows no example");
            found += 1;
        }
    }
    assert!(found >= 8, "the table names the subcommands");
}
