//! The spectrogram in tiles: time to the right, pitch upwards (mel, so that octaves look alike), level as colour.

use kernels::{AudioKernels, Decibels, MelBank, Samples, StftPlan};

use super::colours::palette;

/// Columns of a second.
const COLUMNS_PER_SECOND: u32 = 16;
/// Columns of a tile: 32 s.
const TILE_COLUMNS: usize = 512;
/// Rows of a tile: mel bands from 30 Hz to half the sample rate, so that the edge of a low-pass filter is seen.
const ROWS: usize = 256;
/// Seconds of a frame, about: 4096 samples at 44.1 and 48 kHz, which tell semitones apart above 200 Hz.
const FRAME_SECONDS: f64 = 0.09;
/// Lowest frequency drawn.
const LOW_HZ: f64 = 30.0;
/// The darkest colour is this far below full scale, in dB; the lightest is full scale.
const RANGE_DB: f32 = 96.0;

/// The tiles as PNG files, in order.
///
/// # Errors
/// When the kernels cannot.
pub(super) fn tiles(samples: &[f32], rate_hz: u32, kernels: &dyn AudioKernels) -> Result<Vec<Vec<u8>>, String> {
    let in_words = |error: kernels::KernelError| error.to_string();
    let hop = (rate_hz / COLUMNS_PER_SECOND).max(1) as usize;
    let frame = 1 << (f64::from(rate_hz) * FRAME_SECONDS).log2().round() as u32;
    let plan = StftPlan::new(frame, hop).map_err(in_words)?.centred();
    let bank = MelBank::new(&plan, rate_hz, ROWS, LOW_HZ, f64::from(rate_hz) / 2.0).map_err(in_words)?;
    // A sine of full scale under a Hann window has the power (frame / 4)^2 in its bin.
    let full_scale_db = 20.0 * (frame as f32 / 4.0).log10();
    let floor_db = full_scale_db - RANGE_DB;
    let decibels = Decibels::over(10_f32.powf(floor_db / 10.0)).map_err(in_words)?;
    let heard = kernels.mel(&[Samples::from(samples)], &plan, &bank, decibels).map_err(in_words)?;
    let bands = &heard[0];
    let level = |db: f32| ((db - floor_db) / RANGE_DB * 255.0).clamp(0.0, 255.0) as u8;
    let columns: Vec<&[f32]> = bands.db.chunks_exact(ROWS).collect();
    columns.chunks(TILE_COLUMNS).map(|columns| png(columns.len(), &picture(columns, level))).collect()
}

/// Rows from the top down.
fn picture(columns: &[&[f32]], level: impl Fn(f32) -> u8) -> Vec<u8> {
    let row = |band: usize| columns.iter().map(move |column| column[band]);
    (0..ROWS).rev().flat_map(row).map(level).collect()
}

fn png(columns: usize, levels: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, columns as u32, ROWS as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette());
    encoder.set_compression(png::Compression::Fast);
    encoder.set_filter(png::Filter::Up);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(levels));
    written.map_err(|error| format!("a picture of {columns} columns: {error}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernels::{DeviceChoice, open_with_threads};

    #[test]
    fn a_tone_is_a_line_and_silence_is_dark() {
        let (kernels, _) = open_with_threads(DeviceChoice::Cpu, Some(1)).expect("the CPU");
        let tone = |n: usize| (std::f64::consts::TAU * 1_000.0 * n as f64 / 44_100.0).sin() as f32;
        let samples: Vec<f32> = (0..44_100 * 40).map(|n| if n < 44_100 * 20 { tone(n) } else { 0.0 }).collect();
        let tiles = tiles(&samples, 44_100, &*kernels).expect("pictures");
        assert_eq!(tiles.len(), 2);

        let mut reader = png::Decoder::new(std::io::Cursor::new(&tiles[0])).read_info().expect("a PNG");
        let mut levels = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut levels).expect("a picture");
        assert_eq!((info.width as usize, info.height as usize), (TILE_COLUMNS, ROWS));
        let column = |at: usize| (0..ROWS).map(|row| levels[row * TILE_COLUMNS + at]).collect::<Vec<_>>();
        let (loud, dark) = (column(100), column(400));
        let brightest = (0..ROWS).max_by_key(|&row| loud[row]).expect("rows");
        // 1 kHz is 1000 mel; the rows go from the mel of 22.05 kHz down to that of 30 Hz.
        let mel = |hz: f64| 2_595.0 * (1.0 + hz / 700.0).log10();
        let share = (mel(22_050.0) - mel(1_000.0)) / (mel(22_050.0) - mel(30.0));
        let expected = (share * ROWS as f64) as usize;
        assert!(brightest.abs_diff(expected) <= 3, "row {brightest}, expected near {expected}");
        assert!(loud[brightest] > 200 && dark.iter().all(|&level| level == 0));
    }
}
