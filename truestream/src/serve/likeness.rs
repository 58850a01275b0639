//! Who somebody is like: its numbers among those of its kind, its habits beside those who are played as much, and its nearest look-alikes against
//! whom nothing is held.
//!
//! ```text
//! rows of its windows ──┬──▶ share of its kind that has less, by measure
//!                       ├──▶ as many plays ──▶ mean habits
//!                       └──▶ nearest in all measures, no verdict ──▶ look-alikes, and in what it differs from them
//! ```
//!
//! Who decides sees what is usual before what is accused: a reviewer who looks at suspects alone forgets what people do.

use std::collections::VecDeque;

use console::desk::{Alike, Class, Divided, Habit, Measure};
use dataflows::habits::Habits;
use datasets::formats::instant;
use datasets::tables::Cell;
use features::habit::{COUNTRIES, Counts, DAYS, LENGTHS_FROM_SECS, day_of};
use features::tally::Axis;
use records::{Id, Millis, Source, Subject, Verdict};

use super::cuts::word;
use super::lookup::Span;
use super::places::key_of;
use super::shelf::{Outline, Stated};
use crate::replay::views::{RowKey, RowValue, View, window_counts};

/// A subject is compared with so many of its kind at most: enough for a share, and for a page in time.
const COMPARED_MAX: usize = 50_000;
/// Habits are laid beside so many of the cohort at most, and beside none where there are fewer than so many.
const COHORT_MAX: usize = 2_000;
const COHORT_MIN: u32 = 5;
/// So many look-alikes are shown, each with so many measures in which it differs most.
const ALIKE: usize = 3;
const DIFFERING: usize = 3;
/// So many countries are shown; the others together.
const COUNTRIES_SHOWN: usize = 8;
const DAY_MS: Millis = 24 * 3_600_000;

/// Somebody, and all that is stated of its kind.
pub struct Likeness<'a> {
    outline: &'a Outline,
    stated: &'a Stated,
    subject: Subject,
    own: Id,
}

/// The numbers of one of its kind.
type Figures = Vec<(&'static str, f64)>;

impl Likeness<'_> {
    /// The likeness of that subject, as of what is stated.
    pub fn of<'a>(outline: &'a Outline, stated: &'a Stated, subject: Subject, own: Id) -> Likeness<'a> {
        Likeness { outline, stated, subject, own }
    }

    fn axis(&self) -> Axis {
        Axis::from(self.subject)
    }

    /// What it has in each window and where that lies among its like, and who is most like it in the longest one.
    pub fn measures(&self) -> (Vec<Measure>, Vec<Alike>) {
        let windows = self.outline.labels.len();
        let (mut measures, mut alike) = (Vec::<Measure>::new(), Vec::new());
        for window in 0..windows {
            let own = self.figures(RowKey::Window(window as u8, self.own.clone()));
            if measures.is_empty() {
                let measure =
                    |(name, _): &(&str, f64)| Measure { name: (*name).to_owned(), cells: vec![None; windows] };
                measures = own.iter().map(measure).collect();
            }
            let others = if own.is_empty() { Vec::new() } else { self.others(window as u8) };
            for (place, (measure, (_, own))) in measures.iter_mut().zip(&own).enumerate() {
                let less = others.iter().filter(|(_, theirs)| theirs[place] < *own).count();
                measure.cells[window] = Some((*own, less as f64 / others.len().max(1) as f64));
            }
            if window + 1 == windows {
                alike = self.alike(&own, others);
            }
        }
        (measures, alike)
    }

    /// The numbers of a row of its window view; nothing where there is none.
    fn figures(&self, key: RowKey) -> Figures {
        let mut figures = Vec::new();
        self.stated.copy(View::Window(self.axis()), &mut [Span::Row(key)].into(), 1, |_, value| {
            figures = numbers(self.axis(), value);
            true
        });
        figures
    }

    /// All of its kind with a row in the window, itself too, by their numbers.
    fn others(&self, window: u8) -> Vec<(Id, Vec<f64>)> {
        let first = |window: u8| RowKey::Window(window, Id::Number(0));
        let mut part: VecDeque<Span> = [Span::Rows(first(window), Some(first(window + 1)))].into();
        let mut others = Vec::new();
        self.stated.copy(View::Window(self.axis()), &mut part, COMPARED_MAX, |key, value| {
            let RowKey::Window(_, id) = key else { return false };
            others.push((id.clone(), numbers(self.axis(), value).into_iter().map(|(_, number)| number).collect()));
            true
        });
        others
    }

    /// The nearest ones against whom nothing is held, the nearest first.
    fn alike(&self, own: &Figures, others: Vec<(Id, Vec<f64>)>) -> Vec<Alike> {
        let others: Vec<_> = others.into_iter().filter(|(id, _)| *id != self.own).collect();
        let scale = Scale::of(own.len(), &others);
        let own_numbers: Vec<f64> = own.iter().map(|(_, number)| *number).collect();
        let mut far: Vec<(f64, &(Id, Vec<f64>))> = others
            .iter()
            .map(|other| (scale.steps(&own_numbers, &other.1).map(|step| step * step).sum(), other))
            .collect();
        far.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.0.cmp(&b.1.0)));
        let key = |id: &Id| RowKey::Subject(self.subject, id.to_string());
        let nearest = far.into_iter().filter(|(_, (id, _))| self.stated.verdict(&key(id)) == Verdict::Allow);
        let told = |(_, (id, theirs)): (f64, &(Id, Vec<f64>))| {
            let mut differs: Vec<(f64, usize)> = scale.steps(&own_numbers, theirs).map(f64::abs).zip(0..).collect();
            differs.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let measure = |(_, place): (f64, usize)| (own[place].0.to_owned(), own[place].1, theirs[place]);
            let differs = differs.into_iter().filter(|(step, _)| *step > 0.0).take(DIFFERING).map(measure).collect();
            Alike { id: id.to_string(), differs, is_found_honest: false }
        };
        nearest.take(ALIKE).map(told).collect()
    }

    /// When and how it is played, or plays, beside those who are played as much: between the same two powers of two of plays in the longest
    /// window, as cohorts are elsewhere.
    pub fn habit(&self, habits: &Habits, longest_ms: Millis) -> Option<Habit> {
        let (axis, outline) = (self.axis(), self.outline);
        let own = habits.of(axis, key_of(&self.own))?;
        let power = own.plays().checked_ilog2();
        let (mut mean, mut looked_at) = (Mean::default(), 0);
        self.stated.copy(View::Window(axis), &mut [outline.rows_of_longest()].into(), COHORT_MAX, |key, value| {
            looked_at += 1;
            let (RowKey::Window(_, other), RowValue::Window(row)) = (key, &**value) else { return false };
            let is_like =
                looked_at <= COMPARED_MAX && *other != self.own && u64::from(row.plays).checked_ilog2() == power;
            let theirs = is_like.then(|| habits.of(axis, key_of(other))).flatten();
            if let Some(theirs) = &theirs {
                mean.add(theirs);
            }
            // Who is not looked at is taken, too, so that it ends.
            theirs.is_some() || looked_at > COMPARED_MAX
        });
        let usual = if mean.of < COHORT_MIN { Mean::default() } else { mean };
        let names: Vec<String> = habits.countries().into_iter().map(|country| country.text()).collect();
        let window = outline.labels.last().map(|label| label.to_string()).unwrap_or_default();
        let mut divided = vec![by_length(&own, &usual), by_source(&own, &usual), by_country(&own, &usual, &names)];
        divided.extend(outline.as_of(self.stated).and_then(|as_of| by_day(&own, &usual, as_of, longest_ms)));
        let hours = own.hours().iter().zip(0..).map(|(plays, hour)| class(String::new(), *plays, usual.share(0, hour)));
        Some(Habit { window, plays: own.plays(), others: usual.of as usize, week: hours.collect(), divided })
    }
}

/// The numbers of a row, by name.
fn numbers(axis: Axis, value: &RowValue) -> Figures {
    let RowValue::Window(row) = value else { return Vec::new() };
    let number = |(name, cell)| match cell {
        Cell::Count(count) => Some((name, count as f64)),
        Cell::Float(number) => Some((name, number)),
        _ => None,
    };
    window_counts(axis, row).into_iter().filter_map(number).collect()
}

/// How far apart numbers are, in standard deviations of their logarithms over all of the kind: twice as many is as far at ten as at ten thousand.
struct Scale(Vec<f64>);

impl Scale {
    fn of(measures: usize, others: &[(Id, Vec<f64>)]) -> Scale {
        let count = others.len().max(1) as f64;
        let deviation = |place: usize| {
            let logs = || others.iter().map(|(_, numbers)| numbers[place].max(0.0).ln_1p());
            let mean = logs().sum::<f64>() / count;
            (logs().map(|log| (log - mean).powi(2)).sum::<f64>() / count).sqrt()
        };
        Scale((0..measures).map(deviation).collect())
    }

    /// By how many deviations each number is greater in the first; what is the same in all says nothing.
    fn steps<'a>(&'a self, a: &'a [f64], b: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        let step = |((a, b), deviation): ((&f64, &f64), &f64)| match *deviation > 0.0 {
            true => (a.max(0.0).ln_1p() - b.max(0.0).ln_1p()) / deviation,
            false => 0.0,
        };
        a.iter().zip(b).zip(&self.0).map(step)
    }
}

/// The mean shares of a cohort, as [`pictures`] divides plays.
#[derive(Default)]
struct Mean {
    of: u32,
    shares: [Vec<f64>; 5],
}

/// Plays by hour, day, length, source and country.
fn pictures(counts: &Counts) -> [Vec<u32>; 5] {
    [counts.hours().to_vec(), counts.days().to_vec(), counts.lengths(), counts.sources(), counts.countries().to_vec()]
}

impl Mean {
    fn add(&mut self, counts: &Counts) {
        self.of += 1;
        let all = counts.plays().max(1) as f64;
        for (shares, plays) in self.shares.iter_mut().zip(pictures(counts)) {
            shares.resize(plays.len(), 0.0);
            shares.iter_mut().zip(plays).for_each(|(share, plays)| *share += f64::from(plays) / all);
        }
    }

    /// The mean share of a class, where there is a cohort.
    fn share(&self, picture: usize, class: usize) -> Option<f64> {
        self.shares[picture].get(class).map(|share| share / f64::from(self.of))
    }
}

fn class(name: String, plays: u32, usual: Option<f64>) -> Class {
    Class { name, plays, usual }
}

fn by_length(own: &Counts, usual: &Mean) -> Divided {
    let name = |place: usize| match LENGTHS_FROM_SECS.get(place + 1) {
        Some(to) => format!("{} to {to} s", LENGTHS_FROM_SECS[place]),
        None => format!("{} s and more", LENGTHS_FROM_SECS[place]),
    };
    let classes =
        own.lengths().into_iter().zip(0..).map(|(plays, place)| class(name(place), plays, usual.share(2, place)));
    Divided { by: "length", classes: classes.collect() }
}

fn by_source(own: &Counts, usual: &Mean) -> Divided {
    let name = |place: usize| word(Source::from_number(place as u8)).to_owned();
    let classes = own.sources().into_iter().zip(0..);
    let classes = classes.map(|(plays, place)| class(name(place), plays, usual.share(3, place)));
    Divided { by: "source", classes: classes.collect() }
}

/// The countries in which it has most, and all others together.
fn by_country(own: &Counts, usual: &Mean, names: &[String]) -> Divided {
    let mut most: Vec<usize> = (0..COUNTRIES).filter(|place| own.countries()[*place] > 0).collect();
    most.sort_by_key(|place| (std::cmp::Reverse(own.countries()[*place]), *place));
    let name = |place: usize| match names.get(place).map(String::as_str) {
        None => "others".to_owned(),
        Some("") => "not told".to_owned(),
        Some(name) => name.to_owned(),
    };
    let of = |place: usize| class(name(place), own.countries()[place], usual.share(4, place));
    let mut classes: Vec<Class> = most.iter().take(COUNTRIES_SHOWN).map(|place| of(*place)).collect();
    let shown = |share: fn(&Class) -> Option<f64>| classes.iter().filter_map(share).sum::<f64>();
    let left = own.plays() - classes.iter().map(|class| u64::from(class.plays)).sum::<u64>();
    let usual_left = usual.share(4, 0).map(|_| (1.0 - shown(|class| class.usual)).max(0.0));
    if left > 0 || usual_left.is_some_and(|share| share > 0.0005) {
        classes.push(class("all others".to_owned(), left as u32, usual_left));
    }
    Divided { by: "country", classes }
}

/// The days of the window up to `as_of`, where they can be told apart.
fn by_day(own: &Counts, usual: &Mean, as_of: Millis, window_ms: Millis) -> Option<Divided> {
    let days = window_ms.div_euclid(DAY_MS) + 1;
    if days > DAYS as Millis {
        return None;
    }
    let of = |back: Millis| {
        let day = as_of - back * DAY_MS;
        let place = usize::from(day_of(day));
        let name = instant::to_text(day).chars().take(10).collect();
        class(name, own.days()[place], usual.share(1, place))
    };
    Some(Divided { by: "day", classes: (0..days).rev().map(of).collect() })
}
