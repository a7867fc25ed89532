//! What one subscriber is being sent, and in which order: live frames from the common log, packets straight from the
//! stream for who catches up or asks again, a snapshot; and between any two frames, what the WebSocket protocol wants to
//! say. Frames are never interleaved and never cut.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::sync::Arc;

use protocol::SessionName;
use protocol::moldudp64::{HEADER_BYTES, Header};

use crate::feed::frame_log::{FRAME_HEADER_BYTES_MAX, FrameLog, frame_header, packet_of};
use crate::feed::websocket::Socket;
use crate::ports::StreamRead;

/// Re-requests of one subscriber that may wait; meanwhile nothing more is heard from it.
const REPAIRS_MAX: usize = 4;

/// Where frames come from.
pub(crate) struct Sources<'a, S> {
    pub(crate) log: &'a FrameLog,
    pub(crate) stream: &'a S,
    pub(crate) session: SessionName,
    /// Bytes of one packet, at the most.
    pub(crate) packet_bytes_max: usize,
}

/// How far a subscriber is.
#[derive(Debug)]
enum Position {
    /// It gets no frames, or none any more.
    Idle,
    /// It gets live frames: written up to `cursor`, which lies in the frame that ends at `frame_end`, or on it.
    Live { cursor: u64, frame_end: u64 },
    /// It gets message `next`, at `offset` of the stream, and what follows. The stream ended at `joined_end` when it came.
    CatchUp { next: u64, offset: u64, joined_end: u64 },
    /// It gets these frames, from byte `written` to byte `end`. They begin in the middle of one when `is_rest`.
    Blob { bytes: Arc<[u8]>, written: usize, end: usize, is_rest: bool },
}

/// One packet on its way straight from the stream: a head, then the blocks `from..to`.
#[derive(Debug)]
struct Segment {
    head: [u8; FRAME_HEADER_BYTES_MAX + HEADER_BYTES],
    written: usize,
    len: usize,
    from: u64,
    to: u64,
}

/// Messages that a subscriber asked for again: `left` from `next` on.
#[derive(Clone, Copy, Debug)]
struct Repair {
    next: u64,
    left: u64,
}

/// What a write did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) bytes: u64,
    pub(crate) calls: u64,
    /// The socket takes more, and there is more.
    pub(crate) more: bool,
}

/// The way out of one subscriber.
#[derive(Debug)]
pub(crate) struct Outlet {
    position: Position,
    segment: Option<Segment>,
    repairs: VecDeque<Repair>,
    /// Its session was ended: the frame that says so, for who still catches up.
    ending: Option<Arc<[u8]>>,
}

impl Outlet {
    pub(crate) fn new() -> Self {
        Self { position: Position::Idle, segment: None, repairs: VecDeque::with_capacity(REPAIRS_MAX), ending: None }
    }

    /// Sends live frames from now on.
    pub(crate) fn join_live(&mut self, log: &FrameLog) {
        self.position = Position::Live { cursor: log.end(), frame_end: log.end() };
    }

    /// Sends the stream from message `next` at `offset` on, then live frames.
    pub(crate) fn join_at(&mut self, next: u64, offset: u64, joined_end: u64) {
        self.position = Position::CatchUp { next, offset, joined_end };
    }

    /// Sends these frames and nothing more.
    pub(crate) fn send_frames(&mut self, frames: Arc<[u8]>) {
        let end = frames.len();
        self.position = Position::Blob { bytes: frames, written: 0, end, is_rest: false };
    }

    /// Sends `count` messages from `next` on again.
    pub(crate) fn repair(&mut self, next: u64, count: u64) {
        self.repairs.push_back(Repair { next, left: count });
    }

    pub(crate) fn is_full_of_repairs(&self) -> bool {
        self.repairs.len() >= REPAIRS_MAX
    }

    /// The session was ended, and the last frames of the log say so: sends all that is left of it, and nothing more. `ending` is the
    /// frame that ends it.
    pub(crate) fn end_session(&mut self, log: &FrameLog, ending: &Arc<[u8]>) {
        if let Position::Live { cursor, frame_end } = self.position {
            let rest = log.slices(cursor, log.end()).concat();
            self.position =
                Position::Blob { end: rest.len(), bytes: rest.into(), written: 0, is_rest: cursor < frame_end };
        }
        self.ending = Some(Arc::clone(ending));
    }

    /// Ends with the frame that is under way, if any. To be called once.
    pub(crate) fn finish(&mut self, log: &FrameLog) {
        self.repairs.clear();
        self.position = match &self.position {
            Position::Live { cursor, frame_end } if cursor < frame_end => {
                let rest = log.slices(*cursor, *frame_end).concat();
                Position::Blob { end: rest.len(), bytes: rest.into(), written: 0, is_rest: true }
            }
            Position::Blob { bytes, written, .. } => {
                let (bytes, written) = (Arc::clone(bytes), *written);
                Position::Blob { end: end_of_frame(&bytes, written), bytes, written, is_rest: false }
            }
            Position::Idle | Position::Live { .. } | Position::CatchUp { .. } => Position::Idle,
        };
    }

    /// True when what comes next is not of the live frames: what was asked for again, or catching up.
    pub(crate) fn is_old(&self) -> bool {
        let is_behind = matches!(self.position, Position::CatchUp { .. });
        is_behind || self.segment.is_some() || !self.repairs.is_empty()
    }

    /// True when no frame is under way and none will come by itself.
    pub(crate) fn is_idle(&self) -> bool {
        let done = matches!(self.position, Position::Blob { written, end, .. } if written == end);
        self.segment.is_none() && (done || matches!(self.position, Position::Idle))
    }

    /// True when a subscriber of the feed has got everything.
    pub(crate) fn is_flushed(&self, log: &FrameLog) -> bool {
        let live = matches!(self.position, Position::Live { cursor, .. } if cursor == log.end());
        live && self.segment.is_none() && self.repairs.is_empty()
    }

    /// Bytes that were produced since it came and not written.
    pub(crate) fn backlog(&self, log: &FrameLog, stream_end: u64) -> u64 {
        match self.position {
            Position::Live { cursor, .. } => log.end() - cursor,
            Position::CatchUp { offset, joined_end, .. } => stream_end.saturating_sub(offset.max(joined_end)),
            Position::Idle | Position::Blob { .. } => 0,
        }
    }

    /// Writes until about `limit` bytes are written, nothing is left, or the socket takes no more.
    pub(crate) fn write<S: StreamRead>(
        &mut self,
        socket: &mut Socket,
        sources: &Sources<'_, S>,
        limit: u64,
    ) -> io::Result<Written> {
        let mut written = Written { more: true, ..Written::default() };
        while written.bytes < limit && written.more {
            match self.step(socket, sources, limit) {
                Ok(None) => written.more = false,
                Ok(Some(bytes)) => {
                    written.bytes += bytes as u64;
                    written.calls += 1;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    socket.pipe().readiness.writable = false;
                    written.more = false;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// One write call. `None`: nothing is left.
    fn step<S: StreamRead>(
        &mut self,
        socket: &mut Socket,
        sources: &Sources<'_, S>,
        limit: u64,
    ) -> io::Result<Option<usize>> {
        socket.pipe().socket.flush()?;
        if self.segment.is_some() {
            return self.write_segment(socket, sources.stream).map(Some);
        }
        let interrupted = socket.has_control() || !self.repairs.is_empty();
        match &mut self.position {
            Position::Blob { bytes, written, end, is_rest }
                if *written < *end && (*is_rest || *written > 0 || !interrupted) =>
            {
                let count = socket.pipe().socket.write(bytes.get(*written..*end).unwrap_or_default())?;
                *written += count;
                return Ok(Some(count));
            }
            Position::Live { cursor, frame_end } if *cursor < *frame_end && interrupted => {
                let pieces = sources.log.slices(*cursor, *frame_end).map(IoSlice::new);
                let count = socket.pipe().socket.write_vectored(&pieces)?;
                *cursor += count as u64;
                return Ok(Some(count));
            }
            Position::Idle | Position::Live { .. } | Position::CatchUp { .. } | Position::Blob { .. } => {}
        }
        if socket.has_control() {
            return socket.write_control().map(Some);
        }
        if self.next_repair(sources) || self.next_catch_up(sources) {
            return self.write_segment(socket, sources.stream).map(Some);
        }
        self.write_live(socket, sources.log, limit)
    }

    fn write_segment(&mut self, socket: &mut Socket, stream: &impl StreamRead) -> io::Result<usize> {
        let Some(segment) = &mut self.segment else { return Ok(0) };
        let head = segment.head.get(segment.written..segment.len).unwrap_or_default();
        let head_bytes = head.len();
        let parts = [IoSlice::new(head), IoSlice::new(stream.bytes(segment.from, segment.to))];
        let count = socket.pipe().socket.write_vectored(&parts)?;
        segment.written += count.min(head_bytes);
        segment.from += count.saturating_sub(head_bytes) as u64;
        if segment.written == segment.len && segment.from == segment.to {
            self.segment = None;
        }
        Ok(count)
    }

    /// Makes the next packet that was asked for again. False when there is none.
    fn next_repair<S: StreamRead>(&mut self, sources: &Sources<'_, S>) -> bool {
        while let Some(repair) = self.repairs.front().copied() {
            let offset = sources.stream.offset_of(repair.next).filter(|_| repair.left > 0);
            let made = offset.and_then(|offset| Segment::make(sources, repair.next, offset, repair.left));
            if let Some((segment, count)) = made {
                self.segment = Some(segment);
                if let Some(repair) = self.repairs.front_mut() {
                    (repair.next, repair.left) = (repair.next + count, repair.left - count);
                }
                return true;
            }
            self.repairs.pop_front();
        }
        false
    }

    /// Makes the next packet for one who catches up, or lets it go live when nothing is left. False when there is none.
    fn next_catch_up<S: StreamRead>(&mut self, sources: &Sources<'_, S>) -> bool {
        let Position::CatchUp { next, offset, .. } = &mut self.position else { return false };
        let Some((segment, count)) = Segment::make(sources, *next, *offset, u64::MAX) else {
            match self.ending.take() {
                Some(ending) => self.send_frames(ending),
                None => self.join_live(sources.log),
            }
            return false;
        };
        (*next, *offset) = (*next + count, segment.to);
        self.segment = Some(segment);
        true
    }

    fn write_live(&mut self, socket: &mut Socket, log: &FrameLog, limit: u64) -> io::Result<Option<usize>> {
        let Position::Live { cursor, frame_end } = &mut self.position else { return Ok(None) };
        if *cursor == log.end() {
            return Ok(None);
        }
        let to = log.end().min(cursor.saturating_add(limit));
        let count = socket.pipe().socket.write_vectored(&log.slices(*cursor, to).map(IoSlice::new))?;
        *cursor += count as u64;
        if *cursor == log.end() {
            *frame_end = *cursor;
        }
        while *frame_end < *cursor {
            *frame_end = log.frame_end(*frame_end);
        }
        Ok(Some(count))
    }
}

impl Segment {
    /// The packet from message `next` at `offset` on, with at most `messages_max` messages, and how many it has. `None`
    /// at the end of the stream.
    fn make<S: StreamRead>(sources: &Sources<'_, S>, next: u64, offset: u64, messages_max: u64) -> Option<(Self, u64)> {
        let room = sources.packet_bytes_max - HEADER_BYTES;
        let to = sources.stream.end().min(offset + room as u64);
        let (bytes, count) = packet_of(sources.stream.bytes(offset, to), room, messages_max);
        let payload = u16::try_from(HEADER_BYTES + bytes).ok().filter(|_| count > 0)?;
        let (frame, frame_len) = frame_header(payload);
        let header = Header { session: sources.session, sequence: next, count };
        let mut head = [0; FRAME_HEADER_BYTES_MAX + HEADER_BYTES];
        let len = frame_len + HEADER_BYTES;
        head.get_mut(..frame_len)?.copy_from_slice(frame.get(..frame_len)?);
        head.get_mut(frame_len..len)?.copy_from_slice(&header.to_bytes());
        let segment = Self { head, written: 0, len, from: offset, to: offset + bytes as u64 };
        Some((segment, u64::from(count)))
    }
}

/// Where the frame ends that byte `at` of `frames` is the middle of; `at` itself when it is between two.
fn end_of_frame(frames: &[u8], at: usize) -> usize {
    let mut end = 0;
    while end < at {
        end += match frames.get(end + 1..) {
            Some(&[126, high, low, ..]) => 4 + usize::from(u16::from_be_bytes([high, low])),
            Some(&[short, ..]) => 2 + usize::from(short),
            Some([]) | None => return frames.len(),
        };
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_frame_under_way_is_found() {
        let session = SessionName(*b"S000000001");
        let mut log = FrameLog::new(1 << 12);
        log.push(Header::heartbeat(session, 1), &[]);
        log.push(Header::heartbeat(session, 2), &[0; 200]);
        log.push(Header::heartbeat(session, 3), &[]);
        let frames = log.slices(0, log.end()).concat();
        for at in 0..=frames.len() {
            let expected = [0, 22, 246, 268].into_iter().find(|&end| end >= at).unwrap();
            assert_eq!(end_of_frame(&frames, at), expected, "{at}");
        }
    }
}
