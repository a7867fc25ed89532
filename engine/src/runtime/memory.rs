//! Where the memory of this process is and stays: bound to a NUMA node, in huge pages, locked. And the scheduling of a
//! thread, and the promise of the cpus not to sleep deeply.
//!
//! Not `mlockall`: the files of the streams are mapped with room for a whole day, and all of that would have to stay in
//! memory. What is locked is what the hot threads work on: private memory (heap, stacks, rings, books) and the program.

#![cfg_attr(target_os = "linux", expect(unsafe_code, reason = "system calls without a safe wrapper here"))]

use std::io;
#[cfg(target_os = "linux")]
use std::os::raw::{c_int, c_long, c_ulong, c_void};

/// Bytes from which a piece of memory is worth huge pages.
#[cfg(target_os = "linux")]
const HUGE_FROM_BYTES: usize = 4 << 20;

/// A piece of the address space of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    start: usize,
    bytes: usize,
    /// It can be written, and no file is behind it.
    is_private: bool,
    /// It is the program.
    is_code: bool,
}

/// From the lines of `/proc/self/maps`.
fn pieces(maps: &str) -> Vec<Piece> {
    maps.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (range, rights, _, _, inode) =
                (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
            let name = words.next().unwrap_or_default();
            let (start, end) = range.split_once('-')?;
            let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
            // The kernel's own pages cannot be locked.
            let is_kernel = name.starts_with("[v");
            Some(Piece {
                start,
                bytes: end.checked_sub(start)?,
                is_private: rights.starts_with("rw") && rights.ends_with('p') && inode == "0" && !is_kernel,
                is_code: rights.contains('x') && inode != "0",
            })
        })
        .collect()
}

fn own_pieces() -> io::Result<Vec<Piece>> {
    Ok(pieces(&std::fs::read_to_string("/proc/self/maps")?))
}

/// Lets the calling thread, and threads that it starts later, take memory of this node only.
///
/// # Errors
/// The operating system's: no such node, or no right to choose (some containers).
#[cfg(target_os = "linux")]
pub fn bind_thread_to_node(node: usize) -> io::Result<()> {
    let mask = node_mask(node)?;
    // SAFETY: the mask is valid for reading, with more bits than the length given says.
    let code = unsafe { libc::syscall(libc::SYS_set_mempolicy, MPOL_BIND, mask.as_ptr(), MASK_BITS) };
    outcome(code)
}

#[cfg(target_os = "linux")]
const MPOL_BIND: c_int = 2;
#[cfg(target_os = "linux")]
const MASK_WORDS: usize = 16;
#[cfg(target_os = "linux")]
const MASK_BITS: c_ulong = 1_024;

#[cfg(target_os = "linux")]
fn node_mask(node: usize) -> io::Result<[c_ulong; MASK_WORDS]> {
    let mut mask = [0; MASK_WORDS];
    let bits = c_ulong::BITS as usize;
    let word = mask.get_mut(node / bits).ok_or(io::ErrorKind::InvalidInput)?;
    *word = 1 << (node % bits);
    Ok(mask)
}

#[cfg(target_os = "linux")]
fn outcome(code: c_long) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The node that the calling thread's memory is bound to; `None` when it may be on any.
///
/// # Errors
/// The operating system's.
#[cfg(target_os = "linux")]
pub fn bound_node() -> io::Result<Option<usize>> {
    let (mut policy, mut mask): (c_int, [c_ulong; MASK_WORDS]) = (0, [0; MASK_WORDS]);
    // SAFETY: both are valid for writing, the mask for as many bits as the length given; no address is asked about.
    let code = unsafe {
        libc::syscall(
            libc::SYS_get_mempolicy,
            &raw mut policy,
            mask.as_mut_ptr(),
            MASK_BITS,
            core::ptr::null_mut::<c_void>(),
            0,
        )
    };
    outcome(code)?;
    let bits = c_ulong::BITS as usize;
    let found =
        (0..MASK_WORDS * bits).find(|node| mask.get(node / bits).is_some_and(|word| word >> (node % bits) & 1 == 1));
    Ok(found.filter(|_| policy == MPOL_BIND))
}

/// Binds `bytes` to a node, where they are written and asked after: the proof that memory of this process can be put there.
/// Answers on which node each page is.
///
/// # Errors
/// The operating system's.
#[cfg(target_os = "linux")]
pub fn nodes_of_bound(bytes: &mut [u8], node: usize) -> io::Result<Vec<i32>> {
    const MPOL_MF_MOVE: c_int = 2;
    const PAGE: usize = 4_096;
    let start = bytes.as_mut_ptr().addr().next_multiple_of(PAGE);
    let end = (bytes.as_mut_ptr().addr() + bytes.len()) / PAGE * PAGE;
    let pages = end.saturating_sub(start) / PAGE;
    let mask = node_mask(node)?;
    // SAFETY: the range lies inside `bytes`, which stays valid; its content is kept when pages move; the mask is valid for
    // reading, with as many bits as the length given.
    let code = unsafe {
        libc::syscall(libc::SYS_mbind, start, pages * PAGE, MPOL_BIND, mask.as_ptr(), MASK_BITS, MPOL_MF_MOVE)
    };
    outcome(code)?;
    bytes.fill(1);
    let addresses: Vec<usize> = (0..pages).map(|page| start + page * PAGE).collect();
    let mut nodes = vec![-1_i32; pages];
    // SAFETY: both lists are `pages` long; without a list of nodes nothing is moved, and `nodes` is written.
    let code = unsafe {
        libc::syscall(
            libc::SYS_move_pages,
            0,
            pages,
            addresses.as_ptr(),
            core::ptr::null::<c_int>(),
            nodes.as_mut_ptr(),
            0,
        )
    };
    outcome(code)?;
    Ok(nodes)
}

/// Locks what the hot threads work on, which also makes all of it present. Answers how many bytes. Memory taken later is not
/// locked: call it when everything is built.
///
/// # Errors
/// The operating system's, for the first piece that it refuses (`ulimit -l`, a control group's limit).
#[cfg(target_os = "linux")]
pub fn lock_private() -> io::Result<u64> {
    let mut locked = 0;
    for piece in own_pieces()?.into_iter().filter(|piece| piece.is_private || piece.is_code) {
        // SAFETY: locking changes no content; a range that is gone meanwhile is an error.
        let code = unsafe { libc::mlock(piece.start as *const c_void, piece.bytes) };
        match outcome(c_long::from(code)) {
            Ok(()) => locked += piece.bytes as u64,
            // A guard page, or memory given back since the list was made.
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) && piece.bytes < HUGE_FROM_BYTES => {}
            Err(error) => return Err(error),
        }
    }
    Ok(locked)
}

/// Asks for huge pages for all large private memory, and at once where the kernel can (Linux 6.1). Answers the bytes asked
/// for.
///
/// # Errors
/// When the memory of this process cannot be listed.
#[cfg(target_os = "linux")]
pub fn ask_for_huge_pages() -> io::Result<u64> {
    const MADV_COLLAPSE: c_int = 25;
    let mut asked = 0;
    for piece in own_pieces()?.into_iter().filter(|piece| piece.is_private && piece.bytes >= HUGE_FROM_BYTES) {
        let start = piece.start as *mut c_void;
        // SAFETY: advice changes no content.
        let advised = unsafe { libc::madvise(start, piece.bytes, libc::MADV_HUGEPAGE) };
        if advised == 0 {
            asked += piece.bytes as u64;
            // SAFETY: advice changes no content. An older kernel refuses, and makes huge pages later by itself.
            let _ = unsafe { libc::madvise(start, piece.bytes, MADV_COLLAPSE) };
        }
    }
    Ok(asked)
}

/// Puts the calling thread under `SCHED_FIFO`.
///
/// # Errors
/// The operating system's: it takes `CAP_SYS_NICE` or `ulimit -r`.
#[cfg(target_os = "linux")]
pub fn schedule_fifo(priority: u8) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: c_int::from(priority) };
    // SAFETY: the parameters are valid for reading; 0 is the calling thread.
    let code = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) };
    outcome(c_long::from(code))
}

/// Gives this process a session of its own, and so a share of each cpu of its own where the kernel groups processes by session
/// (`kernel.sched_autogroup_enabled`); it ends when the thread that started it does. To be called once, by a process that was started
/// by a program.
///
/// # Errors
/// The operating system's: the process leads a group already.
#[cfg(target_os = "linux")]
pub fn leave_session() -> io::Result<()> {
    // SAFETY: takes and changes nothing of ours.
    let session = unsafe { libc::setsid() };
    if session < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the arguments are plain numbers.
    let code = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) };
    outcome(c_long::from(code))
}

/// Lets others go first from now on where the calling thread shares its cpu with them: `nice` as the scheduler means it, 1 to 19.
///
/// # Errors
/// The operating system's.
#[cfg(target_os = "linux")]
pub fn give_way(nice: u8) -> io::Result<()> {
    // SAFETY: there is nothing to point at; 0 is the calling thread.
    let code = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, c_int::from(nice)) };
    outcome(c_long::from(code))
}

/// Keeps the cpus out of deep sleep for as long as it is held.
#[derive(Debug)]
pub struct AwakeCpus(#[expect(dead_code, reason = "held open")] std::fs::File);

impl AwakeCpus {
    /// Asks for a latency of 0 us.
    ///
    /// # Errors
    /// The operating system's: `/dev/cpu_dma_latency` is root's.
    pub fn hold() -> io::Result<Self> {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().write(true).open("/dev/cpu_dma_latency")?;
        file.write_all(&0_i32.to_le_bytes())?;
        Ok(Self(file))
    }
}

/// What the kernel says about this process, in KiB, by the names of `/proc/self/status`: `VmLck`, `VmRSS`; and of
/// `/proc/self/smaps_rollup`: `AnonHugePages`. 0 where it is not told.
pub fn kib_of(name: &str) -> u64 {
    kib_in("/proc/self", name)
}

/// The same of another process, by its folder in `/proc`.
pub fn kib_in(process: &str, name: &str) -> u64 {
    ["status", "smaps_rollup"]
        .iter()
        .filter_map(|file| std::fs::read_to_string(format!("{process}/{file}")).ok())
        .find_map(|text| {
            let line =
                text.lines().find(|line| line.starts_with(name) && line.as_bytes().get(name.len()) == Some(&b':'))?;
            line.split_whitespace().nth(1)?.parse().ok()
        })
        .unwrap_or(0)
}

/// Elsewhere nothing of this can be asked for.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::io;

    fn unsupported<T>() -> io::Result<T> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// # Errors
    /// Always.
    pub fn bind_thread_to_node(_: usize) -> io::Result<()> {
        unsupported()
    }
    /// # Errors
    /// Always.
    pub fn bound_node() -> io::Result<Option<usize>> {
        unsupported()
    }
    /// # Errors
    /// Always.
    pub fn nodes_of_bound(_: &mut [u8], _: usize) -> io::Result<Vec<i32>> {
        unsupported()
    }
    /// # Errors
    /// Always.
    pub fn lock_private() -> io::Result<u64> {
        unsupported()
    }
    /// # Errors
    /// Always.
    pub fn ask_for_huge_pages() -> io::Result<u64> {
        unsupported()
    }
    /// # Errors
    /// Always.
    pub fn schedule_fifo(_: u8) -> io::Result<()> {
        unsupported()
    }
    /// # Errors
    /// Always.
    pub fn give_way(_: u8) -> io::Result<()> {
        unsupported()
    }
    /// # Errors
    /// Always.
    pub fn leave_session() -> io::Result<()> {
        unsupported()
    }
}
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{
    ask_for_huge_pages, bind_thread_to_node, bound_node, give_way, leave_session, lock_private, nodes_of_bound,
    schedule_fifo,
};

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn maps_are_told_apart() {
        let maps = "55d0-55d2 r-xp 00000000 08:01 1234 /usr/bin/hft\n7f00-7f40 rw-p 00000000 00:00 0 \n\
                    7f50-7f60 rw-s 00000000 08:01 99 /data/feed.stream\n7ffd-7ffe r--p 00000000 00:00 0 [vvar]\nbroken";
        let found: Vec<_> = pieces(maps).iter().map(|piece| (piece.bytes, piece.is_private, piece.is_code)).collect();
        assert_eq!(found, [(2, false, true), (0x40, true, false), (0x10, false, false), (1, false, false)]);
    }

    #[test]
    fn memory_is_bound_where_it_was_asked_for() {
        // In a thread of its own: the policy is the thread's.
        let bound = std::thread::spawn(|| {
            bind_thread_to_node(0)?;
            let node = bound_node()?;
            let mut bytes = vec![0; 64 << 10];
            Ok::<_, io::Error>((node, nodes_of_bound(&mut bytes, 0)?))
        });
        match bound.join().unwrap() {
            Ok((node, pages)) => {
                assert_eq!(node, Some(0));
                assert!(pages.len() >= 15 && pages.iter().all(|node| *node == 0), "{pages:?}");
            }
            Err(error) => eprintln!("skipped: the kernel does not bind memory here: {error}"),
        }
        assert!(bind_thread_to_node(100_000).is_err());
    }

    #[test]
    fn the_kernel_is_asked_in_its_own_words() {
        assert!(kib_of("VmRSS") > 0);
        assert_eq!(kib_of("NoSuchThing"), 0);
    }
}
