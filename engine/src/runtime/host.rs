//! Small questions to the operating system that have no safe wrapper in the standard library.

#![cfg_attr(unix, expect(unsafe_code, reason = "system calls without a safe wrapper here"))]

use std::io;
use std::path::Path;

/// Bytes that may still be written to the file system of `path`.
///
/// # Errors
/// The operating system's.
#[cfg(unix)]
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: all-zero bytes are a value of this plain struct.
    let mut found: libc::statvfs = unsafe { core::mem::zeroed() };
    // SAFETY: `path` ends with a zero byte, and `found` is valid for writing.
    let code = unsafe { libc::statvfs(path.as_ptr(), &raw mut found) };
    if code == 0 { Ok(found.f_bavail.saturating_mul(found.f_frsize)) } else { Err(io::Error::last_os_error()) }
}

/// As on a system that cannot be asked.
///
/// # Errors
/// Always.
#[cfg(not(unix))]
pub fn free_bytes(_: &Path) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_told_or_refused() {
        assert!(free_bytes(&std::env::temp_dir()).unwrap() > 0);
        assert!(free_bytes(Path::new("/nonexistent/folder")).is_err());
    }
}
