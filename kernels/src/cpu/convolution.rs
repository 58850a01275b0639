//! Channels through dilated convolutions.
//!
//! ```text
//! input, zeros around each row ──▶ tiles of 4 outputs by 16 frames: bias, then weight x input, channel by channel, tap by tap ──▶ output
//! ```

use multiversion::multiversion;

use crate::{Channels, ConvLayer, ConvStack};

/// Outputs of a tile: what is read of the input once serves all of them.
const TILE_OUTPUTS: usize = 4;
/// Frames of a tile: with four outputs, eight registers of eight sums.
const TILE_FRAMES: usize = 16;

/// The contract's `conv1d_stack` for one input.
pub fn through(stack: &ConvStack, input: &Channels) -> Channels {
    let mut layers = stack.layers().iter();
    let first = layers.next().expect("a stack has a layer");
    layers.fold(layer(first, input), |values, next| layer(next, &values))
}

fn layer(layer: &ConvLayer, input: &Channels) -> Channels {
    let frames = input.frames;
    let mut values = vec![0.0; layer.outputs * frames];
    if frames > 0 {
        let around = Surrounded::of(layer, input);
        let mut tile = [[0.0; TILE_FRAMES]; TILE_OUTPUTS];
        for output in (0..layer.outputs).step_by(TILE_OUTPUTS) {
            for frame in (0..frames).step_by(TILE_FRAMES) {
                fill(&mut tile, layer, &around, output, frame);
                let long = TILE_FRAMES.min(frames - frame);
                for (output, sums) in (output..layer.outputs).zip(&tile) {
                    values[output * frames + frame..][..long].copy_from_slice(&sums[..long]);
                }
            }
        }
    }
    if layer.relu {
        values.iter_mut().for_each(|value| *value = value.max(0.0));
    }
    if layer.residual {
        values.iter_mut().zip(&input.values).for_each(|(value, input)| *value += input);
    }
    Channels { channels: layer.outputs, frames, values }
}

/// An input with zeros before and after each row: as many as its taps reach beyond it, and to a whole tile.
struct Surrounded {
    values: Vec<f32>,
    /// From row to row.
    stride: usize,
    /// Taps that reach anything, and where in a row each reads what it adds to frame 0.
    taps: Vec<(usize, usize)>,
}

impl Surrounded {
    fn of(layer: &ConvLayer, input: &Channels) -> Surrounded {
        let frames = input.frames;
        let back = |tap: usize| ((layer.taps - 1 - tap) * layer.dilation) as isize - layer.ahead as isize;
        let reaches = |tap: &usize| back(*tap).unsigned_abs() < frames;
        let before = (0..layer.taps).filter(reaches).map(back).max().unwrap_or(0).max(0);
        let after = (0..layer.taps).filter(reaches).map(|tap| -back(tap)).max().unwrap_or(0).max(0) as usize;
        let taps = (0..layer.taps).filter(reaches).map(|tap| (tap, (before - back(tap)) as usize)).collect();
        let before = before as usize;
        let stride = before + frames.next_multiple_of(TILE_FRAMES) + after;
        let mut values = vec![0.0; stride * input.channels];
        for (row, from) in values.chunks_exact_mut(stride).zip(input.values.chunks_exact(frames)) {
            row[before..][..frames].copy_from_slice(from);
        }
        Surrounded { values, stride, taps }
    }
}

/// The sums of the outputs from `output` and the frames from `frame` on; beyond the last output, those of the last again.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn fill(
    tile: &mut [[f32; TILE_FRAMES]; TILE_OUTPUTS],
    layer: &ConvLayer,
    around: &Surrounded,
    output: usize,
    frame: usize,
) {
    let outputs: [usize; TILE_OUTPUTS] = std::array::from_fn(|n| (output + n).min(layer.outputs - 1));
    let per_output = layer.inputs * layer.taps;
    let weights = outputs.map(|output| &layer.weights[output * per_output..][..per_output]);
    // One by one: as an array of rows they would not stay in registers (rustc 1.95).
    let [mut first, mut second, mut third, mut fourth] = outputs.map(|output| [layer.bias[output]; TILE_FRAMES]);
    for (channel, row) in around.values.chunks_exact(around.stride).enumerate() {
        for &(tap, from) in &around.taps {
            let heard = row[from + frame..].first_chunk().expect("rows end with a whole tile");
            let at = channel * layer.taps + tap;
            add(&mut first, weights[0][at], heard);
            add(&mut second, weights[1][at], heard);
            add(&mut third, weights[2][at], heard);
            add(&mut fourth, weights[3][at], heard);
        }
    }
    *tile = [first, second, third, fourth];
}

#[inline(always)]
fn add(sums: &mut [f32; TILE_FRAMES], weight: f32, heard: &[f32; TILE_FRAMES]) {
    for (sum, value) in sums.iter_mut().zip(heard) {
        *sum += weight * value;
    }
}
