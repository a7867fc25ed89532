//! TLS 1.3 on the ports of the real binary: order entry, drop copy and feed inside it, certificates that change while sessions go on,
//! and clients that do not speak it. The certificates in `tls/` are for this test only; everybody knows their keys.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use protocol::SessionName;
use protocol::soupbin::{self, Cut, LoginRequest};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use support::{Client, PATIENCE, Venue, enter};
use tungstenite::{Message, WebSocket};

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Connects, and trusts the certificate of this name only.
fn connect(port: u16, name: &str) -> Result<Tls, std::io::Error> {
    let path = support::workspace().join(format!("tools/tests/tls/{name}.cert.pem"));
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(path).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let session = ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap();
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut tls = StreamOwned::new(session, socket);
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock)?;
    }
    Ok(tls)
}

/// A `SoupBinTCP` session inside TLS.
struct Session {
    tls: Tls,
    bytes: Vec<u8>,
}

impl Session {
    fn login(port: u16, name: &str, account: &str) -> Self {
        let mut session = Self { tls: connect(port, name).unwrap(), bytes: Vec::new() };
        let login = LoginRequest::new(account, "demo-pass", SessionName::BLANK, 1).unwrap();
        session.tls.write_all(&login.to_packet()).unwrap();
        assert_eq!(session.packet().0, b'A');
        session
    }

    fn ask(&mut self, message: &[u8]) {
        let mut packet = vec![0; message.len() + 3];
        soupbin::encode(soupbin::UNSEQUENCED, message, &mut packet).unwrap();
        self.tls.write_all(&packet).unwrap();
    }

    fn packet(&mut self) -> (u8, Vec<u8>) {
        loop {
            match soupbin::cut(&self.bytes) {
                Cut::Frame { frame, consumed } => {
                    let packet = (frame.packet_type, frame.payload.to_vec());
                    self.bytes.drain(..consumed);
                    if packet.0 != b'H' {
                        return packet;
                    }
                }
                Cut::Need => {
                    let mut more = [0; 16_384];
                    let read = self.tls.read(&mut more).unwrap();
                    assert!(read > 0, "the venue closed");
                    self.bytes.extend_from_slice(&more[..read]);
                }
                Cut::Bad => panic!("broken framing"),
            }
        }
    }
}

fn write_config(folder: &Path) -> String {
    let shipped = fs::read_to_string(support::workspace().join("configs/hft.toml")).unwrap();
    let place = folder.display();
    let on = format!(
        "certificate = \"{place}/cert.pem\"\nkey = \"{place}/key.pem\"\norder_entry = true\nfeed = true\ndrop_copy = true\n"
    );
    let text = shipped.replacen(
        "order_entry = false\nfeed = false                    # then wss:// and https://\ndrop_copy = false\n",
        &on,
        1,
    );
    assert_ne!(text, shipped);
    let path = folder.join("hft.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn certify(folder: &Path, name: &str) {
    let from = support::workspace().join("tools/tests/tls");
    for kind in ["cert", "key"] {
        fs::copy(from.join(format!("{name}.{kind}.pem")), folder.join(format!("{kind}.pem"))).unwrap();
    }
}

#[test]
fn every_port_speaks_tls_and_certificates_change_under_sessions() {
    let temp = tempfile::tempdir().unwrap();
    certify(temp.path(), "first");
    let config = write_config(temp.path());
    let mut venue = Venue::start_with(&temp.path().join("data"), &["--config", &config]);
    let mut maker = Session::login(venue.order_port(), "first", "DEMO01");
    // More than a socket holds at once, both ways.
    for number in 1..=20_000 {
        maker.ask(&enter(number, b'B', 1, "AAPL", 1_000_000, b'0'));
        if number % 1_000 == 0 {
            // The first packet of all is the start of the stream.
            for _ in 0..1_000 + u32::from(number == 1_000) {
                assert_eq!(maker.packet().0, b'S');
            }
        }
    }
    let mut copy = Session::login(venue.order_port() + 2, "first", "DEMO01");
    for _ in 0..20_001 {
        assert_eq!(copy.packet().0, b'S');
    }
    let follow = |name: &str| {
        let tls = connect(venue.feed_port(), name).unwrap();
        let (mut feed, _) =
            tungstenite::client(format!("wss://localhost:{}/itch?from=1", venue.feed_port()), tls).unwrap();
        count_messages(&mut feed)
    };
    assert!(follow("first") >= 20_000);
    let (mut orders, _) = {
        let tls = connect(venue.feed_port(), "first").unwrap();
        tungstenite::client(format!("wss://localhost:{}/ouch", venue.feed_port()), tls).unwrap()
    };
    let login = LoginRequest::new("DEMO02", "demo-pass", SessionName::BLANK, 1).unwrap();
    orders.send(Message::binary(login.to_packet().to_vec())).unwrap();
    assert_eq!(orders.read().unwrap().into_data()[2], b'A');

    // Who does not speak TLS is closed, and nobody notices.
    let mut plain = Client::connect(venue.order_port());
    plain.send(&login.to_packet());
    assert!(plain_is_closed(&mut plain));

    certify(temp.path(), "second");
    assert!(Command::new("kill").args(["-HUP", &venue.pid().to_string()]).status().unwrap().success());
    venue.wait_for("reloaded: 0 changed");
    assert!(connect(venue.order_port(), "first").is_err(), "the old certificate is not shown any more");
    let mut taker = Session::login(venue.order_port(), "second", "DEMO03");
    taker.ask(&enter(1, b'S', 1, "AAPL", 1_000_000, b'0'));
    let (_, executed) = maker.packet();
    assert_eq!(executed[0], b'E', "the session from before goes on");
    assert_eq!(venue.stop("-TERM")["records"].as_u64().map(|records| records > 20_000), Some(true));
}

fn count_messages(feed: &mut WebSocket<Tls>) -> usize {
    let mut messages = 0;
    while messages < 20_000 {
        let Message::Binary(packet) = feed.read().unwrap() else { continue };
        messages += protocol::moldudp64::Packet::decode(&packet).unwrap().messages().count();
    }
    messages
}

/// It may get an alert before.
fn plain_is_closed(client: &mut Client) -> bool {
    (0..100).any(|_| client.is_closed_now())
}
