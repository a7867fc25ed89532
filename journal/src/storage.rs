//! What the journal asks of a disk, in one trait: the real one here, and a simulated one for tests. Always dispatched
//! statically: an append to a mapped segment costs the same as without it.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::mmap::{MapWindow, SegmentMap, allocate, free_bytes};

/// Folders with files. Cheap to clone; clones mean the same disk.
pub trait Storage: Clone + Debug + Send + Sync + 'static {
    /// An open file.
    type File: StorageFile;
    /// A mapped file.
    type Map: StorageMap;

    /// Names of what is in the folder, in any order.
    ///
    /// # Errors
    /// The operating system's, as for every call here.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Opens an existing file for reading.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    fn open(&self, path: &Path) -> io::Result<Self::File>;
    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    fn open_for_writing(&self, path: &Path) -> io::Result<Self::File>;
    /// Creates a file, empty also when there was one.
    ///
    /// # Errors
    /// The operating system's.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    /// Maps the first `bytes` of a file that is allocated that far, for writing.
    ///
    /// # Errors
    /// The operating system's, and `UnexpectedEof` for a shorter file.
    fn map(&self, file: &Self::File, bytes: u64) -> io::Result<Self::Map>;
    /// Gives a file another name; a file of that name is replaced.
    ///
    /// # Errors
    /// The operating system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// The operating system's.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in the folder durable.
    ///
    /// # Errors
    /// The operating system's; never to be repeated.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// True when there is a file of this name.
    fn exists(&self, path: &Path) -> bool;
    /// Bytes that files in this folder could still be given.
    ///
    /// # Errors
    /// The operating system's.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;
}

/// An open file; all calls name their offset.
#[expect(clippy::len_without_is_empty, reason = "a file that is empty is no special case here")]
pub trait StorageFile: Debug + Send + Sync + 'static {
    /// Reads some bytes; 0 at the end of the file.
    ///
    /// # Errors
    /// The operating system's, as for every call here.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all bytes.
    ///
    /// # Errors
    /// Some of them may have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Bytes of the file.
    ///
    /// # Errors
    /// The operating system's.
    fn len(&self) -> io::Result<u64>;
    /// Cuts or lengthens the file.
    ///
    /// # Errors
    /// The operating system's.
    fn set_len(&self, bytes: u64) -> io::Result<()>;
    /// Makes the file at least this long, with disk space for all of it.
    ///
    /// # Errors
    /// `StorageFull` when there is none.
    fn allocate(&self, bytes: u64) -> io::Result<()>;
    /// Waits until content and length are on disk.
    ///
    /// # Errors
    /// The operating system's; never to be repeated, as a second success would mean nothing.
    fn sync(&self) -> io::Result<()>;
}

/// A mapped file with one writer.
pub trait StorageMap: Debug + Send + 'static {
    /// Has `bytes` bytes from offset `at` on filled. The caller keeps the range within the mapping.
    fn fill(&mut self, at: usize, bytes: usize, fill: impl FnOnce(&mut [u8]));

    /// What keeps its pages in order, from another thread; nothing, where there are none.
    fn window(&self) -> MapWindow {
        MapWindow::default()
    }
}

/// The disks of this host.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Storage for Disk {
    type File = File;
    type Map = SegmentMap;

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().into_string().unwrap_or_default()));
        names.collect()
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }

    fn open_for_writing(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(path)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)
    }

    fn map(&self, file: &File, bytes: u64) -> io::Result<SegmentMap> {
        SegmentMap::new(file, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        free_bytes(dir)
    }
}

impl StorageFile for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, bytes, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        Self::set_len(self, bytes)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        allocate(self, 0, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

impl StorageMap for SegmentMap {
    #[inline]
    fn fill(&mut self, at: usize, bytes: usize, fill: impl FnOnce(&mut [u8])) {
        Self::fill(self, at, bytes, fill);
    }

    fn window(&self) -> MapWindow {
        Self::window(self)
    }
}
