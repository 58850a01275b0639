//! An audio file that could not become samples, and why.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a file is no audio for us: a cause that can be counted, and a sentence with the numbers seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undecodable {
    /// The cause.
    pub cause: Cause,
    /// The sentence.
    pub reason: String,
}

impl Undecodable {
    /// Not decodable for this cause.
    pub fn new(cause: Cause, reason: impl Into<String>) -> Undecodable {
        Undecodable { cause, reason: reason.into() }
    }
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause.name(), self.reason)
    }
}

impl std::error::Error for Undecodable {}

/// The causes. Their names are stable: tables and scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The file has no bytes.
    Empty,
    /// The system did not give us its bytes.
    Unreadable,
    /// More bytes than [`super::Limits::file_bytes_max`].
    TooBig,
    /// No container or stream that we know.
    UnknownFormat,
    /// A known container without a track of sound.
    NoAudio,
    /// A codec that we do not decode.
    UnsupportedCodec,
    /// More seconds than [`super::Limits::seconds_max`].
    TooLong,
    /// More channels than [`super::Limits::channels_max`], or none.
    ChannelCount,
    /// A sample rate outside the limits.
    SampleRate,
    /// More sound than [`super::Limits::decoded_bytes_max`].
    TooMuchSound,
    /// Most packets, or all of them, cannot be decoded.
    Damaged,
    /// The decoder panicked.
    DecoderPanicked,
    /// The process of the decoder died.
    DecoderCrashed,
    /// The decoder wanted more memory than it may have.
    OutOfMemory,
    /// The decoder used more CPU time than it may.
    OutOfCpuTime,
    /// The decoder took longer than it may.
    OutOfTime,
    /// The decoder tried something that its sandbox forbids.
    SandboxViolated,
    /// What came back from the decoder's process was no answer.
    Garbled,
    /// It was decoded, and whoever listened to it panicked: our mistake, which takes nothing else down.
    ListenerPanicked,
}

impl Cause {
    /// The word in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Empty => "empty",
            Cause::Unreadable => "unreadable",
            Cause::TooBig => "too_big",
            Cause::UnknownFormat => "unknown_format",
            Cause::NoAudio => "no_audio",
            Cause::UnsupportedCodec => "unsupported_codec",
            Cause::TooLong => "too_long",
            Cause::ChannelCount => "channel_count",
            Cause::SampleRate => "sample_rate",
            Cause::TooMuchSound => "too_much_sound",
            Cause::Damaged => "damaged",
            Cause::DecoderPanicked => "decoder_panicked",
            Cause::DecoderCrashed => "decoder_crashed",
            Cause::OutOfMemory => "out_of_memory",
            Cause::OutOfCpuTime => "out_of_cpu_time",
            Cause::OutOfTime => "out_of_time",
            Cause::SandboxViolated => "sandbox_violated",
            Cause::Garbled => "garbled",
            Cause::ListenerPanicked => "listener_panicked",
        }
    }

    /// Whether another allowance, or a machine with less to do, could have another answer.
    pub fn is_of_the_allowance(self) -> bool {
        matches!(self, Cause::OutOfMemory | Cause::OutOfCpuTime | Cause::OutOfTime)
    }
}
