//! Small networks over time: what flows through them and their weights.

use crate::KernelError;

/// Values over channel and time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Channels {
    /// Rows.
    pub channels: usize,
    /// Columns.
    pub frames: usize,
    /// Row-major, `values[channel * frames + frame]`.
    pub values: Vec<f32>,
}

/// One dilated convolution: out\[o\]\[t\] = bias\[o\] + Σ weights\[o\]\[i\]\[j\] · in\[i\]\[t + ahead − (taps−1−j)·dilation\], what lies
/// outside counting as 0; then the greater of it and 0 if `relu`; then plus in\[o\]\[t\] if `residual`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvLayer {
    /// Channels that come in, 1 to 1024.
    pub inputs: usize,
    /// Channels that go out, 1 to 1024.
    pub outputs: usize,
    /// Weights per pair of channels, 1 to 64.
    pub taps: usize,
    /// Frames from tap to tap, 1 to 2^20.
    pub dilation: usize,
    /// How many frames the last tap looks ahead: 0 hears only the past, (taps−1)·dilation/2 is centred.
    pub ahead: usize,
    /// `[output][input][tap]`, the layout of the usual training frameworks.
    pub weights: Vec<f32>,
    /// Per output.
    pub bias: Vec<f32>,
    /// Negative values become 0.
    pub relu: bool,
    /// The input is added at the end; `inputs` equals `outputs`.
    pub residual: bool,
}

/// Layers of which each takes what the one before gives.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvStack {
    layers: Vec<ConvLayer>,
}

impl ConvStack {
    /// A stack of at least one layer, if all fit together.
    pub fn new(layers: Vec<ConvLayer>) -> Result<ConvStack, KernelError> {
        if layers.is_empty() {
            return Err(KernelError::plan("the number of layers", 0, "at least 1"));
        }
        layers.iter().try_for_each(check)?;
        for pair in layers.windows(2) {
            KernelError::expect("channels into a layer", pair[0].outputs, pair[1].inputs)?;
        }
        Ok(ConvStack { layers })
    }

    /// The layers in order.
    pub fn layers(&self) -> &[ConvLayer] {
        &self.layers
    }

    /// `Ok` if the input fits the first layer.
    pub(crate) fn check(&self, input: &Channels) -> Result<(), KernelError> {
        KernelError::expect("channels of the input", self.layers[0].inputs, input.channels)?;
        KernelError::expect("values of the input", input.channels * input.frames, input.values.len())
    }
}

fn check(layer: &ConvLayer) -> Result<(), KernelError> {
    let within = |what, got: usize, most: usize, must| {
        if (1..=most).contains(&got) { Ok(()) } else { Err(KernelError::plan(what, got, must)) }
    };
    within("channels into a layer", layer.inputs, 1024, "from 1 to 1024")?;
    within("channels out of a layer", layer.outputs, 1024, "from 1 to 1024")?;
    within("taps", layer.taps, 64, "from 1 to 64")?;
    within("the dilation", layer.dilation, 1 << 20, "from 1 to 1048576")?;
    within("frames ahead", layer.ahead.saturating_add(1), 1 << 26, "below 67108863")?;
    KernelError::expect("weights", layer.outputs * layer.inputs * layer.taps, layer.weights.len())?;
    KernelError::expect("biases", layer.outputs, layer.bias.len())?;
    if layer.residual {
        KernelError::expect("channels of a residual layer", layer.inputs, layer.outputs)
    } else {
        Ok(())
    }
}
