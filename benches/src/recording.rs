//! What a venue's counters and stamps cost the path from ring to ring: figure (c) without and with them, in turns (A B B A).

#![expect(clippy::float_arithmetic, reason = "figures of a report")]

use super::matching::{Options, Regime, Spread, time_path};
use engine::testing::workload::generate;

const SEED: u64 = 0x5eed;

/// What was measured in one market. Times are nanoseconds per command.
#[derive(Clone, Debug)]
pub struct RecordingFigures {
    /// The market.
    pub regime: &'static str,
    /// Nothing is recorded.
    pub without: Spread,
    /// What a venue records.
    pub with: Spread,
    /// Time with over time without, of each round.
    pub ratios: Vec<f64>,
}

/// Measures one market; `tick` is called after each round.
pub fn measure_recording(regime: &Regime, options: &Options, mut tick: impl FnMut()) -> RecordingFigures {
    let workload = generate(regime, options.scale, SEED, options.commands);
    let (mut without, mut with, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let (a, b) = (time_path(&workload, false), time_path(&workload, true));
        let (c, d) = (time_path(&workload, true), time_path(&workload, false));
        without.extend([a, d]);
        with.extend([b, c]);
        ratios.push((b + c) / (a + d));
        tick();
    }
    RecordingFigures { regime: regime.name, without: Spread::of(&mut without), with: Spread::of(&mut with), ratios }
}
