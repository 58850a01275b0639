//! How the channels of a file differ.

/// Below one step of 16 bits nothing is carried.
const NOTHING: f64 = 1.0 / 32_768.0;

/// What one channel carries, over the whole recording; full scale is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ChannelLevel {
    /// Largest absolute value.
    pub peak: f64,
    /// Root of the mean square.
    pub rms: f64,
    /// Mean.
    pub dc: f64,
}

/// How the channels differ.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Channels {
    /// How many there are.
    pub count: usize,
    /// How many carry nothing while another carries sound.
    pub dead: usize,
    /// The largest mean of a channel, absolute, of full scale: the speaker cone's rest position is off by so much.
    pub dc_max: f64,
    /// The loudest channel over the quietest live one, dB.
    pub imbalance_db: f64,
    /// Correlation of the first two: 1 is mono in two channels, -1 cancels out on a mono speaker.
    pub correlation: Option<f64>,
}

impl Channels {
    /// Of the channels' levels.
    pub fn of(levels: &[ChannelLevel], correlation: Option<f64>) -> Channels {
        let live = || levels.iter().filter(|level| level.peak >= NOTHING);
        let dead = if live().count() == 0 { 0 } else { levels.len() - live().count() };
        let loudest = live().map(|level| level.rms).fold(0.0, f64::max);
        let quietest = live().map(|level| level.rms).fold(f64::INFINITY, f64::min);
        Channels {
            count: levels.len(),
            dead,
            dc_max: levels.iter().map(|level| level.dc.abs()).fold(0.0, f64::max),
            imbalance_db: if quietest > 0.0 && loudest > 0.0 { 20.0 * (loudest / quietest).log10() } else { 0.0 },
            correlation,
        }
    }
}
