//! A complete market-making bot, made to be copied: `cargo run --release --example bot -- 127.0.0.1:9001 AAPL 15000 30`.
//! It logs in as DEMO03, quotes both sides around a reference price given in ticks of 0.01, moves the reference with
//! every filled quote, keeps the session alive, and after the given seconds takes its quotes off and logs out.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a bot has its own clock, and tells what it does")]

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use protocol::ouch::inbound::{AccountQuery, CancelOrder, EnterOrder, Inbound};
use protocol::ouch::outbound::Outbound;
use protocol::soupbin::{self, ClientPacket, Cut, LoginRequest, ServerPacket};
use protocol::{ClOrdId, Qty, SessionName, Symbol, UserRefNum};

type Failure = Box<dyn Error>;
const TICK: u64 = 100; // 0.01, with 4 price decimals
const HALF_SPREAD: u64 = 5 * TICK;
const SIZE: Qty = Qty(100);

#[derive(Default)]
struct Quote {
    number: UserRefNum, // of the live order
    open: Qty,
}

struct Bot {
    stream: TcpStream,
    inbox: Vec<u8>,
    sent_at: Instant,
    symbol: Symbol,
    reference: u64,
    next_number: u32,   // every order takes a higher one
    quotes: [Quote; 2], // bid, offer
}

impl Bot {
    fn send(&mut self, packet: &ClientPacket<'_>) -> Result<(), Failure> {
        let mut bytes = [0; 600];
        let length = packet.encode(&mut bytes).ok_or("packet too long")?;
        self.sent_at = Instant::now();
        Ok(self.stream.write_all(&bytes[..length])?)
    }

    fn request(&mut self, message: Inbound) -> Result<(), Failure> {
        let mut bytes = [0; 512];
        let length = message.encode(None, &mut bytes).ok_or("message too long")?;
        self.send(&ClientPacket::Unsequenced(&bytes[..length]))
    }

    /// Reads what is there, waiting 200 ms at most, and acts on every whole packet.
    fn turn(&mut self) -> Result<(), Failure> {
        if self.sent_at.elapsed() >= Duration::from_secs(1) {
            self.send(&ClientPacket::Heartbeat)?; // a session that says nothing for 15 s is cut
        }
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk) {
            Ok(0) => return Err("the venue closed the connection".into()),
            Ok(count) => self.inbox.extend_from_slice(&chunk[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let inbox = std::mem::take(&mut self.inbox);
        let mut rest = inbox.as_slice();
        while let Cut::Frame { frame, consumed } = soupbin::cut(rest) {
            match ServerPacket::decode(frame)? {
                ServerPacket::LoginAccepted(_) => self.request(Inbound::AccountQuery(AccountQuery {}))?, // next number?
                ServerPacket::LoginRejected(reason) => return Err(format!("login: {reason:?}").into()),
                ServerPacket::EndOfSession => return Err("the session ended".into()),
                ServerPacket::Sequenced(message) => self.on_message(&Outbound::decode(message)?.0)?,
                ServerPacket::Heartbeat | ServerPacket::Debug(_) => {}
            }
            rest = &rest[consumed..];
        }
        self.inbox.extend_from_slice(rest);
        Ok(())
    }

    fn on_message(&mut self, message: &Outbound) -> Result<(), Failure> {
        if let Outbound::AccountQueryResponse(response) = message {
            self.next_number = response.next_user_ref_num.0;
            return self.enter(0).and_then(|()| self.enter(1));
        }
        if matches!(message, Outbound::Rejected(_)) {
            return Err(format!("{message:?}").into());
        }
        let Outbound::Executed(done) = message else { return Ok(()) };
        println!("order {}: {} @ {} wire units", done.user_ref_num, done.quantity, done.price);
        // Not found: a quote that traded before its cancel arrived.
        let Some(index) = self.quotes.iter().position(|quote| quote.number == done.user_ref_num) else { return Ok(()) };
        self.quotes[index].open -= done.quantity;
        if self.quotes[index].open == Qty(0) {
            // All of our offer is gone: it was too cheap. All of our bid: too dear. Both quotes move.
            self.reference = if index == 1 { self.reference + TICK } else { self.reference - TICK };
            self.cancel(self.quotes[1 - index].number)?;
            self.enter(index)?;
            self.enter(1 - index)?;
        }
        Ok(())
    }

    /// Takes off all that is open. The venue ignores it when nothing is.
    fn cancel(&mut self, user_ref_num: UserRefNum) -> Result<(), Failure> {
        self.request(Inbound::CancelOrder(CancelOrder { user_ref_num, quantity: Qty(0) }))
    }

    fn enter(&mut self, index: usize) -> Result<(), Failure> {
        let user_ref_num = UserRefNum(self.next_number);
        self.next_number += 1;
        self.quotes[index] = Quote { number: user_ref_num, open: SIZE };
        let price = if index == 0 { self.reference - HALF_SPREAD } else { self.reference + HALF_SPREAD };
        self.request(Inbound::EnterOrder(EnterOrder {
            user_ref_num,
            side: [b'B', b'S'][index],
            quantity: SIZE,
            symbol: self.symbol,
            price,
            time_in_force: b'0', // day
            display: b'Y',
            capacity: b'P', // principal
            intermarket_sweep: b'N',
            cross_type: b'N',
            cl_ord_id: ClOrdId::BLANK,
        }))
    }
}

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let mut arg = |default: &str| args.next().unwrap_or(default.to_owned());
    let stream = TcpStream::connect(arg("127.0.0.1:9001"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    let symbol = Symbol::from_text(&arg("AAPL")).ok_or("a symbol has at most 8 characters")?;
    let reference = arg("15000").parse::<u64>()? * TICK;
    let (started, lifetime) = (Instant::now(), Duration::from_secs(arg("30").parse()?));
    let (inbox, quotes) = (Vec::new(), Default::default());
    let mut bot = Bot { stream, inbox, sent_at: started, symbol, reference, next_number: 0, quotes };
    let login = LoginRequest::new("DEMO03", "demo-pass", SessionName::BLANK, 0);
    bot.send(&ClientPacket::Login(login.ok_or("login too long")?))?;
    while started.elapsed() < lifetime {
        bot.turn()?;
    }
    bot.cancel(bot.quotes[0].number)?;
    bot.cancel(bot.quotes[1].number)?;
    bot.turn()?; // lets the answers in
    bot.send(&ClientPacket::Logout)
}
