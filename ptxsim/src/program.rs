//! A kernel as the interpreter sees it: a list of instructions over numbered registers.

use crate::arithmetic::Pure;

/// The type of an instruction's operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Ty {
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
    F32,
    F64,
    Pred,
}

impl Ty {
    /// The type a modifier names; untyped bits count as unsigned.
    pub fn named(word: &str) -> Option<Ty> {
        Some(match word {
            "u8" | "b8" => Ty::U8,
            "u16" | "b16" => Ty::U16,
            "u32" | "b32" => Ty::U32,
            "u64" | "b64" => Ty::U64,
            "s8" => Ty::S8,
            "s16" => Ty::S16,
            "s32" => Ty::S32,
            "s64" => Ty::S64,
            "f32" => Ty::F32,
            "f64" => Ty::F64,
            "pred" => Ty::Pred,
            _ => return None,
        })
    }

    /// Bytes in memory.
    pub fn size(self) -> usize {
        match self {
            Ty::U8 | Ty::S8 | Ty::Pred => 1,
            Ty::U16 | Ty::S16 => 2,
            Ty::U32 | Ty::S32 | Ty::F32 => 4,
            Ty::U64 | Ty::S64 | Ty::F64 => 8,
        }
    }

    /// A value of this type read from memory, as a register holds it.
    pub fn widened(self, bits: u64) -> u64 {
        match self {
            Ty::S8 => bits as i8 as u64,
            Ty::S16 => bits as i16 as u64,
            Ty::S32 => bits as i32 as u64,
            _ => bits,
        }
    }
}

/// Where an address points.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Space {
    Global,
    Shared,
    Param,
}

/// Whose value a lane gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Shuffle {
    Butterfly,
    Index,
    Down,
    Up,
}

/// What the lanes of a warp agree on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Vote {
    Ballot,
    Any,
    All,
}

/// A number of a register.
pub type Reg = u32;

/// What an instruction does.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Op {
    /// A value of up to four others. In a division, these bits of the second must not all be 0.
    Pure {
        function: Pure,
        divisor: Option<u64>,
    },
    /// Several values side by side in one, or back, of so many bits each.
    Pack {
        bits: u32,
    },
    Unpack {
        bits: u32,
    },
    Load {
        space: Space,
        ty: Ty,
        offset: i64,
    },
    Store {
        space: Space,
        ty: Ty,
        offset: i64,
    },
    /// `function` makes the new value of the old one and the operands.
    Atomic {
        space: Space,
        ty: Ty,
        offset: i64,
        function: Pure,
    },
    Branch {
        target: u32,
    },
    Return,
    Barrier,
    WarpBarrier,
    Shuffle(Shuffle),
    Vote(Vote),
    ActiveMask,
}

/// One instruction.
#[derive(Clone, Debug)]
pub struct Instruction {
    /// What it does.
    pub op: Op,
    /// Only lanes whose predicate is the second value take part.
    pub guard: Option<(Reg, bool)>,
    /// What it writes.
    pub to: Vec<Reg>,
    /// What it reads.
    pub from: Vec<Reg>,
    /// Line of the source.
    pub line: u32,
}

/// A special register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Special {
    Thread(usize),
    Threads(usize),
    Block(usize),
    Blocks(usize),
    Lane,
}

/// A parameter of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its first byte among the parameters.
    pub at: usize,
    /// Its type, "u64" for pointers.
    pub ty: Ty,
}

/// A kernel ready to run.
#[derive(Clone, Debug, Default)]
pub struct Kernel {
    /// Its name.
    pub name: String,
    /// The name of its source.
    pub file: String,
    /// The instructions; the last is a return.
    pub code: Vec<Instruction>,
    /// Its parameters.
    pub params: Vec<Param>,
    /// How many registers.
    pub registers: usize,
    /// Registers that hold one value throughout.
    pub constants: Vec<(Reg, u64)>,
    /// Registers that tell a thread who it is.
    pub specials: Vec<(Reg, Special)>,
    /// The shared arrays: first byte and length. Between two of them lies a zone that nobody may touch.
    pub arrays: Vec<(usize, usize)>,
    /// Where the array begins whose length the launch gives.
    pub dynamic_at: usize,
    /// Whether it has such an array.
    pub dynamic: bool,
    /// Most threads per block, if it says.
    pub threads_max: Option<usize>,
}

impl Kernel {
    /// Bytes of shared memory that it asks for itself.
    pub fn shared_bytes(&self) -> usize {
        self.arrays.iter().map(|(_, len)| len).sum()
    }

    /// Bytes of its parameters.
    pub fn param_bytes(&self) -> usize {
        self.params.last().map_or(0, |last| last.at + last.ty.size())
    }
}
