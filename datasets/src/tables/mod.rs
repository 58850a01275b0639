//! The canonical tables as Parquet files: one folder holds `plays.parquet`, `tracks.parquet`, ….

mod columns;
mod features;
mod files;
pub(crate) mod finite;
mod output;
pub mod read;
pub mod rows;
mod write;

pub use columns::{IdKind, Row, batch_of_kinds};
pub use features::{FeatureRows, SequenceRows, read_features, read_sequences};
pub use files::Inputs;
pub use output::{Cell, Holds, Rows, ViewFile};
pub use read::{read_duplicates, read_evidence};
pub use write::{ParquetFile, Part, TableWriter, part_of};
