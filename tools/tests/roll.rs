//! The roll of the trading day against the real binary: by hand, ten times in a row, by the schedule, and killed around it.

#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use protocol::SessionName;
use protocol::moldudp64::Header;
use protocol::ouch::outbound::Outbound;
use protocol::soupbin::LoginRequest;
use support::told::{Told, same_from_the_journal_alone};
use support::{Client, PATIENCE, Venue, enter, eventually, hft, json, run, stderr, stdout};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

/// Good till cancel.
const GTC: u8 = b'G';

fn roll(venue: &Venue) -> serde_json::Value {
    let rolled = run(&["roll", "--data-dir", venue.dir(), "--json"]);
    assert!(rolled.status.success(), "{}{}", stdout(&rolled), stderr(&rolled));
    json(&rolled)
}

/// Reads to the end of the session: its last messages, then `Z`, then the venue closes.
fn read_out(client: &mut Client) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    loop {
        match client.packet() {
            Some((b'S', message)) => messages.push(message),
            Some((packet_type, payload)) => {
                assert_eq!((char::from(packet_type), payload.len()), ('Z', 0));
                assert!(client.is_closed(), "nothing follows the end of a session");
                return messages;
            }
            None => panic!("the session ended without its end: {messages:?}"),
        }
    }
}

fn decoded(message: &[u8]) -> Outbound {
    Outbound::decode(message).unwrap().0
}

/// A WebSocket of the feed.
struct Feed(WebSocket<MaybeTlsStream<TcpStream>>);

impl Feed {
    fn open(venue: &Venue, path: &str) -> Self {
        Self::at(venue.feed_port(), path)
    }

    fn at(port: u16, path: &str) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let url = format!("ws://127.0.0.1:{port}/{path}");
        Self(tungstenite::client(url, MaybeTlsStream::Plain(socket)).unwrap().0)
    }

    /// To the end of the session, which must be told: its name, and its messages. The venue closes then, with 1000.
    fn read_out(mut self) -> (SessionName, Vec<Vec<u8>>) {
        let (mut session, mut messages, mut has_ended) = (SessionName::BLANK, Vec::new(), false);
        loop {
            let frame = match self.0.read() {
                Ok(Message::Binary(frame)) => frame,
                Ok(Message::Close(Some(close))) => {
                    assert!(has_ended && close.code == CloseCode::Normal, "{close:?}");
                    return (session, messages);
                }
                other => panic!("{other:?}"),
            };
            let header = Header::read(frame[..20].try_into().unwrap());
            assert!(session == SessionName::BLANK || header.session == session, "one session per connection");
            session = header.session;
            assert_eq!(header.sequence, messages.len() as u64 + 1, "no message is missing");
            has_ended = header.count == u16::MAX;
            let mut blocks = &frame[20..];
            while let Some((length, rest)) = blocks.split_first_chunk() {
                let (message, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
                messages.push(message.to_vec());
                blocks = rest;
            }
        }
    }
}

/// Who followed the feed got all of the day and its end; the new session begins as a day does, and shows the carried order.
fn check_feed(venue: &Venue, feed: Feed, carried: u64, is_first: bool) {
    let (_, told) = feed.read_out();
    let kinds = |messages: &[Vec<u8>]| messages.iter().map(|message| char::from(message[0])).collect::<String>();
    let last = told.last().unwrap();
    assert_eq!((last[0], last[11]), (b'S', b'C'), "the last message of a day: {}", kinds(&told));
    assert!(
        kinds(&told).starts_with(if is_first { "SRRRRRRR" } else { "SRHYRHYRHYRHYRHYRHYRHYASS" }),
        "{}",
        kinds(&told)
    );
    let snapshot = eventually("a snapshot of the new session", || {
        let (_, snapshot) = Feed::open(venue, "glimpse").read_out();
        kinds(&snapshot).contains('A').then_some(snapshot)
    });
    let orders: Vec<_> = snapshot.iter().filter(|message| message[0] == b'A').collect();
    assert_eq!(orders.len(), 1, "{}", kinds(&snapshot));
    assert_eq!(orders[0][11..19], carried.to_be_bytes(), "the reference is the one that its owner was told");
}

/// What was recorded over a roll is served again, and a snapshot is one of the session that the feed has come to.
#[test]
fn a_recorded_roll_is_served_again() {
    let temp = tempfile::tempdir().unwrap();
    let venue = Venue::start(&temp.path().join("data"));
    let mut client = Client::login(venue.order_port(), "DEMO01");
    client.enter_tif(1, b'B', 10, "AAPL", 1_000_000, GTC);
    assert!(matches!(decoded(&client.messages(2)[1]), Outbound::Accepted(_)));
    roll(&venue);
    read_out(&mut client);
    let mut client = Client::login(venue.order_port(), "DEMO01");
    client.enter(2, b'B', 20, "AAPL", 1_001_000);
    eventually("it is accepted", || matches!(client.outbound(), Outbound::Accepted(_)).then_some(()));
    let path = venue.dir().to_owned();
    venue.stop("-INT");

    let offset = support::free_offset();
    let mut command = hft(&["replay", "--serve", "--data-dir", &path, "--port-offset", &offset.to_string()]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.take(2).last().is_some_and(|line| line.contains("at_the_end")));
    let orders = eventually("a snapshot of the second session", || {
        let (_, snapshot) = Feed::at(9_002 + offset, "glimpse").read_out();
        let orders: Vec<_> = snapshot.into_iter().filter(|message| message[0] == b'A').collect();
        (orders.len() == 2).then_some(orders)
    });
    let quantities: Vec<_> = orders.iter().map(|order| order[23]).collect();
    assert_eq!(quantities, [20, 10], "the best price first");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}

#[test]
fn ten_days_in_a_row() {
    let temp = tempfile::tempdir().unwrap();
    let venue = Venue::start(&temp.path().join("data"));
    let port = venue.order_port();
    let mut client = Client::login(port, "DEMO01");
    let mut copy = Client::login(port + 2, "DEMO02");
    let (mut sessions, mut refs) = (vec![client.session], Vec::new());
    client.enter_tif(1, b'B', 10, "AAPL", 1_000_000, GTC);
    client.messages(2);
    for day in 1..=10_u32 {
        client.enter(1 + day, b'B', 5, "AAPL", 990_000);
        let accepted = client.outbound();
        assert!(matches!(&accepted, Outbound::Accepted(order) if order.user_ref_num.0 == 1 + day), "{accepted:?}");
        let feed = Feed::open(&venue, "itch?from=1");
        roll(&venue);
        let last: Vec<_> = read_out(&mut client).iter().map(|message| decoded(message)).collect();
        assert!(
            matches!(&last[..], [Outbound::Canceled(canceled), Outbound::SystemEvent(end)]
                if canceled.reason == b'T' && canceled.user_ref_num.0 == 1 + day && end.event_code == b'E'),
            "{last:?}"
        );
        let copied = read_out(&mut copy);
        assert!(matches!(decoded(copied.last().unwrap()), Outbound::SystemEvent(end) if end.event_code == b'E'));

        // The old session is over; the new one begins with what is carried.
        let mut late = Client::connect(port);
        late.send(&LoginRequest::new("DEMO01", "demo-pass", client.session, 1).unwrap().to_packet());
        assert_eq!(late.packet(), Some((b'J', b"S".to_vec())));
        client = Client::login(port, "DEMO01");
        assert!(client.session > sessions[sessions.len() - 1]);
        sessions.push(client.session);
        assert!(matches!(client.outbound(), Outbound::SystemEvent(start) if start.event_code == b'S'));
        let Outbound::PriorityUpdate(carried) = client.outbound() else { panic!("no carried order") };
        assert_eq!(carried.user_ref_num.0, 1);
        refs.push(carried.order_ref.0);
        copy = Client::login(port + 2, "DEMO02");
        assert!(matches!(copy.outbound(), Outbound::SystemEvent(start) if start.event_code == b'S'));
        assert!(matches!(copy.outbound(), Outbound::PriorityUpdate(_)));
        check_feed(&venue, feed, carried.order_ref.0, day == 1);
    }
    assert!(refs.is_sorted_by(|one, next| one < next), "every day has new references: {refs:?}");
    // Yesterday's order still trades.
    let mut taker = Client::login(port, "DEMO03");
    taker.enter(1, b'S', 10, "AAPL", 1_000_000);
    assert!(matches!(client.outbound(), Outbound::Executed(done) if done.user_ref_num.0 == 1));
    let path = venue.dir().to_owned();
    let stopped = venue.stop("-INT");
    let replayed = json(&run(&["replay", "--data-dir", &path, "--json"]));
    assert_eq!((&stopped["event_hash"], &stopped["state_hash"]), (&replayed["event_hash"], &replayed["state_hash"]));
}

#[test]
fn killed_around_the_roll() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("data");
    let mut told = Told::of("DEMO01");
    let mut number = 0;
    for cycle in 0..12_u64 {
        let venue = Venue::start(&dir);
        let mut client = told.come_back(venue.order_port());
        for _ in 0..40 {
            number += 1;
            let tif = if number % 2 == 0 { GTC } else { b'0' };
            client.ask(&enter(number, b'B', 5, "AAPL", 900_000 + u64::from(number % 50) * 100, tif));
        }
        let mut rolling = hft(&["roll", "--data-dir", venue.dir()]).spawn().unwrap();
        // From before the request to behind the end of the roll.
        std::thread::park_timeout(Duration::from_millis(1 + cycle * 3 % 23));
        venue.kill();
        drop(rolling.wait());
        told.read_rest(&mut client);
    }
    let venue = Venue::start(&dir);
    drop(told.come_back(venue.order_port()));
    roll(&venue);
    drop(told.come_back(venue.order_port()));
    told.check_files(&dir);
    let stopped = venue.stop("-INT");
    let replayed = json(&run(&["replay", "--data-dir", dir.to_str().unwrap(), "--json"]));
    assert_eq!((&stopped["event_hash"], &stopped["state_hash"]), (&replayed["event_hash"], &replayed["state_hash"]));
    same_from_the_journal_alone(&dir, &temp.path().join("again"), told.last_session());
}

#[test]
fn the_schedule_rolls_the_day() {
    let temp = tempfile::tempdir().unwrap();
    let (config, dir) = (temp.path().join("hft.toml"), temp.path().join("data"));
    let shipped = fs::read_to_string(support::workspace().join("configs/hft.toml")).unwrap();
    let at = |seconds: u64| {
        let of_day = (now_s() + seconds) % 86_400;
        format!("roll_at = \"{:02}:{:02}:{:02}\"", of_day / 3_600, of_day / 60 % 60, of_day % 60)
    };
    let configure = |line: String| fs::write(&config, shipped.replacen("roll_at = \"00:00\"", &line, 1)).unwrap();
    let more = ["--config", config.to_str().unwrap()];
    configure(at(4));
    let venue = Venue::start_with(&dir, &more);
    let mut client = Client::login(venue.order_port(), "DEMO01");
    let first = client.session;
    read_out(&mut client);
    let second = Client::login(venue.order_port(), "DEMO01").session;
    assert!(second > first);
    venue.kill();
    let since = now_s();
    eventually("the next second", || (now_s() != since).then_some(()));

    // A roll that was missed while the venue was down is made up for, once.
    configure(at(0));
    let venue = Venue::start_with(&dir, &more);
    let third = eventually("a new session", || {
        let session = Client::login(venue.order_port(), "DEMO01").session;
        (session > second).then_some(session)
    });
    venue.kill();
    let venue = Venue::start_with(&dir, &more);
    assert_eq!(Client::login(venue.order_port(), "DEMO01").session, third);
}

/// Seconds of the day, UTC.
#[expect(clippy::disallowed_methods, reason = "the schedule is one of the wall clock")]
fn now_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() % 86_400
}
