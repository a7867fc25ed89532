//! The data directory: its folders, and the lock that keeps a second venue out. Readers name paths and take no lock.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::FileError;
use crate::storage::Disk;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The folder above does not exist.
    #[error("{}: cannot be created, as the folder {} does not exist; create that first", dir.display(), parent.display())]
    MissingParent {
        /// The data directory.
        dir: PathBuf,
        /// The folder that is missing.
        parent: PathBuf,
    },
    /// The directory does not exist, and is only to be read.
    #[error("{}: there is no data directory here; name the one that a venue writes", .0.display())]
    Missing(PathBuf),
    /// Something else has that name.
    #[error("{}: is not a folder; name another data directory", .0.display())]
    NotAFolder(PathBuf),
    /// Another venue runs on it.
    #[error("{}: in use by the venue with process id {pid}; stop that one or name another data directory", dir.display())]
    InUse {
        /// The data directory.
        dir: PathBuf,
        /// What the other one wrote into the lock file.
        pid: String,
    },
    /// It cannot be written.
    #[error("{}: cannot be written ({source}); check its owner and permissions, or name another data directory", path.display())]
    NotWritable {
        /// The file or folder that was refused.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// It cannot be locked or looked at.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Paths within a data directory. Whoever only reads uses this, also while a venue runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataPaths {
    root: PathBuf,
}

impl DataPaths {
    /// Of an existing data directory.
    ///
    /// # Errors
    /// When it does not exist, or is not a folder.
    pub fn existing(root: &Path) -> Result<Self, DataDirError> {
        match fs::metadata(root) {
            Ok(metadata) if metadata.is_dir() => Ok(Self { root: root.to_owned() }),
            Ok(_) => Err(DataDirError::NotAFolder(root.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(DataDirError::Missing(root.to_owned())),
            Err(error) => Err(FileError::at(root, "look at the data directory")(error).into()),
        }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Folder of the journal's segments.
    pub fn journal_dir(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// Folder of the stream files.
    pub fn streams_dir(&self) -> PathBuf {
        self.root.join("streams")
    }

    /// The snapshot database.
    pub fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots.sqlite")
    }

    /// The directory document of the instruments, as it was published last.
    pub fn directory(&self) -> PathBuf {
        self.root.join("directory.json")
    }
}

/// A data directory that this process writes. It is locked for as long as this value lives, and not longer than the
/// process, however that ends.
#[derive(Debug)]
pub struct DataDir {
    paths: DataPaths,
    _lock: File,
}

impl DataDir {
    /// Opens the directory for a venue: creates it (its last component only) and its folders, and takes the lock.
    ///
    /// # Errors
    /// The folder above is missing, another venue holds the lock, or the directory cannot be written.
    pub fn open(root: &Path) -> Result<Self, DataDirError> {
        create(root)?;
        let paths = DataPaths::existing(root)?;
        let lock = lock(&paths)?;
        for folder in [paths.journal_dir(), paths.streams_dir()] {
            if let Err(source) = fs::create_dir(&folder)
                && source.kind() != io::ErrorKind::AlreadyExists
            {
                return Err(DataDirError::NotWritable { path: folder, source });
            }
        }
        probe(&paths)?;
        crate::recovery::sync_dir(&Disk, root)?;
        Ok(Self { paths, _lock: lock })
    }

    /// The paths in it.
    pub fn paths(&self) -> &DataPaths {
        &self.paths
    }
}

fn create(root: &Path) -> Result<(), DataDirError> {
    let Err(source) = fs::create_dir(root) else { return Ok(()) };
    if source.kind() == io::ErrorKind::AlreadyExists {
        return Ok(());
    }
    let parent = root.parent().unwrap_or(Path::new("/")).to_owned();
    // A file system that takes no folders (/proc) says the same of itself.
    if source.kind() == io::ErrorKind::NotFound && !parent.is_dir() {
        return Err(DataDirError::MissingParent { dir: root.to_owned(), parent });
    }
    Err(DataDirError::NotWritable { path: root.to_owned(), source })
}

fn lock(paths: &DataPaths) -> Result<File, DataDirError> {
    let path = paths.root.join("lock");
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = opened.map_err(|source| DataDirError::NotWritable { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(DataDirError::InUse { dir: paths.root.clone(), pid: read_pid(&mut file) });
        }
        Err(TryLockError::Error(error)) => return Err(FileError::at(&path, "lock the data directory")(error).into()),
    }
    let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(|source| DataDirError::NotWritable { path, source })?;
    Ok(file)
}

/// The id in the lock file; for the message only, so that a file nobody can read is no further error.
fn read_pid(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(20).read_to_string(&mut text));
    let pid = text.trim();
    if read.is_err() || pid.is_empty() { "unknown".into() } else { pid.into() }
}

/// Finds out now, and not at the first order, that the folders cannot be written.
fn probe(paths: &DataPaths) -> Result<(), DataDirError> {
    for folder in [paths.journal_dir(), paths.streams_dir()] {
        let path = folder.join("prepare-probe.tmp");
        let probed = File::create(&path).and_then(|_| fs::remove_file(&path));
        probed.map_err(|source| DataDirError::NotWritable { path: folder, source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_component_is_created_and_a_missing_parent_is_named() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("data");
        drop(DataDir::open(&root).unwrap());
        let again = DataDir::open(&root).unwrap();
        assert!(again.paths().journal_dir().is_dir() && again.paths().streams_dir().is_dir());
        let deep = temp.path().join("a").join("b");
        let error = DataDir::open(&deep).unwrap_err();
        assert!(matches!(&error, DataDirError::MissingParent { parent, .. } if *parent == temp.path().join("a")));
        assert!(!temp.path().join("a").exists());
    }

    #[test]
    fn a_second_one_is_told_who_has_it_and_a_reader_is_let_in() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("data");
        let first = DataDir::open(&root).unwrap();
        let error = DataDir::open(&root).unwrap_err().to_string();
        assert!(error.contains(&format!("process id {}", std::process::id())), "{error}");
        assert_eq!(DataPaths::existing(&root).unwrap(), *first.paths());
        drop(first);
        DataDir::open(&root).unwrap();
    }

    #[test]
    fn what_is_no_folder_or_not_there_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(matches!(DataDir::open(&file), Err(DataDirError::NotAFolder(_))));
        let missing = temp.path().join("missing");
        assert!(matches!(DataPaths::existing(&missing), Err(DataDirError::Missing(_))));
        let taken = temp.path().join("taken");
        fs::create_dir(&taken).unwrap();
        fs::write(taken.join("journal"), "x").unwrap();
        assert!(matches!(DataDir::open(&taken), Err(DataDirError::NotWritable { .. })));
    }
}
