//! Opus for symphonia, which knows its containers and not its codec: `opus-pure` (pure Rust, no dependencies, the test vectors of
//! RFC 8251) behind symphonia's decoder trait. One or two channels; streams of more are refused as an unsupported codec.

use opus_pure::OpusDecoder;
use symphonia::core::audio::{AsGenericAudioBufferRef, AudioBuffer, AudioMut, AudioSpec, GenericAudioBufferRef};
use symphonia::core::codecs::CodecInfo;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions, FinalizeResult};
use symphonia::core::codecs::registry::{RegisterableAudioDecoder, SupportedAudioCodec};
use symphonia::core::errors::{Error, Result, decode_error, unsupported_error};
use symphonia::core::packet::PacketRef;

/// Opus always decodes at its full rate.
const RATE_HZ: u32 = 48_000;
/// The longest packet, 120 ms (RFC 6716, section 3.2.5).
const PACKET_FRAMES_MAX: usize = 5_760;

/// Decodes Opus packets.
pub(super) struct Opus {
    params: AudioCodecParameters,
    gapless: bool,
    decoder: OpusDecoder,
    gain: f32,
    channels: usize,
    interleaved: Vec<f32>,
    buffer: AudioBuffer<f32>,
}

/// What the identification header says (RFC 7845, section 5.1).
struct Head {
    channels: usize,
    gain: f32,
    is_surround: bool,
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Head> {
        let fixed = bytes.get(..19)?;
        if !fixed.starts_with(b"OpusHead") {
            return None;
        }
        let channels = usize::from(fixed[9]);
        // Gain in dB as a fixed-point number with 8 bits of fraction; an MP4 box writes it with the other byte order,
        // and symphonia hands both on as the Ogg header.
        let gain_db = f32::from(i16::from_le_bytes([fixed[16], fixed[17]])) / 256.0;
        let gain = 10_f32.powf(gain_db / 20.0);
        // Family 0 is one stream of one or two channels; in family 1 the same can be said in more words.
        let is_surround = match fixed[18] {
            0 => channels > 2,
            1 => channels > 2 || *bytes.get(19)? != 1,
            _ => true,
        };
        (channels > 0).then_some(Head { channels, gain, is_surround })
    }
}

impl Opus {
    fn try_new(params: &AudioCodecParameters, options: &AudioDecoderOptions) -> Result<Opus> {
        let Some(head) = params.extra_data.as_deref().and_then(Head::read) else {
            return decode_error("opus: no identification header");
        };
        let Some(channels) = params.channels.clone().filter(|channels| channels.count() == head.channels) else {
            return decode_error("opus: the container names other channels");
        };
        if head.is_surround {
            return unsupported_error("opus: more than one stream");
        }
        let Ok(decoder) = OpusDecoder::new(RATE_HZ as i32, head.channels) else {
            return unsupported_error("opus: no decoder for these channels");
        };
        Ok(Opus {
            params: params.clone(),
            gapless: options.gapless,
            decoder,
            gain: head.gain,
            channels: head.channels,
            interleaved: vec![0.0; PACKET_FRAMES_MAX * head.channels],
            buffer: AudioBuffer::new(AudioSpec::new(RATE_HZ, channels), PACKET_FRAMES_MAX),
        })
    }

    /// Frames decoded into `interleaved`.
    fn frames_of(&mut self, packet: &[u8]) -> Result<usize> {
        // An empty packet asks for concealment of a lost one; a file has no lost ones.
        if packet.is_empty() {
            return decode_error("opus: an empty packet");
        }
        match self.decoder.decode(packet, PACKET_FRAMES_MAX, &mut self.interleaved) {
            Ok(frames) if frames <= PACKET_FRAMES_MAX => Ok(frames),
            Ok(_) => decode_error("opus: a packet of more than 120 ms"),
            Err(_) => Err(Error::DecodeError("opus: an invalid packet")),
        }
    }
}

impl AudioDecoder for Opus {
    fn reset(&mut self) {
        self.decoder.reset_state().expect("a decoder that was made can be made again");
    }

    fn codec_info(&self) -> &CodecInfo {
        &Self::supported_codecs()[0].info
    }

    fn codec_params(&self) -> &AudioCodecParameters {
        &self.params
    }

    fn decode_ref(&mut self, packet: &PacketRef<'_>) -> Result<GenericAudioBufferRef<'_>> {
        self.buffer.clear();
        let frames = self.frames_of(packet.data)?;
        self.buffer.render_uninit(Some(frames));
        for (channel, plane) in self.buffer.iter_planes_mut().enumerate() {
            let samples = self.interleaved.iter().skip(channel).step_by(self.channels);
            plane.iter_mut().zip(samples).for_each(|(to, sample)| *to = sample * self.gain);
        }
        if self.gapless {
            self.buffer.trim(packet.trim_start.get() as usize, packet.trim_end.get() as usize);
        }
        Ok(self.buffer.as_generic_audio_buffer_ref())
    }

    fn finalize(&mut self) -> FinalizeResult {
        FinalizeResult::default()
    }

    fn last_decoded(&self) -> GenericAudioBufferRef<'_> {
        self.buffer.as_generic_audio_buffer_ref()
    }
}

impl RegisterableAudioDecoder for Opus {
    fn try_registry_new(params: &AudioCodecParameters, options: &AudioDecoderOptions) -> Result<Box<dyn AudioDecoder>> {
        Ok(Box::new(Opus::try_new(params, options)?))
    }

    fn supported_codecs() -> &'static [SupportedAudioCodec] {
        const OPUS: &[SupportedAudioCodec] = &[SupportedAudioCodec {
            id: CODEC_ID_OPUS,
            info: CodecInfo { short_name: "opus", long_name: "Opus", profiles: &[] },
        }];
        OPUS
    }
}
