//! How fast trees are grown, score and explain, on rows that a peer reads too.
//!
//! ```text
//! --make DIR: seed ──▶ rows.f32 (row after row), labels.f32        DIR ──▶ fit ──▶ scores, contributions ──▶ JSON
//! ```
//!
//! The rows look like features of accounts: heavy tails, counts, shares, a tenth missing; one row in a hundred is fraud and depends on a dozen of
//! the columns, on two of them together, and on chance.

use std::path::Path;
use std::time::Instant;

use models::Table;
use models::boost::{Examples, Explainer, Settings, fit};
use models::measures::{auc, recall_at};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(default)
    };
    let Some(folder) = arguments.last() else {
        return eprintln!("timing [--make] [--rows N] [--features N] [--trees N] [--leaves N] [--depth N] DIR");
    };
    let features = number("--features", 60);
    match arguments.iter().any(|argument| argument == "--make") {
        true => make(Path::new(folder), number("--rows", 1_000_000), features),
        false => {
            measure(Path::new(folder), features, number("--trees", 100), number("--leaves", 31), number("--depth", 64))
        }
    }
}

/// Numbers from 0 to 1: SplitMix64 (Steele, Lea, Flood 2014).
struct Chance(u64);

impl Chance {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}

fn make(folder: &Path, rows: usize, features: usize) {
    let mut chance = Chance(7);
    let mut values = Vec::with_capacity(rows * features * 4);
    let mut labels = Vec::with_capacity(rows * 4);
    for _ in 0..rows {
        let fraud = chance.unit() < 0.01;
        let subtle = chance.unit();
        let mut pair = 0.0;
        for feature in 0..features {
            let shift = if fraud && feature < 12 { 0.5 + subtle } else { 0.0 };
            let drawn = chance.normal() + shift;
            let value = match feature % 3 {
                0 => drawn.exp(),
                1 => (3.0 * drawn.exp()).floor(),
                _ => 1.0 / (1.0 + (-drawn).exp()),
            };
            // Honest rows have the same spread in these two, but not together.
            let value = match feature {
                20 => {
                    pair = drawn;
                    drawn
                }
                21 if fraud => pair + 0.5 * drawn,
                _ => value,
            };
            let value = if chance.unit() < 0.1 { f32::NAN } else { value as f32 };
            values.extend_from_slice(&value.to_le_bytes());
        }
        labels.extend_from_slice(&f32::from(u8::from(fraud)).to_le_bytes());
    }
    std::fs::create_dir_all(folder).expect("the folder can be made");
    std::fs::write(folder.join("rows.f32"), values).expect("the disk takes it");
    std::fs::write(folder.join("labels.f32"), labels).expect("the disk takes it");
}

fn floats(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).expect("made before");
    bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes"))).collect()
}

/// Seconds of CPU that this process has used, from /proc (100 ticks a second on Linux).
fn cpu_secs() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
}

fn measure(folder: &Path, features: usize, trees: usize, leaves: usize, depth: usize) {
    let (values, labels) = (floats(&folder.join("rows.f32")), floats(&folder.join("labels.f32")));
    let columns = (0..features).map(|feature| values.iter().skip(feature).step_by(features).copied().collect());
    let names = (0..features).map(|feature| format!("f{feature}")).collect();
    let table = Table::new(names, columns.collect()).expect("columns of one length");
    // The last fifth is kept for measuring.
    let cut = table.rows() * 4 / 5;
    let [train, test] = [0..cut, cut..table.rows()].map(|rows| table.pick(&rows.collect::<Vec<_>>()));
    let ones = vec![1.0; table.rows()];
    let settings =
        Settings { trees_max: trees, leaves_max: leaves, depth_max: depth as u32, l2: 0.0, ..Settings::default() };
    let (wall, cpu) = (Instant::now(), cpu_secs());
    let examples = Examples { table: &train, labels: &labels[..cut], weights: &ones[..cut] };
    let booster = fit(examples, None, None, &settings, |_, _| ()).expect("rows are sound");
    let (fit_wall, fit_cpu) = (wall.elapsed().as_secs_f64(), cpu_secs() - cpu);

    let begun = cpu_secs();
    let scores = booster.scores(&test).expect("the same features");
    let score_rows_per_s = scores.len() as f64 / (cpu_secs() - begun);
    let rows: Vec<Vec<f32>> = (0..test.rows().min(100_000)).map(|row| test.row(row)).collect();
    let explainer = Explainer::new(&booster).expect("trees with rows");
    let explained = rows.len().min(20_000);
    let begun = cpu_secs();
    let added: f64 = rows[..explained].iter().map(|row| explainer.contributions(row).iter().sum::<f64>()).sum();
    let explain_rows_per_s = explained as f64 / (cpu_secs() - begun);

    let (labels, ones) = (&labels[cut..], &ones[cut..]);
    println!(
        "{{\"engine\": \"truestream\", \"rows\": {cut}, \"trees\": {trees}, \"leaves\": {leaves}, \"depth\": {depth}, \"fit_cpu_s\": {fit_cpu:.2}, \"fit_wall_s\": {fit_wall:.2}, \
         \"score_rows_per_s\": {score_rows_per_s:.0}, \"explain_rows_per_s\": {explain_rows_per_s:.0}, \"auc\": {:.5}, \"recall_at_0.1pct\": {:.4}}}",
        auc(&scores, labels, ones).unwrap_or(f64::NAN),
        recall_at(&scores, labels, ones, 0.001).map_or(f64::NAN, |found| found.recall),
    );
    // A sum that is printed was computed.
    eprintln!("sum of contributions {added:.3}");
}
