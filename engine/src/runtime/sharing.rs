//! Where there are too few cores for each hot agent to have one: whether edge, core and journal take turns on one thread, or
//! are threads of their own that share a cpu by yielding it to each other. Which is faster depends on what a switch of
//! threads costs on this host, so it is measured (`hft topology --measure`); until then they take turns.

use super::plan::{Plan, Shape, Wait};

/// How the hot agents share a cpu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// In turns on one thread.
    Turns,
    /// As threads that yield.
    Yield,
}

/// What was measured on this host: the median round trip of an order, ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// With turns on one thread.
    pub turns_ns: u64,
    /// With threads that yield.
    pub yield_ns: u64,
}

impl Sharing {
    /// The one asked for, else the faster one, else turns; and why.
    fn choose(asked: Option<Self>, measured: Option<Measured>) -> (Self, String) {
        match (asked, measured) {
            (Some(Self::Turns), _) => (Self::Turns, "threads.sharing = \"turns\" in hft.toml".to_owned()),
            (Some(Self::Yield), _) => (Self::Yield, "threads.sharing = \"yield\" in hft.toml".to_owned()),
            (None, Some(Measured { turns_ns, yield_ns })) => {
                let found = if yield_ns < turns_ns { Self::Yield } else { Self::Turns };
                let word = match found {
                    Self::Turns => "turns on one thread are faster here",
                    Self::Yield => "threads that yield to each other are faster here",
                };
                (found, format!("{word}: measured {turns_ns} ns an order with turns, {yield_ns} ns with yields"))
            }
            (None, None) => {
                let why = "turns or yields: not measured here yet, hft topology --measure does it; until then, turns";
                (Self::Turns, why.to_owned())
            }
        }
    }
}

/// Decides it for a plan whose hot agents share a cpu.
pub(super) fn decide(plan: &mut Plan, asked: Option<Sharing>, measured: Option<Measured>, journal_flushes: bool) {
    if plan.shape != Shape::Shared || plan.core.cpu.is_none() {
        return;
    }
    let (sharing, why) = Sharing::choose(asked, measured);
    plan.reasons.push(why);
    if sharing == Sharing::Yield {
        plan.shape = Shape::Spread;
        plan.core.wait = Wait::Share;
        plan.edge = plan.core;
        if !journal_flushes {
            plan.journal = plan.core;
        }
    }
}
