//! The drop-copy port: what a firm's accounts are told, in order, each with its account's name.

use std::rc::Rc;
use std::time::Duration;

use gateway_edge::{DropCopy, PasswordTable};
use protocol::AccountName;
use protocol::ouch::appendage::Element;
use protocol::ouch::outbound::Outbound;
use protocol::soupbin::{LoginAccepted, ServerPacket};

use crate::client::{Client, enter, login, packet};
use crate::rig::{Rig, config};
use crate::venue::{Ports, Vectors};

struct Copies {
    rig: Rig,
    port: DropCopy<Vectors>,
}

impl Copies {
    fn new() -> Self {
        Self::over(Rig::new())
    }

    fn over(rig: Rig) -> Self {
        let mut credentials = PasswordTable::new();
        for name in ["DEMO01", "DEMO02", "DEMO03"] {
            assert!(credentials.insert(&AccountName::from_text(name).unwrap(), "demo-pass"));
        }
        let time = Ports(Rc::clone(&rig.venue));
        let port = DropCopy::new(config(), time, credentials, rig.edge.reporter().roster()).unwrap();
        Self { rig, port }
    }

    fn packet(&mut self, client: &mut Client) -> Option<(u8, Vec<u8>)> {
        let port = &mut self.port;
        self.rig.until(|_| {
            port.turn(Duration::ZERO);
            let packet = client.next_packet();
            if packet.is_some() { Some(packet) } else { client.is_closed().then_some(None) }
        })
    }

    fn log_in(&mut self, name: &str, sequence: u64) -> (Client, LoginAccepted) {
        let mut client = Client::connect(self.port.address());
        client.send(&login(name, sequence));
        let (packet_type, payload) = self.packet(&mut client).unwrap();
        let frame = protocol::soupbin::Frame { packet_type, payload: &payload };
        let Ok(ServerPacket::LoginAccepted(accepted)) = ServerPacket::decode(frame) else { panic!("{payload:?}") };
        (client, accepted)
    }

    /// Kind of message, and the account that it names.
    fn message(&mut self, client: &mut Client) -> (char, Option<String>) {
        let (packet_type, payload) = self.packet(client).unwrap();
        assert_eq!(packet_type, b'S');
        let (_, appendage) = Outbound::decode(&payload).unwrap();
        let element = appendage.and_then(|appendage| appendage.find(225));
        let name = element.map(|element| {
            let Element::Account(name) = element else { panic!("{element:?}") };
            name.as_text().to_owned()
        });
        (char::from(payload[0]), name)
    }

    fn trade(&mut self) {
        let mut maker = self.rig.log_in("DEMO01", 0);
        let mut taker = self.rig.log_in("DEMO02", 0);
        let mut stranger = self.rig.log_in("DEMO03", 0);
        for (client, side, price) in [(&mut maker, b'B', 100), (&mut stranger, b'B', 200), (&mut taker, b'S', 100)] {
            client.send(&packet(b'U', &enter(1, side, 100, price * 10_000)));
            assert_eq!(self.rig.message(client)[0], b'A');
        }
        assert_eq!(self.rig.message(&mut maker)[0], b'E');
    }

    fn expect_the_trade(&mut self, client: &mut Client) {
        let named = |kind, name: &str| (kind, Some(name.to_owned()));
        assert_eq!(self.message(client), ('S', None));
        for expected in [named('A', "DEMO01"), named('A', "DEMO02"), named('E', "DEMO01"), named('E', "DEMO02")] {
            assert_eq!(self.message(client), expected);
        }
    }
}

#[test]
fn a_firm_sees_its_accounts_in_order_live_and_again() {
    let mut copies = Copies::new();
    let (mut live, accepted) = copies.log_in("DEMO02", 1);
    assert_eq!((accepted.session.as_text(), accepted.next_sequence), ("DEMA000001", 1));
    copies.trade();
    copies.expect_the_trade(&mut live);
    let (mut late, _) = copies.log_in("DEMO01", 1);
    copies.expect_the_trade(&mut late);
    // Both accounts of the firm follow at once; another firm has a stream of its own.
    assert_eq!(copies.port.counters().logins_displaced, 0);
    let (mut other, accepted) = copies.log_in("DEMO03", 1);
    assert_eq!(accepted.session.as_text(), "DEMB000001");
    assert_eq!(copies.message(&mut other), ('S', None));
    assert_eq!(copies.message(&mut other), ('A', Some("DEMO03".to_owned())));
    let (_, accepted) = copies.log_in("DEMO03", 0);
    assert_eq!((accepted.next_sequence, copies.port.counters().logins_displaced), (3, 1));
}

#[test]
fn the_same_comes_again_after_a_restart() {
    let mut copies = Copies::new();
    copies.trade();
    let venue = Rc::clone(&copies.rig.venue);
    drop(copies);
    let mut copies = Copies::over(Rig::over(venue, config(), 1 << 20));
    let (mut client, _) = copies.log_in("DEMO01", 1);
    copies.expect_the_trade(&mut client);
}

#[test]
fn it_is_read_only_and_keeps_the_session_rules() {
    let mut copies = Copies::new();
    let (mut client, _) = copies.log_in("DEMO01", 0);
    client.send(&packet(b'U', &enter(1, b'B', 100, 1_000_000)));
    assert_eq!(copies.packet(&mut client), None);
    assert_eq!((copies.port.counters().protocol_violations, copies.rig.edge.counters().commands), (1, 0));
    for (bytes, answer) in [
        (login("NOBODY", 1), Some((b'J', b"A".to_vec()))),
        (login("DEMO01", 99), Some((b'J', b"S".to_vec()))),
        (packet(b'R', b""), None),
        (vec![0, 0], None),
    ] {
        let mut client = Client::connect(copies.port.address());
        client.send(&bytes);
        assert_eq!(copies.packet(&mut client), answer);
        if answer.is_some() {
            assert_eq!(copies.packet(&mut client), None);
        }
    }
    let (mut client, _) = copies.log_in("DEMO01", 0);
    copies.rig.venue.advance_ms(1_100);
    assert_eq!(copies.packet(&mut client), Some((b'H', Vec::new())));
    copies.rig.venue.advance_ms(15_000);
    assert_eq!(copies.packet(&mut client), None);
    let mut mute = Client::connect(copies.port.address());
    copies.port.turn(Duration::ZERO);
    copies.rig.venue.advance_ms(30_100);
    assert_eq!(copies.packet(&mut mute), None);
    assert_eq!((copies.port.counters().silent_cut, copies.port.counters().login_timeouts), (1, 1));
}
