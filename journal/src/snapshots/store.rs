//! Snapshots of the state, in one `SQLite` database (docs/journal-format.md §6): the encoded state with its hashes, which is
//! what recovery loads, and readable tables of the newest one. One thread, one connection: the follower's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::{Nanos, Sequence};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, TransactionBehavior, params};

use crate::snapshots::tables::{
    self, AccountRow, BalanceRow, InstrumentRow, LimitRow, OrderRow, PositionRow, SessionRow, TABLES, TABLES_OF_2,
};

/// Marks the database as ours: `TSYS`.
const APPLICATION_ID: i32 = 0x5453_5953;
/// Version of the tables. Version 1 had fewer of them; it can be read, and is brought up to date when opened for writing.
const USER_VERSION: i32 = 2;
/// How long a reader's lock is waited for.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// What a snapshot is a snapshot of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotMeta {
    /// The last command that is in it.
    pub sequence: Sequence,
    /// The venue's time at that command.
    pub ingress: Nanos,
    /// Hash of the state.
    pub state_hash: [u8; 32],
    /// Hash of all events up to it.
    pub event_hash: [u8; 32],
    /// Version of the encoding of the state.
    pub state_version: u32,
    /// Build that wrote it.
    pub build: String,
    /// When it was written.
    pub created: Nanos,
}

/// A snapshot as recovery loads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What it is a snapshot of.
    pub meta: SnapshotMeta,
    /// The encoded state.
    pub state: Vec<u8>,
}

/// All that is written for one snapshot. The rows are taken once, in any order.
pub struct SnapshotRows<'a> {
    /// What it is a snapshot of.
    pub meta: SnapshotMeta,
    /// The encoded state; at most 1,000,000,000 bytes, which is what `SQLite` takes.
    pub state: &'a [u8],
    /// All instruments.
    pub instruments: &'a mut dyn Iterator<Item = InstrumentRow>,
    /// All accounts.
    pub accounts: &'a mut dyn Iterator<Item = AccountRow>,
    /// All live orders.
    pub orders: &'a mut dyn Iterator<Item = OrderRow>,
    /// All streams.
    pub sessions: &'a mut dyn Iterator<Item = SessionRow>,
    /// What all accounts hold.
    pub balances: &'a mut dyn Iterator<Item = BalanceRow>,
    /// All positions.
    pub positions: &'a mut dyn Iterator<Item = PositionRow>,
    /// All limits that are set.
    pub limits: &'a mut dyn Iterator<Item = LimitRow>,
}

impl std::fmt::Debug for SnapshotRows<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state_bytes = self.state.len();
        f.debug_struct("SnapshotRows")
            .field("meta", &self.meta)
            .field("state_bytes", &state_bytes)
            .finish_non_exhaustive()
    }
}

/// Whether one snapshot can be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotCheck {
    /// The last command in it.
    pub sequence: Sequence,
    /// Why not; `None` when it is good.
    pub fault: Option<String>,
}

/// What [`SnapshotStore::verify`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotReport {
    /// Complaints of `SQLite`'s own check; empty when it has none.
    pub integrity: Vec<String>,
    /// Each snapshot, the newest first.
    pub snapshots: Vec<SnapshotCheck>,
}

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// `SQLite`'s answer.
    #[error("{}: snapshot database: {source}", path.display())]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// The answer.
        source: rusqlite::Error,
    },
    /// The file is another program's database, or another version's.
    #[error("{}: not a snapshot database of this version (application id {application_id:#x}, version {version})", path.display())]
    OtherDatabase {
        /// The file.
        path: PathBuf,
        /// Its application id.
        application_id: i32,
        /// Its version.
        version: i32,
    },
    /// A damaged database cannot be moved aside.
    #[error("{}: the snapshot database is damaged and cannot be moved aside: {source}", path.display())]
    Stuck {
        /// The database.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A number is too large for the database.
    #[error("{what} {value} is too large for the snapshot database")]
    TooLarge {
        /// Which.
        what: &'static str,
        /// Its value.
        value: u64,
    },
}

impl SnapshotError {
    /// The file is no database, or not a whole one.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Sqlite { source, .. } => {
                matches!(source.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
            }
            Self::OtherDatabase { .. } | Self::Stuck { .. } | Self::TooLarge { .. } => false,
        }
    }
}

/// The database, open for writing or for reading.
#[derive(Debug)]
pub struct SnapshotStore {
    connection: Connection,
    path: PathBuf,
    keep: u32,
}

pub(crate) type Outcome<T> = Result<T, SnapshotError>;

impl SnapshotStore {
    /// Opens the database for writing, creates it if there is none. `keep` snapshots are kept, at least one.
    ///
    /// # Errors
    /// It cannot be opened or is not a snapshot database of this version.
    pub fn open(path: &Path, keep: u32) -> Outcome<Self> {
        let connection = Connection::open(path).map_err(at(path))?;
        let mut store = Self { connection, path: path.to_owned(), keep: keep.max(1) };
        store.connection.busy_timeout(BUSY_WAIT).map_err(at(path))?;
        let is_new = store.is_blank()?;
        // Before anything is changed in a file that may be another program's.
        let version = if is_new { 0 } else { store.checked_version()? };
        let pragmas =
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;";
        store.connection.execute_batch(pragmas).map_err(at(path))?;
        store.bring_up_from(version)?;
        Ok(store)
    }

    /// As [`SnapshotStore::open`]; a database that is damaged so that it cannot be written is moved aside first, to a name that
    /// ends with `.damaged`, which is answered too. What is in it can be told again from the journal.
    ///
    /// # Errors
    /// As [`SnapshotStore::open`], for other reasons than damage; or it cannot be moved.
    pub fn open_or_replace(path: &Path, keep: u32) -> Outcome<(Self, Option<PathBuf>)> {
        match Self::open(path, keep) {
            Err(error) if error.is_damage() => {
                let aside = beside(path, ".damaged");
                let moved = std::fs::rename(path, &aside);
                moved.map_err(|source| SnapshotError::Stuck { path: path.to_owned(), source })?;
                for log in ["-wal", "-shm"] {
                    // They belong to the damaged one; most often there are none.
                    drop(std::fs::rename(beside(path, log), beside(&aside, log)));
                }
                Ok((Self::open(path, keep)?, Some(aside)))
            }
            opened => Ok((opened?, None)),
        }
    }

    /// Opens an existing database for reading only.
    ///
    /// # Errors
    /// As [`SnapshotStore::open`]; also when there is none.
    pub fn open_read_only(path: &Path) -> Outcome<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(at(path))?;
        connection.busy_timeout(BUSY_WAIT).map_err(at(path))?;
        let store = Self { connection, path: path.to_owned(), keep: 1 };
        store.checked_version()?;
        Ok(store)
    }

    /// Writes one snapshot in one transaction, replaces the readable tables, and drops all but the newest few snapshots.
    /// When it returns, the snapshot is on disk.
    ///
    /// # Errors
    /// The database cannot be written; it is then as it was.
    pub fn write(&mut self, mut rows: SnapshotRows<'_>) -> Outcome<()> {
        let path = self.path.clone();
        let failed = at(&path);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        write_state(&transaction, &rows.meta, rows.state, &failed)?;
        tables::write(&transaction, &mut rows, &failed)?;
        let prune = "DELETE FROM snapshots WHERE sequence NOT IN (SELECT sequence FROM snapshots ORDER BY sequence DESC LIMIT ?1)";
        transaction.execute(prune, [self.keep]).map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        self.checkpoint()
    }

    /// The newest snapshot that is whole; damaged ones are passed over, with a warning in the log.
    ///
    /// # Errors
    /// The list of snapshots itself cannot be read.
    pub fn newest_valid(&self) -> Outcome<Option<Snapshot>> {
        for sequence in self.sequences()? {
            match self.load(sequence) {
                Ok(snapshot) => return Ok(Some(snapshot)),
                Err(fault) => tracing::warn!(sequence, fault, path = %self.path.display(), "snapshot passed over"),
            }
        }
        Ok(None)
    }

    /// The snapshot of this sequence.
    ///
    /// # Errors
    /// There is none, or it is damaged: why, in words.
    pub fn snapshot(&self, sequence: Sequence) -> Result<Snapshot, String> {
        self.load(sequence.0).map_err(|fault| format!("snapshot {sequence}: {fault}"))
    }

    /// Sequence of the oldest snapshot, if it is whole: what is before it is wanted by nobody any more. `None` when there is
    /// none, or it is damaged.
    ///
    /// # Errors
    /// The list of snapshots itself cannot be read.
    pub fn oldest_valid(&self) -> Outcome<Option<Sequence>> {
        let oldest = self.sequences()?.last().copied();
        Ok(oldest.filter(|sequence| self.load(*sequence).is_ok()).map(Sequence))
    }

    /// Drops the snapshots behind `sequence`: they are of a state that turned out wrong. How many there were.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn remove_after(&mut self, sequence: Sequence) -> Outcome<usize> {
        let after = signed("sequence", sequence.0)?;
        self.connection.execute("DELETE FROM snapshots WHERE sequence > ?1", [after]).map_err(at(&self.path))
    }

    /// Copies the database into a new file, also while a venue writes it.
    ///
    /// # Errors
    /// The file exists or cannot be written.
    pub fn copy_to(&self, path: &Path) -> Outcome<()> {
        let target = path.to_string_lossy();
        self.connection.execute("VACUUM INTO ?1", [target]).map_err(at(path))?;
        Ok(())
    }

    /// What each snapshot is of, the newest first. The states are not looked at.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn list(&self) -> Outcome<Vec<SnapshotMeta>> {
        let select =
            "SELECT sequence, ingress_ns, created_ns, state_version, build, state_hash, event_hash FROM snapshots
                      ORDER BY sequence DESC";
        let mut statement = self.connection.prepare(select).map_err(at(&self.path))?;
        let rows = statement.query_map([], meta_of).map_err(at(&self.path))?;
        rows.collect::<Result<_, _>>().map_err(at(&self.path))
    }

    /// `SQLite`'s own check, and each snapshot against its hash.
    ///
    /// # Errors
    /// The list of snapshots itself cannot be read.
    pub fn verify(&self) -> Outcome<SnapshotReport> {
        let mut statement = self.connection.prepare("PRAGMA integrity_check").map_err(at(&self.path))?;
        let lines = statement.query_map([], |row| row.get::<_, String>(0)).map_err(at(&self.path))?;
        let lines = lines.map(|line| line.unwrap_or_else(|error| error.to_string()));
        let integrity = lines.filter(|line| line != "ok").collect();
        let check = |sequence| SnapshotCheck { sequence: Sequence(sequence), fault: self.load(sequence).err() };
        Ok(SnapshotReport { integrity, snapshots: self.sequences()?.into_iter().map(check).collect() })
    }

    fn sequences(&self) -> Outcome<Vec<u64>> {
        let select = "SELECT sequence FROM snapshots ORDER BY sequence DESC";
        let mut statement = self.connection.prepare(select).map_err(at(&self.path))?;
        let rows = statement.query_map([], |row| unsigned(row, 0)).map_err(at(&self.path))?;
        rows.collect::<Result<_, _>>().map_err(at(&self.path))
    }

    /// One snapshot, or why it cannot be loaded.
    fn load(&self, sequence: u64) -> Result<Snapshot, String> {
        let select =
            "SELECT sequence, ingress_ns, created_ns, state_version, build, state_hash, event_hash, content_hash, state
                      FROM snapshots WHERE sequence = ?1";
        let key = i64::try_from(sequence).map_err(|error| error.to_string())?;
        let read = |row: &Row<'_>| Ok((meta_of(row)?, row.get::<_, [u8; 32]>(7)?, row.get::<_, Vec<u8>>(8)?));
        let found = self.connection.query_row(select, [key], read).optional();
        let (meta, hash, state) = found
            .map_err(|error| error.to_string())?
            .ok_or("there is none; `hft snapshot list` names those that there are")?;
        if content_hash(&meta, &state) != hash {
            return Err("its content does not match its hash".into());
        }
        Ok(Snapshot { meta, state })
    }

    fn versions(&self) -> Outcome<(i32, i32)> {
        let application_id = self.connection.pragma_query_value(None, "application_id", |row| row.get(0));
        let version = self.connection.pragma_query_value(None, "user_version", |row| row.get(0));
        Ok((application_id.map_err(at(&self.path))?, version.map_err(at(&self.path))?))
    }

    /// The version of the tables, if it is one that this program knows.
    fn checked_version(&self) -> Outcome<i32> {
        let (application_id, version) = self.versions()?;
        if application_id == APPLICATION_ID && (1..=USER_VERSION).contains(&version) {
            return Ok(version);
        }
        Err(SnapshotError::OtherDatabase { path: self.path.clone(), application_id, version })
    }

    /// True for a file that has nothing in it yet.
    fn is_blank(&self) -> Outcome<bool> {
        let count = self.connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0));
        Ok(self.versions()? == (0, 0) && count.map_err(at(&self.path))? == 0)
    }

    /// Makes the tables that a database of this version has not.
    fn bring_up_from(&mut self, version: i32) -> Outcome<()> {
        if version == USER_VERSION {
            return Ok(());
        }
        let path = self.path.clone();
        let failed = at(&path);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        if version == 0 {
            transaction.execute_batch(TABLES).map_err(&failed)?;
        }
        transaction.execute_batch(TABLES_OF_2).map_err(&failed)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(&failed)?;
        transaction.pragma_update(None, "user_version", USER_VERSION).map_err(&failed)?;
        transaction.commit().map_err(&failed)
    }

    /// Moves the log into the database. A reader can be in the way: then the next snapshot does it.
    fn checkpoint(&self) -> Outcome<()> {
        let answer = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        if answer.map_err(at(&self.path))? != 0 {
            tracing::debug!(path = %self.path.display(), "a reader holds the log of the snapshot database");
        }
        Ok(())
    }
}

/// A name beside that of the database.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn at(path: &Path) -> impl Fn(rusqlite::Error) -> SnapshotError {
    move |source| SnapshotError::Sqlite { path: path.to_owned(), source }
}

/// BLAKE3 over what recovery relies on: the numbers and hashes of the meta row, then the state.
fn content_hash(meta: &SnapshotMeta, state: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&meta.sequence.0.to_le_bytes());
    hasher.update(&meta.ingress.0.to_le_bytes());
    hasher.update(&meta.created.0.to_le_bytes());
    hasher.update(&u64::from(meta.state_version).to_le_bytes());
    hasher.update(&meta.state_hash);
    hasher.update(&meta.event_hash);
    hasher.update(&(meta.build.len() as u64).to_le_bytes());
    hasher.update(meta.build.as_bytes());
    hasher.update(state);
    *hasher.finalize().as_bytes()
}

fn meta_of(row: &Row<'_>) -> rusqlite::Result<SnapshotMeta> {
    Ok(SnapshotMeta {
        sequence: Sequence(unsigned(row, 0)?),
        ingress: Nanos(unsigned(row, 1)?),
        created: Nanos(unsigned(row, 2)?),
        state_version: row.get(3)?,
        build: row.get(4)?,
        state_hash: row.get(5)?,
        event_hash: row.get(6)?,
    })
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

pub(crate) fn signed(what: &'static str, value: u64) -> Outcome<i64> {
    i64::try_from(value).map_err(|_| SnapshotError::TooLarge { what, value })
}

pub(crate) fn letter(letter: u8) -> String {
    char::from(letter).to_string()
}

fn write_state(
    connection: &Connection,
    meta: &SnapshotMeta,
    state: &[u8],
    failed: &impl Fn(rusqlite::Error) -> SnapshotError,
) -> Outcome<()> {
    let insert = "INSERT OR REPLACE INTO snapshots VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let values = params![
        signed("sequence", meta.sequence.0)?,
        signed("ingress time", meta.ingress.0)?,
        signed("creation time", meta.created.0)?,
        meta.state_version,
        meta.build,
        meta.state_hash,
        meta.event_hash,
        content_hash(meta, state),
        state,
    ];
    connection.execute(insert, values).map_err(failed)?;
    Ok(())
}
