//! The disk as the log sees it: one folder of files by name, so that a simulated disk can stand in for it.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// One folder. What is written is durable once its file was synced, and a name once the folder was.
pub trait Disk: Send + Sync {
    /// The names of all files.
    ///
    /// # Errors
    /// What the system says.
    fn names(&self) -> io::Result<Vec<String>>;

    /// How many bytes the file has; `None` where there is none of that name.
    ///
    /// # Errors
    /// What the system says.
    fn len(&self, name: &str) -> io::Result<Option<u64>>;

    /// Reads as many bytes as there are from the offset on, at most those that fit; returns how many.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, name: &str, offset: u64, to: &mut [u8]) -> io::Result<usize>;

    /// Writes all bytes at the offset; a file that is not there is created.
    ///
    /// # Errors
    /// What the system says; then some of the bytes may be written.
    fn write_at(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file to this length.
    ///
    /// # Errors
    /// What the system says.
    fn cut(&self, name: &str, len: u64) -> io::Result<()>;

    /// Makes durable what was written to the file.
    ///
    /// # Errors
    /// What the system says; then nobody knows what of it is durable.
    fn sync(&self, name: &str) -> io::Result<()>;

    /// Makes durable which names there are.
    ///
    /// # Errors
    /// What the system says.
    fn sync_names(&self) -> io::Result<()>;

    /// Gives the file another name, which may belong to a file that is lost.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes the file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, name: &str) -> io::Result<()>;
}

/// The name of the file whose lock the one writer holds.
const LOCK: &str = "lock";

/// A folder of the real disk.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    open: Mutex<HashMap<String, Arc<File>>>,
    /// Held by the one who may write, until the process ends.
    _lock: Option<File>,
}

impl Folder {
    /// The folder, to be read.
    pub fn to_read(path: &Path) -> Folder {
        Folder { path: path.to_owned(), open: Mutex::default(), _lock: None }
    }

    /// The folder, created if need be, to be written: nobody else may meanwhile. `None` when somebody does.
    ///
    /// # Errors
    /// What the system says.
    pub fn to_write(path: &Path) -> io::Result<Option<Folder>> {
        std::fs::create_dir_all(path)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Folder { path: path.to_owned(), open: Mutex::default(), _lock: Some(lock) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn file(&self, name: &str, create: bool) -> io::Result<Arc<File>> {
        let mut open = self.open.lock().expect("nobody panics with it");
        if let Some(file) = open.get(name) {
            return Ok(file.clone());
        }
        let path = self.path.join(name);
        let file = match self._lock {
            Some(_) => OpenOptions::new().read(true).write(true).create(create).truncate(false).open(path)?,
            None => File::open(path)?,
        };
        let file = Arc::new(file);
        open.insert(name.to_owned(), file.clone());
        Ok(file)
    }

    fn forget(&self, name: &str) {
        self.open.lock().expect("nobody panics with it").remove(name);
    }
}

impl Disk for Folder {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            names.extend(entry?.file_name().into_string());
        }
        names.retain(|name| name != LOCK);
        Ok(names)
    }

    fn len(&self, name: &str) -> io::Result<Option<u64>> {
        match std::fs::metadata(self.path.join(name)) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read_at(&self, name: &str, offset: u64, to: &mut [u8]) -> io::Result<usize> {
        let file = self.file(name, false)?;
        let mut read = 0;
        while read < to.len() {
            match file.read_at(&mut to[read..], offset + read as u64)? {
                0 => break,
                more => read += more,
            }
        }
        Ok(read)
    }

    fn write_at(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file(name, true)?.write_all_at(bytes, offset)
    }

    fn cut(&self, name: &str, len: u64) -> io::Result<()> {
        self.file(name, false)?.set_len(len)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.file(name, false)?.sync_data()
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))?;
        self.forget(from);
        self.forget(to);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.forget(name);
        std::fs::remove_file(self.path.join(name))
    }
}
