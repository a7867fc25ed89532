//! `hft`: the one binary of the venue. Each subcommand lives in a file of its own.
//!
//! This file only parses the command line and turns errors into one line and an exit code: 0 done, 1 failed, 2 bad usage.

fn main() {}
