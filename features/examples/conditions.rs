//! What it costs to ask a row a condition that people wrote.
//!
//! ```text
//! rows of account_window ──condition──▶ yes or no: nanoseconds of CPU a row
//! ```
//!
//! The CPU of the thread is read from Linux, so that a machine that is shared with others does not count against it. The exit code is 5 where a condition costs more than what is aimed at.

use std::hint::black_box;
use std::process::ExitCode;

use features::WindowRow;
use features::condition::{Condition, Table};
use features::tally::Axis;

/// Simple conditions, the longest last.
const CONDITIONS: [&str; 4] = [
    "plays > 100",
    "plays >= 5 and skipped * 2 <= plays",
    "plays >= 5 and payable > 0 and skipped / payable not between 0.25 and 9",
    "plays >= 50 and (hosted > plays / 2 or tracks in (1, 2, 3)) and abs(payable - edge) < 10 and track_entropy > 1",
];
const ROWS: u32 = 1_000_000;
const ROUNDS: usize = 9;
/// Aimed at, for a simple rule: 0.3 microseconds a row.
const AIM_NS: f64 = 300.0;

/// Nanoseconds that this thread was on a CPU.
fn cpu_ns() -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells it of every thread");
    told.split(' ').next().and_then(|ns| ns.parse().ok()).expect("a number comes first")
}

fn main() -> ExitCode {
    let rows: Vec<WindowRow> = (0..ROWS)
        .map(|n| WindowRow {
            plays: n % 300,
            payable: n % 7,
            edge: n % 5,
            skipped: n % 11,
            tracks: n % 13,
            hosted: n % 201,
            ..WindowRow::default()
        })
        .collect();
    let table = Table { axis: Axis::Account, window_ms: 86_400_000 };
    println!("{ROWS} rows, CPU of one thread, the fastest and the slowest of {ROUNDS} rounds\n");
    println!("| ns a row | slowest | rows that match | condition |\n|---:|---:|---:|---|");
    let mut is_met = true;
    for text in CONDITIONS {
        let condition = Condition::read(text, table).expect("a condition over the columns of account_window");
        let mut each_ns = Vec::new();
        let mut held = 0;
        for _ in 0..ROUNDS {
            let began = cpu_ns();
            held = rows.iter().filter(|row| condition.holds(black_box(row))).count();
            each_ns.push((cpu_ns() - began) as f64 / f64::from(ROWS));
        }
        each_ns.sort_by(f64::total_cmp);
        let (fastest, slowest) = (each_ns[0], each_ns[ROUNDS - 1]);
        println!("| {fastest:.1} | {slowest:.1} | {held} | `{text}` |");
        is_met &= fastest <= AIM_NS;
    }
    if is_met { ExitCode::SUCCESS } else { ExitCode::from(5) }
}
