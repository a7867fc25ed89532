//! The feed by UDP: the packets of the common log, as they are, to every destination, unicast or multicast; and a port where a
//! receiver asks again for what it lost (moldudp64.md §3). Owned by the feed's thread. Nothing here ever waits: what the
//! system does not take in time is lost, as on any network, and asked for again.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::net::UdpSocket;
use protocol::moldudp64::{HEADER_BYTES, Header, Request};
use protocol::{Nanos, SessionName};
use socket2::{Domain, Protocol, Socket, Type};

use crate::clock::passed;
use crate::config::UdpConfig;
use crate::counters::FeedCounters;
use crate::feed::frame_log::{FRAME_HEADER_BYTES_MAX, FrameLog, packet_of};
use crate::limits::{Meter, Rate};
use crate::ports::StreamRead;
use crate::reactor::OpenError;

/// The longest payload of a UDP packet in one Ethernet frame.
pub(crate) const PACKET_BYTES_MAX: usize = 1_472;
/// Packets sent per turn, at the most, each to every destination.
const PACKETS_PER_TURN: usize = 512;
/// Requests heard per turn, at the most.
const REQUESTS_PER_TURN: usize = 64;
/// What the system is asked to hold for us.
const SEND_BUFFER_BYTES: usize = 4 << 20;
/// The end of a session is said so often, and for so long.
const END_EVERY_MS: u64 = 1_000;
const END_TOLD_MS: u64 = 30_000;

/// Both sockets.
#[derive(Debug)]
pub(crate) struct Udp {
    /// Where packets leave.
    sender: UdpSocket,
    destinations: Vec<SocketAddr>,
    /// Everything of the log before this has been sent, but for destinations from `turn` on, which still get the packet here.
    cursor: u64,
    turn: usize,
    /// Where requests come, and answers leave.
    pub(crate) repairs: UdpSocket,
    pub(crate) is_asked: bool,
    rate: Rate,
    meter: Meter,
    packet_bytes_max: usize,
    packet: Vec<u8>,
    ended: Option<Ended>,
}

/// A session that was ended, of which receivers are told for a while.
#[derive(Clone, Copy, Debug)]
struct Ended {
    header: Header,
    at: Nanos,
    told_at: Nanos,
}

impl Udp {
    pub(crate) fn open(config: &UdpConfig, packet_bytes_max: usize) -> Result<Self, OpenError> {
        let fault = |address, source| OpenError::Listen { address, source };
        let local = SocketAddr::new(config.interface, 0);
        let sender = sender(config).map_err(|source| fault(local, source))?;
        let asked = config.request_listen;
        let repairs = UdpSocket::bind(asked).map_err(|source| fault(asked, source))?;
        Ok(Self {
            sender,
            destinations: config.destinations.clone(),
            cursor: 0,
            turn: 0,
            repairs,
            is_asked: true,
            rate: Rate::new(config.requests_per_s_max),
            meter: Meter::default(),
            packet_bytes_max,
            packet: Vec::with_capacity(PACKET_BYTES_MAX + FRAME_HEADER_BYTES_MAX),
            ended: None,
        })
    }

    /// Sends what is new in the log. Answers how many packets.
    pub(crate) fn send(&mut self, log: &FrameLog, counters: &mut FeedCounters) -> usize {
        self.catch_up(log, counters);
        let mut sent = 0;
        while self.cursor < log.end() && sent < PACKETS_PER_TURN {
            let end = log.frame_end(self.cursor);
            let [head, tail] = log.slices(self.cursor, end);
            self.packet.clear();
            self.packet.extend_from_slice(head);
            self.packet.extend_from_slice(tail);
            // The header of the WebSocket frame stays at home.
            let skip = if self.packet.get(1) == Some(&126) { 4 } else { 2 };
            let packet = self.packet.get(skip..).unwrap_or_default();
            while let Some(destination) = self.destinations.get(self.turn) {
                match self.sender.send_to(packet, *destination) {
                    Ok(_) => counters.datagrams += 1,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return sent,
                    // One who does not listen, or a network that is away: the others get theirs.
                    Err(_) => counters.datagrams_failed += 1,
                }
                self.turn += 1;
            }
            self.turn = 0;
            self.cursor = end;
            sent += 1;
        }
        sent
    }

    /// A session was ended; `header` says so.
    pub(crate) fn end_session(&mut self, header: Header, now: Nanos) {
        self.ended = Some(Ended { header, at: now, told_at: now });
    }

    /// Says again and again for a while that a session was ended: a packet that is lost cannot be asked for.
    pub(crate) fn tell_end(&mut self, now: Nanos, counters: &mut FeedCounters) {
        let Some(ended) = &mut self.ended else { return };
        if !passed(ended.told_at, now, END_EVERY_MS) {
            return;
        }
        ended.told_at = now;
        for destination in &self.destinations {
            let sent = self.sender.send_to(&ended.header.to_bytes(), *destination);
            counters.datagrams += u64::from(sent.is_ok());
            counters.datagrams_failed += u64::from(sent.is_err());
        }
        if passed(ended.at, now, END_TOLD_MS) {
            self.ended = None;
        }
    }

    /// More packets are waiting to be sent.
    pub(crate) fn is_behind(&self, log: &FrameLog) -> bool {
        self.cursor < log.end()
    }

    /// What the system did not take for so long that the log will overwrite it is lost.
    fn catch_up(&mut self, log: &FrameLog, counters: &mut FeedCounters) {
        while log.end() - self.cursor > log.capacity() / 2 {
            self.cursor = log.frame_end(self.cursor);
            self.turn = 0;
            counters.datagrams_skipped += 1;
        }
    }

    /// Answers requests, each with one packet at the most; what cannot be answered is ignored, as the protocol says. Answers
    /// how many were heard.
    pub(crate) fn answer(
        &mut self,
        sessions: &[(SessionName, &impl StreamRead)],
        now: Nanos,
        counters: &mut FeedCounters,
    ) -> usize {
        let mut heard = 0;
        while self.is_asked && heard < REQUESTS_PER_TURN {
            let mut request = [0; HEADER_BYTES + 1];
            match self.repairs.recv_from(&mut request) {
                Ok((bytes, from)) => {
                    heard += 1;
                    let request = request.get(..bytes.min(HEADER_BYTES)).unwrap_or_default();
                    let early = self.rate.early(self.meter, now).is_some();
                    if !early && self.make_answer(request, sessions) {
                        self.rate.count(&mut self.meter, now);
                        counters.rerequests += 1;
                        // Lost like any other packet when the system takes no more: it is asked for again.
                        drop(self.repairs.send_to(&self.packet, from));
                    } else {
                        counters.rerequests_ignored += 1;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_asked = false,
                // What an earlier answer met; the queue goes on.
                Err(_) => heard += 1,
            }
        }
        heard
    }

    fn make_answer(&mut self, request: &[u8], sessions: &[(SessionName, &impl StreamRead)]) -> bool {
        let Ok(Request(request)) = Request::decode(request) else { return false };
        let Some((session, stream)) = sessions.iter().find(|(session, _)| *session == request.session) else {
            return false;
        };
        let offset = stream.offset_of(request.sequence).filter(|_| request.sequence <= stream.messages());
        let Some(offset) = offset else { return false };
        let room = self.packet_bytes_max - HEADER_BYTES;
        let to = stream.end().min(offset + room as u64);
        let (bytes, count) = packet_of(stream.bytes(offset, to), room, u64::from(request.count));
        self.packet.clear();
        self.packet.extend_from_slice(&Header { session: *session, sequence: request.sequence, count }.to_bytes());
        self.packet.extend_from_slice(stream.bytes(offset, offset + bytes as u64));
        count > 0
    }
}

/// The socket that sends, bound to no port that anybody knows.
fn sender(config: &UdpConfig) -> io::Result<UdpSocket> {
    let socket =
        Socket::new(Domain::for_address(SocketAddr::new(config.interface, 0)), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // The system may give less.
    drop(socket.set_send_buffer_size(SEND_BUFFER_BYTES));
    match config.interface {
        IpAddr::V4(interface) => {
            socket.set_multicast_ttl_v4(config.ttl)?;
            socket.set_multicast_loop_v4(true)?;
            if interface != Ipv4Addr::UNSPECIFIED {
                socket.set_multicast_if_v4(&interface)?;
            }
        }
        IpAddr::V6(_) => {
            socket.set_multicast_hops_v6(config.ttl)?;
            socket.set_multicast_loop_v6(true)?;
        }
    }
    socket.bind(&SocketAddr::new(config.interface, 0).into())?;
    Ok(UdpSocket::from_std(socket.into()))
}
