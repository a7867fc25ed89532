//! What a snapshot holds beside the core's state, so that a start can begin there instead of at the first command: the state of
//! the event hash, and how many messages each stream had. The journal behind it tells the rest.

use std::collections::BTreeMap;

use engine::core::Core;
use engine::event_hash::EventHasher;
use journal::Snapshot;

/// Version of the bytes, as the snapshot names it. Version 1 was the core's state alone.
pub const STATE_VERSION: u32 = 2;

/// What a stream has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamLength {
    /// Messages.
    pub messages: u64,
    /// Their bytes, framing included.
    pub bytes: u64,
}

/// Length of each stream, by the name of its file.
pub type StreamLengths = BTreeMap<String, StreamLength>;

/// Where a start can begin.
#[derive(Debug)]
pub struct RestorePoint {
    /// The core.
    pub core: Core,
    /// The hash over all events so far.
    pub hasher: EventHasher,
    /// How many messages the streams had.
    pub streams: StreamLengths,
}

/// The bytes of a snapshot: the core's state, the hash's, the streams; each behind its length.
pub fn encode(core_state: &[u8], hasher: &EventHasher, streams: &StreamLengths) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut listed = Vec::new();
    for (name, StreamLength { messages, bytes }) in streams {
        put(&mut listed, name.as_bytes());
        listed.extend_from_slice(&messages.to_le_bytes());
        listed.extend_from_slice(&bytes.to_le_bytes());
    }
    for part in [core_state, &hasher.state(), &listed] {
        put(&mut bytes, part);
    }
    bytes
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
    bytes.extend_from_slice(part);
}

/// Takes a part from the front.
fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (part, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    *bytes = rest;
    Some(part)
}

/// The core's state in a snapshot of any version; `None` for bytes that are none.
pub fn core_state(snapshot: &Snapshot) -> Option<&[u8]> {
    match snapshot.meta.state_version {
        1 => Some(&snapshot.state),
        STATE_VERSION => take(&mut snapshot.state.as_slice()),
        _ => None,
    }
}

/// Reads a restore point and checks it against the hashes that the snapshot names.
///
/// # Errors
/// Why a start cannot begin there, in words.
pub fn decode(snapshot: &Snapshot) -> Result<RestorePoint, String> {
    if snapshot.meta.state_version != STATE_VERSION {
        return Err(format!("it has version {}, {STATE_VERSION} is wanted", snapshot.meta.state_version));
    }
    let mut bytes = snapshot.state.as_slice();
    let parts = (take(&mut bytes), take(&mut bytes), take(&mut bytes));
    let (Some(state), Some(hasher), Some(listed)) = parts else {
        return Err("it ends too soon".into());
    };
    // Beside each other: each of the two takes about as long as reading the bytes once.
    let (core, state_hash) = std::thread::scope(|scope| {
        let hash = scope.spawn(|| *blake3::hash(state).as_bytes());
        (Core::decode_state(state), hash.join())
    });
    let core = core.map_err(|error| error.to_string())?;
    let hasher = EventHasher::from_state(hasher).ok_or("the state of its event hash is none")?;
    let is_whole = bytes.is_empty()
        && core.last_sequence() == snapshot.meta.sequence
        && state_hash.is_ok_and(|hash| hash == snapshot.meta.state_hash)
        && hasher.finish() == snapshot.meta.event_hash;
    let streams = streams_of(listed).filter(|_| is_whole).ok_or("its parts do not fit its hashes")?;
    Ok(RestorePoint { core, hasher, streams })
}

fn streams_of(mut listed: &[u8]) -> Option<StreamLengths> {
    let mut streams = StreamLengths::new();
    while !listed.is_empty() {
        let name = String::from_utf8(take(&mut listed)?.to_vec()).ok()?;
        let (messages, rest) = listed.split_first_chunk()?;
        let (bytes, rest) = rest.split_first_chunk()?;
        listed = rest;
        let length = StreamLength { messages: u64::from_le_bytes(*messages), bytes: u64::from_le_bytes(*bytes) };
        streams.insert(name, length);
    }
    Some(streams)
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::SnapshotMeta;
    use protocol::{Event, EventBody, Nanos, Sequence, SystemEventCode};

    fn snapshot() -> Snapshot {
        let mut state = Vec::new();
        Core::new().encode_state(&mut state);
        let mut hasher = EventHasher::new();
        for n in 0..1_030 {
            let body = EventBody::SystemEvent { code: SystemEventCode::StartOfMessages };
            hasher.push(&Event { sequence: Sequence(n), ingress: Nanos(n), body });
        }
        let length = |messages| StreamLength { messages, bytes: 10 * messages };
        let streams = [("feed.stream".to_owned(), length(7)), ("account-DEMO01.stream".to_owned(), length(9))].into();
        let meta = SnapshotMeta {
            sequence: Sequence::ZERO,
            ingress: Nanos(0),
            state_hash: *blake3::hash(&state).as_bytes(),
            event_hash: hasher.finish(),
            state_version: STATE_VERSION,
            build: String::new(),
            created: Nanos(0),
        };
        Snapshot { meta, state: encode(&state, &hasher, &streams) }
    }

    #[test]
    fn comes_back_as_it_was() {
        let snapshot = snapshot();
        let point = decode(&snapshot).unwrap();
        assert_eq!(point.hasher.finish(), snapshot.meta.event_hash);
        assert_eq!(point.hasher.events(), 1_030);
        assert_eq!(point.streams["feed.stream"], StreamLength { messages: 7, bytes: 70 });
        assert_eq!(point.streams.len(), 2);
        assert_eq!(Core::decode_state(core_state(&snapshot).unwrap()).unwrap().last_sequence(), Sequence::ZERO);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let whole = snapshot();
        for length in (0..whole.state.len()).step_by(7) {
            let cut = Snapshot { state: whole.state[..length].to_vec(), ..whole.clone() };
            assert!(decode(&cut).is_err(), "cut to {length}");
        }
        for at in (0..100).chain(whole.state.len() - 60..whole.state.len() - 50) {
            let mut changed = whole.clone();
            changed.state[at] ^= 1;
            // A changed number of messages is found when the streams are opened; the database has a hash over all of it.
            drop(decode(&changed));
        }
        let mut other = whole.clone();
        other.meta.event_hash[0] ^= 1;
        assert!(decode(&other).is_err());
        other = whole;
        other.meta.state_version = 1;
        assert!(decode(&other).is_err());
    }
}
