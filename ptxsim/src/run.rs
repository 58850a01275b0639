//! A launch: blocks one after another, the warps of a block by turns, 32 lanes in step.
//!
//! Each lane has its own place in the code. The lanes at the lowest place go first, which brings those of structured code together
//! again. A warp runs until all its lanes wait at a barrier or have returned; when all threads of a block wait, the barrier opens.

use crate::memory::{Memory, aligned, value};
use crate::program::{Instruction, Kernel, Op, Reg, Shuffle, Space, Special, Ty, Vote};

/// Lanes of a warp.
const LANES: usize = 32;
/// Shared memory per block without asking for more, and the most that every architecture from 8.0 on can give.
pub const SHARED_PLAIN: usize = 48 << 10;
/// See above; 8.6 and 8.9 have the least.
pub const SHARED_MOST: usize = 99 << 10;

/// What a launch gives beside the kernel.
pub struct Launch<'a> {
    /// Blocks along x, y and z.
    pub grid: [u32; 3],
    /// Threads along x, y and z.
    pub block: [u32; 3],
    /// Bytes of the dynamic shared array.
    pub dynamic_bytes: usize,
    /// The parameters, laid out as the kernel says.
    pub params: &'a [u8],
    /// Blocks run from the last to the first.
    pub backwards: bool,
}

/// Runs a kernel. The error names kernel, block, line and what went wrong.
pub fn launch(kernel: &Kernel, launch: &Launch<'_>, memory: &mut Memory) -> Result<(), String> {
    let name = &kernel.name;
    let threads = launch.block.iter().map(|size| *size as usize).product::<usize>();
    let most = kernel.threads_max.unwrap_or(1024);
    if threads == 0 || threads > most {
        return Err(format!("{name}: {threads} threads per block, where 1 to {most} may be"));
    }
    if launch.dynamic_bytes > 0 && !kernel.dynamic {
        return Err(format!("{name}: dynamic shared memory for a kernel that has none"));
    }
    let [across, down, deep] = launch.grid.map(u64::from);
    let blocks = across * down * deep;
    memory.launch();
    for number in 0..blocks {
        let number = if launch.backwards { blocks - 1 - number } else { number };
        memory.block(number as u32);
        let id = [number % across, number / across % down, number / (across * down)].map(|place| place as u32);
        Block::new(kernel, launch, memory, id, threads).run()?;
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lane {
    Runs,
    /// At the barrier at this place of the code.
    Waits(u32),
    Returned,
}

struct Warp {
    registers: Vec<[u64; LANES]>,
    place: [u32; LANES],
    lanes: [Lane; LANES],
    /// How often its lanes have met: at a barrier of the warp, in a shuffle or a vote.
    meetings: u32,
}

/// Who did something with a byte of shared memory, and when: in which stretch between two barriers of the block, and after how many
/// meetings of the warp.
#[derive(Clone, Copy, Default)]
struct Deed {
    stretch: u32,
    meetings: u32,
    warp: u16,
    lane: u16,
}

/// More than one of them.
const MANY: u16 = u16::MAX;

impl Deed {
    /// Who of others did it with nothing in between that orders the two.
    fn races(&self, now: &Deed) -> Option<&'static str> {
        match () {
            () if self.stretch != now.stretch => None,
            () if self.warp != now.warp => Some("another warp"),
            () if self.meetings == now.meetings && self.lane != now.lane => Some("another lane of the warp"),
            () => None,
        }
    }
}

/// The last that was done with a byte.
#[derive(Clone, Copy, Default)]
struct Trace {
    write: Deed,
    read: Deed,
    /// The last write was atomic.
    atomic: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
    Atomic,
}

struct Block<'a> {
    kernel: &'a Kernel,
    launch: &'a Launch<'a>,
    memory: &'a mut Memory,
    id: [u32; 3],
    warps: Vec<Warp>,
    shared: Vec<u8>,
    traces: Vec<Trace>,
    /// Which stretch between barriers this is, from 1.
    stretch: u32,
}

/// The lanes of a mask.
fn each(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lane = mask.trailing_zeros() as usize;
        (mask != 0).then(|| {
            mask &= mask - 1;
            lane
        })
    })
}

impl<'a> Block<'a> {
    fn new(
        kernel: &'a Kernel,
        launch: &'a Launch<'a>,
        memory: &'a mut Memory,
        id: [u32; 3],
        threads: usize,
    ) -> Block<'a> {
        let shared = kernel.dynamic_at + launch.dynamic_bytes;
        let warps = (0..threads.div_ceil(LANES)).map(|number| warp(kernel, launch, id, number, threads)).collect();
        Block {
            kernel,
            launch,
            memory,
            id,
            warps,
            shared: vec![0xff; shared],
            traces: vec![Trace::default(); shared],
            stretch: 1,
        }
    }

    fn run(&mut self) -> Result<(), String> {
        loop {
            for warp in 0..self.warps.len() {
                self.run_warp(warp)?;
            }
            let lanes = || self.warps.iter().flat_map(|warp| warp.lanes);
            let mut waiting = lanes().filter_map(|lane| match lane {
                Lane::Waits(place) => Some(place),
                Lane::Runs | Lane::Returned => None,
            });
            let Some(place) = waiting.next() else { return Ok(()) };
            let apart = waiting.any(|other| other != place);
            let threads = self.launch.block.iter().map(|size| *size as usize).product::<usize>();
            let here = lanes().filter(|lane| matches!(lane, Lane::Waits(_))).count();
            if apart || here < threads {
                let why =
                    if apart { "threads wait at different barriers" } else { "a barrier that not all threads reach" };
                return Err(self.fault(0, &self.kernel.code[place as usize], why));
            }
            self.stretch += 1;
            for lane in self.warps.iter_mut().flat_map(|warp| &mut warp.lanes) {
                if *lane != Lane::Returned {
                    *lane = Lane::Runs;
                }
            }
        }
    }

    #[cold]
    fn fault(&self, warp: usize, instruction: &Instruction, what: &str) -> String {
        let (kernel, [x, y, z]) = (self.kernel, self.id);
        format!("{}:{}: {what} ({} in block {x},{y},{z}, warp {warp})", kernel.file, instruction.line, kernel.name)
    }

    /// Runs a warp until each lane waits or has returned.
    fn run_warp(&mut self, warp: usize) -> Result<(), String> {
        let kernel = self.kernel;
        while let Some((mut place, mask, meeting)) = self.warps[warp].lowest() {
            // These lanes go on together until they part, or come to where others stand.
            loop {
                let instruction = &kernel.code[place as usize];
                let state = &mut self.warps[warp];
                let taking = match instruction.guard {
                    Some((predicate, wanted)) => {
                        let values = &state.registers[predicate as usize];
                        each(mask).filter(|lane| (values[*lane] != 0) == wanted).fold(0, |mask, lane| mask | 1 << lane)
                    }
                    None => mask,
                };
                let next = place + 1;
                match instruction.op {
                    Op::Branch { target } if taking == mask => place = target,
                    Op::Branch { target } if taking != 0 => {
                        state.send(mask, next);
                        state.send(taking, target);
                        break;
                    }
                    Op::Return | Op::Barrier if taking != 0 => {
                        let waits = matches!(instruction.op, Op::Barrier);
                        state.send(mask, next);
                        let lane = if waits { Lane::Waits(place) } else { Lane::Returned };
                        each(taking).for_each(|at| state.lanes[at] = lane);
                        break;
                    }
                    _ => {
                        if taking != 0 && !matches!(instruction.op, Op::Branch { .. }) {
                            self.step(warp, taking, instruction)
                                .map_err(|what| self.fault(warp, instruction, &what))?;
                        }
                        place = next;
                    }
                }
                if place >= meeting {
                    self.warps[warp].send(mask, place);
                    break;
                }
            }
        }
        Ok(())
    }

    /// One instruction for the lanes of the mask.
    fn step(&mut self, warp: usize, mask: u32, instruction: &Instruction) -> Result<(), String> {
        let (to, from) = (&instruction.to, &instruction.from);
        let state = &mut self.warps[warp];
        let register = |register: Reg| state.registers[register as usize];
        match instruction.op {
            Op::Pure { function, divisor } => {
                let mut values = [[0; LANES]; 4];
                from.iter().zip(&mut values).for_each(|(from, value)| *value = register(*from));
                let [a, b, c, d] = values;
                if divisor.is_some_and(|bits| each(mask).any(|lane| b[lane] & bits == 0)) {
                    return Err("a division by zero".into());
                }
                let result = &mut state.registers[to[0] as usize];
                each(mask).for_each(|lane| result[lane] = function([a[lane], b[lane], c[lane], d[lane]]));
            }
            Op::Pack { bits } => {
                let parts: Vec<[u64; LANES]> = from.iter().map(|part| register(*part)).collect();
                let low = u64::MAX >> (64 - bits);
                let joined = |lane: usize| {
                    parts
                        .iter()
                        .rev()
                        .fold(0u64, |whole, part| whole.checked_shl(bits).unwrap_or(0) | (part[lane] & low))
                };
                let result = &mut state.registers[to[0] as usize];
                each(mask).for_each(|lane| result[lane] = joined(lane));
            }
            Op::Unpack { bits } => {
                let whole = register(from[0]);
                for (number, part) in to.iter().enumerate() {
                    let result = &mut state.registers[*part as usize];
                    let shift = bits * number as u32;
                    each(mask).for_each(|lane| result[lane] = whole[lane] >> shift & (u64::MAX >> (64 - bits)));
                }
            }
            Op::Load { space, ty, offset } => {
                let base = register(from[0]);
                for lane in each(mask) {
                    let address = base[lane].wrapping_add(offset as u64);
                    aligned(address, ty.size() * to.len())?;
                    for (number, to) in to.iter().enumerate() {
                        let read = self.load((warp, lane), space, address + (number * ty.size()) as u64, ty)?;
                        self.warps[warp].registers[*to as usize][lane] = ty.widened(read);
                    }
                }
            }
            Op::Store { space, ty, offset } => {
                let base = register(from[0]);
                let values: Vec<[u64; LANES]> = from[1..].iter().map(|value| register(*value)).collect();
                for lane in each(mask) {
                    let address = base[lane].wrapping_add(offset as u64);
                    aligned(address, ty.size() * values.len())?;
                    for (number, value) in values.iter().enumerate() {
                        self.store((warp, lane), space, address + (number * ty.size()) as u64, ty, value[lane])?;
                    }
                }
            }
            Op::Atomic { space, ty, offset, function } => {
                let (base, first) = (register(from[0]), register(from[1]));
                let second = from.get(2).map_or([0; LANES], |second| register(*second));
                for lane in each(mask) {
                    let address = base[lane].wrapping_add(offset as u64);
                    let old = self.atomic((warp, lane), space, address, ty, |old| {
                        function([old, first[lane], second[lane], 0])
                    })?;
                    self.warps[warp].registers[to[0] as usize][lane] = old;
                }
            }
            Op::WarpBarrier => {
                state.all_here(mask, &register(from[0]), "warp barrier")?;
                state.meetings += 1;
            }
            Op::Shuffle(kind) => {
                state.all_here(mask, &register(from[3]), "shuffle")?;
                state.meetings += 1;
                let (value, by, range) = (register(from[0]), register(from[1]), register(from[2]));
                for lane in each(mask) {
                    let (source, within) = shuffled(kind, lane, by[lane] as usize, range[lane] as usize);
                    if mask >> source & 1 == 0 {
                        return Err(format!("lane {lane} takes the value of lane {source}, which is not there"));
                    }
                    state.registers[to[0] as usize][lane] = value[source] & u64::from(u32::MAX);
                    state.registers[to[1] as usize][lane] = u64::from(within);
                }
            }
            Op::Vote(kind) => {
                state.all_here(mask, &register(from[1]), "vote")?;
                state.meetings += 1;
                let votes = register(from[0]);
                let ballot = each(mask).filter(|lane| votes[*lane] != 0).fold(0u32, |ballot, lane| ballot | 1 << lane);
                let result = match kind {
                    Vote::Ballot => u64::from(ballot),
                    Vote::Any => u64::from(ballot != 0),
                    Vote::All => u64::from(ballot == mask),
                };
                each(mask).for_each(|lane| state.registers[to[0] as usize][lane] = result);
            }
            Op::ActiveMask => each(mask).for_each(|lane| state.registers[to[0] as usize][lane] = u64::from(mask)),
            Op::Branch { .. } | Op::Return | Op::Barrier => unreachable!("the warp's own loop does these"),
        }
        Ok(())
    }

    fn load(&mut self, who: (usize, usize), space: Space, address: u64, ty: Ty) -> Result<u64, String> {
        let size = ty.size();
        match space {
            Space::Global => self.memory.load(address, size),
            Space::Param => {
                let from = address as usize;
                let bytes = self.launch.params.get(from..from + size);
                bytes.map(value).ok_or_else(|| format!("{size} bytes at {from} of the parameters"))
            }
            Space::Shared => {
                let from = self.touch(who, address, size, Access::Read)?;
                Ok(value(&self.shared[from..from + size]))
            }
        }
    }

    fn store(&mut self, who: (usize, usize), space: Space, address: u64, ty: Ty, bits: u64) -> Result<(), String> {
        let size = ty.size();
        match space {
            Space::Global => self.memory.store(address, size, bits),
            Space::Param => Err("a parameter is written".into()),
            Space::Shared => {
                let from = self.touch(who, address, size, Access::Write)?;
                self.shared[from..from + size].copy_from_slice(&bits.to_le_bytes()[..size]);
                Ok(())
            }
        }
    }

    /// Replaces a value and gives the old one.
    fn atomic(
        &mut self,
        who: (usize, usize),
        space: Space,
        address: u64,
        ty: Ty,
        new: impl Fn(u64) -> u64,
    ) -> Result<u64, String> {
        let size = ty.size();
        if space == Space::Shared {
            let from = self.touch(who, address, size, Access::Atomic)?;
            let old = value(&self.shared[from..from + size]);
            self.shared[from..from + size].copy_from_slice(&new(old).to_le_bytes()[..size]);
            return Ok(old);
        }
        self.memory.atomic(address, size, new)
    }

    /// Checks an access to shared memory and remembers it: within one array, written before it is read, and by nobody else
    /// without a barrier between (within a warp: without a meeting), unless all only read or all are atomic.
    fn touch(
        &mut self,
        (warp, lane): (usize, usize),
        address: u64,
        size: usize,
        access: Access,
    ) -> Result<usize, String> {
        aligned(address, size)?;
        let from = address as usize;
        let within = |(at, len): (usize, usize)| from >= at && from + size <= at + len;
        let dynamic = (self.kernel.dynamic_at, self.launch.dynamic_bytes);
        if !within(dynamic) && !self.kernel.arrays.iter().any(|array| within(*array)) {
            return Err(format!("{size} bytes at {from} of shared memory, which is outside every array"));
        }
        let meetings = self.warps[warp].meetings;
        let now = Deed { stretch: self.stretch, meetings, warp: warp as u16, lane: lane as u16 };
        for trace in &mut self.traces[from..from + size] {
            if access != Access::Write && trace.write.stretch == 0 {
                return Err(format!("{size} bytes at {from} of shared memory that nobody wrote"));
            }
            let atomics = access == Access::Atomic && trace.atomic;
            let raced = trace.write.races(&now).filter(|_| !atomics);
            let raced = raced.or_else(|| trace.read.races(&now).filter(|_| access != Access::Read));
            if let Some(other) = raced {
                return Err(format!("a race with {other} at {from} of shared memory, and no barrier between"));
            }
            if access == Access::Read {
                let again = trace.read.stretch == now.stretch;
                let lanes = again && trace.read.warp == now.warp && trace.read.meetings == now.meetings;
                trace.read = Deed {
                    warp: if again && trace.read.warp != now.warp { MANY } else { now.warp },
                    lane: if lanes && trace.read.lane != now.lane { MANY } else { now.lane },
                    ..now
                };
            } else {
                (trace.write, trace.atomic) = (now, access == Access::Atomic);
            }
        }
        Ok(from)
    }
}

fn warp(kernel: &Kernel, launch: &Launch<'_>, id: [u32; 3], number: usize, threads: usize) -> Warp {
    // What a kernel reads without having written it should look like nothing.
    let mut registers = vec![[0xdead_beef_dead_beef; LANES]; kernel.registers];
    for (register, value) in &kernel.constants {
        registers[*register as usize] = [*value; LANES];
    }
    let [wide, high, _] = launch.block;
    let mut lanes = [Lane::Returned; LANES];
    for lane in 0..LANES.min(threads - number * LANES) {
        lanes[lane] = Lane::Runs;
        let thread = (number * LANES + lane) as u32;
        let thread = [thread % wide, thread / wide % high, thread / (wide * high)];
        for (register, special) in &kernel.specials {
            registers[*register as usize][lane] = u64::from(match special {
                Special::Thread(axis) => thread[*axis],
                Special::Threads(axis) => launch.block[*axis],
                Special::Block(axis) => id[*axis],
                Special::Blocks(axis) => launch.grid[*axis],
                Special::Lane => lane as u32,
            });
        }
    }
    Warp { registers, place: [0; LANES], lanes, meetings: 0 }
}

impl Warp {
    /// The lowest place where lanes can run, which they are, and the next place where others stand.
    fn lowest(&self) -> Option<(u32, u32, u32)> {
        let running = || (0..LANES).filter(|lane| self.lanes[*lane] == Lane::Runs);
        let place = running().map(|lane| self.place[lane]).min()?;
        let mask = running().filter(|lane| self.place[*lane] == place).fold(0, |mask, lane| mask | 1 << lane);
        let meeting = running().map(|lane| self.place[lane]).filter(|other| *other > place).min();
        Some((place, mask, meeting.unwrap_or(u32::MAX)))
    }

    fn send(&mut self, mask: u32, place: u32) {
        each(mask).for_each(|lane| self.place[lane] = place);
    }

    /// `Ok` if every lane that the instruction names takes part in it and names the same.
    fn all_here(&self, mask: u32, named: &[u64; LANES], what: &str) -> Result<(), String> {
        let there =
            (0..LANES).filter(|lane| self.lanes[*lane] != Lane::Returned).fold(0u32, |mask, lane| mask | 1 << lane);
        let missing =
            each(mask).any(|lane| named[lane] as u32 & there & !mask != 0 || named[lane] as u32 >> lane & 1 == 0);
        if missing { Err(format!("a {what} that not all the lanes it names take part in")) } else { Ok(()) }
    }
}

/// The lane whose value is taken, and whether it lies within the range; outside it, a lane keeps its own.
fn shuffled(kind: Shuffle, lane: usize, by: usize, range: usize) -> (usize, bool) {
    let (by, clamp, segment) = (by & 31, range & 31, range >> 8 & 31);
    let last = (lane & segment) | (clamp & !segment);
    let (source, within) = match kind {
        Shuffle::Butterfly => (lane ^ by, lane ^ by <= last),
        Shuffle::Index => {
            let source = (lane & segment) | (by & !segment & 31);
            (source, source <= last)
        }
        Shuffle::Down => (lane + by, lane + by <= last),
        Shuffle::Up => (lane.wrapping_sub(by), lane >= by && lane - by >= last),
    };
    (if within { source } else { lane }, within)
}
