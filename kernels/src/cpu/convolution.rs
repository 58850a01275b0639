//! Channels through dilated convolutions.

use multiversion::multiversion;

use crate::{Channels, ConvLayer, ConvStack};

/// The contract's `conv1d_stack` for one input.
pub fn through(stack: &ConvStack, input: &Channels) -> Channels {
    let mut layers = stack.layers().iter();
    let first = layers.next().expect("a stack has a layer");
    layers.fold(layer(first, input), |values, next| layer(next, &values))
}

fn layer(layer: &ConvLayer, input: &Channels) -> Channels {
    let frames = input.frames;
    let mut values = vec![0.0; layer.outputs * frames];
    for (output, row) in values.chunks_exact_mut(frames.max(1)).enumerate() {
        row.fill(layer.bias[output]);
        for channel in 0..layer.inputs {
            let from = &input.values[channel * frames..][..frames];
            for tap in 0..layer.taps {
                let weight = layer.weights[(output * layer.inputs + channel) * layer.taps + tap];
                let back = (layer.taps - 1 - tap) * layer.dilation;
                add_shifted(row, from, weight, back as isize - layer.ahead as isize);
            }
        }
        if layer.relu {
            row.iter_mut().for_each(|value| *value = value.max(0.0));
        }
        if layer.residual {
            add_scaled(row, &input.values[output * frames..][..frames], 1.0);
        }
    }
    Channels { channels: layer.outputs, frames, values }
}

/// Adds weight·from\[t − back\] to each row\[t\] for which it exists.
fn add_shifted(row: &mut [f32], from: &[f32], weight: f32, back: isize) {
    let shift = back.unsigned_abs().min(row.len());
    let within = row.len() - shift;
    if back >= 0 {
        add_scaled(&mut row[shift..], &from[..within], weight);
    } else {
        add_scaled(&mut row[..within], &from[shift..], weight);
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn add_scaled(row: &mut [f32], from: &[f32], weight: f32) {
    for (value, from) in row.iter_mut().zip(from) {
        *value += weight * from;
    }
}
