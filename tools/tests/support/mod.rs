//! The real binary on free ports, and a small client for it. Each test file uses its part.

#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::too_many_arguments,
    missing_debug_implementations,
    missing_docs,
    unreachable_pub,
    reason = "each test file compiles this module for itself and uses a part; helpers of tests fail like tests, and wait by the clock"
)]

pub mod told;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use protocol::ouch::inbound::{self, Inbound};
use protocol::ouch::outbound::Outbound;
use protocol::soupbin::{self, Cut, LoginRequest};
use protocol::{ClOrdId, Qty, SessionName, Symbol, UserRefNum};

/// Longest wait for anything here: a loaded machine is slow, a broken venue is stopped.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tools/ is in the workspace").to_owned()
}

/// `hft` with these arguments, in the workspace's folder.
pub fn hft(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hft"));
    command.args(args).current_dir(workspace()).stdin(Stdio::null());
    command
}

/// Runs `hft` to its end.
pub fn run(args: &[&str]) -> Output {
    hft(args).output().expect("hft starts")
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The last line of standard output as JSON.
pub fn json(output: &Output) -> serde_json::Value {
    let text = stdout(output);
    let line = text.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}; stderr: {}", stderr(output)))
}

/// A port offset whose three ports are free now. Tests of one process never get the same twice.
pub fn free_offset() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 4_000).expect("below 4,000") * 10;
    for _ in 0..2_000 {
        let offset = 1_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed) * 4) % 50_000;
        let free = |port: u16| TcpListener::bind(("127.0.0.1", port + offset)).is_ok();
        if free(9_001) && free(9_002) && free(9_003) {
            return offset;
        }
    }
    panic!("no free ports");
}

/// A venue that runs, killed when dropped.
pub struct Venue {
    child: Child,
    lines: Receiver<String>,
    /// What it printed so far.
    pub printed: Vec<String>,
    pub offset: u16,
    pub data_dir: PathBuf,
}

impl Venue {
    /// Starts one and waits for `ready`.
    pub fn start(data_dir: &Path) -> Self {
        Self::start_with(data_dir, &[])
    }

    pub fn start_with(data_dir: &Path, more: &[&str]) -> Self {
        let offset = free_offset();
        let mut venue = Self::spawn(data_dir, offset, more);
        venue.wait_for("ready");
        venue
    }

    /// Starts one without waiting.
    pub fn spawn(data_dir: &Path, offset: u16, more: &[&str]) -> Self {
        let (dir, shift) = (data_dir.to_str().expect("a temporary path is text"), offset.to_string());
        let mut command = hft(&["serve", "--data-dir", dir, "--port-offset", &shift]);
        let mut child = command.args(more).stdout(Stdio::piped()).spawn().expect("the venue starts");
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().expect("piped"));
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, printed: Vec::new(), offset, data_dir: data_dir.to_owned() }
    }

    /// Reads its output up to this line.
    pub fn wait_for(&mut self, wanted: &str) {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let found = line == wanted;
                    self.printed.push(line);
                    if found {
                        return;
                    }
                }
                Err(error) => panic!("no line {wanted:?}: {error}; printed {:#?}", self.printed),
            }
        }
    }

    /// The next line that it prints.
    pub fn next_line(&mut self) -> Option<String> {
        let line = self.lines.recv_timeout(PATIENCE).ok();
        self.printed.extend(line.clone());
        line
    }

    pub fn order_port(&self) -> u16 {
        9_001 + self.offset
    }

    pub fn feed_port(&self) -> u16 {
        9_002 + self.offset
    }

    pub fn dir(&self) -> &str {
        self.data_dir.to_str().expect("a temporary path is text")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it was ours");
    }

    /// Asks it to stop with this signal and answers its last line; the exit code must be 0.
    pub fn stop(mut self, signal: &str) -> serde_json::Value {
        let killed = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(killed.expect("kill is a command").success());
        let status = self.child.wait().expect("it was ours");
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.printed.push(line);
        }
        assert!(status.success(), "{status}: {:#?}", self.printed);
        let last = self.printed.last().cloned().unwrap_or_default();
        serde_json::from_str(&last).unwrap_or_else(|error| panic!("{error}: {last:?}"))
    }
}

impl Drop for Venue {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// One `SoupBinTCP` connection.
pub struct Client {
    socket: TcpStream,
    bytes: Vec<u8>,
    /// Name of the session, after the login.
    pub session: SessionName,
    /// Number of the next sequenced message.
    pub next: u64,
}

impl Client {
    pub fn connect(port: u16) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", port)).expect("the port accepts");
        socket.set_nodelay(true).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Self { socket, bytes: Vec::new(), session: SessionName::BLANK, next: 0 }
    }

    /// Logs a demo account in from sequence 1.
    pub fn login(port: u16, account: &str) -> Self {
        Self::login_from(port, account, SessionName::BLANK, 1)
    }

    pub fn login_from(port: u16, account: &str, session: SessionName, next: u64) -> Self {
        let mut client = Self::connect(port);
        let request = LoginRequest::new(account, "demo-pass", session, next).expect("it fits");
        client.send(&request.to_packet());
        let (packet_type, payload) = client.packet().expect("an answer");
        assert_eq!(char::from(packet_type), 'A', "{payload:?}");
        client.session = SessionName(payload[..10].try_into().expect("ten bytes"));
        client.next = soupbin::number(&payload[10..]).expect("a number");
        client
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("the venue reads");
    }

    /// Sends to a venue that may have closed; false when it has.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).is_ok()
    }

    /// Sends one OUCH message.
    pub fn ask(&mut self, message: &[u8]) {
        self.send(&in_packet(message));
    }

    /// Sends one OUCH message to a venue that may be gone; false when it is.
    pub fn try_ask(&mut self, message: &[u8]) -> bool {
        self.socket.write_all(&in_packet(message)).is_ok()
    }

    pub fn enter(&mut self, number: u32, side: u8, quantity: u32, symbol: &str, price: u64) {
        self.enter_tif(number, side, quantity, symbol, price, b'0');
    }

    pub fn enter_tif(&mut self, number: u32, side: u8, quantity: u32, symbol: &str, price: u64, tif: u8) {
        self.ask(&enter(number, side, quantity, symbol, price, tif));
    }

    /// The next packet that is no heartbeat; `None` when the venue closed.
    pub fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            match soupbin::cut(&self.bytes) {
                Cut::Frame { frame, consumed } => {
                    let packet = (frame.packet_type, frame.payload.to_vec());
                    self.bytes.drain(..consumed);
                    if packet.0 != b'H' {
                        return Some(packet);
                    }
                }
                Cut::Need => {
                    let mut more = [0; 16_384];
                    match self.socket.read(&mut more) {
                        Ok(0) => return None,
                        Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                        Ok(read) => self.bytes.extend_from_slice(&more[..read]),
                        Err(error) => panic!("nothing came: {error}"),
                    }
                }
                Cut::Bad => panic!("broken framing"),
            }
        }
    }

    /// The bytes of the next sequenced message.
    pub fn message(&mut self) -> Vec<u8> {
        let (packet_type, payload) = self.packet().expect("the venue did not close");
        assert_eq!(char::from(packet_type), 'S');
        self.next += 1;
        payload
    }

    pub fn outbound(&mut self) -> Outbound {
        let message = self.message();
        Outbound::decode(&message).expect("a message of the venue").0
    }

    pub fn messages(&mut self, count: usize) -> Vec<Vec<u8>> {
        (0..count).map(|_| self.message()).collect()
    }

    /// The bytes of so many sequenced messages; `None` when the venue closes first.
    pub fn try_messages(&mut self, count: usize) -> Option<Vec<Vec<u8>>> {
        let messages: Option<Vec<_>> = (0..count).map(|_| self.packet().map(|(_, payload)| payload)).collect();
        self.next += messages.as_ref().map_or(0, |messages| messages.len() as u64);
        messages
    }

    /// True when the venue has closed, or closes within a moment.
    pub fn is_closed_now(&mut self) -> bool {
        self.socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket");
        let ended = match self.socket.read(&mut [0; 64]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        };
        self.socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        ended
    }

    /// True when the venue closes without another sequenced message.
    pub fn is_closed(&mut self) -> bool {
        self.packet().is_none()
    }
}

fn in_packet(message: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; message.len() + 3];
    soupbin::encode(soupbin::UNSEQUENCED, message, &mut packet).expect("it fits");
    packet
}

/// Bytes of an Enter Order.
pub fn enter(number: u32, side: u8, quantity: u32, symbol: &str, price: u64, tif: u8) -> Vec<u8> {
    let message = Inbound::EnterOrder(inbound::EnterOrder {
        user_ref_num: UserRefNum(number),
        side,
        quantity: Qty(quantity),
        symbol: Symbol::from_text(symbol).expect("a symbol"),
        price,
        time_in_force: tif,
        display: b'Y',
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        cl_ord_id: ClOrdId::from_text("test").expect("it fits"),
    });
    let mut bytes = vec![0; 64];
    let length = message.encode(None, &mut bytes).expect("it fits");
    bytes.truncate(length);
    bytes
}

/// The path of a stream's file in the newest session.
pub fn stream_file(data_dir: &Path, file: &str) -> PathBuf {
    let folders = std::fs::read_dir(data_dir.join("streams")).expect("a venue has streams");
    let newest = folders.map(|entry| entry.expect("a folder").path()).filter(|path| path.is_dir()).max();
    newest.expect("a session").join(file)
}

/// Calls until it answers, or panics with `what` after a while.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}");
        std::thread::yield_now();
    }
}
