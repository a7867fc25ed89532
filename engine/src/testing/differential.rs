//! The core against the naive model: the same commands into both, every event compared, the whole state compared as
//! bytes every so often. A failure gives back its commands, cut down to few.

use super::naive_book::NaiveVenue;
use super::order_flow::{OrderFlow, opening};
use crate::core::{Core, EventBuffer};
use protocol::types::{Nanos, Sequence};
use protocol::{Command, CommandBody, Event};
use std::fmt::Write;

/// How often the slow comparisons are made, in commands; 0 = only at the end.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Whole state, byte by byte, and from time to time through `decode_state`.
    pub state_every: u64,
    /// [`Core::verify`].
    pub verify_every: u64,
}

/// Both models, side by side.
#[derive(Debug)]
pub struct Pair {
    core: Core,
    naive: NaiveVenue,
    events: EventBuffer,
    sequence: u64,
    ingress: Nanos,
}

impl Default for Pair {
    fn default() -> Self {
        Self {
            core: Core::new(),
            naive: NaiveVenue::new(),
            events: EventBuffer::default(),
            sequence: 0,
            ingress: Nanos(1_000_000_000),
        }
    }
}

impl Pair {
    /// Applies one command to both and compares what they say.
    ///
    /// # Errors
    /// The difference, in words.
    pub fn apply(&mut self, body: &CommandBody) -> Result<(), String> {
        // Time goes by quickly, so that what expires does.
        self.apply_after(20_000_000, body)
    }

    /// The same, this many nanoseconds after the command before.
    ///
    /// # Errors
    /// The difference, in words.
    pub fn apply_after(&mut self, nanos: u64, body: &CommandBody) -> Result<(), String> {
        self.sequence += 1;
        self.ingress = Nanos(self.ingress.0 + nanos);
        let ingress = self.ingress;
        let command = Command { sequence: Sequence(self.sequence), ingress, body: *body };
        self.events.clear();
        self.core.apply(&command, &mut self.events);
        let expected = self.naive.apply(&command);
        if self.events.as_slice() != expected {
            return Err(difference(body, expected, self.events.as_slice()));
        }
        let (due, expected) = (self.core.next_due(), self.naive.next_due());
        if due == expected { Ok(()) } else { Err(format!("{body:?}\nnext due: expected {expected:?}, found {due:?}")) }
    }

    /// What the last command told.
    #[must_use]
    pub fn told(&self) -> &[Event] {
        self.events.as_slice()
    }

    /// Compares the states, and lets the core's go through its bytes and back.
    ///
    /// # Errors
    /// What differs.
    pub fn compare_states(&mut self) -> Result<(), String> {
        let (mut bytes, mut again) = (Vec::new(), Vec::new());
        self.core.encode_state(&mut bytes);
        let expected = self.naive.encode_state();
        if bytes != expected {
            let at = bytes.iter().zip(&expected).position(|(left, right)| left != right);
            let around = |bytes: &[u8]| {
                let from = at.unwrap_or(0).saturating_sub(40);
                format!("{:02x?}", bytes.get(from..bytes.len().min(from + 80)).unwrap_or_default())
            };
            let (found, wanted) = (around(&bytes), around(&expected));
            return Err(format!(
                "states differ at byte {at:?} of {} and {}; 40 bytes before it on:\nfound  {found}\nwanted {wanted}",
                bytes.len(),
                expected.len()
            ));
        }
        let decoded = Core::decode_state(&bytes).map_err(|error| error.to_string())?;
        decoded.encode_state(&mut again);
        if bytes != again {
            return Err("a decoded state encodes to other bytes".to_owned());
        }
        if self.sequence.is_multiple_of(2) {
            // Go on with the decoded one: nothing may depend on how the state came about.
            self.core = decoded;
        }
        Ok(())
    }

    /// Checks the laws of the core's state.
    ///
    /// # Errors
    /// The broken law.
    pub fn verify(&self) -> Result<(), String> {
        self.core.verify()
    }
}

fn difference(body: &CommandBody, expected: &[Event], found: &[Event]) -> String {
    let mut text = format!("{body:?}\nexpected {} events, found {}\n", expected.len(), found.len());
    for at in 0..expected.len().max(found.len()) {
        let (left, right) = (expected.get(at).map(|event| event.body), found.get(at).map(|event| event.body));
        if left != right && writeln!(text, "event {at}: expected {left:?}\n         found    {right:?}").is_err() {
            break;
        }
    }
    text
}

/// A difference, and how to see it again.
#[derive(Debug)]
pub struct Failure {
    /// Seed of the order flow.
    pub seed: u64,
    /// Commands until the difference, the opening of the venue not counted.
    pub steps: u64,
    /// The difference.
    pub message: String,
    /// Fewest commands found that still show a difference.
    pub commands: Vec<CommandBody>,
}

/// Plays `steps` commands of a seed's order flow into both.
///
/// # Errors
/// The first difference, with its commands shrunk.
pub fn run(seed: u64, steps: u64, pace: Pace) -> Result<(), Box<Failure>> {
    let mut flow = OrderFlow::new(seed);
    let mut pair = Pair::default();
    let mut bodies = opening(seed);
    let opened = bodies.len();
    for body in &bodies {
        if let Err(message) = pair.apply(body) {
            return failed(seed, 0, message, &bodies);
        }
    }
    for step in 1..=steps {
        let body = flow.next(&pair.naive);
        bodies.push(body);
        let mut result = pair.apply(&body);
        let due = |every: u64| step == steps || every != 0 && step.is_multiple_of(every);
        if result.is_ok() && due(pace.verify_every) {
            result = pair.verify();
        }
        if result.is_ok() && due(pace.state_every) {
            result = pair.compare_states();
        }
        if let Err(message) = result {
            return failed(seed, step, message, &bodies);
        }
        if bodies.len() == opened + FORGET_AFTER {
            // Shrinking starts from the opening: a long run is cut into runs that each start anew.
            bodies.truncate(opened);
            pair = Pair::default();
            flow.forget();
            for body in &bodies {
                if let Err(message) = pair.apply(body) {
                    return failed(seed, step, message, &bodies);
                }
            }
        }
    }
    Ok(())
}

/// Commands after which a run starts anew with an empty venue.
const FORGET_AFTER: usize = 200_000;

fn failed(seed: u64, steps: u64, message: String, bodies: &[CommandBody]) -> Result<(), Box<Failure>> {
    let commands = shrink(bodies, |bodies| differs(bodies).is_some());
    Err(Box::new(Failure { seed, steps, message, commands }))
}

/// The first difference that these commands show, checked after each of them.
#[must_use]
pub fn differs(bodies: &[CommandBody]) -> Option<String> {
    let mut pair = Pair::default();
    for body in bodies {
        if let Err(message) = pair.apply(body).and_then(|()| pair.verify()) {
            return Some(message);
        }
    }
    pair.compare_states().err()
}

/// Leaves commands out, in halves, quarters and so on, as long as `fails` stays true. The opening of the venue stays.
pub fn shrink(bodies: &[CommandBody], fails: impl Fn(&[CommandBody]) -> bool) -> Vec<CommandBody> {
    let mut few = bodies.to_vec();
    if !fails(&few) {
        return few;
    }
    let mut length = few.len().div_ceil(2);
    while length > 0 {
        let mut start = 0;
        while start < few.len() {
            let end = (start + length).min(few.len());
            let mut fewer = few[..start].to_vec();
            fewer.extend(few[start..end].iter().filter(|body| is_opening(body)));
            let kept = fewer.len() - start;
            fewer.extend_from_slice(&few[end..]);
            if fewer.len() < few.len() && fails(&fewer) {
                few = fewer;
                start += kept;
            } else {
                start = end;
            }
        }
        length /= 2;
    }
    few
}

fn is_opening(body: &CommandBody) -> bool {
    matches!(body, CommandBody::OpenVenue(_) | CommandBody::OpenAccount(_) | CommandBody::ListInstrument(_))
}
