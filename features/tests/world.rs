//! A law over a whole small world: attacks are held, their music with them, and ordinary people are left alone.
//!
//! All facts are recomputed from the plays by brute force, so this is also the shortest description of what the dataflow
//! feeds into the signals.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use datasets::policy::built_in;
use datasets::world::{World, WorldSpec};
use features::WindowRow;
use features::risk::{Assessment, assess_account, assess_owner, assess_track, decide};
use features::signals::suspicion::{Load, Silenced, Suspicion, suspicion};
use features::signals::{AccountFacts, Catalogue, Following, OwnerFacts, Standing, TrackFacts};
use records::policy::Origin;
use records::{Id, Label, Metadata, Millis, Play, Policy, Risk, Subject, Track, Verdict};

const HOUR_MS: Millis = 3_600_000;
const DAY_MS: Millis = 24 * HOUR_MS;
const BUCKET_MS: Millis = 600_000;
const WINDOWS_MS: [Millis; 3] = [DAY_MS, 7 * DAY_MS, 28 * DAY_MS];

type Rows = Vec<(Millis, WindowRow)>;

/// What is known at one instant.
struct Seen<'a> {
    as_of: Millis,
    plays: Vec<&'a Play>,
    tracks: &'a BTreeMap<Id, Track>,
    hosted: &'a BTreeSet<u32>,
    created: &'a BTreeMap<Id, Millis>,
}

impl<'a> Seen<'a> {
    fn within(&self, window_ms: Millis) -> impl Iterator<Item = &'a Play> + '_ {
        self.plays.iter().copied().filter(move |play| play.ended_at >= self.as_of - window_ms)
    }

    /// The rows by a key; `other` is what the squares are taken over.
    fn rows(&self, key: impl Fn(&Play) -> Option<Id>, other: impl Fn(&Play) -> Id) -> BTreeMap<Id, Rows> {
        let mut found: BTreeMap<Id, Rows> = BTreeMap::new();
        for window_ms in WINDOWS_MS {
            let mut by_key: BTreeMap<Id, Vec<&Play>> = BTreeMap::new();
            for play in self.within(window_ms) {
                if let Some(key) = key(play) {
                    by_key.entry(key).or_default().push(play);
                }
            }
            for (key, plays) in by_key {
                found.entry(key).or_default().push((window_ms, self.row(&plays, &other)));
            }
        }
        found
    }

    fn row(&self, plays: &[&Play], other: impl Fn(&Play) -> Id) -> WindowRow {
        let count = |fits: &dyn Fn(&Play) -> bool| plays.iter().filter(|play| fits(play)).count() as u32;
        let source = |name: &str| count(&|play| play.source.as_deref() == Some(name));
        let mut shares: HashMap<Id, u32> = HashMap::new();
        plays.iter().for_each(|play| *shares.entry(other(play)).or_default() += 1);
        WindowRow {
            plays: plays.len() as u32,
            payable: count(&|play| play.played_ms >= 30_000),
            edge: count(&|play| (30_000..35_000).contains(&play.played_ms)),
            skipped: count(&|play| play.played_ms < 30_000),
            hosted: count(&|play| play.asn.is_some_and(|asn| self.hosted.contains(&asn))),
            new_account_plays: count(&|play| {
                let created = self.created.get(&play.account_id);
                created.is_some_and(|created| (*created..created + 7 * DAY_MS).contains(&play.ended_at))
            }),
            by_search: source("search"),
            by_library: source("library"),
            by_playlist: source("playlist"),
            tracks: distinct(plays, |play| Some(play.track_id.clone())),
            listeners: distinct(plays, |play| Some(play.account_id.clone())),
            devices: distinct(plays, |play| play.device_id.clone()),
            asns: distinct(plays, |play| play.asn),
            active_hours: distinct(plays, |play| Some(play.ended_at / HOUR_MS)),
            top_plays: shares.values().copied().max().unwrap_or(0),
            played_ms: plays.iter().map(|play| play.played_ms).sum(),
            sum_squares: shares.values().map(|&plays| u64::from(plays).pow(2)).sum(),
            ..WindowRow::default()
        }
    }

    /// Sizes of the groups that devices make; a device of more than 50 accounts joins nobody.
    fn groups(&self) -> BTreeMap<Id, u32> {
        let mut users: BTreeMap<&Id, BTreeSet<&Id>> = BTreeMap::new();
        for play in self.within(7 * DAY_MS) {
            if let Some(device) = &play.device_id {
                users.entry(device).or_default().insert(&play.account_id);
            }
        }
        let links: Vec<BTreeSet<&Id>> = users.into_values().filter(|users| (2..=50).contains(&users.len())).collect();
        let mut group: BTreeMap<&Id, &Id> = links.iter().flatten().map(|account| (*account, *account)).collect();
        while links.iter().any(|users| {
            let least = users.iter().map(|account| group[*account]).min().expect("a link has accounts");
            let moved = users.iter().any(|account| group[*account] != least);
            users.iter().for_each(|account| _ = group.insert(account, least));
            moved
        }) {}
        let mut sizes: BTreeMap<&Id, u32> = BTreeMap::new();
        group.values().for_each(|id| *sizes.entry(id).or_default() += 1);
        group.iter().map(|(account, id)| ((*account).clone(), sizes[id])).collect()
    }

    /// Partners in lockstep and the most shared with one of them.
    fn lockstep(&self) -> BTreeMap<Id, (u32, u32)> {
        let mut meetings: BTreeMap<(&Id, Millis), BTreeSet<&Id>> = BTreeMap::new();
        for play in self.within(DAY_MS) {
            meetings.entry((&play.track_id, play.ended_at / BUCKET_MS)).or_default().insert(&play.account_id);
        }
        let mut pairs: BTreeMap<(&Id, &Id), u32> = BTreeMap::new();
        for accounts in meetings.values().filter(|accounts| accounts.len() <= 50) {
            for (place, a) in accounts.iter().enumerate() {
                accounts.iter().skip(place + 1).for_each(|b| *pairs.entry((a, b)).or_default() += 1);
            }
        }
        let mut found: BTreeMap<Id, (u32, u32)> = BTreeMap::new();
        for ((a, b), shared) in pairs.into_iter().filter(|(_, shared)| *shared >= 5) {
            for account in [a, b] {
                let (partners, most) = found.entry(account.clone()).or_default();
                (*partners, *most) = (*partners + 1, shared.max(*most));
            }
        }
        found
    }
}

fn distinct<V: Ord>(plays: &[&Play], value: impl Fn(&Play) -> Option<V>) -> u32 {
    plays.iter().filter_map(|play| value(play)).collect::<BTreeSet<V>>().len() as u32
}

/// Every account, track, artist and uploader with its assessment.
fn assess(policy: &Policy, seen: &Seen) -> Assessments {
    let accounts = seen.rows(|play| Some(play.account_id.clone()), |play| play.track_id.clone());
    let (groups, lockstep) = (seen.groups(), seen.lockstep());
    let facts = |account: &Id, suspicious_tracks: Risk| {
        let (lockstep_partners, lockstep_shared) = lockstep.get(account).copied().unwrap_or_default();
        AccountFacts {
            rows: &accounts[account],
            group_size: groups.get(account).copied().unwrap_or(0),
            lockstep_partners,
            lockstep_shared,
            suspicious_tracks,
            ..AccountFacts::default()
        }
    };
    let own = accounts.keys().map(|id| (id.clone(), assess_account(policy, &facts(id, Risk::CLEAN)).r)).collect();
    let mut pairs: BTreeMap<(Id, Id), u32> = BTreeMap::new();
    for play in seen.within(28 * DAY_MS) {
        *pairs.entry((play.account_id.clone(), play.track_id.clone())).or_default() += 1;
    }
    let pairs: Vec<(Id, Id, u32)> =
        pairs.into_iter().map(|((account, track), plays)| (account, track, plays)).collect();
    let flow = suspicion(&policy.flow, &pairs, &own, &Silenced::default());

    let mut found = BTreeMap::new();
    for id in accounts.keys() {
        let assessment = assess_account(policy, &facts(id, flow.accounts[id]));
        found.insert((Subject::Account, id.clone()), assessment);
    }
    let uploader: Owner = |track| track.uploader_id.as_ref();
    let artist: Owner = |track| track.artist_id.as_ref();
    let (uploaders, standings) = owners(policy, seen, &flow, (Subject::Uploader, uploader), Standing::of);
    let (artists, followings) = owners(policy, seen, &flow, (Subject::Artist, artist), Following::of);
    found.extend(uploaders);
    found.extend(artists);
    for (id, rows) in seen.rows(|play| Some(play.track_id.clone()), |play| play.account_id.clone()) {
        let track = seen.tracks.get(&id);
        let facts = TrackFacts {
            rows: &rows,
            suspicious_accounts: flow.tracks[&id].share(),
            metadata: track.map(Metadata::of),
            uploader: track.and_then(uploader).and_then(|id| standings.get(id)).copied().unwrap_or_default(),
            artist: track.and_then(artist).and_then(|id| followings.get(id)).copied().unwrap_or_default(),
            ..TrackFacts::default()
        };
        found.insert((Subject::Track, id), assess_track(policy, &facts));
    }
    found
}

type Assessments = BTreeMap<(Subject, Id), Assessment>;
type Owner = fn(&Track) -> Option<&Id>;

/// The owners of one kind that are played: each assessment, and what each tells its tracks.
fn owners<T>(
    policy: &Policy,
    seen: &Seen,
    flow: &Suspicion<Id, Id>,
    (subject, owner): (Subject, Owner),
    told: fn(&[(Millis, WindowRow)], Risk) -> T,
) -> (Assessments, BTreeMap<Id, T>) {
    let mut rows = seen.rows(|play| owner(seen.tracks.get(&play.track_id)?).cloned(), |play| play.account_id.clone());
    let mut catalogue: BTreeMap<Id, Catalogue> = BTreeMap::new();
    for track in seen.tracks.values() {
        let Some(id) = owner(track) else { continue };
        *catalogue.entry(id.clone()).or_default() += Catalogue::of(&Metadata::of(track));
        for (window_ms, row) in rows.get_mut(id).into_iter().flatten() {
            let window = seen.as_of - *window_ms..seen.as_of;
            row.uploads += u32::from(track.uploaded_at.is_some_and(|uploaded| window.contains(&uploaded)));
        }
    }
    let mut loads: BTreeMap<Id, Load> = BTreeMap::new();
    for (track, load) in &flow.tracks {
        if let Some(id) = seen.tracks.get(track).and_then(owner) {
            *loads.entry(id.clone()).or_default() += *load;
        }
    }
    let assess = |(id, rows): (&Id, &Rows)| {
        let suspicious_accounts = loads[id].share();
        let facts = OwnerFacts { rows, suspicious_accounts, catalogue: catalogue[id], audio: None };
        ((subject, id.clone()), assess_owner(policy, subject, &facts))
    };
    let told = |(id, rows): (&Id, &Rows)| (id.clone(), told(rows, loads[id].share()));
    (rows.iter().map(assess).collect(), rows.iter().map(told).collect())
}

/// The built-in policy; `TRUESTREAM_RULES_OFF=rig,intruder` shows what it would be without some of its rules on accounts.
fn policy() -> Policy {
    let mut policy = built_in();
    for off in std::env::var("TRUESTREAM_RULES_OFF").unwrap_or_default().split(',') {
        policy.rules.account.remove(off);
    }
    policy
}

/// What became of subjects of one kind under one label (`-` where there is none).
#[derive(Default)]
struct Fates {
    /// Their worst verdicts.
    verdicts: BTreeMap<Verdict, u32>,
    /// How many of them each signal ever spoke against loudly: alone it would justify a fifth of the way to certainty.
    signals: BTreeMap<&'static str, u32>,
    /// Why some of them were held, in words.
    reasons: Vec<String>,
}

impl Fates {
    fn held(&self) -> u32 {
        self.verdicts.range(Verdict::Hold..).map(|(_, count)| count).sum()
    }

    fn all(&self) -> u32 {
        self.verdicts.values().sum()
    }
}

type Tally = BTreeMap<(String, Subject), Fates>;

/// The worst verdict of every subject at a few instants of a world, by label and kind.
fn judged(spec: &WorldSpec, days: &[Millis]) -> Tally {
    let world = World::new(spec).expect("the spec is in order");
    let (plays, _) = world.telemetry();
    let tracks = world.tracks().map(|track| (track.track_id.clone(), track)).collect();
    let hosted = world.networks().into_iter().filter(|network| network.kind.is_hosted()).map(|network| network.asn);
    let hosted = hosted.collect();
    let created = world.accounts().filter_map(|account| Some((account.account_id, account.created_at?))).collect();
    let policy = policy();

    let mut worst: BTreeMap<(Subject, Id), (Verdict, String)> = BTreeMap::new();
    let mut loud: BTreeMap<(Subject, Id), BTreeSet<&'static str>> = BTreeMap::new();
    for day in days {
        let as_of = spec.start_ms + day * DAY_MS;
        let plays = plays.iter().filter(|play| play.ended_at < as_of).collect();
        let seen = Seen { as_of, plays, tracks: &tracks, hosted: &hosted, created: &created };
        for (subject, assessment) in assess(&policy, &seen) {
            let decision = decide(&policy, subject.0, Origin::default(), &assessment);
            let signals = assessment.evidence.iter().filter(|evidence| evidence.alone >= 2_000);
            loud.entry(subject.clone()).or_default().extend(signals.map(|evidence| evidence.signal.name.name()));
            let place = worst.entry(subject).or_default();
            if decision.verdict > place.0 {
                *place = (decision.verdict, format!("day {day}: {}", decision.reasons.join("; ")));
            }
        }
    }
    let labelled = |label: Label| {
        let family = label.attack.unwrap_or_default();
        ((label.subject, label.subject_id), format!("{}: {family}", label.label.name()))
    };
    let labels: BTreeMap<(String, Id), String> = world.labels().into_iter().map(labelled).collect();
    let mut tally = Tally::new();
    for ((subject, id), (verdict, reasons)) in worst {
        let label = labels.get(&(subject.name().to_string(), id.clone())).map_or("-", String::as_str);
        let fates = tally.entry((label.to_string(), subject)).or_default();
        *fates.verdicts.entry(verdict).or_default() += 1;
        for signal in &loud[&(subject, id.clone())] {
            *fates.signals.entry(*signal).or_default() += 1;
        }
        fates.reasons.extend((verdict >= Verdict::Hold).then(|| format!("{} {id}: {reasons}", subject.name())));
    }
    tally
}

/// The worlds to be judged: `TRUESTREAM_WORLD_SEEDS=2,3` and `TRUESTREAM_WORLD_ACCOUNTS=1000` ask for others.
fn specs() -> Vec<WorldSpec> {
    let asked = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
    let accounts = asked("TRUESTREAM_WORLD_ACCOUNTS", "600").parse().expect("a number of accounts");
    let seeds = asked("TRUESTREAM_WORLD_SEEDS", "1");
    let seed = |seed: &str| seed.trim().parse().expect("seeds are whole numbers");
    let spec = |seed| WorldSpec { seed, accounts, days: 21, ..WorldSpec::default() };
    seeds.split(',').map(seed).map(spec).collect()
}

#[test]
fn attacks_are_held_and_people_are_left_alone() {
    for spec in specs() {
        let tally = judged(&spec, &[10, 14, 21]);
        println!("seed {}, {} accounts", spec.seed, spec.accounts);
        for ((label, subject), fates) in &tally {
            println!("{:>9} {label:<26} {:?} {:?}", subject.name(), fates.verdicts, fates.signals);
            let is_wronged = !label.starts_with("fraud") && *subject != Subject::Track;
            fates.reasons.iter().filter(|_| is_wronged).for_each(|reason| println!("          {reason}"));
        }
        let failed = failures(&tally);
        assert!(failed.is_empty(), "seed {}: {failed:#?}", spec.seed);
    }
}

/// What is not as it should be.
fn failures(tally: &Tally) -> Vec<String> {
    let mut failed = Vec::new();
    // The playlist farm is left to models: its accounts meet on its tracks as often as sleepers do on theirs, by chance, and rules that held
    // them for it escalated 39 of 45 sleepers in a world of 20,000 accounts.
    for family in ["loop_farm", "breadth_farm", "device_farm", "lockstep", "spam_uploader"] {
        for subject in [Subject::Account, Subject::Uploader] {
            let (held, all) =
                tally.get(&(format!("fraud: {family}"), subject)).map_or((0, 0), |fates| (fates.held(), fates.all()));
            // Some members of a family that acts like people stay below; its music does not.
            let least = if subject == Subject::Account { all * 3 / 4 } else { all };
            if all == 0 || held < least {
                failed.push(format!("{family}: {held} of {all} held ({})", subject.name()));
            }
        }
    }
    for ((label, subject), fates) in tally.iter().filter(|((label, _), _)| !label.starts_with("fraud")) {
        let (held, all) = (fates.held(), fates.all());
        // An ordinary track that bots used as camouflage waits until its false plays are withheld.
        let most = if label == "-" { all / 500 } else { 0 };
        if held > most {
            failed.push(format!("{label}: {held} of {all} held ({}): {:#?}", subject.name(), fates.reasons));
        }
    }
    failed
}
