//! Lines to standard output. A reader that went away (`| head`) is no error.

use std::io::Write;

/// Writes one line to standard output at once; a closed pipe is ignored.
pub fn print_line(line: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
