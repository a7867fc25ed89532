//! A file as memory that lives as long as the process: where counters are, so that others read them while the process runs
//! and after it is gone. Also plain zeroed memory of the same shape, for tests and benches.
//!
//! The file's space is allocated before it is mapped: a full disk is an error here and never a signal later.

#![cfg_attr(unix, expect(unsafe_code, reason = "mapping a file is a system call without a safe wrapper here"))]

use core::sync::atomic::AtomicU64;
use std::io;
use std::path::Path;

/// One cache line of words. Words of different lines never slow each other's writers down.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Line(pub [AtomicU64; Line::WORDS]);

impl Line {
    /// Words of a line.
    pub const WORDS: usize = 8;
    /// Bytes of a line.
    pub const BYTES: usize = 64;
}

const _: () = assert!(size_of::<Line>() == Line::BYTES);

/// Zeroed lines of this process alone. They are never given back.
pub fn private_lines(lines: usize) -> &'static [Line] {
    Vec::leak((0..lines).map(|_| Line::default()).collect())
}

/// The bytes of a new file at `path` as lines, all zero. What was at `path` before stays as it was for whoever has it open.
/// The mapping is never given back.
///
/// # Errors
/// The operating system's; `ENOSPC` when the disk is full.
#[cfg(unix)]
pub fn file_lines(path: &Path, lines: usize) -> io::Result<&'static [Line]> {
    use std::os::fd::AsRawFd;
    let fresh = path.with_extension("new");
    drop(std::fs::remove_file(&fresh));
    let file = std::fs::OpenOptions::new().read(true).write(true).create_new(true).open(&fresh)?;
    let bytes = lines * Line::BYTES;
    let length = libc::off_t::try_from(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // SAFETY: the descriptor is open for as long as `file` lives; the call touches no memory of ours.
    let allocated = unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, length) };
    if allocated != 0 {
        drop(std::fs::remove_file(&fresh));
        return Err(io::Error::from_raw_os_error(allocated));
    }
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_POPULATE);
    // SAFETY: a new mapping at an address of the kernel's choice replaces none of ours.
    let start = unsafe { libc::mmap(core::ptr::null_mut(), bytes, protection, flags, file.as_raw_fd(), 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    std::fs::rename(&fresh, path)?;
    // SAFETY: the mapping is `bytes` long, page-aligned, readable and writable, stays for the life of the process, and
    // its file is as long as it: it was created here, and only this process holds the lock of its directory. All bytes
    // are zero, which is a value of every `Line`; all later access is atomic.
    Ok(unsafe { core::slice::from_raw_parts(start.cast::<Line>(), lines) })
}

/// As on a system without mapped files: memory of this process alone.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub fn file_lines(_: &Path, lines: usize) -> io::Result<&'static [Line]> {
    Ok(private_lines(lines))
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::Ordering;

    #[test]
    fn what_is_stored_is_in_the_file() {
        let path = std::env::temp_dir().join(format!("hft-lines-{}", std::process::id()));
        let lines = file_lines(&path, 3).unwrap();
        lines[2].0[1].store(0x0102_0304, Ordering::Relaxed);
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 3 * Line::BYTES);
        assert_eq!(bytes[2 * Line::BYTES + 8..][..4], [4, 3, 2, 1]);
        let again = file_lines(&path, 1).unwrap();
        assert_eq!(again[0].0[0].load(Ordering::Relaxed), 0, "a new file");
        assert_eq!(lines[2].0[1].load(Ordering::Relaxed), 0x0102_0304, "the old one stays with its owner");
        std::fs::remove_file(&path).unwrap();
        assert!(file_lines(Path::new("/nonexistent/folder/counters"), 1).is_err());
    }
}
