//! The binary as people and schedulers meet it: a process with arguments, files, an exit code and two streams.
//!
//! ```text
//! small worlds (data) ──▶ truestream as a process (process) ──▶ told │ alive │ champion │ kafka │ watched │ broken │ killed │ full │ loaded │ sameness │ cluster │ scan │ heard │ heard_alive │ learn │ registry │ ops │ inject │ fuzz │ demo │ ddex │ policy │ conditions │ territory │ gate │ exchange │ explained │ royalties │ rulings │ assess │ pseudonyms │ desk │ browser │ reviewer
//! ```

mod access;
mod alive;
mod assess;
mod broken;
mod browser;
mod champion;
mod cluster;
mod conditions;
mod data;
mod ddex;
mod demo;
mod desk;
mod exchange;
mod explained;
mod full;
mod fuzz;
mod fuzz_service;
mod gate;
mod heard;
mod heard_alive;
mod inject;
mod kafka;
mod killed;
mod learn;
mod loaded;
mod music;
mod ops;
mod policy;
mod process;
mod pseudonyms;
mod registry;
mod reviewer;
mod royalties;
mod rulings;
mod sameness;
mod scan;
mod territory;
mod told;
mod watched;

#[path = "../../../datasets/tests/audio/breaking.rs"]
mod breaking;
#[path = "../../../datasets/tests/audio/waves.rs"]
mod waves;
