//! A GPU made of patience: the part of the CUDA driver API that the kernels' tests call, executed on the CPU.
//!
//! ```text
//! PTX ──▶ parse ──▶ instructions ──▶ blocks one by one, warps by turns, lanes in step ──▶ device memory
//!           │                            │
//!           └ what it does not know      └ what a GPU would let pass: an access outside its allocation or array, of memory
//!             is refused at loading        nobody wrote, between two threads without a barrier, a barrier or shuffle not all reach
//! ```
//!
//! It shows that a kernel computes the right thing and keeps the rules. It shows nothing about speed, about what ptxas makes of the PTX, or
//! about the order in which a real device sees the writes of other blocks; blocks run in an order that a test may turn around.
//! It is for tests only and says so in its device name.

pub mod arithmetic;
pub mod driver;
pub mod memory;
pub mod parse;
pub mod program;
pub mod run;
