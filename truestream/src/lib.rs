//! Decides once what can vary and connects the rest: one module per command.

pub mod assess;
pub mod ddex;
pub mod demo;
pub mod economics;
pub mod exchange;
pub mod exit;
pub mod explain;
mod governance;
pub mod import;
pub mod index;
pub mod ingredients;
pub mod inject;
pub mod inputs;
mod labels;
pub mod learn;
pub mod load;
pub mod matching;
pub mod policy;
pub mod replay;
pub mod royalties;
pub mod scan;
mod scratch;
pub mod serve;
pub mod verify;
mod words;
pub mod world;
