//! One request at a time over a spinning socket, and the time until its answer is whole.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;

use crate::clock::monotonic;

/// A venue or an echo that has not answered by then never will.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection that is spun on, what a bot that wants the lowest latency does; or that is waited on, where the other side needs the
/// same cpu.
#[derive(Debug)]
pub struct Spinning {
    socket: TcpStream,
    blocks: bool,
    bytes: Vec<u8>,
    filled: usize,
}

impl Spinning {
    /// Connects without Nagle's delay.
    ///
    /// # Errors
    /// What the system says.
    pub fn connect(address: SocketAddr, blocks: bool) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(!blocks)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { socket, blocks, bytes: vec![0; 1 << 16], filled: 0 })
    }

    /// Sends a whole request: it is small, and nothing is on its way.
    ///
    /// # Errors
    /// When the other side is gone.
    pub fn send(&mut self, request: &[u8]) -> anyhow::Result<()> {
        let written = self.socket.write(request).context("the other side is gone")?;
        ensure!(written == request.len(), "the socket took {written} of {} bytes", request.len());
        Ok(())
    }

    /// Spins until `bytes` bytes are there, and takes them.
    ///
    /// # Errors
    /// When the other side closes, or nothing comes for a while.
    pub fn receive(&mut self, bytes: usize) -> anyhow::Result<&[u8]> {
        self.filled = 0;
        let mut looks = 0_u32;
        let started = monotonic();
        while self.filled < bytes {
            let room = self.bytes.get_mut(self.filled..bytes).context("an answer of at most 64 KiB")?;
            match self.socket.read(room) {
                Ok(0) => bail!("the other side closed the connection"),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock && !self.blocks => {
                    looks = looks.wrapping_add(1);
                    if looks.is_multiple_of(65_536) && started.elapsed() > PATIENCE {
                        bail!("no answer for {} s", PATIENCE.as_secs());
                    }
                    core::hint::spin_loop();
                }
                Err(error) => return Err(error).context("the other side is gone"),
            }
        }
        Ok(self.bytes.get(..bytes).unwrap_or_default())
    }

    /// Throws away what came unasked: heartbeats while nothing was measured.
    ///
    /// # Errors
    /// The operating system's.
    pub fn drain(&mut self) -> anyhow::Result<()> {
        self.socket.set_nonblocking(true)?;
        while matches!(self.socket.read(&mut self.bytes), Ok(1..)) {}
        self.socket.set_nonblocking(!self.blocks)?;
        Ok(())
    }

    /// Sends, waits for the answer, and records the time between.
    ///
    /// # Errors
    /// As [`Spinning::send`] and [`Spinning::receive`].
    pub fn measure(&mut self, request: &[u8], answer_bytes: usize, times: &mut Histogram<u64>) -> anyhow::Result<()> {
        let sent = monotonic();
        self.send(request)?;
        self.receive(answer_bytes)?;
        times.saturating_record(u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX));
        Ok(())
    }
}

/// Nanoseconds, from 1 ns to 10 s, three digits.
///
/// # Errors
/// Never with these bounds.
pub fn histogram() -> anyhow::Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, 10_000_000_000, 3).context("histogram bounds")
}
