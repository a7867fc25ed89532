//! The directory document of a running venue (widths.md, point 4), by plain HTTP: how to read the numbers of every instrument that
//! it lists, also of those that were added while it ran.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use protocol::Symbol;
use serde::Deserialize;

use super::ClientError;
use crate::config::InstrumentConfig;
use crate::units::InstrumentUnits;

const PORT: &str = "directory";
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Room for 65,535 instruments.
const RESPONSE_BYTES_MAX: u64 = 32 << 20;

#[derive(Deserialize)]
struct Document {
    instruments: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    symbol: String,
    price_decimals: u8,
    qty_decimals: i8,
    tick: Units,
    lot: Units,
    max_qty: Units,
}

#[derive(Deserialize)]
struct Units {
    wire: u32,
}

/// What the venue lists whose feed port is at `address`. Where it cannot be asked, because that port is out of reach or speaks
/// TLS, what the configuration lists.
pub(crate) fn listed(address: SocketAddr, configured: &[InstrumentConfig]) -> Vec<InstrumentUnits> {
    ask(address).unwrap_or_else(|_| configured.iter().map(InstrumentUnits::from).collect())
}

/// # Errors
/// Nobody listens, the connection fails, the answer is no directory.
fn ask(address: SocketAddr) -> Result<Vec<InstrumentUnits>, ClientError> {
    let broken = |source| ClientError::Broken { port: PORT, source };
    let mut stream =
        TcpStream::connect_timeout(&address, WAIT_MAX).map_err(|source| ClientError::Connect { address, source })?;
    stream.set_read_timeout(Some(WAIT_MAX)).map_err(broken)?;
    stream.set_write_timeout(Some(WAIT_MAX)).map_err(broken)?;
    let request = format!("GET /directory.json HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(broken)?;
    let mut response = Vec::new();
    stream.take(RESPONSE_BYTES_MAX).read_to_end(&mut response).map_err(broken)?;
    read(&response).map_err(|what| ClientError::Refused { url: format!("http://{address}/directory.json"), what })
}

fn read(response: &[u8]) -> Result<Vec<InstrumentUnits>, String> {
    let text = std::str::from_utf8(response).map_err(|error| error.to_string())?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or("no HTTP response")?;
    if head.split_whitespace().nth(1) != Some("200") {
        return Err(head.lines().next().unwrap_or_default().to_owned());
    }
    let document: Document = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let units = document.instruments.iter().filter_map(|listed| {
        Some(InstrumentUnits {
            symbol: Symbol::from_text(&listed.symbol)?,
            price_decimals: listed.price_decimals,
            qty_decimals: listed.qty_decimals,
            tick: listed.tick.wire.max(1),
            lot: listed.lot.wire.max(1),
            max_qty: listed.max_qty.wire,
        })
    });
    Ok(units.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_read_and_anything_else_is_named() {
        let response = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{\"session\":\"S1\",\"instruments\":[\n\
            {\"symbol\":\"BTC-USD\",\"locate\":6,\"price_decimals\":2,\"qty_decimals\":-3,\"tick\":{\"wire\":5,\"decimal\":\"0.05\"},\
            \"lot\":{\"wire\":2,\"decimal\":\"2000\"},\"min_qty\":{\"wire\":2,\"decimal\":\"2000\"},\"max_qty\":{\"wire\":9,\"decimal\":\"9000\"},\
            \"max_price\":{\"wire\":7,\"decimal\":\"0.07\"}}\n]}\n";
        let symbol = Symbol::from_text("BTC-USD").unwrap();
        let expected = InstrumentUnits { symbol, price_decimals: 2, qty_decimals: -3, tick: 5, lot: 2, max_qty: 9 };
        assert_eq!(read(response).unwrap(), [expected]);
        assert_eq!(read(b"HTTP/1.1 404 Not Found\r\n\r\nno").unwrap_err(), "HTTP/1.1 404 Not Found");
        for bad in [&b""[..], b"\xff", b"SSH-2.0", b"HTTP/1.1 200 OK\r\n\r\n{}"] {
            assert!(read(bad).is_err(), "{}", bad.escape_ascii());
        }
    }
}
