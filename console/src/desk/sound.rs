//! What was heard of a recording, and how the suspect lies over what it was found to be: on one axis of time, the suspect's.
//!
//! ```text
//! peaks, tiles ──┬──▶ suspect:    waveform │ spectrogram ──┐
//!                └──▶ reference:  spectrogram │ waveform ──┴──▶ one picture; two players below it
//! ```
//!
//! Pictures are drawn here and seen without scripts. A player has a clip, which begins at the very sample where the match does; a script keeps both
//! players at the same place, loops the match, and goes on to the next clip.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::pages::{address, when};
use super::texts::visible;
use super::{Clip, Heard, Match, Peaks, Recording, Sound, Work, Works};

/// The picture is drawn this wide, in its own units, and scaled to the page.
const WIDE: f64 = 1200.0;
/// How high its rows are.
const CAPTION: f64 = 20.0;
const WAVE: f64 = 64.0;
const SPECTRUM: f64 = 128.0;
const AXIS: f64 = 20.0;
/// Seconds between two marks of the axis: the least of these that gives at most so many marks.
const MARKS: [f64; 12] = [0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0];
const MARKS_MAX: f64 = 12.0;

/// Whether there is anything to switch between.
fn can_compare(sound: &Sound) -> Option<(&Recording, &Match)> {
    sound.other.as_ref().zip(sound.matched.as_ref())
}

/// The section of the page.
pub(super) fn sound(sound: &Sound) -> Markup {
    html! {
        section.sound {
            h2 { "What was heard" }
            @if sound.evidence.is_empty() { p { "Nobody has listened to this recording: there is no evidence of sound about it." } } @else { (evidence(&sound.evidence)) }
            @for why in &sound.missing { p.note { (visible(why)) } }
            @if let Some(own) = &sound.own {
                @if own.peaks.is_some() || !own.tiles.is_empty() { (picture(own, can_compare(sound))) }
                (players(own, can_compare(sound)))
            }
        }
    }
}

/// The section of the page of an artist or uploader: what the first of its tracks sound like, and where their cases are.
pub(super) fn works(works: &Works) -> Markup {
    let Works { tracks, heard } = works;
    html! {
        section.sound {
            h2 { "What was heard of its tracks" }
            p.note { "The first " (tracks.len()) " of " (heard) @if *heard == 1 { " track" } @else { " tracks" } " of which something was heard; the gravest is told. The page of a track shows all of it." }
            table {
                thead { tr { th scope="col" { "Track" } th scope="col" { "Detector" } th.number scope="col" { "Risk" } th scope="col" { "What" } } }
                tbody { @for work in tracks { tr {
                    th scope="row" { a href=(address("track", &work.track)) { "track " bdi { (visible(&work.track)) } } @if let Some(title) = &work.title { " " bdi { (visible(title)) } } }
                    @match &work.heard {
                        Some(heard) => {
                            td { (visible(&heard.detector)) }
                            td.number.high[heard.risk >= 0.5] { @if heard.confidence > 0.0 { (format!("{:.2}", heard.risk)) } @else { "–" } }
                            td { (visible(&heard.words)) }
                        },
                        None => { td { "–" } td.number { "–" } td {} },
                    }
                } } }
            }
            div #deck { @for work in tracks { (sounding(work)) } }
        }
    }
}

fn sounding(work: &Work) -> Markup {
    let part = format!("track {}", work.track);
    html! {
        @match &work.recording {
            Some(recording) => (player(recording, &part, recording.clip(0.0, f64::INFINITY), "none")),
            None => figure { figcaption { (visible(&part)) } p.note { "No scan that this service was told of has it: it cannot be listened to." } },
        }
    }
}

fn evidence(all: &[Heard]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Detector" } th.number scope="col" { "Risk" } th.number scope="col" { "Heard" } th scope="col" { "What" }
                th scope="col" { "Thresholds" } th scope="col" { "Known since" } th scope="col" { "File" }
            } }
            tbody { @for heard in all { tr {
                th scope="row" { (visible(&heard.detector)) " " span.note { (visible(&heard.version)) } }
                @if heard.confidence > 0.0 {
                    td.number.high[heard.risk >= 0.5] { (format!("{:.2}", heard.risk)) } td.number { (format!("{:.0} %", 100.0 * heard.confidence)) }
                } @else { td.number { "–" } td.number { "no" } }
                td { (visible(&heard.words)) }
                td.note { (visible(&heard.threshold)) }
                td.when { @match &heard.known_at { Some(known_at) => (when(known_at)), None => "always" } }
                td { (visible(heard.file.as_deref().unwrap_or("–"))) }
            } } }
        }
    }
}

/// Seconds of a recording, as units of the picture.
struct Axis {
    seconds: f64,
}

impl Axis {
    fn place(&self, second: f64) -> f64 {
        second / self.seconds * WIDE
    }

    fn marks(&self) -> impl Iterator<Item = f64> + use<> {
        let seconds = self.seconds;
        let step = MARKS.into_iter().find(|step| seconds / step <= MARKS_MAX).unwrap_or(seconds.max(1.0));
        (0..).map(move |number| f64::from(number) * step).take_while(move |second| *second < seconds)
    }
}

/// Where on the axis of the suspect a second of the other recording is heard.
fn in_suspect(matched: &Match, second: f64) -> f64 {
    matched.from + (second - matched.offset) / matched.speed
}

fn picture(own: &Recording, other: Option<(&Recording, &Match)>) -> Markup {
    let axis = Axis { seconds: own.seconds.max(0.1) };
    let beside = if other.is_some() { CAPTION + SPECTRUM + WAVE } else { 0.0 };
    let lines = CAPTION + WAVE + SPECTRUM + beside;
    let (wave_at, spectrum_at) = (CAPTION, CAPTION + WAVE);
    let other_at = spectrum_at + SPECTRUM;
    let high = lines + AXIS;
    let own_place = |second: f64| axis.place(second);
    html! {
        svg.compared viewBox=(format!("0 0 {WIDE} {high}")) role="img" aria-label=(visible(&told(own, other))) data-seconds=(format!("{:.3}", axis.seconds)) {
            text.legend x="4" y=(CAPTION - 6.0) { (legend(own)) }
            (row(own, &own_place, wave_at, spectrum_at))
            @if let Some((other, matched)) = other {
                @let place = |second: f64| axis.place(in_suspect(matched, second));
                text.legend x="4" y=(other_at + CAPTION - 6.0) { (legend(other)) }
                (row(other, &place, other_at + CAPTION + SPECTRUM, other_at + CAPTION))
                rect.overlap x=(short(axis.place(matched.from))) y=(wave_at) width=(short(axis.place(matched.length))) height=(lines - wave_at) {}
            }
            @for second in axis.marks() {
                line.mark x1=(short(axis.place(second))) x2=(short(axis.place(second))) y1=(lines) y2=(lines + 5.0) {}
                text.mark x=(short(axis.place(second) + 3.0)) y=(high - 4.0) { (clock(second)) }
            }
            line.head x1="0" x2="0" y1=(wave_at) y2=(lines) {}
        }
        @if let Some((_, matched)) = other {
            p.note { "Both are drawn on the time of the suspect: of the other recording " (clock(matched.offset)) " lies under " (clock(matched.from))
                @if (matched.speed - 1.0).abs() >= 0.001 { ", stretched by " (format!("{:.3}", 1.0 / matched.speed)) }
                ". The frame is what both have, " (format!("{:.1}", matched.length)) " s."
                @if (matched.pitch - 1.0).abs() >= 0.005 { " The suspect sounds " (format!("{:.2}", 12.0 * matched.pitch.log2().abs())) " semitones " (if matched.pitch > 1.0 { "higher" } else { "lower" }) "; pitch is not aligned." }
            }
        }
    }
}

/// The picture in words, for who does not see it.
fn told(own: &Recording, other: Option<(&Recording, &Match)>) -> String {
    match other {
        None => format!("Waveform and spectrogram of {}, {}", own.name, clock(own.seconds)),
        Some((other, matched)) => format!(
            "Waveform and spectrogram of {} above those of {}: {:.1} s from {} are its sound from {}",
            own.name,
            other.name,
            matched.length,
            clock(matched.from),
            clock(matched.offset)
        ),
    }
}

fn legend(recording: &Recording) -> String {
    let Recording { name, seconds, rate_hz, .. } = recording;
    visible(&format!("{name}, {}, 30 Hz to {:.1} kHz", clock(*seconds), f64::from(*rate_hz) / 2_000.0))
}

/// The waveform and the tiles of a recording whose seconds lie at these places.
fn row(recording: &Recording, place: &dyn Fn(f64) -> f64, wave_at: f64, spectrum_at: f64) -> Markup {
    let mut from = 0.0;
    let tiles = recording.tiles.iter().map(|seconds| {
        let (left, right) = (place(from), place(from + seconds));
        from += seconds;
        (left, right - left)
    });
    let tiles: Vec<(f64, f64)> = tiles.collect();
    html! {
        @if tiles.is_empty() { text.legend x="4" y=(spectrum_at + SPECTRUM / 2.0) { "no spectrogram" } }
        @for (number, (left, wide)) in tiles.iter().enumerate().filter(|(_, (left, wide))| *left < WIDE && left + wide > 0.0) {
            image href=(format!("/desk/sound/{}/spectrum/{number}", recording.hash)) x=(short(*left)) y=(spectrum_at) width=(short(*wide)) height=(SPECTRUM) preserveAspectRatio="none" {}
        }
        @match &recording.peaks {
            Some(peaks) => path.wave d=(wave(peaks, place, wave_at)) stroke-width=(short((place(peaks.point_seconds) - place(0.0)).max(1.0))) {},
            None => text.legend x="4" y=(wave_at + WAVE / 2.0) { "no waveform" },
        }
    }
}

/// A stroke from the least to the greatest sample of each unit of the picture.
fn wave(peaks: &Peaks, place: &dyn Fn(f64) -> f64, top: f64) -> String {
    let level = |sample: i8| top + WAVE / 2.0 - f64::from(sample) / 128.0 * WAVE / 2.0;
    let mut path = String::new();
    let mut stroke = |at: i64, [least, greatest]: [i8; 2]| {
        // What is silent is a line all the same.
        let (low, high) = (level(least).max(level(greatest) + 1.0), level(greatest));
        let _ = write!(path, "M{at} {high:.0}V{low:.0}");
    };
    let mut last: Option<(i64, [i8; 2])> = None;
    for (number, [least, greatest]) in peaks.points.iter().enumerate() {
        let at = place((number as f64 + 0.5) * peaks.point_seconds).round() as i64;
        if !(0..=WIDE as i64).contains(&at) {
            continue;
        }
        last = match last {
            Some((before, [low, high])) if before == at => Some((at, [low.min(*least), high.max(*greatest)])),
            before => {
                before.into_iter().for_each(|(at, extremes)| stroke(at, extremes));
                Some((at, [*least, *greatest]))
            }
        };
    }
    last.into_iter().for_each(|(at, extremes)| stroke(at, extremes));
    path
}

fn players(own: &Recording, other: Option<(&Recording, &Match)>) -> Markup {
    let data = |of: fn(&Match) -> f64| other.map(|(_, matched)| format!("{:.4}", of(matched)));
    html! {
        div #deck data-from=[data(|matched| matched.from)] data-length=[data(|matched| matched.length)] data-offset=[data(|matched| matched.offset)] data-speed=[data(|matched| matched.speed)] {
            @let matched = other.map(|(_, matched)| matched);
            (player(own, "suspect", matched.map_or_else(|| own.clip(0.0, f64::INFINITY), |matched| own.clip(matched.from, matched.length)), "auto"))
            @if let Some((other, matched)) = other { (player(other, "other", other.clip(matched.offset, matched.length * matched.speed), "auto")) }
        }
    }
}

impl Recording {
    /// The clip from a second on, as long as that or as a clip may be.
    fn clip(&self, from: f64, length: f64) -> Clip {
        let (rate, all) = (f64::from(self.rate_hz), (self.seconds * f64::from(self.rate_hz)).round());
        let from = (from * rate).round().clamp(0.0, all);
        let samples = (length * rate).round().min((Clip::SECONDS_MAX * u64::from(self.rate_hz)) as f64).min(all - from);
        Clip { hash: self.hash.clone(), from: from as u64, samples: samples.max(0.0) as u64 }
    }

    /// All of it, clip by clip.
    fn clips(&self) -> impl Iterator<Item = Clip> {
        let clips = (self.seconds / Clip::SECONDS_MAX as f64).ceil() as u64;
        (0..clips).map(|number| self.clip((number * Clip::SECONDS_MAX) as f64, f64::INFINITY))
    }

    /// From when to when it is heard.
    fn times(&self, clip: &Clip) -> String {
        let second = |sample: u64| clock(sample as f64 / f64::from(self.rate_hz.max(1)));
        format!("{} to {} of {}", second(clip.from), second(clip.from + clip.samples), clock(self.seconds))
    }
}

fn place_of(clip: &Clip) -> String {
    format!("/desk/sound/{}/clip?from={}&samples={}", clip.hash, clip.from, clip.samples)
}

/// A player of a clip, and the way to all others.
fn player(recording: &Recording, part: &str, clip: Clip, preload: &str) -> Markup {
    let Recording { name, hash, seconds, rate_hz, .. } = recording;
    html! {
        figure {
            figcaption {
                bdi { (visible(part)) } @if part != name { ": " bdi { (visible(name)) } }
                @if recording.silent.is_none() { ", " a.clip href=(place_of(&clip)) { (recording.times(&clip)) } }
            }
            @match &recording.silent {
                None => {
                    audio controls preload=(preload) src=(place_of(&clip)) data-part=(part) data-hash=(hash) data-rate=(rate_hz) data-seconds=(seconds) data-from=(clip.from) data-samples=(clip.samples) {}
                    @if *seconds > Clip::SECONDS_MAX as f64 {
                        details {
                            summary { "All of it" }
                            ul { @for clip in recording.clips() { li { a href=(place_of(&clip)) { (recording.times(&clip)) } } } }
                        }
                    }
                }
                Some(why) => p.note { (visible(why)) },
            }
        }
    }
}

/// Minutes and seconds.
fn clock(seconds: f64) -> String {
    let tenths = (seconds.max(0.0) * 10.0).round() as u64;
    let (minutes, tenths) = (tenths / 600, tenths % 600);
    match tenths % 10 {
        0 => format!("{minutes}:{:02}", tenths / 10),
        rest => format!("{minutes}:{:02}.{rest}", tenths / 10),
    }
}

fn short(units: f64) -> String {
    format!("{units:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(seconds: f64) -> Recording {
        let points =
            (0..(seconds * 20.0) as usize).map(|at| if at % 2 == 0 { [-64, 63] } else { [-128, 127] }).collect();
        Recording {
            name: "track 7".to_owned(),
            hash: "0".repeat(64),
            seconds,
            rate_hz: 44_100,
            peaks: Some(Peaks { point_seconds: 0.05, points }),
            tiles: vec![32.0, seconds - 32.0],
            silent: None,
        }
    }

    #[test]
    fn the_other_recording_lies_where_it_sounds_the_same() {
        let matched = Match { from: 10.0, length: 20.0, offset: 30.0, speed: 1.25, pitch: 1.25 };
        // A second of the suspect is a second and a quarter of the other.
        assert_eq!(in_suspect(&matched, 30.0), 10.0);
        assert_eq!(in_suspect(&matched, 55.0), 30.0);
        let (own, other) = (recording(40.0), recording(60.0));
        let drawn = picture(&own, Some((&other, &matched))).into_string();
        // Its first tile begins at -14 s of 40 and is 32 / 1.25 s wide, its second one follows.
        let at = |second: f64| second / 40.0 * WIDE;
        for (left, wide) in [(at(-14.0), at(25.6)), (at(11.6), at(22.4))] {
            assert!(
                drawn.contains(&format!("x=\"{left:.1}\" y=\"232\" width=\"{wide:.1}\"")),
                "{left} {wide}: {drawn}"
            );
        }
        assert!(
            drawn.contains(&format!("class=\"overlap\" x=\"{:.1}\" y=\"20\" width=\"{:.1}\"", at(10.0), at(20.0))),
            "{drawn}"
        );
        assert!(drawn.contains("stretched by 0.800") && drawn.contains("3.86 semitones higher"), "{drawn}");
    }

    #[test]
    fn a_waveform_is_as_wide_as_its_sound_and_no_wider_than_the_picture() {
        let own = recording(40.0);
        let peaks = own.peaks.as_ref().expect("peaks");
        let strokes = |place: &dyn Fn(f64) -> f64| wave(peaks, place, 0.0).matches('M').count();
        assert_eq!(strokes(&|second| second * 30.0), 800);
        // Two points of a unit become one stroke over both; what lies outside is left out.
        assert_eq!(strokes(&|second| (second * 20.0 / 2.0).floor()), 400);
        assert_eq!(strokes(&|second| second * 60.0), 400);
        assert_eq!(wave(&Peaks { point_seconds: 1.0, points: vec![[-128, 127]] }, &|_| 5.0, 0.0), "M5 0V64");
        // A clip begins at a sample, is no longer than a minute, and ends with the recording.
        let long = recording(100.0);
        let clip = |from: f64, length: f64| long.clip(from, length);
        let parts = |clip: Clip| (clip.from, clip.samples);
        assert_eq!(parts(clip(1.00001, 2.0)), (44_100, 88_200));
        assert_eq!(parts(clip(-1.0, 99.0)), (0, 60 * 44_100));
        assert_eq!(parts(clip(70.0, f64::INFINITY)), (70 * 44_100, 30 * 44_100));
        assert_eq!(parts(clip(200.0, 1.0)), (100 * 44_100, 0));
        let all: Vec<_> = long.clips().map(parts).collect();
        assert_eq!(all, [(0, 60 * 44_100), (60 * 44_100, 40 * 44_100)]);
        assert_eq!(long.times(&clip(60.5, 9.0)), "1:00.5 to 1:09.5 of 1:40");
        assert_eq!([0.0, 61.25, 600.0, -1.0].map(clock), ["0:00", "1:01.3", "10:00", "0:00"]);
        let marks: Vec<f64> = Axis { seconds: 95.0 }.marks().collect();
        assert_eq!((marks.len(), marks[1]), (10, 10.0));
    }
}
