//! The binary as people and schedulers meet it: a process with arguments, files, an exit code and two streams.
//!
//! ```text
//! small worlds (data) ──▶ truestream as a process (process) ──▶ told │ broken │ killed │ sameness │ cluster
//! ```

mod broken;
mod cluster;
mod data;
mod killed;
mod process;
mod sameness;
mod told;
