//! The cells that no cell around them exceeds.
//!
//! ```text
//! power ──▶ at or below the floor: −∞ ──▶ greatest along bins ──▶ greatest along time ──▶ cells that equal it ──▶ ties
//! ```
//!
//! The rectangle's maximum is found along one axis, then the other. Along bins by doubling (the maximum over 2n cells is that of
//! two overlapping n), along time by van Herk's blocks (1992: three comparisons per cell however long the window).

use multiversion::multiversion;

use crate::{Peak, PeakPlan};

/// The peaks of `power[frame * bins + bin]`, in order of frame, then bin.
pub fn find(power: &[f32], frames: usize, bins: usize, plan: &PeakPlan) -> Vec<Peak> {
    let mut found = Vec::new();
    if frames == 0 || bins == 0 {
        return found;
    }
    let cells = Cells { power, frames, bins, plan };
    let mut candidates = Vec::new();
    cells.greatest_around(|frame, greatest| {
        candidates.clear();
        equal_above(cells.row(frame), greatest, plan.floor(), &mut candidates);
        let alone = candidates.iter().filter(|bin| !cells.tied(frame, **bin as usize));
        found.extend(alone.map(|bin| Peak { frame: frame as u32, bin: *bin, power: cells.row(frame)[*bin as usize] }));
    });
    found
}

struct Cells<'a> {
    power: &'a [f32],
    frames: usize,
    bins: usize,
    plan: &'a PeakPlan,
}

impl Cells<'_> {
    fn row(&self, frame: usize) -> &[f32] {
        &self.power[frame * self.bins..][..self.bins]
    }

    /// Calls `visit` for each frame in order with the greatest cell of the rectangle around each of its cells.
    ///
    /// Time is cut into blocks as long as the window. A window ends in one block and begins in that block or the one
    /// before: its maximum is that of the first block's suffix and the second's prefix.
    fn greatest_around(&self, mut visit: impl FnMut(usize, &[f32])) {
        let (bins, radius) = (self.bins, self.plan.time_radius().min(self.frames - 1));
        let window = 2 * radius + 1;
        let mut suffixes = vec![f32::NEG_INFINITY; window * bins];
        let mut block = suffixes.clone();
        let mut prefix = vec![f32::NEG_INFINITY; bins];
        let mut greatest = prefix.clone();
        let mut runs = [(); 2].map(|()| vec![f32::NEG_INFINITY; bins + 2 * self.plan.bin_radius()]);
        // Position p of the blocks holds frame p; the window that ends there is centred on p − radius.
        for position in 0..self.frames + radius {
            let place = position % window;
            let row = &mut block[place * bins..][..bins];
            if position < self.frames {
                self.greatest_along_bins(position, &mut runs, row);
            } else {
                row.fill(f32::NEG_INFINITY);
            }
            if place == 0 {
                prefix.copy_from_slice(row);
            } else {
                raise(&mut prefix, row);
            }
            if position >= radius {
                greatest.copy_from_slice(&prefix);
                // The place after this one, in the block before, is where the window begins.
                if place + 1 < window {
                    raise(&mut greatest, &suffixes[(place + 1) * bins..][..bins]);
                }
                visit(position - radius, &greatest);
            }
            if place + 1 == window {
                std::mem::swap(&mut suffixes, &mut block);
                for later in (1..window).rev() {
                    let (earlier, later) = suffixes.split_at_mut(later * bins);
                    let last = earlier.len() - bins;
                    raise(&mut earlier[last..], &later[..bins]);
                }
            }
        }
    }

    /// The greatest cell within the bin radius of each cell of a frame. `runs` has the radius's −∞ at both ends.
    fn greatest_along_bins(&self, frame: usize, runs: &mut [Vec<f32>; 2], greatest: &mut [f32]) {
        let radius = self.plan.bin_radius();
        let [now, next] = runs;
        now[..radius].fill(f32::NEG_INFINITY);
        now[radius + self.bins..].fill(f32::NEG_INFINITY);
        above(self.row(frame), self.plan.floor(), &mut now[radius..][..self.bins]);
        let (window, mut width, mut len) = (2 * radius + 1, 1, now.len());
        while 2 * width <= window {
            len -= width;
            greater_of(&now[..len], &now[width..][..len], &mut next[..len]);
            std::mem::swap(now, next);
            width *= 2;
        }
        greater_of(&now[..self.bins], &now[window - width..][..self.bins], greatest);
    }

    /// Whether an equal cell with a lower (frame, bin) lies in the rectangle. The nearest row is looked at first: cells that are
    /// equal and far apart are few, so this costs a few steps per cell of the whole, even where all are equal.
    fn tied(&self, frame: usize, bin: usize) -> bool {
        let power = self.row(frame)[bin];
        let from = bin.saturating_sub(self.plan.bin_radius());
        let to = (bin + self.plan.bin_radius() + 1).min(self.bins);
        self.row(frame)[from..bin].contains(&power)
            || (frame.saturating_sub(self.plan.time_radius())..frame)
                .rev()
                .any(|earlier| self.row(earlier)[from..to].contains(&power))
    }
}

/// What is above the floor; all else, NaN too, becomes −∞.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn above(row: &[f32], floor: f32, to: &mut [f32]) {
    for (to, cell) in to.iter_mut().zip(row) {
        *to = if *cell > floor { *cell } else { f32::NEG_INFINITY };
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn raise(row: &mut [f32], other: &[f32]) {
    for (cell, other) in row.iter_mut().zip(other) {
        *cell = if *other > *cell { *other } else { *cell };
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn greater_of(a: &[f32], b: &[f32], greater: &mut [f32]) {
    for ((greater, a), b) in greater.iter_mut().zip(a).zip(b) {
        *greater = if *b > *a { *b } else { *a };
    }
}

/// The bins above the floor whose cell equals the greatest around it. Most runs of sixteen have none.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn equal_above(row: &[f32], greatest: &[f32], floor: f32, bins: &mut Vec<u32>) {
    let ((runs, rest), (greatest_runs, greatest_rest)) = (row.as_chunks::<16>(), greatest.as_chunks::<16>());
    for (run, (cells, greatest)) in runs.iter().zip(greatest_runs).enumerate() {
        let mut any = false;
        for i in 0..16 {
            any |= (cells[i] == greatest[i]) & (cells[i] > floor);
        }
        if any {
            push_equal(cells, greatest, floor, run * 16, bins);
        }
    }
    push_equal(rest, greatest_rest, floor, runs.len() * 16, bins);
}

fn push_equal(cells: &[f32], greatest: &[f32], floor: f32, first: usize, bins: &mut Vec<u32>) {
    let cells = cells.iter().zip(greatest).enumerate();
    bins.extend(
        cells.filter(|(_, (cell, most))| cell == most && **cell > floor).map(|(place, _)| (first + place) as u32),
    );
}
