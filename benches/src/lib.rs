//! Measurements. The benches themselves are in `benches/benches/`; each prints a header with what it ran on, medians with their
//! spread, and a hash of its result, and has a tiny mode for checks that it still runs.
