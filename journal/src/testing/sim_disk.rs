//! A disk in memory that knows what is only in the page cache and what would survive a power cut, byte by byte and name by
//! name. Between two flushes, any sector (512 bytes) and any name may or may not have reached the disk, in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::format::index;
use crate::storage::{Storage, StorageFile, StorageMap};

const SECTOR: usize = 512;

/// A small generator of reproducible numbers (splitmix64).
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }
}

/// The disk; clones are the same one.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

/// An open file of it.
#[derive(Debug)]
pub struct SimFile {
    disk: SimDisk,
    inode: usize,
}

/// A mapped file of it.
#[derive(Debug)]
pub struct SimMap {
    disk: SimDisk,
    inode: usize,
}

#[derive(Debug)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names since the folder was flushed.
    pending: Vec<NameChange>,
    rng: Rng,
    calls: u64,
    fail_at: Option<(u64, io::ErrorKind)>,
    capacity_bytes: u64,
}

#[derive(Debug, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf, usize),
    Remove(PathBuf),
}

impl Inode {
    fn touch(&mut self, at: usize, bytes: usize) {
        self.dirty.extend(at / SECTOR..(at + bytes).div_ceil(SECTOR));
    }

    /// Takes one sector to the disk. Beyond the durable length there is nothing to write to yet.
    fn write_back(&mut self, sector: usize) {
        let from = sector * SECTOR;
        let to = (from + SECTOR).min(self.live.len()).min(self.durable.len());
        if from < to {
            self.durable[from..to].copy_from_slice(&self.live[from..to]);
        }
    }

    fn sync(&mut self) {
        self.durable.resize(self.live.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            self.write_back(sector);
        }
    }

    /// Some dirty sectors, and perhaps the length, reach the disk; they stay dirty, as they may change again.
    fn write_back_some(&mut self, rng: &mut Rng) {
        if self.durable.len() != self.live.len() && rng.below(2) == 0 {
            self.durable.resize(self.live.len(), 0);
        }
        let chance = rng.below(5);
        for sector in self.dirty.iter().copied().collect::<Vec<_>>() {
            if rng.below(4) < chance {
                self.write_back(sector);
            }
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Create(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Self::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

impl State {
    /// Counts a call, and refuses it when its turn to fail has come.
    fn call(&mut self) -> io::Result<()> {
        self.calls += 1;
        match self.fail_at {
            Some((at, kind)) if at == self.calls => Err(kind.into()),
            Some(_) | None => Ok(()),
        }
    }

    fn used_bytes(&self) -> u64 {
        self.names.values().map(|inode| self.inodes[*inode].live.len() as u64).sum()
    }

    /// Refuses to make a file longer than the disk has room for.
    fn make_room(&self, inode: usize, bytes: u64) -> io::Result<()> {
        let more = bytes.saturating_sub(self.inodes[inode].live.len() as u64);
        if more > 0 && self.used_bytes().saturating_add(more) > self.capacity_bytes {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }
}

impl SimDisk {
    /// An empty disk; the seed decides what background writes and power cuts do.
    pub fn new(seed: u64) -> Self {
        let state = State {
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending: Vec::new(),
            rng: Rng(seed),
            calls: 0,
            fail_at: None,
            capacity_bytes: u64::MAX,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls so far: every question to the disk is one, a store to a mapped file is not.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// From now on, the call with this number is answered with this error; all others work.
    pub fn fail_at(&self, call: u64, kind: io::ErrorKind) {
        self.lock().fail_at = Some((call, kind));
    }

    /// From now on the files together may come to this many bytes.
    pub fn set_capacity(&self, bytes: u64) {
        self.lock().capacity_bytes = bytes;
    }

    /// Bytes that files have.
    pub fn used_bytes(&self) -> u64 {
        self.lock().used_bytes()
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        self.lock().fail_at = None;
    }

    /// The kernel writes some of what is dirty, as it may at any moment.
    pub fn write_back_some(&self) {
        let mut state = self.lock();
        let State { inodes, rng, .. } = &mut *state;
        for inode in inodes.iter_mut().filter(|inode| !inode.dirty.is_empty()) {
            inode.write_back_some(rng);
        }
    }

    /// The power goes: what was not flushed is there or not, sector by sector and name by name. Files that were open are not
    /// to be used any more.
    pub fn power_cut(&self) {
        let mut state = self.lock();
        let State { inodes, rng, pending, durable_names, names, .. } = &mut *state;
        for inode in inodes.iter_mut() {
            inode.write_back_some(rng);
            inode.live.clone_from(&inode.durable);
            inode.dirty.clear();
        }
        let chance = rng.below(5);
        for change in pending.drain(..) {
            if rng.below(4) < chance {
                change.apply(durable_names);
            }
        }
        names.clone_from(durable_names);
    }

    /// The live bytes of a file; empty when there is none.
    pub fn bytes(&self, path: &Path) -> Vec<u8> {
        let state = self.lock();
        state.names.get(path).map(|inode| state.inodes[*inode].live.clone()).unwrap_or_default()
    }

    /// Changes one bit of a file, on the disk and in memory.
    pub fn flip(&self, path: &Path, bit: usize) {
        let mut state = self.lock();
        let State { names, inodes, .. } = &mut *state;
        if let Some(inode) = names.get(path).and_then(|inode| inodes.get_mut(*inode)) {
            inode.live[bit / 8] ^= 1 << (bit % 8);
        }
    }

    /// Puts these bytes in place of a file's, on the disk and in memory.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.lock();
        let inode = Inode { live: bytes.to_vec(), durable: bytes.to_vec(), dirty: BTreeSet::new() };
        state.inodes.push(inode);
        let inode = state.inodes.len() - 1;
        state.names.insert(path.to_owned(), inode);
        state.durable_names.insert(path.to_owned(), inode);
    }

    fn opened(&self, path: &Path) -> io::Result<SimFile> {
        let mut state = self.lock();
        state.call()?;
        let inode = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(SimFile { disk: self.clone(), inode })
    }
}

impl Storage for SimDisk {
    type File = SimFile;
    type Map = SimMap;

    fn list(&self, _dir: &Path) -> io::Result<Vec<String>> {
        let mut state = self.lock();
        state.call()?;
        let names = state.names.keys().filter_map(|path| path.file_name()?.to_str());
        Ok(names.map(str::to_owned).collect())
    }

    fn open(&self, path: &Path) -> io::Result<SimFile> {
        self.opened(path)
    }

    fn open_for_writing(&self, path: &Path) -> io::Result<SimFile> {
        self.opened(path)
    }

    fn create(&self, path: &Path) -> io::Result<SimFile> {
        let mut state = self.lock();
        state.call()?;
        state.inodes.push(Inode::default());
        let inode = state.inodes.len() - 1;
        state.change(NameChange::Create(path.to_owned(), inode));
        Ok(SimFile { disk: self.clone(), inode })
    }

    fn map(&self, file: &SimFile, bytes: u64) -> io::Result<SimMap> {
        let mut state = self.lock();
        state.call()?;
        if (state.inodes[file.inode].live.len() as u64) < bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(SimMap { disk: self.clone(), inode: file.inode })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.call()?;
        let inode = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        state.change(NameChange::Rename(from.to_owned(), to.to_owned(), inode));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.call()?;
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.call()?;
        let State { pending, durable_names, .. } = &mut *state;
        pending.drain(..).for_each(|change| change.apply(durable_names));
        Ok(())
    }

    fn exists(&self, path: &Path) -> bool {
        self.lock().names.contains_key(path)
    }

    fn free_bytes(&self, _dir: &Path) -> io::Result<u64> {
        let mut state = self.lock();
        state.call()?;
        Ok(state.capacity_bytes.saturating_sub(state.used_bytes()))
    }
}

impl StorageFile for SimFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.lock();
        state.call()?;
        let held = state.inodes[self.inode].live.get(index(offset)..).unwrap_or_default();
        let count = held.len().min(bytes.len());
        bytes[..count].copy_from_slice(&held[..count]);
        Ok(count)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        let called = state.call().and_then(|()| state.make_room(self.inode, offset + bytes.len() as u64));
        let State { inodes, rng, .. } = &mut *state;
        let (inode, at) = (&mut inodes[self.inode], index(offset));
        // One that fails may have written some of its sectors: a short write.
        let sectors = (at + bytes.len()).div_ceil(SECTOR) - at / SECTOR;
        let written = index(rng.below(sectors as u64 + 1)) * SECTOR;
        let count = if called.is_ok() { bytes.len() } else { written.saturating_sub(at % SECTOR).min(bytes.len()) };
        if inode.live.len() < at + count {
            inode.live.resize(at + count, 0);
        }
        inode.live[at..at + count].copy_from_slice(&bytes[..count]);
        inode.touch(at, count);
        called
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.lock();
        state.call()?;
        Ok(state.inodes[self.inode].live.len() as u64)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.call()?;
        state.make_room(self.inode, bytes)?;
        let inode = &mut state.inodes[self.inode];
        inode.live.resize(index(bytes), 0);
        inode.touch(index(bytes).saturating_sub(1), 1);
        Ok(())
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        if self.len()? < bytes {
            self.set_len(bytes)?;
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        let called = state.call();
        let State { inodes, rng, .. } = &mut *state;
        let inode = &mut inodes[self.inode];
        match called {
            Ok(()) => inode.sync(),
            Err(_) => inode.write_back_some(rng),
        }
        called
    }
}

impl StorageMap for SimMap {
    fn fill(&mut self, at: usize, bytes: usize, fill: impl FnOnce(&mut [u8])) {
        let mut state = self.disk.lock();
        let inode = &mut state.inodes[self.inode];
        fill(&mut inode.live[at..at + bytes]);
        inode.touch(at, bytes);
    }
}
