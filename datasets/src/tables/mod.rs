//! The canonical tables as Parquet files: one folder holds `plays.parquet`, `tracks.parquet`, ….

mod columns;
pub mod rows;
mod write;

pub use columns::{IdKind, Row};
pub use write::{ParquetFile, TableWriter};
