//! Device memory: allocations that lie far apart, remember what was written, and are never used again once freed.

/// The first device address. No host pointer looks like it.
const FIRST: u64 = 0x0007_0000_0000_0000;
/// Bytes between allocations.
const APART: u64 = 1 << 16;

/// All that is allocated.
#[derive(Default)]
pub struct Memory {
    /// By rising address.
    allocations: Vec<Allocation>,
    last: usize,
    used: u64,
    /// Where the next one begins, counted from the first address.
    next: u64,
    /// Who writes now.
    writer: Writer,
}

struct Allocation {
    base: u64,
    bytes: Vec<u8>,
    writers: Vec<Option<Writer>>,
}

/// Who wrote a byte last: a block of a launch, or the host (launch 0).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Writer {
    launch: u32,
    block: u32,
    atomic: bool,
}

impl Memory {
    /// Room for `len` bytes; its address is a multiple of 512, as the driver's are.
    pub fn allocate(&mut self, len: usize) -> u64 {
        let base = FIRST + self.next;
        self.next = (self.next + len as u64 + APART).next_multiple_of(512);
        self.used += len as u64;
        // What nobody wrote reads as NaN, should it ever be copied out.
        self.allocations.push(Allocation { base, bytes: vec![0xff; len], writers: vec![None; len] });
        base
    }

    /// False if nothing begins there.
    pub fn free(&mut self, base: u64) -> bool {
        let Ok(place) = self.allocations.binary_search_by_key(&base, |allocation| allocation.base) else {
            return false;
        };
        self.used -= self.allocations.remove(place).bytes.len() as u64;
        self.last = 0;
        true
    }

    /// Bytes allocated now.
    pub fn used(&self) -> u64 {
        self.used
    }

    fn find(&mut self, address: u64, len: usize) -> Result<(usize, std::ops::Range<usize>), String> {
        let within = |allocation: &Allocation| {
            let from = address.checked_sub(allocation.base)? as usize;
            let to = from.checked_add(len)?;
            (to <= allocation.bytes.len()).then_some(from..to)
        };
        if let Some(range) = self.allocations.get(self.last).and_then(within) {
            return Ok((self.last, range));
        }
        let place = self.allocations.partition_point(|allocation| allocation.base <= address);
        let nearest = place.checked_sub(1).and_then(|place| Some((place, self.allocations.get(place)?)));
        if let Some((place, range)) = nearest.and_then(|(place, nearest)| Some((place, within(nearest)?))) {
            self.last = place;
            return Ok((place, range));
        }
        Err(match nearest {
            Some((_, nearest)) => format!(
                "{len} bytes of global memory at byte {} of an allocation of {}",
                address - nearest.base,
                nearest.bytes.len()
            ),
            None => format!("{len} bytes of global memory at {address:#x}, where nothing is allocated"),
        })
    }

    /// A launch begins; what its blocks write is theirs until it ends.
    pub fn launch(&mut self) {
        self.writer = Writer { launch: self.writer.launch + 1, block: 0, atomic: false };
    }

    /// The block of this number runs from now on.
    pub fn block(&mut self, number: u32) {
        self.writer.block = number;
    }

    /// What a kernel reads: aligned, within one allocation, written before, and not by another block of this launch.
    pub fn load(&mut self, address: u64, size: usize) -> Result<u64, String> {
        aligned(address, size)?;
        let (place, range) = self.find(address, size)?;
        let (allocation, now) = (&self.allocations[place], self.writer);
        for writer in &allocation.writers[range.clone()] {
            match writer {
                None => {
                    return Err(format!("{size} bytes of global memory that nobody wrote, at byte {}", range.start));
                }
                Some(writer) => alone(*writer, now)?,
            }
        }
        Ok(value(&allocation.bytes[range]))
    }

    /// What a kernel writes, likewise.
    pub fn store(&mut self, address: u64, size: usize, value: u64) -> Result<(), String> {
        aligned(address, size)?;
        let (place, range) = self.find(address, size)?;
        let now = self.writer;
        let writers = &self.allocations[place].writers[range];
        writers.iter().flatten().try_for_each(|writer| alone(*writer, now))?;
        self.write_as(now, address, &value.to_le_bytes()[..size])
    }

    /// Replaces a value and gives the old one; other blocks may do the same.
    pub fn atomic(&mut self, address: u64, size: usize, new: impl Fn(u64) -> u64) -> Result<u64, String> {
        let plain = self.writer;
        self.writer.atomic = true;
        let old = self.load(address, size).and_then(|old| self.store(address, size, new(old)).map(|()| old));
        self.writer = plain;
        old
    }

    /// What the host writes.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), String> {
        self.write_as(Writer::default(), address, bytes)
    }

    fn write_as(&mut self, writer: Writer, address: u64, bytes: &[u8]) -> Result<(), String> {
        let (place, range) = self.find(address, bytes.len())?;
        let allocation = &mut self.allocations[place];
        allocation.bytes[range.clone()].copy_from_slice(bytes);
        allocation.writers[range].fill(Some(writer));
        Ok(())
    }

    /// What the host reads; parts that nobody wrote are all ones.
    pub fn read(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), String> {
        let (place, range) = self.find(address, bytes.len())?;
        bytes.copy_from_slice(&self.allocations[place].bytes[range]);
        Ok(())
    }
}

/// `Ok` unless another block of the same launch wrote it; which of the two comes first is nobody's to say.
fn alone(writer: Writer, now: Writer) -> Result<(), String> {
    let other = writer.launch == now.launch && writer.block != now.block;
    if other && !(writer.atomic && now.atomic) {
        return Err(format!("a race with block {} of the same launch in global memory", writer.block));
    }
    Ok(())
}

/// Little-endian bytes as a number.
pub fn value(bytes: &[u8]) -> u64 {
    let mut whole = [0; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(whole)
}

/// `Ok` if a value of this size may lie there.
pub fn aligned(address: u64, size: usize) -> Result<(), String> {
    if address.is_multiple_of(size as u64) {
        Ok(())
    } else {
        Err(format!("{size} bytes at {address:#x}, which is not a multiple"))
    }
}
