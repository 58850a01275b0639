//! Windows of bands become numbers: a small network of convolutions over time.
//!
//! ```text
//! 64 bands x 64 steps ──▶ 3 convolutions (1, 2, 4 steps apart) ──▶ mean and spread over time ──▶ weighted sums
//! ```
//!
//! Convolutions run on the caller's kernels, so also on a GPU.

use kernels::{AudioKernels, Channels, ConvLayer, ConvStack, KernelError};

use super::bands::BANDS;
use super::weights::Weights;

/// Convolutions and how far their taps lie apart.
const LAYERS: [(&str, usize); 3] = [("first", 1), ("second", 2), ("third", 4)];
/// Taps of each.
const TAPS: usize = 3;
/// Added to the variance over time, so that the spread has a slope where nothing changes; as in training.
const LEAST_VARIANCE: f64 = 1e-6;

/// A trained network.
#[derive(Clone, Debug)]
pub struct Encoder {
    over_time: ConvStack,
    last: ConvStack,
}

impl Encoder {
    /// The encoder of these weights, a safetensors file, which gives so many numbers.
    ///
    /// # Errors
    /// Names what is missing or of another shape.
    pub fn read(bytes: &[u8], outputs: usize) -> Result<Encoder, String> {
        let weights = Weights::read(bytes)?;
        let mut layers = Vec::new();
        let mut inputs = BANDS;
        for (name, dilation) in LAYERS {
            let layer = layer(&weights, name, inputs, TAPS)?;
            inputs = layer.outputs;
            let ahead = (TAPS - 1) * dilation / 2;
            layers.push(ConvLayer { dilation, ahead, relu: true, residual: name != "first", ..layer });
        }
        let last = layer(&weights, "last", 2 * inputs, 1)?;
        if last.outputs != outputs {
            return Err(format!("last gives {} numbers; expected {outputs}", last.outputs));
        }
        let stack = |layers: Vec<ConvLayer>| ConvStack::new(layers).map_err(|error| error.to_string());
        Ok(Encoder { over_time: stack(layers)?, last: stack(vec![last])? })
    }

    /// The numbers of each window.
    pub fn encode(&self, kernels: &dyn AudioKernels, windows: &[Channels]) -> Result<Vec<Vec<f32>>, KernelError> {
        let over_time = kernels.conv1d_stack(&self.over_time, windows)?;
        let pooled: Vec<Channels> = over_time.iter().map(pooled).collect();
        let last = kernels.conv1d_stack(&self.last, &pooled)?;
        Ok(last.into_iter().map(|numbers| numbers.values).collect())
    }
}

/// A layer of the file; what it does with its output is up to the caller.
fn layer(file: &Weights<'_>, name: &str, inputs: usize, taps: usize) -> Result<ConvLayer, String> {
    let (weights, outputs) = file.tensor(&format!("{name}.weight"), &[inputs, taps])?;
    let (bias, biases) = file.tensor(&format!("{name}.bias"), &[])?;
    let layer = ConvLayer { inputs, outputs, taps, dilation: 1, ahead: 0, weights, bias, relu: false, residual: false };
    (outputs == biases).then_some(layer).ok_or_else(|| format!("{name}: {outputs} rows of weights, {biases} biases"))
}

/// Mean, then spread, of each channel over time.
fn pooled(over_time: &Channels) -> Channels {
    let frames = over_time.frames.max(1);
    let moments = |row: &[f32]| {
        let mean = row.iter().map(|value| f64::from(*value)).sum::<f64>() / frames as f64;
        let variance = row.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / frames as f64;
        (mean as f32, (variance + LEAST_VARIANCE).sqrt() as f32)
    };
    let (means, spreads): (Vec<f32>, Vec<f32>) = over_time.values.chunks_exact(frames).map(moments).unzip();
    Channels { channels: 2 * over_time.channels, frames: 1, values: [means, spreads].concat() }
}

#[cfg(test)]
mod tests {
    use kernels::cpu::Cpu;

    use super::super::{DIMENSIONS, WINDOW_STEPS};
    use super::*;

    const WEIGHTS: &[u8] = include_bytes!("timbre.safetensors");

    /// The network as it is written on paper, in f64.
    fn reference(encoder: &Encoder, window: &Channels) -> Vec<f64> {
        let mut rows: Vec<Vec<f64>> = window
            .values
            .chunks_exact(window.frames)
            .map(|row| row.iter().map(|value| f64::from(*value)).collect())
            .collect();
        for layer in encoder.over_time.layers() {
            let at = |channel: usize, step: isize| rows[channel].get(step as usize).copied().unwrap_or(0.0);
            let sum = |output: usize, step: usize| {
                let mut sum = f64::from(layer.bias[output]);
                for input in 0..layer.inputs {
                    for tap in 0..layer.taps {
                        let step = step as isize + (tap as isize - layer.taps as isize / 2) * layer.dilation as isize;
                        let weight = layer.weights[(output * layer.inputs + input) * layer.taps + tap];
                        sum += f64::from(weight) * if step < 0 { 0.0 } else { at(input, step) };
                    }
                }
                sum.max(0.0) + if layer.residual { rows[output][step] } else { 0.0 }
            };
            rows =
                (0..layer.outputs).map(|output| (0..window.frames).map(|step| sum(output, step)).collect()).collect();
        }
        let mean = |row: &Vec<f64>| row.iter().sum::<f64>() / row.len() as f64;
        let spread = |row: &Vec<f64>| {
            let mean = mean(row);
            (row.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / row.len() as f64 + LEAST_VARIANCE).sqrt()
        };
        let pooled: Vec<f64> = rows.iter().map(mean).chain(rows.iter().map(spread)).collect();
        let last = &encoder.last.layers()[0];
        let weights = last.weights.chunks_exact(last.inputs).zip(&last.bias);
        weights
            .map(|(row, bias)| {
                f64::from(*bias) + row.iter().zip(&pooled).map(|(w, value)| f64::from(*w) * value).sum::<f64>()
            })
            .collect()
    }

    #[test]
    fn the_network_is_what_it_is_on_paper() {
        let encoder = Encoder::read(WEIGHTS, DIMENSIONS).expect("the weights");
        let kernels = Cpu::with_threads(1).expect("a thread");
        let value = |seed: usize, at: usize| (((at * 7_919 + seed * 104_729) % 2_003) as f32 / 1_001.5 - 1.0) * 3.0;
        let window = |seed: usize, frames: usize| Channels {
            channels: BANDS,
            frames,
            values: (0..BANDS * frames).map(|at| value(seed, at)).collect(),
        };
        let windows = [window(1, WINDOW_STEPS), window(2, WINDOW_STEPS), window(3, 17)];
        for (heard, window) in encoder.encode(&kernels, &windows).expect("numbers").iter().zip(&windows) {
            let expected = reference(&encoder, window);
            let greatest = expected.iter().fold(0.0_f64, |greatest, value| greatest.max(value.abs()));
            assert_eq!(heard.len(), DIMENSIONS);
            for (heard, expected) in heard.iter().zip(&expected) {
                assert!(
                    (f64::from(*heard) - expected).abs() < 1e-4 * greatest,
                    "{heard} where {expected} was expected"
                );
            }
        }
    }

    #[test]
    fn weights_that_are_cut_short_or_of_another_network_are_refused() {
        assert!(Encoder::read(WEIGHTS, DIMENSIONS + 1).is_err());
        for cut in [0, 7, 8, 100, WEIGHTS.len() / 2, WEIGHTS.len() - 1] {
            assert!(Encoder::read(&WEIGHTS[..cut], DIMENSIONS).is_err(), "cut at {cut}");
        }
        let renamed = String::from_utf8_lossy(&WEIGHTS[8..600]).replace("third", "thirt");
        let renamed = [&WEIGHTS[..8], renamed.as_bytes(), &WEIGHTS[600..]].concat();
        assert!(Encoder::read(&renamed, DIMENSIONS).is_err());
        let mut endless = WEIGHTS.to_vec();
        let last = endless.len() - 4;
        endless[last..].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(Encoder::read(&endless, DIMENSIONS).is_err());
    }
}
