//! Golden bytes: tables of our own for every message of the four protocols, written down from the fact sheets, and
//! real captured packets where the folder with them exists. Each is decoded through all layers, every field is compared
//! by place and value, and what was decoded is encoded to the same bytes again.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod views;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use protocol::itch::Message;
use protocol::ouch::inbound::Inbound;
use protocol::ouch::outbound::Outbound;
use serde_json::Value as Json;
use views::{Leaf, Seen, Value, text};

/// One message of a table: title, bytes, and (field, bytes, what it says).
struct Golden {
    title: String,
    bytes: Vec<u8>,
    fields: Vec<(String, usize, String)>,
}

fn hex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "{digits}");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex digits")).collect()
}

/// Reads a table: `[title]`, then lines of field, hex digits (`-` for none), value.
fn table(name: &str) -> Vec<Golden> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let mut all: Vec<Golden> = Vec::new();
    for line in fs::read_to_string(path).expect("a table").lines() {
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        if let Some(title) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            all.push(Golden { title: title.to_owned(), bytes: Vec::new(), fields: Vec::new() });
            continue;
        }
        let golden = all.last_mut().expect("a title before the first field");
        let (name, rest) = line.split_once(' ').expect("a name and bytes");
        let (digits, says) = rest.trim_start().split_once(' ').unwrap_or((rest.trim_start(), ""));
        let bytes = if digits == "-" { Vec::new() } else { hex(digits) };
        golden.fields.push((name.to_owned(), bytes.len(), says.trim_start().to_owned()));
        golden.bytes.extend(bytes);
    }
    all
}

/// Compares field by field, and the bytes.
fn compare(golden: &Golden, seen: &Seen) {
    let mut offset = 0;
    let mut expected = Vec::new();
    for (name, bytes, says) in &golden.fields {
        let value = match says.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(letters) => text(letters.as_bytes()),
            None if says.is_empty() => Value::Opaque,
            None => Value::Number(says.parse().expect("a number")),
        };
        expected.push(Leaf { name: name.clone(), offset, bytes: *bytes, value });
        offset += bytes;
    }
    assert_eq!(seen.leaves, expected, "{}", golden.title);
    assert_eq!(seen.encoded, golden.bytes, "{}", golden.title);
}

/// The letters of all messages in the table must be those that the direction has.
fn complete(table: &[Golden], types: &[(u8, usize)]) {
    let there: BTreeSet<u8> = table.iter().map(|golden| golden.bytes[0]).collect();
    let wanted: BTreeSet<u8> = types.iter().map(|(letter, _)| *letter).collect();
    assert_eq!(there, wanted);
}

#[test]
fn itch_messages_are_as_the_fact_sheet_says() {
    let table = table("itch.hex");
    complete(&table, Message::TYPES);
    assert_eq!(table.len(), 24);
    for golden in &table {
        compare(golden, &views::itch(&golden.bytes, 0));
    }
}

#[test]
fn ouch_messages_of_clients_are_as_the_fact_sheet_says() {
    let table = table("ouch_inbound.hex");
    complete(&table, Inbound::TYPES);
    for golden in &table {
        compare(golden, &views::ouch(&golden.bytes, 0, true));
    }
}

#[test]
fn ouch_messages_of_the_venue_are_as_the_fact_sheet_says() {
    let table = table("ouch_outbound.hex");
    complete(&table, Outbound::TYPES);
    for golden in &table {
        compare(golden, &views::ouch(&golden.bytes, 0, false));
    }
}

#[test]
fn soupbintcp_packets_are_as_the_fact_sheet_says() {
    let table = table("soupbin.hex");
    assert_eq!(table.len(), 11);
    for golden in &table {
        let from_client = matches!(
            golden.title.as_str(),
            "LoginRequest" | "UnsequencedData" | "ClientHeartbeat" | "LogoutRequest" | "ClientDebug"
        );
        compare(golden, &views::soup(&golden.bytes, from_client));
    }
}

#[test]
fn moldudp64_packets_are_as_the_fact_sheet_says() {
    let table = table("moldudp64.hex");
    assert_eq!(table.len(), 4);
    for golden in &table {
        let seen = if golden.title == "Request" { views::request } else { views::moldudp64 };
        compare(golden, &seen(&golden.bytes));
    }
}

/// A field as the independent decoder of the captures saw it.
struct Told {
    name: String,
    offset: usize,
    bytes: usize,
    hex: String,
    value: String,
}

/// The leaves of its tree that have bytes.
fn told(field: &Json, into: &mut Vec<Told>) {
    if let Some(children) = field.get("children") {
        for child in children.as_array().expect("a list") {
            told(child, into);
        }
        return;
    }
    let Some(digits) = field.get("hex").and_then(Json::as_str) else { return };
    let number = |key: &str| usize::try_from(field[key].as_u64().expect("a number")).expect("small");
    into.push(Told {
        name: field["name"].as_str().expect("a name").to_owned(),
        offset: number("offset"),
        bytes: number("length"),
        hex: digits.to_owned(),
        value: field["value"].as_str().expect("a value").to_owned(),
    });
}

/// The number that a decimal text means with `decimals` digits behind the point.
fn scaled(value: &str, decimals: usize) -> i128 {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    assert!(fraction.len() <= decimals, "{value}");
    format!("{whole}{fraction:0<decimals$}").parse().expect("digits")
}

fn same(told: &Told, leaf: &Leaf) -> bool {
    match &leaf.value {
        Value::Number(number) if told.name.contains("price") => *number == scaled(&told.value, 4),
        Value::Number(number) => *number == scaled(&told.value, 0),
        // The independent decoder ends texts at their first space or zero.
        Value::Text(letters) => {
            let first = |letters: &str| letters.split([' ', '\0']).next().map(str::to_owned);
            first(&String::from_utf8_lossy(letters)) == first(&told.value)
        }
        Value::Opaque => false,
    }
}

/// Every layer of a captured packet, and its bytes again.
fn see(file: &str, bytes: &[u8]) -> Seen {
    if file.starts_with("itch50") {
        let mut seen = views::moldudp64(bytes);
        let mut encoded = seen.encoded.clone();
        let outer = std::mem::take(&mut seen.leaves);
        for leaf in outer {
            if leaf.value != Value::Opaque {
                seen.leaves.push(leaf);
                continue;
            }
            let range = leaf.offset..leaf.offset + leaf.bytes;
            let inner = views::itch(&bytes[range.clone()], leaf.offset);
            seen.leaves.extend(inner.leaves);
            encoded[range].copy_from_slice(&inner.encoded);
        }
        seen.encoded = encoded;
        return seen;
    }
    let from_client = b"LURO".contains(&bytes[2]);
    let mut seen = views::soup(bytes, from_client);
    if seen.leaves.pop_if(|leaf| leaf.value == Value::Opaque).is_some() {
        let inner = views::ouch(&bytes[3..], 3, from_client);
        seen.leaves.extend(inner.leaves);
        seen.encoded.truncate(3);
        seen.encoded.extend(inner.encoded);
    }
    seen
}

#[test]
fn captured_packets_decode_to_what_an_independent_decoder_saw() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/spec/golden"));
    if !folder.exists() {
        println!("skipped: no captured packets on this machine");
        return;
    }
    let decoded = fs::read_to_string(folder.join("decoded.json")).expect("decoded.json beside the packets");
    let decoded: Json = serde_json::from_str(&decoded).expect("JSON");
    let records = decoded.as_array().expect("a list");
    let captured = fs::read_dir(folder)
        .expect("a folder")
        .filter(|entry| entry.as_ref().expect("an entry").path().extension().is_some_and(|end| end == "hex"))
        .count();
    assert!(captured > 0, "the folder has no packets");
    assert_eq!(records.len(), captured, "one record per packet");
    let mut fields = 0;
    for record in records {
        let file = record["file"].as_str().expect("a file name");
        let digits: String = fs::read_to_string(folder.join(file))
            .expect("a packet")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .collect();
        let bytes = hex(&digits);
        let seen = see(file, &bytes);
        assert_eq!(seen.encoded, bytes, "{file}");
        let mut leaves = Vec::new();
        for field in record["fields"].as_array().expect("a list") {
            told(field, &mut leaves);
        }
        assert_eq!(leaves.len(), seen.leaves.len(), "{file}");
        for (told, leaf) in leaves.iter().zip(&seen.leaves) {
            assert_eq!((told.offset, told.bytes), (leaf.offset, leaf.bytes), "{file}: {} {}", told.name, leaf.name);
            assert_eq!(hex(&told.hex), bytes[leaf.offset..leaf.offset + leaf.bytes], "{file}: {}", told.name);
            assert!(same(told, leaf), "{file}: {} is {:?}, we say {:?}", told.name, told.value, leaf.value);
            fields += 1;
        }
    }
    println!("{captured} packets, {fields} fields");
    assert!(fields > captured, "packets have fields");
}
