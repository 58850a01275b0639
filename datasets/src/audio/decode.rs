//! From bytes to samples: one pass, in bounded memory, within the limits.

use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::sync::OnceLock;

use symphonia::core::audio::AudioSpec;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::common::Limit;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;

use super::clip::{Clip, Facts};
use super::limits::Limits;
use super::mono::Mono;
use super::opus::Opus;
use super::undecodable::{Cause, Undecodable};

/// Packets without a sound after which a stream is given up: more than any tag or picture between two sounds.
const SILENT_PACKETS_MAX: u64 = 100_000;
/// Pictures and texts are skipped, not loaded.
const TAG_BYTES_MAX: usize = 64 << 10;

/// Decodes a whole file in this process; for files that we trust, and inside the process that may die of one.
///
/// # Errors
/// Why it is no audio for us.
pub fn decode(source: impl Read + Seek + Send + Sync, limits: &Limits) -> Result<Clip, Undecodable> {
    let mut samples = Vec::new();
    let facts = decode_into(source, limits, &mut |more| {
        samples.extend_from_slice(more);
        Ok(())
    })?;
    Ok(Clip { samples, facts })
}

/// Decodes a whole file and hands the samples on as they come, in pieces of at most a few packets.
///
/// # Errors
/// Why it is no audio for us; what was handed on before is void then. An error of `take` is [`Cause::Unreadable`].
pub fn decode_into(
    source: impl Read + Seek + Send + Sync,
    limits: &Limits,
    take: &mut dyn FnMut(&[f32]) -> std::io::Result<()>,
) -> Result<Facts, Undecodable> {
    let source = Source::open(source, limits)?;
    let bytes = source.bytes;
    let mut format = probe(source)?;
    let mut stream = Stream::open(&mut *format, bytes, limits)?;
    while let Some(heard) = stream.next(&mut *format)? {
        if heard {
            stream.keep(take)?;
        }
        if stream.has_enough() {
            break;
        }
    }
    stream.finish()
}

/// A file that knows its length.
struct Source<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read + Seek> Source<R> {
    fn open(mut inner: R, limits: &Limits) -> Result<Source<R>, Undecodable> {
        let length = inner.seek(SeekFrom::End(0)).and_then(|end| inner.rewind().map(|()| end));
        let bytes = length.map_err(|error| Undecodable::new(Cause::Unreadable, error.to_string()))?;
        if bytes == 0 {
            return Err(Undecodable::new(Cause::Empty, "the file has no bytes"));
        }
        if bytes > limits.file_bytes_max {
            let reason = format!("{bytes} bytes; at most {} are read", limits.file_bytes_max);
            return Err(Undecodable::new(Cause::TooBig, reason));
        }
        Ok(Source { inner, bytes })
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.inner.read(into)
    }
}

impl<R: Seek> Seek for Source<R> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.inner.seek(to)
    }
}

impl<R: Read + Seek + Send + Sync> MediaSource for Source<R> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.bytes)
    }
}

fn codecs() -> &'static CodecRegistry {
    static CODECS: OnceLock<CodecRegistry> = OnceLock::new();
    CODECS.get_or_init(|| {
        let mut codecs = CodecRegistry::new();
        symphonia::default::register_enabled_codecs(&mut codecs);
        codecs.register_audio_decoder::<Opus>();
        codecs
    })
}

fn probe<'s>(source: Source<impl Read + Seek + Send + Sync + 's>) -> Result<Box<dyn FormatReader + 's>, Undecodable> {
    let stream = MediaSourceStream::new(Box::new(source), Default::default());
    let tags =
        MetadataOptions::default().limit_tag_bytes(Limit::Maximum(TAG_BYTES_MAX)).limit_visual_bytes(Limit::Maximum(0));
    let probed = symphonia::default::get_probe().probe(&Hint::new(), stream, FormatOptions::default(), tags);
    probed.map_err(|error| Undecodable::new(Cause::UnknownFormat, error.to_string()))
}

/// A track of sound under way.
struct Stream<'l> {
    limits: &'l Limits,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    facts: Facts,
    spec: Option<AudioSpec>,
    mono: Mono,
    planes: Vec<Vec<f32>>,
    mixed: Vec<f32>,
    kept: u64,
    silent_packets: u64,
    first_fault: Option<String>,
}

impl Stream<'_> {
    fn open<'l>(format: &mut dyn FormatReader, bytes: u64, limits: &'l Limits) -> Result<Stream<'l>, Undecodable> {
        let container = format.format_info().short_name.to_owned();
        let Some(track) = format.default_track(TrackType::Audio) else {
            return Err(Undecodable::new(Cause::NoAudio, format!("a {container} file without a track of sound")));
        };
        let Some(params) = track.codec_params.as_ref().and_then(|params| params.audio()) else {
            return Err(Undecodable::new(Cause::NoAudio, format!("a {container} file whose track tells no codec")));
        };
        let decoder = codecs().make_audio_decoder(params, &AudioDecoderOptions::default());
        let decoder = decoder.map_err(|error| {
            Undecodable::new(Cause::UnsupportedCodec, format!("codec {} in {container}: {error}", params.codec))
        })?;
        let facts = Facts {
            container,
            codec: decoder.codec_info().short_name.to_owned(),
            bits: params.bits_per_sample,
            bytes,
            frames_promised: track.num_frames,
            ..Facts::default()
        };
        let stream = Stream {
            limits,
            decoder,
            track: track.id,
            facts,
            spec: None,
            mono: Mono::new(0),
            planes: Vec::new(),
            mixed: Vec::new(),
            kept: 0,
            silent_packets: 0,
            first_fault: None,
        };
        stream.check_promise(params)?;
        Ok(stream)
    }

    /// Refuses what the header alone shows to be beyond the limits, before anything is decoded.
    fn check_promise(&self, params: &AudioCodecParameters) -> Result<(), Undecodable> {
        if let Some(rate_hz) = params.sample_rate {
            self.limits.check_rate(rate_hz)?;
        }
        match &params.channels {
            Some(channels) => self.limits.check_channels(channels.count()),
            None => Ok(()),
        }
    }

    /// Decodes the next packet: whether it brought sound, or `None` at the end.
    fn next(&mut self, format: &mut dyn FormatReader) -> Result<Option<bool>, Undecodable> {
        let packet = match format.next_packet() {
            Ok(Some(packet)) if packet.track_id == self.track => packet,
            Ok(Some(_)) => return self.silent().map(Some),
            Ok(None) => return Ok(None),
            Err(Error::ResetRequired) => return self.go_on(format),
            Err(error) => return self.broken_off(&error),
        };
        let heard = match self.decoder.decode(&packet) {
            Ok(sound) => match self.spec.get_or_insert_with(|| sound.spec().clone()) {
                spec if spec == sound.spec() => {
                    sound.copy_to_vecs_planar(&mut self.planes);
                    Ok(())
                }
                _ => {
                    self.facts.is_cut = true;
                    Err("the rate or the channels change".to_owned())
                }
            },
            Err(Error::ResetRequired) => return Ok(None),
            Err(error) => Err(error.to_string()),
        };
        match heard {
            Ok(()) => {
                self.facts.packets += 1;
                let is_silent = self.planes.first().is_none_or(Vec::is_empty);
                if is_silent { self.silent().map(Some) } else { Ok(Some(true)) }
            }
            Err(fault) => {
                self.facts.packets_bad += 1;
                self.first_fault.get_or_insert(fault);
                self.silent().map(Some)
            }
        }
    }

    /// A packet without a sound; too many in a row are a stream without end.
    fn silent(&mut self) -> Result<bool, Undecodable> {
        self.silent_packets += 1;
        if self.silent_packets > SILENT_PACKETS_MAX {
            return Err(Undecodable::new(Cause::Damaged, format!("{SILENT_PACKETS_MAX} packets without a sound")));
        }
        Ok(false)
    }

    /// Another stream begins in the file, as where two Ogg files were put one behind the other (RFC 3533, chaining). Players play it, so it is heard.
    fn go_on(&mut self, format: &mut dyn FormatReader) -> Result<Option<bool>, Undecodable> {
        let track = format.default_track(TrackType::Audio);
        let params = track.and_then(|track| track.codec_params.as_ref()).and_then(|params| params.audio());
        let decoder = params.map(|params| codecs().make_audio_decoder(params, &AudioDecoderOptions::default()));
        let (Some(track), Some(Ok(decoder))) = (track, decoder) else {
            self.facts.is_cut = true;
            self.first_fault.get_or_insert("it goes on as a stream that cannot be decoded".to_owned());
            return Ok(None);
        };
        self.facts.frames_promised = self.facts.frames_promised.zip(track.num_frames).map(|(one, other)| one + other);
        (self.track, self.decoder) = (track.id, decoder);
        self.silent().map(Some)
    }

    /// The container cannot be read on. What was heard before stays heard.
    fn broken_off(&mut self, error: &Error) -> Result<Option<bool>, Undecodable> {
        if let Error::IoError(error) = error
            && !matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::Other)
        {
            let cause = if error.kind() == ErrorKind::OutOfMemory { Cause::OutOfMemory } else { Cause::Unreadable };
            return Err(Undecodable::new(cause, error.to_string()));
        }
        self.facts.is_cut = true;
        self.first_fault.get_or_insert(error.to_string());
        Ok(None)
    }

    /// Mixes what was decoded and hands it on, as long as the limits allow.
    fn keep(&mut self, take: &mut dyn FnMut(&[f32]) -> std::io::Result<()>) -> Result<(), Undecodable> {
        if self.mono.frames() == 0 {
            self.begin()?;
        }
        self.silent_packets = 0;
        self.mixed.clear();
        self.mono.mix(&mut self.planes, &mut self.mixed);
        let (frames, rate_hz) = (self.mono.frames(), u64::from(self.facts.rate_hz));
        if frames > self.limits.seconds_max.saturating_mul(rate_hz) {
            let reason = format!("longer than {} s", self.limits.seconds_max);
            return Err(Undecodable::new(Cause::TooLong, reason));
        }
        let decoded_bytes = frames.saturating_mul(u64::from(self.facts.channels) * 4);
        if decoded_bytes > self.limits.decoded_bytes_max {
            let reason = format!("more than {} bytes of sound", self.limits.decoded_bytes_max);
            return Err(Undecodable::new(Cause::TooMuchSound, reason));
        }
        let before = frames - self.mixed.len() as u64;
        let passed = usize::try_from(self.limits.samples_passed.saturating_sub(before)).unwrap_or(usize::MAX);
        let room = usize::try_from(self.limits.samples_kept_max - self.kept).unwrap_or(usize::MAX);
        let wanted = &self.mixed[passed.min(self.mixed.len())..];
        let kept = &wanted[..wanted.len().min(room)];
        self.kept += kept.len() as u64;
        if kept.is_empty() {
            return Ok(());
        }
        take(kept).map_err(|error| Undecodable::new(Cause::Unreadable, error.to_string()))
    }

    /// Whether all is there that somebody asked for.
    fn has_enough(&self) -> bool {
        self.limits.ends_when_kept && self.kept == self.limits.samples_kept_max
    }

    /// The first sound tells what the rest will be.
    fn begin(&mut self) -> Result<(), Undecodable> {
        let Some(spec) = &self.spec else { return Ok(()) };
        let channels = spec.channels().count();
        self.limits.check_rate(spec.rate())?;
        self.limits.check_channels(channels)?;
        self.facts.rate_hz = spec.rate();
        self.facts.channels = channels as u16;
        self.mono = Mono::new(channels);
        Ok(())
    }

    fn finish(mut self) -> Result<Facts, Undecodable> {
        let Facts { packets, packets_bad, .. } = self.facts;
        let fault = || self.first_fault.clone().unwrap_or_else(|| "no packet brings sound".to_owned());
        if self.mono.frames() == 0 {
            return Err(Undecodable::new(Cause::Damaged, format!("no sound could be decoded: {}", fault())));
        }
        if packets_bad > packets {
            let reason = format!("{packets_bad} of {} packets cannot be decoded: {}", packets + packets_bad, fault());
            return Err(Undecodable::new(Cause::Damaged, reason));
        }
        self.facts.frames = self.mono.frames();
        self.facts.wild_values = self.mono.wild_values();
        self.facts.levels = self.mono.levels();
        self.facts.correlation = self.mono.correlation();
        // A promise is broken by more than a packet, which encoders round to.
        let promised = self.facts.frames_promised.unwrap_or(0);
        self.facts.is_cut |= !self.has_enough() && self.facts.frames + u64::from(self.facts.rate_hz) / 4 < promised;
        Ok(self.facts)
    }
}

impl Limits {
    fn check_rate(&self, rate_hz: u32) -> Result<(), Undecodable> {
        if (self.rate_hz_min..=self.rate_hz_max).contains(&rate_hz) {
            return Ok(());
        }
        let reason = format!("{rate_hz} Hz; between {} and {} are read", self.rate_hz_min, self.rate_hz_max);
        Err(Undecodable::new(Cause::SampleRate, reason))
    }

    fn check_channels(&self, channels: usize) -> Result<(), Undecodable> {
        if (1..=usize::from(self.channels_max)).contains(&channels) {
            return Ok(());
        }
        let reason = format!("{channels} channels; 1 to {} are read", self.channels_max);
        Err(Undecodable::new(Cause::ChannelCount, reason))
    }
}
