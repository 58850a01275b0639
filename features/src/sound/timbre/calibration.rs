//! How often recordings that have nothing to do with one another are as alike as that.

/// Likenesses that these shares of pairs of recordings of different packages reach (dev packages of `benches/sound/timbre.py`).
const TIMBRES: [(f64, f64); 5] = [(0.5, 0.035), (0.1, 0.374), (0.01, 0.63), (0.001, 0.768), (0.0001, 0.86)];
/// Likenesses that these shares of pairs of different voices reach: speakers whom training never heard, over music 0 to 60 dB below (`benches/sound/voice.py
/// test`), the highest of five mixes. Songs of a generator are no more alike, but for those that it made of one another. Of singers nothing is known.
const VOICES: [(f64, f64); 4] = [(0.5, 0.43), (0.1, 0.79), (0.01, 0.91), (0.001, 0.95)];

/// The share of pairs of unrelated recordings whose timbres are as alike; never below the last that was measured.
pub fn chance(likeness: f64) -> f64 {
    share(&TIMBRES, likeness)
}

/// The share of pairs of different people whose voices are as alike; never below the last that was measured.
pub fn voice_chance(likeness: f64) -> f64 {
    share(&VOICES, likeness)
}

/// Between two of the table a straight line of the share's logarithm; two digits, as more would be pretence.
fn share(table: &[(f64, f64)], likeness: f64) -> f64 {
    let (first, last) = (table[0], table[table.len() - 1]);
    let above = table.partition_point(|(_, reached)| *reached <= likeness);
    let share = match above {
        0 => first.0.max(0.5),
        above if above == table.len() => last.0,
        above => {
            let ((upper, from), (lower, to)) = (table[above - 1], table[above]);
            upper * (lower / upper).powf((likeness - from) / (to - from))
        }
    };
    let unit = 10_f64.powf(share.log10().floor() - 1.0);
    (share / unit).round() * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_alike_the_rarer() {
        for table in [&TIMBRES[..], &VOICES[..]] {
            assert!(table.is_sorted_by(|a, b| a.0 > b.0 && a.1 < b.1));
            let shares: Vec<f64> = (-100..=100).map(|percent| share(table, f64::from(percent) / 100.0)).collect();
            assert!(shares.is_sorted_by(|a, b| a >= b), "{shares:?}");
            let (last, first) = (table[table.len() - 1], table[0]);
            assert!((shares[200] - last.0).abs() < 1e-9 && shares[0] >= first.0);
            for (expected, likeness) in table {
                assert!((share(table, *likeness) / expected - 1.0).abs() < 0.06, "{likeness}");
            }
        }
    }
}
