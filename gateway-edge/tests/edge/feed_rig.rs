//! A feed over a test venue, with its snapshot helper, driven turn by turn on one thread.

use std::rc::Rc;
use std::time::Duration;

use gateway_edge::{Feed, FeedConfig, FeedPorts, Publisher, SnapshotAgent, StreamRead};
use protocol::command::{CancelOrder, EnterOrder};
use protocol::{
    AccountId, Capacity, Channel, ClOrdId, CommandBody, CrossType, Display, InstrumentId, Nanos, Owner, Price, Qty,
    Side, TimeInForce, UserRefNum,
};

use crate::venue::{Events, MemReader, MemStream, Ports, Vectors, Venue};

const TURNS_MAX: u32 = 200_000;

pub(crate) struct FeedRig {
    pub(crate) feed: Feed<Vectors>,
    pub(crate) agent: SnapshotAgent<MemReader>,
    pub(crate) agent_stands_still: bool,
    pub(crate) venue: Rc<Venue>,
    pub(crate) stream: MemReader,
    next_number: u32,
}

pub(crate) fn feed_config() -> FeedConfig {
    FeedConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        connections_max: 64,
        pending_events_max: 1024,
        ..FeedConfig::default()
    }
}

impl FeedRig {
    pub(crate) fn new() -> Self {
        Self::with(feed_config())
    }

    pub(crate) fn with(config: FeedConfig) -> Self {
        let venue = Venue::new();
        venue.open();
        Self::over(venue, config, 1 << 28)
    }

    /// As a start does it: what the journal holds is published into the stream, then the port opens.
    pub(crate) fn over(venue: Rc<Venue>, config: FeedConfig, stream_bytes_max: usize) -> Self {
        let mut publisher = Publisher::new(MemStream::new(stream_bytes_max));
        for event in venue.events.borrow().iter() {
            publisher.publish(event).unwrap();
        }
        let stream = publisher.stream().reader();
        let taken = venue.events.borrow().len();
        let ports = FeedPorts {
            events: Events { venue: Rc::clone(&venue), taken },
            durable: Ports(Rc::clone(&venue)),
            clock: Ports(Rc::clone(&venue)),
        };
        let feed = Feed::new(config, ports, publisher).unwrap();
        let agent = feed.snapshot_agent(stream.clone());
        Self { feed, agent, agent_stands_still: false, venue, stream, next_number: 1 }
    }

    /// Enters an order of AAPL (1) or BTC-USD (2); its reference is the sequence of its command.
    pub(crate) fn enter(&mut self, instrument: u16, side: Side, quantity: u32, price: u32) -> u64 {
        let user_ref_num = UserRefNum(self.next_number);
        self.next_number += 1;
        let enter = EnterOrder {
            owner: Owner::new(AccountId(0), Channel(0)),
            user_ref_num,
            quantity: Qty(quantity),
            price: Price(price),
            instrument: InstrumentId(instrument),
            side,
            time_in_force: TimeInForce::Day,
            display: Display::Visible,
            capacity: Capacity::Agency,
            sweep: false,
            cross_type: CrossType::Continuous,
            cl_ord_id: ClOrdId::BLANK,
            tags: protocol::command::OrderTags::NONE,
        };
        self.submit(&CommandBody::Enter(enter))
    }

    pub(crate) fn cancel(&mut self, user_ref_num: u32) {
        let owner = Owner::new(AccountId(0), Channel(0));
        let cancel = CancelOrder { owner, user_ref_num: UserRefNum(user_ref_num), quantity: Qty::ZERO };
        self.submit(&CommandBody::Cancel(cancel));
    }

    /// `count` orders that rest.
    pub(crate) fn rest(&mut self, count: u32) {
        for _ in 0..count {
            self.enter(1, Side::Buy, 100, 1_000_000);
        }
    }

    pub(crate) fn submit(&mut self, body: &CommandBody) -> u64 {
        let sequence = self.venue.submit(Nanos(self.venue.now.get()), body).unwrap();
        self.venue.run_core();
        sequence.0
    }

    pub(crate) fn turn(&mut self) {
        self.feed.turn(Duration::ZERO);
        if !self.agent_stands_still {
            self.agent.turn();
        }
    }

    pub(crate) fn turns(&mut self, count: u32) {
        for _ in 0..count {
            self.turn();
        }
    }

    /// Turns until `condition` gives something.
    pub(crate) fn until<R>(&mut self, mut condition: impl FnMut(&mut Self) -> Option<R>) -> R {
        for _ in 0..TURNS_MAX {
            if let Some(found) = condition(self) {
                return found;
            }
            self.turn();
            std::thread::yield_now();
        }
        panic!("the condition never came true; {:?}", self.feed)
    }

    /// All message blocks from message `number` on.
    pub(crate) fn blocks_from(&self, number: u64) -> Vec<u8> {
        let from = self.stream.offset_of(number).unwrap();
        self.stream.bytes(from, self.stream.end()).to_vec()
    }
}
