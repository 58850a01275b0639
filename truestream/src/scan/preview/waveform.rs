//! The waveform as the players of the BBC's peaks.js read it (audiowaveform's JSON, version 2, 8 bits).

/// Points per second: one for each pixel of a four-minute song on a wide screen and its neighbours.
const POINTS_PER_SECOND: u32 = 20;

/// Least and greatest sample of each point, from -128 to 127.
pub(super) fn peaks(samples: &[f32], rate_hz: u32) -> Vec<u8> {
    let samples_per_point = (rate_hz / POINTS_PER_SECOND).max(1) as usize;
    let points = samples.chunks(samples_per_point);
    let data: Vec<i8> = points.clone().flat_map(extremes).collect();
    let waveform = serde_json::json!({
        "version": 2,
        "channels": 1,
        "sample_rate": rate_hz,
        "samples_per_pixel": samples_per_point,
        "bits": 8,
        "length": points.len(),
        "data": data,
    });
    waveform.to_string().into_bytes()
}

fn extremes(samples: &[f32]) -> [i8; 2] {
    let (least, greatest) = samples
        .iter()
        .fold((f32::MAX, f32::MIN), |(least, greatest), &sample| (least.min(sample), greatest.max(sample)));
    // A cast of a float saturates: what is over full scale is drawn at it.
    [(least * 128.0).floor() as i8, (greatest * 127.0).ceil() as i8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_spans_its_samples() {
        let samples: Vec<f32> = (0..1_000)
            .map(|n| {
                if n < 400 {
                    0.0
                } else if n % 2 == 0 {
                    0.5
                } else {
                    -1.5
                }
            })
            .collect();
        let json: serde_json::Value = serde_json::from_slice(&peaks(&samples, 8_000)).expect("JSON");
        assert_eq!((json["samples_per_pixel"].as_u64(), json["length"].as_u64()), (Some(400), Some(3)));
        assert_eq!(json["data"], serde_json::json!([0, 0, -128, 64, -128, 64]));
    }
}
