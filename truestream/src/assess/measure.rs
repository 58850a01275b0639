//! How each group fares, beside everybody else: who is stopped wrongly, who is missed, what honest artists lose, whom people get to hear.
//!
//! ```text
//! crowd ──▶ members by group ──▶ counts, shares, intervals ──limits──▶ gates
//!       └─▶ exposure of artists, diversity of listening, meetings with the new
//! ```
//!
//! Pure functions of a crowd. The measures are those of `docs/ASSESS.md`.

use std::collections::{BTreeMap, BTreeSet};

use models::measures::{Interval, as_many_by_chance, at_most, bootstrap, gini, surely};
use records::{LabelKind, Verdict};
use serde::{Deserialize, Serialize};

use super::crowd::{About, Crowd, Heard, Member, Pair, SOURCES, axes};

const HOUR_MS: f64 = 3_600_000.0;
/// The seed of resamples: the same data has the same report.
const SEED: u64 = 7;
/// Chance may say of one assessment in twenty that some group is treated worse, however many groups there are (Bonferroni).
const BY_CHANCE: f64 = 0.05;

/// What is tolerated; `assessment.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Groups with fewer honest members are told and not judged.
    pub honest_min: usize,
    /// A group may be stopped so many times as often as all others.
    pub times_max: f64,
    /// And so often whatever happens to the others.
    pub stopped_floor: f64,
    /// Of a group's streams of people so many points more may be unpaid than `times_max` times those of all others.
    pub unpaid_points_max: f64,
    /// So many of all honest members of a kind may be stopped, whoever they are.
    pub stopped_max: f64,
    /// Of all streams of people so many may be unpaid because of a verdict.
    pub unpaid_max: f64,
    /// For so many days what was found is believed.
    pub expires_days: u32,
}

impl Default for Limits {
    /// Twice as often: four fifths, the usual mark of adverse impact (29 CFR 1607.4 D), is of shares that are near one; of errors that are
    /// rare we take a factor. All numbers are ours to argue about, which is why they are a file.
    fn default() -> Limits {
        Limits {
            honest_min: 20,
            times_max: 2.0,
            stopped_floor: 0.005,
            unpaid_points_max: 1.0,
            stopped_max: 0.02,
            unpaid_max: 0.02,
            expires_days: 90,
        }
    }
}

impl Limits {
    /// What is wrong with them.
    pub fn fault(&self) -> Option<String> {
        let Limits { honest_min, times_max, stopped_floor, unpaid_points_max, stopped_max, unpaid_max, expires_days } =
            *self;
        let faults = [
            (honest_min >= 1, format!("honest_min: found {honest_min}, expected 1 or more")),
            (times_max.is_finite() && times_max >= 1.0, format!("times_max: found {times_max}, expected 1 or more")),
            ((0.0..=1.0).contains(&stopped_floor), format!("stopped_floor: found {stopped_floor}, expected 0 to 1")),
            (
                (0.0..=100.0).contains(&unpaid_points_max),
                format!("unpaid_points_max: found {unpaid_points_max}, expected 0 to 100"),
            ),
            ((0.0..=1.0).contains(&stopped_max), format!("stopped_max: found {stopped_max}, expected 0 to 1")),
            ((0.0..=1.0).contains(&unpaid_max), format!("unpaid_max: found {unpaid_max}, expected 0 to 1")),
            (expires_days >= 1, format!("expires_days: found {expires_days}, expected 1 or more")),
        ];
        faults.into_iter().find(|(good, _)| !good).map(|(_, fault)| fault)
    }

    /// What is tolerated here that is not there: what was found, and the most that may be.
    pub fn looser_than(&self, other: &Limits) -> Option<String> {
        let days = |limits: &Limits| f64::from(limits.expires_days);
        let pairs = [
            ("honest_min", self.honest_min as f64, other.honest_min as f64),
            ("times_max", self.times_max, other.times_max),
            ("stopped_floor", self.stopped_floor, other.stopped_floor),
            ("unpaid_points_max", self.unpaid_points_max, other.unpaid_points_max),
            ("stopped_max", self.stopped_max, other.stopped_max),
            ("unpaid_max", self.unpaid_max, other.unpaid_max),
            ("expires_days", days(self), days(other)),
        ];
        let looser = pairs.into_iter().find(|(_, here, there)| here > there);
        looser.map(|(name, here, there)| format!("{name} {here}, expected at most {there}"))
    }
}

/// All honest members of a kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overall {
    /// account, track or artist.
    pub about: String,
    /// Those that were ever stopped.
    pub stopped: Pair<Share>,
    /// The share of their streams of people that a verdict keeps from being paid, with the bootstrap interval over members.
    pub unpaid: Pair<Measured>,
}

impl Overall {
    fn of(about: About, members: &[Member]) -> Overall {
        let honest: Vec<&Member> = members.iter().filter(|member| member.is_honest(about)).collect();
        let heard: Vec<Heard> = honest.iter().map(|member| member.all_heard()).collect();
        Overall {
            about: about.name().to_owned(),
            stopped: [0, 1].map(|side| Share::of(&honest, side)),
            unpaid: [0, 1].map(|side| unpaid(&heard, side)),
        }
    }

    /// Whether surely more are stopped than may be, and more than now.
    pub fn is_stopped_beyond(&self, limits: &Limits) -> bool {
        self.stopped[1].low > limits.stopped_max && self.stopped[1].hits > self.stopped[0].hits
    }

    /// The same of what is not paid.
    pub fn is_unpaid_beyond(&self, limits: &Limits) -> bool {
        self.unpaid[1].low > limits.unpaid_max && self.unpaid[1].value > self.unpaid[0].value
    }
}

/// A share of so many, with Wilson's 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// How many.
    pub hits: usize,
    /// Of how many.
    pub of: usize,
    /// The share; 0 of nobody.
    pub share: f64,
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Share {
    fn of(members: &[&Member], side: usize) -> Share {
        let hits = members.iter().filter(|member| member.verdict[side] > Verdict::Allow).count();
        let of = members.len();
        let share = if of == 0 { 0.0 } else { hits as f64 / of as f64 };
        Share { hits, of, share, low: surely(hits, of), high: at_most(hits, of) }
    }
}

/// A measured number with an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The number.
    pub value: f64,
    /// The lower end of its 95 % interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl From<Interval> for Measured {
    fn from(Interval { value, low, high }: Interval) -> Measured {
        Measured { value, low, high }
    }
}

/// How one group of accounts, tracks or artists fares. Pairs are of now and of what is assessed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfGroup {
    /// account, track or artist.
    pub about: String,
    /// What makes the group: genre, country, …
    pub axis: String,
    /// Its value.
    pub group: String,
    /// Honest members that were ever stopped (held, escalated or blocked): the rate of false positives.
    pub stopped: Pair<Share>,
    /// The other honest members of the kind.
    pub others: usize,
    /// The share of them that were ever stopped.
    pub others_stopped: Pair<f64>,
    /// For how many hours those were stopped on average.
    pub stopped_hours: Pair<f64>,
    /// Members that labels call fraud and that were never stopped: the rate of false negatives.
    pub missed: Pair<Share>,
    /// Streams of people that honest members' music or listening has.
    pub streams: u64,
    /// The share of them that is not paid because of a verdict, with the bootstrap interval over members.
    pub unpaid: Pair<Measured>,
    /// The same of all others.
    pub others_unpaid: Pair<f64>,
    /// The share of them whose track waits for what must be declared or approved: until that is done, whoever it is.
    pub waiting: Pair<f64>,
    /// What of their money honest artists keep under other terms of payment, and what all others keep: where it is least beside theirs, as the terms
    /// are or without their minimums. 1 where the terms are the same.
    #[serde(default = "all_of_it")]
    pub kept: [f64; 2],
    /// The chance of as many stopped, were the group stopped as often as is tolerated.
    pub chance: f64,
    /// What is beyond the limits, and worse than now: `stopped`, `unpaid`, `money`.
    pub beyond: Vec<String>,
    /// What is beyond the limits as it is now already, and gets no worse.
    pub standing: Vec<String>,
}

fn all_of_it() -> [f64; 2] {
    [1.0; 2]
}

/// What of their money the members keep, and what the others keep.
fn kept(members: &[&Member], others: &[&Member]) -> [f64; 2] {
    let kept = |members: &[&Member], way: usize| {
        let sum = |side: usize| members.iter().map(|member| member.money[way][side]).sum::<u64>() as f64;
        (sum(0) > 0.0).then(|| sum(1) / sum(0))
    };
    let ways = [0, 1].map(|way| Some([kept(members, way)?, kept(others, way).unwrap_or(1.0)]));
    let ratio = |[of_it, others]: &[f64; 2]| of_it / others.max(1e-9);
    let least = ways.into_iter().flatten().min_by(|one, other| ratio(one).total_cmp(&ratio(other)));
    least.unwrap_or_else(all_of_it)
}

impl OfGroup {
    /// Whether it is large enough to be judged, and there is somebody beside it.
    pub fn is_judged(&self, limits: &Limits) -> bool {
        self.others > 0 && self.stopped[1].of >= limits.honest_min
    }
}

/// How streams of people that are paid are shared among artists.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exposure {
    /// The Gini coefficient of all streams, of those paid now, and of those paid under what is assessed.
    pub gini: [f64; 3],
    /// By axis and group: mean streams of its artists over the mean of all artists, for the same three.
    pub group_ratio: BTreeMap<String, BTreeMap<String, [f64; 3]>>,
    /// How specialised people's listening is on average: 1 is a single genre (Anderson et al. 2020, with genres in the place of vectors).
    pub specialism: [f64; 3],
    /// Of the first meetings of people with artists, the share with artists younger than a year.
    pub with_new_artists: [f64; 3],
}

/// Everything that was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Whether labels say of anybody what is true; else everybody counts as honest.
    pub is_labelled: bool,
    /// By kind, axis and group, in that order.
    pub groups: Vec<OfGroup>,
    /// Everybody, by kind.
    #[serde(default)]
    pub overall: Vec<Overall>,
    /// Whom people get to hear.
    pub exposure: Exposure,
    /// Tracks and artists to whom fraud was done, as far as labels say, and how many of them were stopped.
    pub framed: Pair<Share>,
    /// Accounts of which somebody else made use, and how many of them were stopped.
    pub hijacked: Pair<Share>,
}

impl Measures {
    /// Measures the crowd.
    pub fn of(crowd: &Crowd, limits: &Limits) -> Measures {
        let mut groups = Vec::new();
        for about in About::ALL {
            let members: &[Member] = crowd.members.get(&about).map_or(&[], Vec::as_slice);
            for axis in axes(members) {
                let values: BTreeSet<&String> = members.iter().filter_map(|member| member.groups.get(axis)).collect();
                groups.extend(values.into_iter().map(|group| {
                    of_group(about, axis, group, members, |member| member.groups.get(axis) == Some(group))
                }));
            }
        }
        let artists: &[Member] = crowd.members.get(&About::Artist).map_or(&[], Vec::as_slice);
        groups.extend((0..SOURCES.len()).filter_map(|source| of_source(source, artists)));
        judge(&mut groups, limits);
        let victims = |abouts: &[About]| {
            let all = abouts.iter().filter_map(|about| crowd.members.get(about)).flatten();
            let victims: Vec<&Member> = all.filter(|member| member.label == Some(LabelKind::Victim)).collect();
            [0, 1].map(|side| Share::of(&victims, side))
        };
        Measures {
            is_labelled: crowd.is_labelled,
            groups,
            overall: About::ALL
                .map(|about| Overall::of(about, crowd.members.get(&about).map_or(&[][..], Vec::as_slice)))
                .into(),
            exposure: exposure(crowd),
            framed: victims(&[About::Track, About::Artist]),
            hijacked: victims(&[About::Account]),
        }
    }
}

fn of_group(about: About, axis: &str, group: &str, members: &[Member], belongs: impl Fn(&Member) -> bool) -> OfGroup {
    let (of_it, others): (Vec<&Member>, Vec<&Member>) = members.iter().partition(|member| belongs(member));
    let [honest, other_honest] =
        [&of_it, &others].map(|all| all.iter().copied().filter(|member| member.is_honest(about)).collect::<Vec<_>>());
    let fraud: Vec<&Member> = of_it.iter().copied().filter(|member| member.label == Some(LabelKind::Fraud)).collect();
    let heard: Vec<Heard> = honest.iter().map(|member| member.all_heard()).collect();
    let other_heard: Vec<Heard> = other_honest.iter().map(|member| member.all_heard()).collect();
    OfGroup {
        about: about.name().to_owned(),
        axis: axis.to_owned(),
        group: group.to_owned(),
        stopped: [0, 1].map(|side| Share::of(&honest, side)),
        others: other_honest.len(),
        others_stopped: [0, 1].map(|side| Share::of(&other_honest, side).share),
        stopped_hours: [0, 1].map(|side| stopped_hours(&honest, side)),
        missed: [0, 1].map(|side| missed(&fraud, side)),
        streams: heard.iter().map(|heard| heard.streams).sum(),
        unpaid: [0, 1].map(|side| unpaid(&heard, side)),
        others_unpaid: [0, 1].map(|side| unpaid_share(&other_heard, side)),
        waiting: waiting(&heard),
        kept: kept(&honest, &other_honest),
        chance: 1.0,
        beyond: Vec::new(),
        standing: Vec::new(),
    }
}

/// Streams of honest artists that people found this way, beside those that they found otherwise.
fn of_source(source: usize, artists: &[Member]) -> Option<OfGroup> {
    let honest = artists.iter().filter(|member| member.is_honest(About::Artist));
    let (heard, others): (Vec<Heard>, Vec<Heard>) = honest
        .map(|member| {
            let others = member.heard.iter().enumerate().filter(|(at, _)| *at != source);
            (member.heard[source], others.fold(Heard::default(), |sum, (_, heard)| sum.with(*heard)))
        })
        .unzip();
    let [streams, other_streams]: [u64; 2] =
        [&heard, &others].map(|heard| heard.iter().map(|heard| heard.streams).sum());
    let nobody = [Share::default(); 2];
    (streams > 0 && other_streams > 0).then(|| OfGroup {
        about: About::Artist.name().to_owned(),
        axis: "source".to_owned(),
        group: SOURCES[source].0.to_owned(),
        stopped: nobody,
        others: artists.len(),
        others_stopped: [0.0; 2],
        stopped_hours: [0.0; 2],
        missed: nobody,
        streams,
        unpaid: [0, 1].map(|side| unpaid(&heard, side)),
        others_unpaid: [0, 1].map(|side| unpaid_share(&others, side)),
        waiting: waiting(&heard),
        kept: all_of_it(),
        chance: 1.0,
        beyond: Vec::new(),
        standing: Vec::new(),
    })
}

fn stopped_hours(members: &[&Member], side: usize) -> f64 {
    let held: Vec<f64> =
        members.iter().map(|member| member.held_ms[side] as f64 / HOUR_MS).filter(|hours| *hours > 0.0).collect();
    if held.is_empty() { 0.0 } else { held.iter().sum::<f64>() / held.len() as f64 }
}

fn missed(fraud: &[&Member], side: usize) -> Share {
    let found = Share::of(fraud, side);
    let (hits, of) = (found.of - found.hits, found.of);
    let share = if of == 0 { 0.0 } else { hits as f64 / of as f64 };
    Share { hits, of, share, low: surely(hits, of), high: at_most(hits, of) }
}

fn unpaid_share(heard: &[Heard], side: usize) -> f64 {
    let all = heard.iter().fold(Heard::default(), |all, heard| all.with(*heard));
    if all.streams == 0 { 0.0 } else { all.unpaid[side] as f64 / all.streams as f64 }
}

fn waiting(heard: &[Heard]) -> Pair<f64> {
    let all = heard.iter().fold(Heard::default(), |all, heard| all.with(*heard));
    all.waiting.map(|waiting| if all.streams == 0 { 0.0 } else { waiting as f64 / all.streams as f64 })
}

fn unpaid(heard: &[Heard], side: usize) -> Measured {
    // Where every one or none is paid there is nothing to resample.
    let share = unpaid_share(heard, side);
    if share == 0.0 || share == 1.0 {
        return Measured { value: share, low: share, high: share };
    }
    let of = |times: &[f32]| {
        let sum = |number: fn(&Heard, usize) -> u64| {
            heard.iter().zip(times).map(|(heard, times)| number(heard, side) as f64 * f64::from(*times)).sum::<f64>()
        };
        let streams = sum(|heard, _| heard.streams);
        (streams > 0.0).then(|| sum(|heard, side| heard.unpaid[side]) / streams)
    };
    bootstrap(heard.len(), SEED, of).map(Measured::from).unwrap_or_default()
}

/// Lays the limits over what was found for the decisions that are assessed. What is as bad now is told and not held against them: to keep
/// what is in force would help nobody.
fn judge(groups: &mut [OfGroup], limits: &Limits) {
    let questions = groups.iter().filter(|group| group.is_judged(limits)).count().max(1) as f64;
    for group in groups {
        let tolerated = (limits.times_max * group.others_stopped[1]).max(limits.stopped_floor);
        group.chance = as_many_by_chance(group.stopped[1].hits, group.stopped[1].of, tolerated);
        let is_worse = group.stopped[1].hits > group.stopped[0].hits;
        if group.is_judged(limits) && group.chance < BY_CHANCE / questions {
            let told = if is_worse { &mut group.beyond } else { &mut group.standing };
            told.push("stopped".to_owned());
        }
        let most = limits.times_max * group.others_unpaid[1] + limits.unpaid_points_max / 100.0;
        let is_worse = group.unpaid[1].value > group.unpaid[0].value;
        // Of sources the members are all artists, as many as there are.
        if (group.is_judged(limits) || group.axis == "source") && group.unpaid[1].low > most {
            let told = if is_worse { &mut group.beyond } else { &mut group.standing };
            told.push("unpaid".to_owned());
        }
        let [of_it, others] = group.kept;
        if group.is_judged(limits) && of_it < others / limits.times_max {
            group.beyond.push("money".to_owned());
        }
    }
}

fn exposure(crowd: &Crowd) -> Exposure {
    let artists: Vec<&Member> = crowd.members.get(&About::Artist).into_iter().flatten().collect();
    let paid = |member: &Member| {
        let heard = member.all_heard();
        [heard.streams, heard.streams - heard.unpaid[0], heard.streams - heard.unpaid[1]].map(|streams| streams as f64)
    };
    let streams: Vec<[f64; 3]> = artists.iter().map(|artist| paid(artist)).collect();
    let mean = |of: &mut dyn Iterator<Item = &[f64; 3]>, at: usize| {
        let (sum, count) = of.fold((0.0, 0.0), |(sum, count), streams| (sum + streams[at], count + 1.0));
        if count > 0.0 { sum / count } else { 0.0 }
    };
    let all = [0, 1, 2].map(|at| mean(&mut streams.iter(), at));
    let mut group_ratio: BTreeMap<String, BTreeMap<String, [f64; 3]>> = BTreeMap::new();
    for axis in artists.iter().flat_map(|artist| artist.groups.keys()).collect::<BTreeSet<_>>() {
        let values: BTreeSet<&String> = artists.iter().filter_map(|artist| artist.groups.get(axis)).collect();
        for group in values {
            let of_it = || {
                let belongs = artists.iter().zip(&streams).filter(|(artist, _)| artist.groups.get(axis) == Some(group));
                belongs.map(|(_, streams)| streams)
            };
            let ratio = [0, 1, 2].map(|at| if all[at] > 0.0 { mean(&mut of_it(), at) / all[at] } else { 0.0 });
            group_ratio.entry((*axis).to_owned()).or_default().insert(group.clone(), ratio);
        }
    }
    let listeners = crowd.members.get(&About::Account).map_or(&[][..], Vec::as_slice);
    let share = |at: usize| {
        let meetings = &crowd.meetings;
        if meetings.all[at] == 0 { 0.0 } else { meetings.with_new[at] as f64 / meetings.all[at] as f64 }
    };
    Exposure {
        gini: [0, 1, 2].map(|at| {
            let amounts: Vec<f64> = streams.iter().map(|streams| streams[at]).collect();
            gini(&amounts).unwrap_or_default()
        }),
        group_ratio,
        specialism: [0, 1, 2].map(|at| specialism(listeners, at)),
        with_new_artists: [0, 1, 2].map(share),
    }
}

/// The mean over listeners of the generalist-specialist score. With genres as vectors at right angles the centre of a listener is the shares
/// p of his genres, the cosine of a genre with it p_g / |p|, and their mean weighted by p is |p|.
fn specialism(listeners: &[Member], at: usize) -> f64 {
    let score = |member: &Member| {
        let streams = || member.genres.values().map(|sums| sums[at] as f64);
        let all: f64 = streams().sum();
        (all > 0.0).then(|| streams().map(|streams| (streams / all).powi(2)).sum::<f64>().sqrt())
    };
    let scores: Vec<f64> = listeners.iter().filter_map(score).collect();
    if scores.is_empty() { 0.0 } else { scores.iter().sum::<f64>() / scores.len() as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artist(genre: &str, verdict: Verdict, streams: u64, unpaid: u64) -> Member {
        let mut member = Member {
            groups: BTreeMap::from([("genre", genre.to_owned())]),
            verdict: [Verdict::Allow, verdict],
            ..Member::default()
        };
        member.heard[0] = Heard { streams, unpaid: [0, unpaid], waiting: [0; 2] };
        member
    }

    fn crowd(artists: Vec<Member>) -> Crowd {
        Crowd { members: BTreeMap::from([(About::Artist, artists)]), ..Crowd::default() }
    }

    fn beyond(crowd: &Crowd) -> Vec<(String, Vec<String>)> {
        let measures = Measures::of(crowd, &Limits::default());
        let beyond = measures.groups.into_iter().filter(|group| !group.beyond.is_empty());
        beyond.map(|group| (group.group, group.beyond)).collect()
    }

    #[test]
    fn a_group_that_pays_for_what_others_do_not_is_beyond_the_limits() {
        let stopped = |genre: &str, of: usize, stopped: usize| {
            let member = |at| {
                if at < stopped {
                    artist(genre, Verdict::Hold, 100, 100)
                } else {
                    artist(genre, Verdict::Allow, 100, 0)
                }
            };
            (0..of).map(member).collect::<Vec<_>>()
        };
        let fair = crowd([stopped("rock", 400, 4), stopped("ambient", 100, 2)].concat());
        assert_eq!(beyond(&fair), [], "two of a hundred beside four of four hundred are chance");
        let unfair = crowd([stopped("rock", 400, 4), stopped("ambient", 100, 20)].concat());
        assert_eq!(beyond(&unfair), [("ambient".to_owned(), vec!["stopped".to_owned(), "unpaid".to_owned()])]);
        let mut as_now = stopped("ambient", 100, 20);
        as_now.iter_mut().for_each(|member| member.verdict[0] = member.verdict[1]);
        as_now.iter_mut().flat_map(|member| &mut member.heard).for_each(|heard| heard.unpaid[0] = heard.unpaid[1]);
        let as_now = crowd([stopped("rock", 400, 4), as_now].concat());
        assert_eq!(beyond(&as_now), [], "it is no worse than now");
        let told = Measures::of(&as_now, &Limits::default()).groups;
        assert!(told.iter().any(|group| group.group == "ambient" && group.standing == ["stopped", "unpaid"]));
        let few = crowd([stopped("rock", 400, 4), stopped("ambient", 10, 10)].concat());
        assert_eq!(beyond(&few), [], "ten are not enough to judge by, and are told");
        // Who is known to be fraud may be stopped.
        let mut frauds = stopped("ambient", 100, 20);
        frauds.iter_mut().take(20).for_each(|member| member.label = Some(LabelKind::Fraud));
        assert_eq!(beyond(&crowd([stopped("rock", 400, 4), frauds].concat())), []);
    }

    #[test]
    fn money_can_be_lost_without_a_verdict_of_ones_own() {
        let held = |genre, unpaid| (0..60).map(|_| artist(genre, Verdict::Allow, 100, unpaid)).collect::<Vec<_>>();
        let unfair = crowd([held("rock", 1), held("jazz", 9)].concat());
        assert_eq!(beyond(&unfair), [("jazz".to_owned(), vec!["unpaid".to_owned()])]);
        assert_eq!(beyond(&crowd([held("rock", 1), held("jazz", 2)].concat())), []);
    }

    #[test]
    fn exposure_is_of_what_is_paid() {
        let of = |unpaid: u64| {
            let artists = vec![artist("rock", Verdict::Allow, 100, 0), artist("jazz", Verdict::Hold, 100, unpaid)];
            Measures::of(&crowd(artists), &Limits::default()).exposure
        };
        assert_eq!(of(0).gini, [0.0; 3]);
        let exposure = of(100);
        assert_eq!(exposure.gini, [0.0, 0.0, 0.5]);
        assert_eq!(exposure.group_ratio["genre"]["jazz"], [1.0, 1.0, 0.0]);
        assert_eq!(exposure.group_ratio["genre"]["rock"], [1.0, 1.0, 2.0]);
    }

    #[test]
    fn a_listener_of_one_genre_is_a_specialist() {
        let listener = |genres: &[(&str, u64)]| Member {
            genres: genres.iter().map(|(genre, streams)| ((*genre).to_owned(), [*streams; 3])).collect(),
            ..Member::default()
        };
        // The mean cosine with the centre, play by play.
        let slow = |genres: &[u64]| {
            let all = genres.iter().sum::<u64>() as f64;
            let centre: Vec<f64> = genres.iter().map(|streams| *streams as f64 / all).collect();
            let length = centre.iter().map(|share| share * share).sum::<f64>().sqrt();
            genres.iter().zip(&centre).map(|(streams, share)| *streams as f64 * share / length).sum::<f64>() / all
        };
        assert_eq!(specialism(&[listener(&[("a", 7)])], 0), 1.0);
        let found = specialism(&[listener(&[("a", 7), ("b", 2), ("c", 1)])], 0);
        assert!((found - slow(&[7, 2, 1])).abs() < 1e-12, "{found}");
    }
}
