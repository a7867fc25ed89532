//! The clients against servers of a few lines, and the book from the feed against what no correct feed sends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use protocol::itch::{
    AddOrder, BrokenTrade, CrossTrade, EndOfSnapshot, Header, Message, OrderCancel, OrderDelete, OrderExecuted,
    OrderExecutedWithPrice, OrderReplace, StockDirectory, StockTradingAction,
};
use protocol::moldudp64::{self, PacketWriter};
use protocol::ouch::inbound::{AccountQuery, Inbound};
use protocol::ouch::outbound::{Accepted, AccountQueryResponse, Canceled, Executed, Outbound, Replaced};
use protocol::soupbin::{self, LoginAccepted, LoginRejectReason, ServerPacket};
use protocol::{ClOrdId, InstrumentId, MatchNumber, OrderRef, Price, Qty, SessionName, Symbol, UserRefNum};

use super::feed_book::Violation;
use super::{Change, ClientError, Credentials, FeedBook, FeedClient, OrderClient, OwnOrders, Progress};

const LOCATE: InstrumentId = InstrumentId(3);

fn header() -> Header {
    Header { stock_locate: LOCATE, tracking_number: 0, timestamp_ns: 5 }
}

fn listed() -> Message {
    Message::StockDirectory(StockDirectory {
        header: header(),
        stock: Symbol::from_text("AAPL").unwrap(),
        market_category: b' ',
        financial_status: b'N',
        round_lot_size: Qty(1),
        round_lots_only: b'N',
        issue_classification: b'C',
        issue_sub_type: *b"Z ",
        authenticity: b'P',
        short_sale_threshold: b'N',
        ipo_flag: b'N',
        luld_tier: b' ',
        etp_flag: b'N',
        etp_leverage_factor: 0,
        inverse_indicator: b'N',
    })
}

fn add(order_ref: u64, side: u8, shares: u32, price: u32) -> Message {
    let stock = Symbol::from_text("AAPL").unwrap();
    let (order_ref, shares, price) = (OrderRef(order_ref), Qty(shares), Price(price));
    Message::AddOrder(AddOrder { header: header(), order_ref, side, shares, stock, price })
}

fn executed(order_ref: u64, shares: u32) -> Message {
    let (order_ref, executed_shares, match_number) = (OrderRef(order_ref), Qty(shares), MatchNumber(9));
    Message::OrderExecuted(OrderExecuted { header: header(), order_ref, executed_shares, match_number })
}

fn canceled(order_ref: u64, shares: u32) -> Message {
    let (order_ref, canceled_shares) = (OrderRef(order_ref), Qty(shares));
    Message::OrderCancel(OrderCancel { header: header(), order_ref, canceled_shares })
}

fn deleted(order_ref: u64) -> Message {
    Message::OrderDelete(OrderDelete { header: header(), order_ref: OrderRef(order_ref) })
}

fn replaced(old: u64, new: u64, shares: u32, price: u32) -> Message {
    let (original_order_ref, new_order_ref, shares, price) = (OrderRef(old), OrderRef(new), Qty(shares), Price(price));
    Message::OrderReplace(OrderReplace { header: header(), original_order_ref, new_order_ref, shares, price })
}

fn book(messages: &[Message]) -> FeedBook {
    let mut book = FeedBook::new();
    book.apply(&listed()).unwrap();
    for message in messages {
        book.apply(message).unwrap_or_else(|violation| panic!("{message:?}: {violation}"));
    }
    book
}

/// (price, quantity, orders), best first.
fn side(book: &FeedBook, is_buy: bool) -> Vec<(u32, u64, usize)> {
    book.levels(LOCATE, is_buy).map(|level| (level.price.0, level.quantity, level.orders)).collect()
}

#[test]
fn each_message_does_what_the_sheet_says() {
    let mut book = book(&[add(1, b'B', 100, 50), add(2, b'B', 30, 50), add(3, b'B', 5, 60), add(4, b'S', 7, 70)]);
    assert_eq!(book.locate(Symbol::from_text("AAPL").unwrap()), Some(LOCATE));
    assert_eq!(side(&book, true), [(60, 5, 1), (50, 130, 2)]);
    assert_eq!(side(&book, false), [(70, 7, 1)]);

    let Ok(Change::Trade(print)) = book.apply(&executed(1, 40)) else { panic!("a trade") };
    assert_eq!((print.price, print.quantity, print.aggressor_buys), (Price(50), 40, Some(false)));
    let at_price = OrderExecutedWithPrice {
        header: header(),
        order_ref: OrderRef(4),
        executed_shares: Qty(2),
        match_number: MatchNumber(8),
        printable: b'N',
        execution_price: Price(65),
    };
    assert_eq!(book.apply(&Message::OrderExecutedWithPrice(at_price)), Ok(Change::Book(LOCATE)));
    let printable = OrderExecutedWithPrice { printable: b'Y', ..at_price };
    let Ok(Change::Trade(print)) = book.apply(&Message::OrderExecutedWithPrice(printable)) else { panic!("a trade") };
    assert_eq!((print.price, print.aggressor_buys), (Price(65), Some(true)));
    assert_eq!(side(&book, false), [(70, 3, 1)]);

    book.apply(&canceled(2, 10)).unwrap();
    book.apply(&deleted(3)).unwrap();
    assert_eq!(side(&book, true), [(50, 80, 2)]);
    book.apply(&replaced(1, 9, 60, 50)).unwrap();
    assert_eq!(side(&book, true), [(50, 80, 2)]);
    // The last of an order goes without a delete.
    book.apply(&executed(9, 60)).unwrap();
    assert_eq!(book.apply(&deleted(9)), Err(Violation::UnknownOrder(OrderRef(9))));
    book.apply(&canceled(2, 20)).unwrap();
    book.apply(&deleted(4)).unwrap();
    assert!(book.is_empty(LOCATE));

    let cross = CrossTrade {
        header: header(),
        shares: 1 << 40,
        stock: Symbol::BLANK,
        cross_price: Price(5),
        match_number: MatchNumber(1),
        cross_type: b'O',
    };
    let Ok(Change::Trade(print)) = book.apply(&Message::CrossTrade(cross)) else { panic!("a trade") };
    assert_eq!((print.quantity, print.aggressor_buys), (1 << 40, None));
    let broken = Message::BrokenTrade(BrokenTrade { header: header(), match_number: MatchNumber(1) });
    assert_eq!(book.apply(&broken), Ok(Change::Broken(MatchNumber(1))));
    let halted = StockTradingAction {
        header: header(),
        stock: Symbol::BLANK,
        trading_state: b'T',
        reserved: b' ',
        reason: *b"    ",
    };
    book.apply(&Message::StockTradingAction(halted)).unwrap();
    assert_eq!(book.trading_state(LOCATE), b'T');
}

#[test]
fn contradictions_are_named_and_change_nothing() {
    let mut book = book(&[add(1, b'B', 100, 50), add(2, b'S', 10, 60)]);
    let before = (side(&book, true), side(&book, false));
    for (message, violation) in [
        (add(1, b'B', 5, 50), Violation::DuplicateOrder(OrderRef(1))),
        (add(5, b'B', 0, 50), Violation::NoQuantity(OrderRef(5))),
        (executed(7, 1), Violation::UnknownOrder(OrderRef(7))),
        (executed(1, 101), Violation::WrongQuantity { order_ref: OrderRef(1), taken: Qty(101), rests: Qty(100) }),
        (canceled(1, 0), Violation::WrongQuantity { order_ref: OrderRef(1), taken: Qty(0), rests: Qty(100) }),
        (deleted(7), Violation::UnknownOrder(OrderRef(7))),
        (replaced(7, 8, 1, 50), Violation::UnknownOrder(OrderRef(7))),
        (replaced(1, 2, 1, 50), Violation::DuplicateOrder(OrderRef(2))),
        (replaced(1, 8, 0, 50), Violation::NoQuantity(OrderRef(8))),
    ] {
        assert_eq!(book.apply(&message), Err(violation), "{message:?}");
        assert_eq!((side(&book, true), side(&book, false)), before, "{message:?}");
    }
    let unlisted = FeedBook::new().apply(&add(1, b'B', 5, 50));
    assert_eq!(unlisted, Err(Violation::UnknownInstrument(LOCATE)));
}

#[test]
fn own_orders_follow_the_stream() {
    let accepted = |number: u32, quantity: u32, order_state: u8| {
        Outbound::Accepted(Accepted {
            timestamp_ns: 0,
            user_ref_num: UserRefNum(number),
            side: b'B',
            quantity: Qty(quantity),
            symbol: Symbol::BLANK,
            price: 50,
            time_in_force: b'0',
            display: b'Y',
            order_ref: OrderRef(1),
            capacity: b'P',
            intermarket_sweep: b'N',
            cross_type: b'N',
            order_state,
            cl_ord_id: ClOrdId::BLANK,
        })
    };
    let executed = |number: u32, quantity: u32| {
        let (user_ref_num, quantity) = (UserRefNum(number), Qty(quantity));
        let match_number = MatchNumber(1);
        Outbound::Executed(Executed {
            timestamp_ns: 0,
            user_ref_num,
            quantity,
            price: 50,
            liquidity_flag: b'A',
            match_number,
        })
    };
    let canceled = |number: u32, quantity: u32, reason: u8| {
        let (user_ref_num, quantity) = (UserRefNum(number), Qty(quantity));
        Outbound::Canceled(Canceled { timestamp_ns: 0, user_ref_num, quantity, reason })
    };
    let mut orders = OwnOrders::default();
    orders.apply(&accepted(1, 500, b'L'));
    orders.apply(&accepted(2, 10, b'D'));
    assert_eq!(orders.len(), 1);
    orders.apply(&executed(1, 100));
    orders.apply(&canceled(1, 50, b'Q'));
    let order = orders.find(UserRefNum(1)).unwrap();
    assert_eq!((order.open, order.done), (Qty(350), Qty(150)), "self-match prevention counts as done");
    orders.apply(&Outbound::Replaced(Replaced {
        timestamp_ns: 0,
        orig_user_ref_num: UserRefNum(1),
        user_ref_num: UserRefNum(3),
        side: b'B',
        quantity: Qty(450),
        symbol: Symbol::BLANK,
        price: 60,
        time_in_force: b'0',
        display: b'Y',
        order_ref: OrderRef(2),
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        order_state: b'L',
        cl_ord_id: ClOrdId::BLANK,
    }));
    assert_eq!(orders.find(UserRefNum(1)), None);
    let order = orders.find(UserRefNum(3)).unwrap();
    assert_eq!((order.open, order.done, order.price), (Qty(450), Qty(150), 60));
    // More than is open cannot be taken off, whoever says so.
    assert_eq!(orders.apply(&canceled(3, u32::MAX, b'U')).map(|order| order.open), Some(Qty(0)));
    assert_eq!((orders.len(), orders.apply(&executed(3, 1))), (0, None));
}

/// A server of one connection, on a thread.
pub(super) fn serve(conversation: impl FnOnce(TcpStream) + Send + 'static) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (address, std::thread::spawn(move || conversation(listener.accept().unwrap().0)))
}

pub(super) fn demo() -> Credentials {
    Credentials { account: "DEMO01".to_owned(), password: "demo-pass".to_owned() }
}

pub(super) fn packet(packet: &ServerPacket<'_>) -> Vec<u8> {
    let mut bytes = vec![0; 300];
    let length = packet.encode(&mut bytes).unwrap();
    bytes.truncate(length);
    bytes
}

fn answer(next: u32) -> Vec<u8> {
    let response = AccountQueryResponse { timestamp_ns: 0, next_user_ref_num: UserRefNum(next) };
    let mut bytes = [0; 100];
    let length = Outbound::AccountQueryResponse(response).encode(None, &mut bytes).unwrap();
    packet(&ServerPacket::Sequenced(&bytes[..length]))
}

pub(super) fn accept_login(stream: &mut TcpStream) {
    let mut login = [0; 49];
    stream.read_exact(&mut login).unwrap();
    assert_eq!(&login[3..19], b"DEMO01demo-pass ");
    let accepted = LoginAccepted { session: SessionName(*b"S000000001"), next_sequence: 1 };
    stream.write_all(&packet(&ServerPacket::Debug(b"hello"))).unwrap();
    stream.write_all(&accepted.to_packet()).unwrap();
}

#[test]
fn answers_may_come_byte_by_byte() {
    let (address, server) = serve(|mut stream| {
        accept_login(&mut stream);
        let mut query = [0; 4];
        stream.read_exact(&mut query).unwrap();
        assert_eq!(&query, b"\x00\x02UQ");
        stream.set_nodelay(true).unwrap();
        let bytes = [packet(&ServerPacket::Heartbeat), answer(41), answer(42)].concat();
        for byte in bytes {
            stream.write_all(&[byte]).unwrap();
        }
        let mut logout = Vec::new();
        stream.read_to_end(&mut logout).unwrap();
        assert!(logout.ends_with(&soupbin::LOGOUT_REQUEST), "{logout:?}");
    });
    let mut client = OrderClient::login(address, &demo(), 1).unwrap();
    assert_eq!(client.query(|_| {}).unwrap(), UserRefNum(41));
    let next = client.expect("the second").unwrap();
    assert!(matches!(next, Outbound::AccountQueryResponse(response) if response.next_user_ref_num == UserRefNum(42)));
    assert!(client.receive(Duration::ZERO).unwrap().is_none());
    drop(client);
    server.join().unwrap();
}

#[test]
fn a_waiting_client_sends_heartbeats() {
    let (address, server) = serve(|mut stream| {
        accept_login(&mut stream);
        let mut heartbeat = [0; 3];
        stream.read_exact(&mut heartbeat).unwrap();
        assert_eq!(heartbeat, soupbin::CLIENT_HEARTBEAT);
        stream.write_all(&answer(7)).unwrap();
    });
    let mut client = OrderClient::login(address, &demo(), 0).unwrap();
    assert!(client.receive(Duration::from_secs(60)).unwrap().is_some());
    server.join().unwrap();
}

#[test]
fn a_conversation_that_fails_says_how() {
    let login = |conversation: fn(TcpStream)| {
        let (address, server) = serve(conversation);
        let outcome = OrderClient::login(address, &demo(), 0).and_then(|mut client| {
            client.send(&Inbound::AccountQuery(AccountQuery {}), None)?;
            client.expect("an answer").map(|_| ())
        });
        let error = outcome.expect_err("it fails");
        server.join().unwrap();
        error
    };
    let refused = login(|mut stream| {
        stream.write_all(&LoginRejectReason::NotAuthorized.to_packet()).unwrap();
        // Closing with the login unread would reset the connection and lose the answer.
        stream.read_exact(&mut [0; 49]).unwrap();
    });
    assert!(matches!(&refused, ClientError::LoginRejected { account, .. } if account == "DEMO01"), "{refused}");
    let ended = login(|mut stream| {
        accept_login(&mut stream);
        stream.read_exact(&mut [0; 4]).unwrap();
        stream.write_all(&soupbin::END_OF_SESSION).unwrap();
    });
    assert!(matches!(ended, ClientError::SessionEnded { port: "order" }), "{ended}");
    let unframed = login(|mut stream| {
        accept_login(&mut stream);
        stream.read_exact(&mut [0; 4]).unwrap();
        stream.write_all(&[0, 0, 0]).unwrap();
    });
    assert!(matches!(unframed, ClientError::Framing { port: "order" }), "{unframed}");
    let nonsense = login(|mut stream| {
        accept_login(&mut stream);
        stream.read_exact(&mut [0; 4]).unwrap();
        stream.write_all(&packet(&ServerPacket::Sequenced(b"?what"))).unwrap();
    });
    assert!(matches!(nonsense, ClientError::Malformed { port: "order", .. }), "{nonsense}");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = OrderClient::login(nobody, &demo(), 0).unwrap_err();
    assert!(error.to_string().contains("no venue at"), "{error}");
    let long = Credentials { account: "MUCHTOOLONG".to_owned(), password: String::new() };
    assert!(matches!(OrderClient::login(nobody, &long, 0), Err(ClientError::LoginTooLong)));
}

fn mold(sequence: u64, messages: &[Message]) -> tungstenite::Message {
    let mut bytes = vec![0; 4_096];
    let mut writer = PacketWriter::new(&mut bytes, SessionName(*b"S000000001"), sequence).unwrap();
    for message in messages {
        let mut block = [0; 64];
        let length = message.encode(&mut block).unwrap();
        assert!(writer.push(&block[..length]));
    }
    let length = writer.finish();
    bytes.truncate(length);
    tungstenite::Message::Binary(bytes.into())
}

#[test]
fn a_gap_in_the_feed_is_asked_for_and_closed() {
    let (address, server) = serve(|stream| {
        let mut socket = tungstenite::accept(stream).unwrap();
        socket.send(mold(1, &[listed()])).unwrap();
        socket.send(mold(4, &[canceled(1, 5)])).unwrap();
        socket.send(mold(5, &[canceled(1, 5)])).unwrap();
        let tungstenite::Message::Binary(request) = socket.read().unwrap() else { panic!("a request") };
        let request = moldudp64::Request::decode(&request).unwrap().0;
        assert_eq!((request.sequence, request.count), (2, 3));
        socket.send(mold(2, &[add(1, b'B', 100, 50), add(2, b'B', 10, 50)])).unwrap();
        socket.send(mold(4, &[canceled(1, 5)])).unwrap();
        socket.send(mold(4, &[canceled(1, 5), canceled(1, 5)])).unwrap();
        socket.send(mold(6, &[])).unwrap();
        socket.close(None).unwrap();
        while socket.read().is_ok() {}
    });
    let mut feed = FeedClient::itch(address, 1).unwrap();
    let (mut book, mut numbers) = (FeedBook::new(), Vec::new());
    while feed
        .receive(Duration::from_secs(10), |sequence, message| {
            numbers.push(sequence);
            book.apply(message).unwrap();
        })
        .unwrap()
        != Progress::Finished
    {}
    assert_eq!(numbers, [1, 2, 3, 4, 5], "each once, in order");
    assert_eq!(side(&book, true), [(50, 100, 2)]);
    assert_eq!((feed.next_sequence(), feed.session()), (6, SessionName(*b"S000000001")));
    drop(feed);
    server.join().unwrap();
}

#[test]
fn a_snapshot_needs_its_end() {
    let (address, server) = serve(|stream| {
        let mut socket = tungstenite::accept(stream).unwrap();
        socket.send(mold(1, &[listed(), add(1, b'B', 100, 50)])).unwrap();
        socket.send(mold(3, &[Message::EndOfSnapshot(EndOfSnapshot::new(77))])).unwrap();
        socket.close(None).unwrap();
        while socket.read().is_ok() {}
    });
    let snapshot = FeedClient::snapshot(address).unwrap();
    assert_eq!((snapshot.next_sequence, side(&snapshot.book, true)), (77, vec![(50, 100, 1)]));
    server.join().unwrap();

    let (address, server) = serve(|stream| {
        let mut socket = tungstenite::accept(stream).unwrap();
        socket.send(mold(1, &[listed()])).unwrap();
        socket.close(None).unwrap();
        while socket.read().is_ok() {}
    });
    assert!(matches!(FeedClient::snapshot(address), Err(ClientError::Closed { port: "feed" })));
    server.join().unwrap();

    let (address, server) = serve(|mut stream| {
        let mut request = [0; 1_024];
        assert!(stream.read(&mut request).unwrap() > 0);
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").unwrap();
    });
    let error = FeedClient::itch(address, 9).unwrap_err().to_string();
    assert!(error.contains("from=9") && error.contains("400"), "{error}");
    server.join().unwrap();
}

#[test]
fn a_feed_of_nonsense_is_an_error() {
    for bytes in [vec![1, 2, 3], mold_bytes_with(b"?")] {
        let (address, server) = serve(move |stream| {
            let mut socket = tungstenite::accept(stream).unwrap();
            socket.send(tungstenite::Message::Binary(bytes.into())).unwrap();
            while socket.read().is_ok() {}
        });
        let mut feed = FeedClient::itch(address, 1).unwrap();
        let outcome = feed.receive(Duration::from_secs(10), |_, _| {});
        assert!(matches!(outcome, Err(ClientError::Malformed { port: "feed", .. })), "{outcome:?}");
        drop(feed);
        server.join().unwrap();
    }
}

fn mold_bytes_with(block: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 100];
    let mut writer = PacketWriter::new(&mut bytes, SessionName::BLANK, 1).unwrap();
    assert!(writer.push(block));
    let length = writer.finish();
    bytes.truncate(length);
    bytes
}
