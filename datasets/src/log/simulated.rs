//! A disk in memory that fails as disks do: what was not synced is lost in any mixture, sectors tear, reads and writes
//! fail, space runs out, bits flip. Everything follows from a seed.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::Mutex;

use super::disk::Disk;
use crate::chance::{Chance, Purpose};

/// The unit that is written as a whole or not at all.
const SECTOR: usize = 512;

/// How often each failure strikes, in one of so many operations; 0 is never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// A read fails.
    pub read: u64,
    /// A write fails, with some of its bytes written.
    pub write: u64,
    /// A sync fails, with nobody knows what durable.
    pub sync: u64,
    /// A name cannot be changed or made durable.
    pub names: u64,
    /// Bytes that all files together may have.
    pub room: Option<u64>,
}

/// The disk.
pub struct SimulatedDisk(Mutex<State>);

struct State {
    chance: Chance,
    faults: Faults,
    /// What a crash leaves: contents of files by their inode, and names.
    durable: BTreeMap<u64, Vec<u8>>,
    durable_names: BTreeMap<String, u64>,
    /// What a reader sees.
    seen: BTreeMap<u64, Vec<u8>>,
    seen_names: BTreeMap<String, u64>,
    /// Writes since the last sync of each file, and changes of names since the last sync of these.
    writes: Vec<(u64, Write)>,
    renames: Vec<BTreeMap<String, u64>>,
    next_inode: u64,
}

#[derive(Clone)]
enum Write {
    Sector(u64, Vec<u8>),
    Cut(u64),
}

fn apply(write: &Write, to: &mut Vec<u8>) {
    match write {
        Write::Sector(offset, bytes) => {
            let end = *offset as usize + bytes.len();
            if to.len() < end {
                to.resize(end, 0);
            }
            to[*offset as usize..end].copy_from_slice(bytes);
        }
        Write::Cut(length) => to.resize(*length as usize, 0),
    }
}

impl SimulatedDisk {
    /// An empty disk.
    pub fn new(seed: u64) -> SimulatedDisk {
        SimulatedDisk(Mutex::new(State {
            chance: Chance::of(seed, Purpose::Sample, 1, 0),
            faults: Faults::default(),
            durable: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            seen: BTreeMap::new(),
            seen_names: BTreeMap::new(),
            writes: Vec::new(),
            renames: Vec::new(),
            next_inode: 0,
        }))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics with it")
    }

    /// From here on operations fail as often as this.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// The power goes: of what was not synced any part is lost.
    pub fn crash(&self) {
        self.state().crash();
    }

    /// Flips one bit of a file where it lies.
    pub fn flip(&self, name: &str, bit: u64) {
        let state = &mut *self.state();
        let inode = state.seen_names[name];
        for contents in [&mut state.seen, &mut state.durable] {
            if let Some(byte) = contents.get_mut(&inode).and_then(|bytes| bytes.get_mut(bit as usize / 8)) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }
}

impl State {
    fn crash(&mut self) {
        // Names change in their order, up to some point; contents in any mixture of sectors.
        let kept = self.chance.below(self.renames.len() + 1);
        if let Some(names) = kept.checked_sub(1).map(|last| self.renames[last].clone()) {
            self.durable_names = names;
        }
        let share = self.chance.below(5);
        for (inode, write) in std::mem::take(&mut self.writes) {
            if self.chance.below(4) < share {
                apply(&write, self.durable.entry(inode).or_default());
            }
        }
        self.renames.clear();
        let named: Vec<u64> = self.durable_names.values().copied().collect();
        self.durable.retain(|inode, _| named.contains(inode));
        for inode in named {
            self.durable.entry(inode).or_default();
        }
        self.seen = self.durable.clone();
        self.seen_names = self.durable_names.clone();
    }

    fn strikes(&mut self, one_in: u64) -> bool {
        one_in > 0 && self.chance.below_u64(one_in) == 0
    }

    fn inode(&self, name: &str) -> io::Result<u64> {
        self.seen_names.get(name).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn write(&mut self, inode: u64, offset: u64, bytes: &[u8]) {
        let mut at = 0;
        while at < bytes.len() {
            let within = (offset as usize + at) % SECTOR;
            let end = bytes.len().min(at + SECTOR - within);
            let write = Write::Sector(offset + at as u64, bytes[at..end].to_vec());
            apply(&write, self.seen.entry(inode).or_default());
            self.writes.push((inode, write));
            at = end;
        }
    }

    /// Any of the file's writes may become durable.
    fn sync_some(&mut self, inode: u64) {
        for (of, write) in std::mem::take(&mut self.writes) {
            if of == inode && self.chance.below(2) == 0 {
                apply(&write, self.durable.entry(inode).or_default());
            } else {
                self.writes.push((of, write));
            }
        }
    }
}

fn failed() -> io::Error {
    io::Error::other("input/output error (simulated)")
}

impl Disk for SimulatedDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.state().seen_names.keys().cloned().collect())
    }

    fn len(&self, name: &str) -> io::Result<Option<u64>> {
        let state = self.state();
        let inode = state.seen_names.get(name);
        Ok(inode.map(|inode| state.seen.get(inode).map_or(0, |bytes| bytes.len() as u64)))
    }

    fn read_at(&self, name: &str, offset: u64, to: &mut [u8]) -> io::Result<usize> {
        let state = &mut *self.state();
        if state.strikes(state.faults.read) {
            return Err(failed());
        }
        let inode = state.inode(name)?;
        let bytes = state.seen.get(&inode).map_or(&[][..], |bytes| bytes.get(offset as usize..).unwrap_or_default());
        let read = bytes.len().min(to.len());
        to[..read].copy_from_slice(&bytes[..read]);
        Ok(read)
    }

    fn write_at(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let state = &mut *self.state();
        if !state.seen_names.contains_key(name) {
            state.next_inode += 1;
            state.seen_names.insert(name.to_owned(), state.next_inode);
            state.seen.insert(state.next_inode, Vec::new());
            state.renames.push(state.seen_names.clone());
        }
        let inode = state.inode(name)?;
        if state.strikes(state.faults.write) {
            let some = state.chance.below(bytes.len() + 1);
            state.write(inode, offset, &bytes[..some]);
            return Err(failed());
        }
        let used: u64 =
            state.seen_names.values().filter_map(|inode| state.seen.get(inode)).map(|b| b.len() as u64).sum();
        let had = state.seen.get(&inode).map_or(0, |bytes| bytes.len() as u64);
        let grows = (offset + bytes.len() as u64).saturating_sub(had);
        if let Some(room) = state.faults.room.filter(|room| used + grows > *room) {
            let over = (used + grows - room).min(bytes.len() as u64) as usize;
            state.write(inode, offset, &bytes[..bytes.len() - over]);
            return Err(ErrorKind::StorageFull.into());
        }
        state.write(inode, offset, bytes);
        Ok(())
    }

    fn cut(&self, name: &str, len: u64) -> io::Result<()> {
        let state = &mut *self.state();
        let inode = state.inode(name)?;
        if state.strikes(state.faults.write) {
            return Err(failed());
        }
        apply(&Write::Cut(len), state.seen.entry(inode).or_default());
        state.writes.push((inode, Write::Cut(len)));
        Ok(())
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        let state = &mut *self.state();
        let inode = state.inode(name)?;
        if state.strikes(state.faults.sync) {
            state.sync_some(inode);
            return Err(failed());
        }
        state.writes.retain(|(of, _)| *of != inode);
        state.durable.insert(inode, state.seen[&inode].clone());
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let state = &mut *self.state();
        if state.strikes(state.faults.names) {
            return Err(failed());
        }
        state.durable_names = state.seen_names.clone();
        state.renames.clear();
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let state = &mut *self.state();
        if state.strikes(state.faults.names) {
            return Err(failed());
        }
        let inode = state.inode(from)?;
        state.seen_names.remove(from);
        state.seen_names.insert(to.to_owned(), inode);
        state.renames.push(state.seen_names.clone());
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let state = &mut *self.state();
        state.inode(name)?;
        state.seen_names.remove(name);
        state.renames.push(state.seen_names.clone());
        Ok(())
    }
}
