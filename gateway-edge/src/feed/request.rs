//! The HTTP request with which a subscriber comes: which path, from which message, and the answer to it.

use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::{self, Request};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// The live stream, from a message on or from the next one.
    Itch {
        /// First message wanted.
        from: Option<u64>,
    },
    /// A snapshot.
    Glimpse,
    /// The top of every book, conflated.
    Bbo,
    /// The directory document, by plain HTTP.
    Directory,
    /// Order entry.
    Ouch,
}

/// An HTTP refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request is no request, or its number is none that can be served.
    BadRequest,
    /// No such path.
    NotFound,
    /// Another method than GET.
    MethodNotAllowed,
    /// The message asked for is no longer kept.
    Gone,
    /// The path is right, but the request asks for no WebSocket.
    UpgradeRequired,
    /// The head is longer than allowed.
    HeadTooLarge,
    /// Too many snapshots are being sent already.
    Unavailable,
}

impl Refusal {
    fn status(self) -> &'static str {
        match self {
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::Gone => "410 Gone",
            Self::UpgradeRequired => "426 Upgrade Required",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::Unavailable => "503 Service Unavailable",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::BadRequest => {
                "expected GET /itch, /itch?from=N with N from 1 to the next message, /glimpse, /bbo, /ouch or /directory.json"
            }
            Self::NotFound => "paths are /itch, /itch?from=N, /glimpse, /bbo, /ouch and /directory.json",
            Self::MethodNotAllowed => "the only method is GET",
            Self::Gone => "this message is no longer kept; take a snapshot from /glimpse",
            Self::UpgradeRequired => "this path speaks WebSocket",
            Self::HeadTooLarge => "the request head is too long",
            Self::Unavailable => "too many snapshots at once; try again",
        }
    }

    /// The whole response.
    pub(crate) fn response(self) -> Vec<u8> {
        let (status, sentence) = (self.status(), self.sentence());
        let more = match self {
            Self::UpgradeRequired => {
                "Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            }
            Self::MethodNotAllowed => "Connection: close\r\nAllow: GET\r\n",
            Self::BadRequest | Self::NotFound | Self::Gone | Self::HeadTooLarge | Self::Unavailable => {
                "Connection: close\r\n"
            }
        };
        let length = sentence.len() + 1;
        format!("HTTP/1.1 {status}\r\n{more}Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{sentence}\n")
            .into_bytes()
    }
}

/// What the bytes that came so far are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// A part of a head.
    Part,
    /// A whole one, `bytes` long, that asks for a WebSocket on a path we have.
    Upgrade {
        /// What for.
        path: Path,
        /// The answer that accepts it.
        response: Vec<u8>,
        /// Bytes of the head.
        bytes: usize,
    },
    /// A whole one that asks for the directory document; no WebSocket is needed for it.
    Directory,
    /// A whole one, or no head at all: refuse.
    Refused(Refusal),
}

/// Reads a request head of at most `bytes_max` bytes.
pub(crate) fn read_head(received: &[u8], bytes_max: usize) -> Head {
    let Some(bytes) = received.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4) else {
        return if received.len() > bytes_max { Head::Refused(Refusal::HeadTooLarge) } else { Head::Part };
    };
    if bytes > bytes_max {
        return Head::Refused(Refusal::HeadTooLarge);
    }
    let head = received.get(..bytes).unwrap_or_default();
    match path_of(head) {
        Err(refusal) => Head::Refused(refusal),
        Ok(Path::Directory) => Head::Directory,
        Ok(path) => match accept(head) {
            Err(refusal) => Head::Refused(refusal),
            Ok(response) => Head::Upgrade { path, response, bytes },
        },
    }
}

fn path_of(head: &[u8]) -> Result<Path, Refusal> {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::BadRequest);
    };
    if !version.starts_with(b"HTTP/1.") {
        return Err(Refusal::BadRequest);
    }
    let mut parts = target.splitn(2, |&byte| byte == b'?');
    let (path, query) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let path = match path {
        b"/itch" => Path::Itch { from: from_of(query)? },
        b"/glimpse" => Path::Glimpse,
        b"/bbo" => Path::Bbo,
        b"/directory.json" => Path::Directory,
        b"/ouch" => Path::Ouch,
        _ => return Err(Refusal::NotFound),
    };
    if method == b"GET" { Ok(path) } else { Err(Refusal::MethodNotAllowed) }
}

/// The parameter `from` of a query; others mean nothing.
fn from_of(query: &[u8]) -> Result<Option<u64>, Refusal> {
    let from = query.split(|&byte| byte == b'&').find_map(|parameter| match parameter {
        b"from" => Some(&b""[..]),
        _ => parameter.strip_prefix(b"from="),
    });
    let Some(from) = from else { return Ok(None) };
    let digits = !from.is_empty() && from.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(from).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    number.filter(|&number| number > 0).map(Some).ok_or(Refusal::BadRequest)
}

/// The response that opens the WebSocket.
fn accept(head: &[u8]) -> Result<Vec<u8>, Refusal> {
    let (_, request) = Request::try_parse(head).ok().flatten().ok_or(Refusal::BadRequest)?;
    let response = server::create_response(&request).map_err(|_| Refusal::UpgradeRequired)?;
    let mut bytes = Vec::new();
    server::write_response(&mut bytes, &response).map_err(|_| Refusal::BadRequest)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPGRADE: &str = "Host: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                           Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    fn read(line: &str, headers: &str) -> Head {
        read_head(format!("{line}\r\n{headers}").as_bytes(), 8192)
    }

    #[test]
    fn paths_and_numbers() {
        let itch = |from| Ok(Path::Itch { from });
        let table = [
            ("GET /itch HTTP/1.1", itch(None)),
            ("GET /itch? HTTP/1.1", itch(None)),
            ("GET /itch?x=1 HTTP/1.1", itch(None)),
            ("GET /itch?from=1 HTTP/1.1", itch(Some(1))),
            ("GET /itch?x=1&from=007 HTTP/1.1", itch(Some(7))),
            ("GET /itch?from=18446744073709551615 HTTP/1.1", itch(Some(u64::MAX))),
            ("GET /glimpse HTTP/1.1", Ok(Path::Glimpse)),
            ("GET /directory.json HTTP/1.1", Ok(Path::Directory)),
            ("GET /directory.json?x=1 HTTP/1.1", Ok(Path::Directory)),
            ("POST /directory.json HTTP/1.1", Err(Refusal::MethodNotAllowed)),
            ("GET /ouch HTTP/1.1", Ok(Path::Ouch)),
            ("GET /bbo HTTP/1.1", Ok(Path::Bbo)),
            ("GET /itch?from=0 HTTP/1.1", Err(Refusal::BadRequest)),
            ("GET /itch?from= HTTP/1.1", Err(Refusal::BadRequest)),
            ("GET /itch?from HTTP/1.1", Err(Refusal::BadRequest)),
            ("GET /itch?from=+1 HTTP/1.1", Err(Refusal::BadRequest)),
            ("GET /itch?from=-1 HTTP/1.1", Err(Refusal::BadRequest)),
            ("GET /itch?from=one HTTP/1.1", Err(Refusal::BadRequest)),
            ("GET /itch?from=18446744073709551616 HTTP/1.1", Err(Refusal::BadRequest)),
            ("GET / HTTP/1.1", Err(Refusal::NotFound)),
            ("GET /itch/ HTTP/1.1", Err(Refusal::NotFound)),
            ("GET /ITCH HTTP/1.1", Err(Refusal::NotFound)),
            ("POST /itch HTTP/1.1", Err(Refusal::MethodNotAllowed)),
            ("GET /itch", Err(Refusal::BadRequest)),
            ("GET  /itch HTTP/1.1", Err(Refusal::BadRequest)),
            ("GET /itch HTTP/2", Err(Refusal::BadRequest)),
            ("", Err(Refusal::BadRequest)),
        ];
        for (line, expected) in table {
            let found = match read(line, UPGRADE) {
                Head::Upgrade { path, response, bytes } => {
                    assert_eq!(bytes, line.len() + 2 + UPGRADE.len());
                    let response = String::from_utf8(response).unwrap();
                    assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
                    assert!(response.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{response}");
                    Ok(path)
                }
                Head::Refused(refusal) => Err(refusal),
                Head::Directory => Ok(Path::Directory),
                Head::Part => panic!("{line} is whole"),
            };
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn a_request_for_no_websocket_is_told_so() {
        assert_eq!(read("GET /itch HTTP/1.1", "Host: h\r\n\r\n"), Head::Refused(Refusal::UpgradeRequired));
        assert_eq!(read("GET /itch HTTP/1.1", "broken\r\n\r\n"), Head::Refused(Refusal::BadRequest));
        assert_eq!(read("GET /nope HTTP/1.1", "broken\r\n\r\n"), Head::Refused(Refusal::NotFound));
    }

    #[test]
    fn heads_are_waited_for_but_not_for_ever() {
        let whole = format!("GET /itch HTTP/1.1\r\n{UPGRADE}");
        for end in 0..whole.len() {
            assert_eq!(read_head(&whole.as_bytes()[..end], 8192), Head::Part, "{end}");
        }
        assert_eq!(read_head(&[b'x'; 101], 100), Head::Refused(Refusal::HeadTooLarge));
        assert_eq!(read_head(whole.as_bytes(), 100), Head::Refused(Refusal::HeadTooLarge));
        assert_eq!(read_head(&[b'x'; 100], 100), Head::Part);
    }

    #[test]
    fn refusals_have_the_length_they_say() {
        for refusal in [Refusal::BadRequest, Refusal::UpgradeRequired, Refusal::Gone, Refusal::Unavailable] {
            let response = String::from_utf8(refusal.response()).unwrap();
            let (head, body) = response.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-Length: {}", body.len())), "{response}");
        }
    }
}
