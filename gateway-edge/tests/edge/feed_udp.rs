//! The feed by UDP: the same packets as on WebSockets, and a port where lost ones are asked for.

use std::net::{SocketAddr, UdpSocket};

use gateway_edge::{FeedConfig, StreamRead, UdpConfig};
use protocol::SessionName;
use protocol::moldudp64::{Header, Packet};

use crate::feed_client::FeedClient;
use crate::feed_rig::{FeedRig, feed_config};
use crate::venue::SESSION;

fn listener() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

fn rig(destinations: Vec<SocketAddr>, requests_per_s_max: u64) -> FeedRig {
    let udp = UdpConfig {
        destinations,
        interface: "127.0.0.1".parse().unwrap(),
        ttl: 1,
        request_listen: "127.0.0.1:0".parse().unwrap(),
        requests_per_s_max,
    };
    FeedRig::with(FeedConfig { packet_bytes_max: 400, udp: Some(udp), ..feed_config() })
}

fn receive(rig: &mut FeedRig, socket: &UdpSocket) -> Vec<u8> {
    rig.until(|_| {
        let mut room = [0; 2048];
        socket.recv(&mut room).ok().map(|bytes| room[..bytes].to_vec())
    })
}

#[test]
fn every_destination_gets_the_packets_of_the_websocket() {
    let ((first, to_first), (second, to_second)) = (listener(), listener());
    // Nobody listens at the one in the middle: the others do not notice.
    let (gone, to_gone) = listener();
    drop(gone);
    let mut rig = rig(vec![to_first, to_gone, to_second], 0);
    // The first packet waits for nothing: it says which number comes next.
    let opening = Header::heartbeat(SESSION, rig.stream.messages() + 1).to_bytes().to_vec();
    assert_eq!((receive(&mut rig, &first), receive(&mut rig, &second)), (opening.clone(), opening));
    let mut follower = FeedClient::connect(&mut rig, "/itch");
    for _ in 0..10 {
        let mut next = rig.stream.messages() + 1;
        let until = next + 30;
        rig.rest(30);
        while next < until {
            let packet = rig.packet(&mut follower);
            let bytes = [&packet.header.to_bytes()[..], &packet.blocks].concat();
            assert!(bytes.len() <= 400);
            assert_eq!((receive(&mut rig, &first), receive(&mut rig, &second)), (bytes.clone(), bytes));
            next += u64::from(packet.header.messages());
        }
    }
    rig.venue.advance_ms(1_001);
    let heartbeat = Header::heartbeat(SESSION, rig.stream.messages() + 1).to_bytes();
    assert_eq!(receive(&mut rig, &first), heartbeat);
    assert!(rig.feed.counters().datagrams + rig.feed.counters().datagrams_failed > 30);
}

#[test]
fn requests_get_one_packet_and_bad_ones_nothing() {
    let (_sink, address) = listener();
    let mut rig = rig(vec![address], 0);
    rig.rest(100);
    rig.turns(5);
    let (asker, _) = listener();
    let port = rig.feed.request_address().unwrap();
    let last = rig.stream.messages();
    let ask = |rig: &mut FeedRig, request: &[u8]| {
        let before = rig.feed.counters().rerequests + rig.feed.counters().rerequests_ignored;
        asker.send_to(request, port).unwrap();
        rig.until(|rig| {
            (rig.feed.counters().rerequests + rig.feed.counters().rerequests_ignored > before).then_some(())
        });
        let mut room = [0; 2048];
        asker.recv(&mut room).ok().map(|bytes| room[..bytes].to_vec())
    };
    let header = |session, sequence, count| Header { session, sequence, count }.to_bytes();
    let other = SessionName(*b"S000000002");
    for bad in [header(other, 1, 1), header(SESSION, 0, 1), header(SESSION, last + 1, 1), header(SESSION, 1, 0)] {
        assert_eq!(ask(&mut rig, &bad), None, "{bad:?}");
    }
    assert_eq!(ask(&mut rig, &header(SESSION, 1, 1)[..19]), None);
    assert_eq!(ask(&mut rig, &header(SESSION, 1, u16::MAX)), None);
    let (mut next, mut blocks) = (1, Vec::new());
    while next <= last {
        let answer = ask(&mut rig, &header(SESSION, next, 60_000)).unwrap();
        let packet = Packet::decode(&answer).unwrap();
        assert_eq!((packet.header.session, packet.header.sequence), (SESSION, next));
        blocks.extend_from_slice(&answer[20..]);
        next += u64::from(packet.header.messages());
    }
    assert_eq!(blocks, rig.blocks_from(1));
    let three = ask(&mut rig, &header(SESSION, 5, 3)).unwrap();
    assert_eq!(Packet::decode(&three).unwrap().header.messages(), 3);
}

#[test]
fn a_storm_of_requests_is_bounded() {
    let (_sink, address) = listener();
    let mut rig = rig(vec![address], 100);
    rig.rest(10);
    rig.turns(5);
    let (asker, _) = listener();
    let port = rig.feed.request_address().unwrap();
    let request = Header { session: SESSION, sequence: 1, count: 1 }.to_bytes();
    for _ in 0..100 {
        asker.send_to(&request, port).unwrap();
    }
    rig.until(|rig| (rig.feed.counters().rerequests_ignored >= 90).then_some(()));
    assert!(rig.feed.counters().rerequests <= 10);
    rig.venue.advance_ms(100);
    asker.send_to(&request, port).unwrap();
    let before = rig.feed.counters().rerequests;
    rig.until(|rig| (rig.feed.counters().rerequests > before).then_some(()));
}
