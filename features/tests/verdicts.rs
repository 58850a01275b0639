//! Laws of risk and verdict under the built-in policy: farms are stopped, people are not.
//!
//! Each farm is built from the figures of a court or an analyst, each look-alike from an honest reason to look like one.

use datasets::policy::built_in;
use features::WindowRow;
use features::risk::{
    Assessment, Decision, assess_account, assess_owner, assess_track, decide, fuse, fuse_in, verdict,
};
use features::signals::{AccountFacts, Catalogue, Name, OwnerFacts, Seen, Signal, TrackFacts, of_model};
use proptest::prelude::*;
use records::policy::{Local, Origin, Percent, Rule, Steps, Thresholds};
use records::{Disclosure, Id, Metadata, Millis, Policy, Risk, Subject, Territory, Track, Verdict};

const DAY_MS: Millis = 86_400_000;
const WINDOWS_DAYS: [u32; 3] = [1, 7, 28];

/// What an account does every day, from which the rows of all windows follow.
#[derive(Clone, Copy)]
struct Habit {
    plays_per_day: u32,
    secs_per_play: u32,
    edge_pct: u32,
    skipped_pct: u32,
    hours_per_day: u32,
    /// Tracks it chooses from, all equally often.
    library: u32,
    /// The share of the plays that go to one track besides.
    favourite_pct: u32,
    hosted_pct: u32,
    playlist_pct: u32,
    devices: u32,
    asns: u32,
}

/// Somebody: 40 plays in 5 hours, a quarter skipped.
const PERSON: Habit = Habit {
    plays_per_day: 40,
    secs_per_play: 160,
    edge_pct: 1,
    skipped_pct: 25,
    hours_per_day: 5,
    library: 1_000,
    favourite_pct: 5,
    hosted_pct: 0,
    playlist_pct: 40,
    devices: 2,
    asns: 3,
};

impl Habit {
    fn rows(self) -> Vec<(Millis, WindowRow)> {
        WINDOWS_DAYS.map(|days| (Millis::from(days) * DAY_MS, self.over(days))).to_vec()
    }

    fn over(self, days: u32) -> WindowRow {
        let plays = self.plays_per_day * days;
        let percent = |share: u32| plays * share / 100;
        let favourite = percent(self.favourite_pct);
        let (others, library) = (f64::from(plays - favourite), f64::from(self.library));
        // Distinct tracks and squares of `others` plays, each of a track of the library chosen at random.
        let tracks = (library * (1.0 - (-others / library).exp())).round() as u32;
        let squares = others + others * (others - 1.0).max(0.0) / library;
        let skipped = percent(self.skipped_pct);
        WindowRow {
            plays,
            payable: plays - skipped,
            edge: (plays - skipped) * self.edge_pct / 100,
            skipped,
            hosted: percent(self.hosted_pct),
            by_playlist: percent(self.playlist_pct),
            by_library: percent(100 - self.playlist_pct) / 2,
            tracks: tracks + u32::from(favourite > 0),
            devices: self.devices,
            asns: self.asns,
            active_hours: self.hours_per_day * days,
            top_plays: favourite,
            played_ms: u64::from(plays) * u64::from(self.secs_per_play) * 1_000,
            sum_squares: squares as u64 + u64::from(favourite).pow(2),
            ..WindowRow::default()
        }
    }
}

struct Case {
    name: &'static str,
    assessment: Assessment,
    decision: Decision,
}

fn judged(policy: &Policy, name: &'static str, subject: Subject, assessment: Assessment) -> Case {
    let decision = decide(policy, subject, Origin::default(), &assessment);
    println!("{:>9} {:.2} {name}", decision.verdict, assessment.r.share());
    decision.reasons.iter().for_each(|reason| println!("            {reason}"));
    assert_eq!(assessment.parts().iter().map(|part| part.share).sum::<u16>(), assessment.r.parts(), "{name}");
    Case { name, assessment, decision }
}

fn account(name: &'static str, habit: Habit) -> Case {
    account_with(name, habit, AccountFacts::default())
}

fn account_with(name: &'static str, habit: Habit, facts: AccountFacts) -> Case {
    let policy = built_in();
    let rows = habit.rows();
    judged(&policy, name, Subject::Account, assess_account(&policy, &AccountFacts { rows: &rows, ..facts }))
}

fn at_least(least: Verdict, cases: &[Case]) {
    for case in cases {
        assert!(
            case.decision.verdict >= least,
            "{} is only {}: {:#?}",
            case.name,
            case.decision.verdict,
            case.decision
        );
        assert!(!case.decision.rules.is_empty());
    }
}

fn at_most(most: Verdict, cases: &[Case]) {
    for case in cases {
        assert!(case.decision.verdict <= most, "{} is {}: {:#?}", case.name, case.decision.verdict, case.decision);
    }
}

/// A day of 640 plays, 31 s each, of 30 tracks, around the clock.
const LOOP_FARM: Habit = Habit {
    plays_per_day: 640,
    secs_per_play: 31,
    edge_pct: 96,
    skipped_pct: 0,
    hours_per_day: 24,
    library: 30,
    favourite_pct: 0,
    hosted_pct: 0,
    playlist_pct: 0,
    devices: 1,
    asns: 1,
};

/// US v. Smith: 636 plays per account and day over 100 000 tracks, 1 040 accounts, 20 bots per machine, behind a VPN.
const BREADTH_FARM: Habit =
    Habit { plays_per_day: 636, secs_per_play: 180, edge_pct: 1, library: 100_000, hosted_pct: 100, ..LOOP_FARM };

/// Bulgaria 2017: 72 M plays per month by 1 200 accounts on two playlists of tracks just over 30 s.
const PLAYLIST_FARM: Habit =
    Habit { plays_per_day: 2_000, secs_per_play: 40, edge_pct: 30, library: 467, playlist_pct: 100, ..LOOP_FARM };

/// A shelf of telephones that plays at a person's pace.
const DEVICE_FARM: Habit = Habit {
    plays_per_day: 150,
    secs_per_play: 60,
    edge_pct: 20,
    hours_per_day: 20,
    library: 60,
    playlist_pct: 100,
    ..LOOP_FARM
};

/// 63 tracks, a few plays a day each account, with a person's hours.
const LOCKSTEP_FARM: Habit = Habit {
    plays_per_day: 63,
    secs_per_play: 120,
    edge_pct: 2,
    skipped_pct: 0,
    hours_per_day: 6,
    library: 63,
    ..LOOP_FARM
};

#[test]
fn farms_are_stopped() {
    let group = AccountFacts { group_size: 20, ..AccountFacts::default() };
    let shelf = AccountFacts { group_size: 300, lockstep_partners: 40, lockstep_shared: 30, ..AccountFacts::default() };
    let ring = AccountFacts { lockstep_partners: 49, lockstep_shared: 63, ..AccountFacts::default() };
    at_least(
        Verdict::Escalate,
        &[
            account("loop farm", LOOP_FARM),
            account_with("breadth farm", BREADTH_FARM, group),
            account("playlist farm", PLAYLIST_FARM),
            account_with("device farm", DEVICE_FARM, shelf),
            account_with("narrow lockstep", LOCKSTEP_FARM, ring),
        ],
    );
    let homes = Habit { hosted_pct: 0, ..BREADTH_FARM };
    at_least(Verdict::Hold, &[account("breadth farm behind home networks, alone", homes)]);
}

#[test]
fn a_farm_is_seen_on_its_first_day() {
    let policy = built_in();
    for (name, habit) in [("loop farm", LOOP_FARM), ("playlist farm", PLAYLIST_FARM), ("breadth farm", BREADTH_FARM)] {
        let first_day = WINDOWS_DAYS.map(|days| (Millis::from(days) * DAY_MS, habit.over(1)));
        let facts = AccountFacts { rows: &first_day, ..AccountFacts::default() };
        at_least(Verdict::Hold, &[judged(&policy, name, Subject::Account, assess_account(&policy, &facts))]);
    }
}

#[test]
fn honest_look_alikes_are_allowed() {
    let family = AccountFacts { group_size: 6, lockstep_partners: 1, lockstep_shared: 200, ..AccountFacts::default() };
    let cafe = AccountFacts { group_size: 45, ..AccountFacts::default() };
    let release_night = AccountFacts { lockstep_partners: 30, lockstep_shared: 12, ..AccountFacts::default() };
    let victim = AccountFacts { suspicious_tracks: Risk::from_parts(2_500), ..AccountFacts::default() };
    at_most(
        Verdict::Allow,
        &[
            account("person", PERSON),
            // 115 plays of one track in a day happened.
            account(
                "super-fan",
                Habit { plays_per_day: 280, favourite_pct: 41, hours_per_day: 14, library: 40, ..PERSON },
            ),
            // One playlist of 50 pieces every night, never a skip.
            account(
                "sleep music",
                Habit {
                    plays_per_day: 170,
                    secs_per_play: 170,
                    skipped_pct: 0,
                    hours_per_day: 9,
                    library: 50,
                    favourite_pct: 0,
                    playlist_pct: 100,
                    edge_pct: 0,
                    ..PERSON
                },
            ),
            // One noise track all night.
            account(
                "noise loop",
                Habit {
                    plays_per_day: 240,
                    secs_per_play: 120,
                    skipped_pct: 0,
                    hours_per_day: 9,
                    library: 1,
                    ..PERSON
                },
            ),
            // 15 hours of the same playlist in a shop, and every guest's telephone.
            account_with(
                "café",
                Habit {
                    plays_per_day: 260,
                    secs_per_play: 200,
                    skipped_pct: 1,
                    hours_per_day: 15,
                    library: 300,
                    favourite_pct: 0,
                    playlist_pct: 100,
                    devices: 3,
                    ..PERSON
                },
                cafe,
            ),
            account_with(
                "family on one speaker",
                Habit { plays_per_day: 120, devices: 8, hours_per_day: 16, ..PERSON },
                family,
            ),
            account("traveller", Habit { asns: 14, devices: 4, ..PERSON }),
            account("VPN user", Habit { hosted_pct: 100, asns: 6, ..PERSON }),
            // Hundreds of new tracks a day, most of them skipped through.
            account(
                "radio programmer",
                Habit {
                    plays_per_day: 400,
                    secs_per_play: 30,
                    skipped_pct: 70,
                    library: 1_000_000,
                    hours_per_day: 10,
                    ..PERSON
                },
            ),
            account_with("fan on a release night", Habit { plays_per_day: 100, library: 40, ..PERSON }, release_night),
            account_with("fan of a victim", PERSON, victim),
        ],
    );
}

/// Four accounts on each of two telephones, at a person's pace.
const RIG: Habit = Habit {
    plays_per_day: 150,
    secs_per_play: 95,
    edge_pct: 0,
    skipped_pct: 0,
    hours_per_day: 6,
    library: 200,
    playlist_pct: 0,
    devices: 1,
    ..LOOP_FARM
};

#[test]
fn who_shares_one_telephone_is_known_by_never_skipping_and_never_staying() {
    let four = AccountFacts { group_size: 4, ..AccountFacts::default() };
    at_least(Verdict::Hold, &[account_with("a telephone's turn", RIG, four)]);
    let children = Habit { plays_per_day: 60, secs_per_play: 90, skipped_pct: 2, devices: 1, ..PERSON };
    let busy_children = Habit { plays_per_day: 120, secs_per_play: 130, ..children };
    let shop =
        Habit { plays_per_day: 260, secs_per_play: 200, skipped_pct: 1, hours_per_day: 15, devices: 1, ..PERSON };
    at_most(
        Verdict::Allow,
        &[
            account("one account on its telephone", RIG),
            account_with("a couple", RIG, AccountFacts { group_size: 2, ..four }),
            account_with("four with a second device each", Habit { devices: 2, ..RIG }, four),
            account_with("four who skip", Habit { skipped_pct: 15, ..RIG }, four),
            account_with("children and their tablet", children, four),
            account_with("children who listen all day", busy_children, four),
            account_with("a shop and its guests", shop, AccountFacts { group_size: 45, ..four }),
        ],
    );
}

/// Somebody's rows, of whose plays so many in the week and so many before came from data centres.
fn from_data_centres(week: u32, before: u32) -> Case {
    let mut rows = PERSON.rows();
    rows[1].1.hosted = week;
    rows[2].1.hosted = week + before;
    let policy = built_in();
    let assessment = assess_account(&policy, &AccountFacts { rows: &rows, ..AccountFacts::default() });
    judged(&policy, "plays from data centres", Subject::Account, assessment)
}

#[test]
fn an_intruder_is_seen_and_the_owner_is_left_alone() {
    let says = |case: &Case| case.assessment.evidence.iter().any(|evidence| evidence.signal.name == Name::Intruder);
    let plays = PERSON.over(7).plays;
    let hijacked = from_data_centres(20, 0);
    assert!(says(&hijacked) && hijacked.assessment.r >= built_in().flow.floor.risk());
    at_most(Verdict::Allow, &[hijacked]);
    for (what, case) in [
        ("a slip", from_data_centres(4, 0)),
        ("a new VPN", from_data_centres(plays, 0)),
        ("a VPN now and then", from_data_centres(20, 60)),
        ("a VPN always", from_data_centres(plays, 3 * plays)),
    ] {
        assert!(!says(&case), "{what}: {:#?}", case.decision);
        at_most(Verdict::Allow, &[case]);
    }
}

/// What the audience of something does every day.
#[derive(Clone, Copy, Default)]
struct Audience {
    listeners: u32,
    plays_per_listener: u32,
    /// Hundredths of (mean square / square of the mean) of the plays per listener.
    evenness_centi: u64,
    top_plays: u32,
    edge_pct: u32,
    new_pct: u32,
    hosted_pct: u32,
    playlist_pct: u32,
    uploads: u32,
    tracks: u32,
}

/// A track that people play: twice, unevenly.
const HEARD: Audience = Audience {
    listeners: 2_000,
    plays_per_listener: 2,
    evenness_centi: 250,
    top_plays: 30,
    edge_pct: 1,
    new_pct: 2,
    hosted_pct: 3,
    playlist_pct: 50,
    uploads: 0,
    tracks: 1,
};

impl Audience {
    fn rows(self) -> Vec<(Millis, WindowRow)> {
        WINDOWS_DAYS.map(|days| (Millis::from(days) * DAY_MS, self.over(days))).to_vec()
    }

    fn over(self, days: u32) -> WindowRow {
        let plays = self.listeners * self.plays_per_listener * days;
        let mean_square = u64::from(plays).pow(2) / u64::from(self.listeners.max(1));
        WindowRow {
            plays,
            payable: plays,
            edge: plays * self.edge_pct / 100,
            listeners: self.listeners,
            top_plays: (self.top_plays * days).min(plays),
            sum_squares: mean_square * self.evenness_centi / 100,
            new_account_plays: plays * self.new_pct / 100,
            hosted: plays * self.hosted_pct / 100,
            by_playlist: plays * self.playlist_pct / 100,
            by_search: plays * (100 - self.playlist_pct) / 200,
            uploads: self.uploads * days,
            tracks: self.tracks,
            ..WindowRow::default()
        }
    }
}

fn released(duration_secs: u64) -> Track {
    Track {
        isrc: Some("QZABC2600001".into()),
        title: Some("Title".into()),
        artist_id: Some(Id::from(1)),
        uploader_id: Some(Id::from(2)),
        duration_ms: Some(duration_secs * 1_000),
        contains_ai: Some(Disclosure::None),
        ..Track::new(Id::from(3))
    }
}

fn track(name: &'static str, audience: Audience, track: &Track, suspicious: u64) -> Case {
    let policy = built_in();
    let rows = audience.rows();
    let suspicious_accounts = Risk::from_parts(suspicious);
    let facts =
        TrackFacts { rows: &rows, suspicious_accounts, metadata: Some(Metadata::of(track)), ..TrackFacts::default() };
    judged(&policy, name, Subject::Track, assess_track(&policy, &facts))
}

fn owner(name: &'static str, subject: Subject, audience: Audience, catalogue: Catalogue, suspicious: u64) -> Case {
    let policy = built_in();
    let rows = audience.rows();
    let suspicious_accounts = Risk::from_parts(suspicious);
    let facts = OwnerFacts { rows: &rows, suspicious_accounts, catalogue, audio: None };
    judged(&policy, name, subject, assess_owner(&policy, subject, &facts))
}

/// Forty-nine bots that play it equally often; nobody else does.
const BOTTED: Audience = Audience {
    listeners: 49,
    plays_per_listener: 20,
    evenness_centi: 105,
    top_plays: 22,
    edge_pct: 90,
    playlist_pct: 0,
    ..HEARD
};

#[test]
fn tracks_and_owners_of_farms_are_stopped() {
    let short = released(35);
    at_least(
        Verdict::Hold,
        &[
            track("looped track", BOTTED, &short, 8_000),
            track("looped track, before its accounts are known", BOTTED, &released(180), 0),
            // 6.6 plays a day look normal: only who plays it does not.
            track(
                "track of a breadth farm",
                Audience { listeners: 7, plays_per_listener: 1, ..HEARD },
                &released(180),
                7_500,
            ),
            owner(
                "spam uploader",
                Subject::Uploader,
                Audience { listeners: 3, plays_per_listener: 1, uploads: 300, tracks: 9, ..HEARD },
                Catalogue { tracks: 8_400, missing_fields: 12_000, short: 4_000, long: 0, undeclared_ai: 8_400 },
                0,
            ),
            owner(
                "uploader with a farm",
                Subject::Uploader,
                Audience { tracks: 600, ..BOTTED },
                Catalogue::default(),
                7_000,
            ),
            owner(
                "playlist of a farm",
                Subject::Playlist,
                Audience { listeners: 1_200, ..BOTTED },
                Catalogue::default(),
                8_000,
            ),
        ],
    );
}

#[test]
fn honest_audiences_are_allowed() {
    at_most(
        Verdict::Allow,
        &[
            track("track", HEARD, &released(200), 0),
            track(
                "viral clip",
                Audience { listeners: 300_000, new_pct: 15, plays_per_listener: 3, ..HEARD },
                &released(45),
                300,
            ),
            track("interlude of 33 s", Audience { edge_pct: 95, ..HEARD }, &released(33), 100),
            track(
                "noise that people sleep to",
                Audience { listeners: 400, plays_per_listener: 40, evenness_centi: 240, playlist_pct: 90, ..HEARD },
                &released(120),
                100,
            ),
            track(
                "first song, first friends",
                Audience { listeners: 5, plays_per_listener: 6, top_plays: 20, ..HEARD },
                &released(200),
                0,
            ),
            track("nothing in the catalogue but an id", HEARD, &Track::new(Id::from(9)), 0),
            owner(
                "fan army",
                Subject::Artist,
                Audience { listeners: 5_000, plays_per_listener: 45, evenness_centi: 190, ..HEARD },
                Catalogue::default(),
                200,
            ),
            owner(
                "label that delivers its back catalogue",
                Subject::Uploader,
                Audience { uploads: 700, tracks: 4_000, ..HEARD },
                Catalogue { tracks: 5_000, missing_fields: 300, short: 100, long: 10, undeclared_ai: 5_000 },
                100,
            ),
        ],
    );
}

#[test]
fn a_victims_track_waits_for_a_person_and_is_never_blocked() {
    let innocent = Audience { listeners: 60, plays_per_listener: 8, evenness_centi: 120, ..HEARD };
    at_most(Verdict::Escalate, &[track("victim", innocent, &released(200), 9_500)]);
}

#[test]
fn audio_counts_where_it_was_heard_and_the_reasons_say_where_not() {
    let policy = built_in();
    let track = released(200);
    let facts = TrackFacts { metadata: Some(Metadata::of(&track)), ..TrackFacts::default() };
    let unheard = assess_track(&policy, &facts);
    let heard = assess_track(&policy, &TrackFacts { audio: Some(Risk::CERTAIN), ..facts });
    assert_eq!((unheard.rc, unheard.r), (Risk::CLEAN, Risk::CLEAN));
    assert_eq!((heard.rc, heard.r), (Risk::CERTAIN, Risk::from_parts(4_000)));
    let reasons = decide(&policy, Subject::Track, Origin::default(), &unheard).reasons;
    let expected = "risk 0.00 = 0 % content 0.00 + 75 % behaviour 0.00 + 25 % policy 0.00; \
                    no audio evidence is given, so content counts nothing";
    assert_eq!(reasons, [expected]);
}

#[test]
fn clean_audio_excuses_no_plays() {
    let policy = built_in();
    let (rows, track) = (LOOP_FARM.rows(), released(200));
    let facts = TrackFacts {
        rows: &rows,
        suspicious_accounts: Risk::from_parts(8_000),
        metadata: Some(Metadata::of(&track)),
        ..TrackFacts::default()
    };
    let unheard = assess_track(&policy, &facts);
    let clean = assess_track(&policy, &TrackFacts { audio: Some(Risk::CLEAN), ..facts });
    let suspicious = assess_track(&policy, &TrackFacts { audio: Some(Risk::from_parts(9_500)), ..facts });
    assert_eq!((clean.r, clean.weights), (unheard.r, unheard.weights));
    assert!(unheard.r > Risk::CLEAN && suspicious.r > clean.r, "{suspicious:?}");
    let reasons = decide(&policy, Subject::Track, Origin::default(), &clean).reasons;
    assert!(
        reasons.iter().any(|reason| reason.contains("the audio was heard and says less than the rest")),
        "{reasons:?}"
    );
}

#[test]
fn copies_alone_hold_no_track() {
    let policy = built_in();
    let (rows, track) = (PERSON.rows(), released(200));
    let metadata = Some(Metadata::of(&track));
    let facts = TrackFacts { rows: &rows, metadata, suspicious_copies: Risk::CERTAIN, ..TrackFacts::default() };
    let case = judged(&policy, "copied", Subject::Track, assess_track(&policy, &facts));
    assert_eq!(case.decision.rules, ["track.suspicious_copies"]);
    at_most(Verdict::Allow, &[case]);
}

#[test]
fn a_rule_that_is_off_counts_nothing_and_one_signal_alone_only_holds() {
    let mut policy = built_in();
    let rows = LOOP_FARM.rows();
    let facts = AccountFacts { rows: &rows, ..AccountFacts::default() };
    let before = assess_account(&policy, &facts);
    for (name, rule) in policy.rules.account.iter_mut() {
        rule.on = name == "edge";
    }
    let after = assess_account(&policy, &facts);
    assert!(after.r < before.r);
    let decision = decide(&policy, Subject::Account, Origin::default(), &after);
    assert_eq!((decision.verdict, decision.rules), (Verdict::Hold, vec!["account.edge".to_string()]));
    assert!(
        decision.reasons.last().unwrap().contains("1 strong signals allow no more than hold"),
        "{:?}",
        decision.reasons
    );
}

#[test]
fn a_tier_that_answers_for_its_uploads_is_given_more_room_and_one_on_probation_less() {
    let policy = built_in();
    let case = account("device farm, alone", DEVICE_FARM);
    let verdict = |tier: Option<&str>| {
        let origin = Origin { tier, territory: None };
        verdict(&policy, Subject::Account, origin, &case.assessment)
    };
    let [major, usual, probation] = [Some("major"), None, Some("probation")].map(verdict);
    assert!(major <= usual && usual <= probation);
}

#[test]
fn a_territory_may_have_numbers_of_its_own_and_a_tier_goes_before_it() {
    let mut policy = built_in();
    let decided = |policy: &Policy, tier: Option<&str>, code: &str| {
        let origin = Origin { tier, territory: Territory::of(code) };
        let seen = Seen { window_ms: DAY_MS, count: 1, of: 1 };
        let signals = vec![Signal { name: Name::Edge, strength: 10_000, seen }];
        let found = fuse_in(policy, (Subject::Track, origin.territory), false, signals);
        (found.r, decide(policy, Subject::Track, origin, &found))
    };
    let usual = decided(&policy, None, "DE");
    assert_eq!(usual.1.verdict, Verdict::Hold);
    let [france, germany] = ["FR", "DE"].map(|code| Territory::of(code).expect("a country"));
    let percent = |share| Percent::new(share).expect("a share");
    let steps = Steps { hold: percent(99), escalate: percent(99), block: percent(99), ..policy.thresholds.steps() };
    let own = Local { account: None, track: Thresholds::new(steps) };
    policy.local_thresholds.insert(germany, own);
    // What an account weighs by, whose behaviour is everything.
    policy.local_weights.insert(france, Local { account: None, track: Some(policy.weights.account) });

    assert_eq!(decided(&policy, None, ""), usual, "a track without a country");
    assert_eq!(decided(&policy, None, "SE"), usual, "a country that the policy does not name");
    let (r, german) = decided(&policy, None, "DE");
    assert_eq!((r, german.verdict), (usual.0, Verdict::Allow));
    assert!(german.reasons.contains(&"judged by the thresholds of territory.DE.track".to_owned()), "{german:?}");
    let (r, french) = decided(&policy, None, "fr");
    assert!(
        r > usual.0 && french.reasons.iter().any(|words| words.contains("by the weights of territory FR")),
        "{french:?}"
    );
    assert_eq!(decided(&policy, Some("major"), "DE"), decided(&built_in(), Some("major"), "DE"), "a tier goes before");
    // A tier without thresholds of its own is no tier.
    assert_eq!(decided(&policy, Some("gold"), "DE").1, german);
    let names = policy.segments();
    assert_eq!(names, ["default", "major", "probation", "territory.DE.track"]);
    assert!(names.iter().all(|name| policy.thresholds_of(name).is_some()));
    for none in ["territory.DE.account", "territory.FR.track", "territory.de.track", "territory.DE.uploader", "gold"] {
        assert_eq!(policy.thresholds_of(none), None, "{none}");
    }
}

/// Any signals about a track, each name at most once.
fn signals() -> impl Strategy<Value = Vec<Signal>> {
    let names = [
        Name::Edge,
        Name::Hosted,
        Name::Replays,
        Name::EvenAccounts,
        Name::SuspiciousAccounts,
        Name::UploadRate,
        Name::MissingFields,
        Name::Audio,
    ];
    let seen = Seen { window_ms: DAY_MS, count: 1, of: 2 };
    prop::collection::vec(0..=10_000u16, names.len()).prop_map(move |strengths| {
        let speaks = |(name, strength)| (strength > 0).then_some(Signal { name, strength, seen });
        names.into_iter().zip(strengths).filter_map(speaks).collect()
    })
}

proptest! {
    // A failure prints its case; there is no seed file to keep.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// R is the weighted sum of its parts, the shares divide it exactly, order does not matter, and taking a signal
    /// away never raises the risk.
    #[test]
    fn a_risk_is_the_sum_of_its_reasons(signals in signals(), heard: bool, turn in 0..8usize) {
        let policy = built_in();
        let whole = fuse(&policy, Subject::Track, heard, signals.clone());
        let shares = whole.weights.shares();
        let mixed = u32::from(shares.content.get()) * u32::from(whole.rc.parts())
            + u32::from(shares.behaviour.get()) * u32::from(whole.rb.parts())
            + u32::from(shares.policy.get()) * u32::from(whole.rp.parts());
        prop_assert_eq!((mixed + 50) / 100, u32::from(whole.r.parts()));
        prop_assert_eq!(whole.parts().iter().map(|part| part.share).sum::<u16>(), whole.r.parts());

        let mut turned = signals.clone();
        turned.rotate_left(turn.min(signals.len()));
        prop_assert_eq!(&fuse(&policy, Subject::Track, heard, turned), &whole);

        let unheard = fuse(&policy, Subject::Track, false, signals.clone());
        prop_assert!(!heard || whole.r >= unheard.r, "to be heard never lowers a risk");

        let fewer = signals.into_iter().skip(1).collect();
        prop_assert!(fuse(&policy, Subject::Track, heard, fewer).r <= whole.r);
    }

    /// What would be said without some signals is what is said of who has all but those; and a verdict hangs on the smallest sets that free.
    #[test]
    fn a_verdict_hangs_on_what_frees_when_it_is_silent(signals in signals(), heard: bool, local: bool) {
        let mut policy = built_in();
        let territory = Territory::of("DE").filter(|_| local);
        let origin = Origin { tier: None, territory };
        if let Some(germany) = territory {
            let (weights, thresholds) = (policy.weights.account, policy.tiers["probation"]);
            policy.local_weights.insert(germany, Local { account: None, track: Some(weights) });
            policy.local_thresholds.insert(germany, Local { account: None, track: Some(thresholds) });
        }
        let said = |silent: &[Name]| {
            let speak = signals.iter().copied().filter(|signal| !silent.contains(&signal.name)).collect();
            let assessment = fuse_in(&policy, (Subject::Track, origin.territory), heard, speak);
            (assessment.r, verdict(&policy, Subject::Track, origin, &assessment))
        };
        let voices = fuse(&policy, Subject::Track, heard, signals.clone()).voices();
        let names: Vec<Name> = voices.alone.iter().map(|(name, _)| *name).collect();
        let mut freeing: Vec<Vec<Name>> = Vec::new();
        for chosen in 0..1_u32 << names.len() {
            let silent: Vec<Name> = (0..names.len()).filter(|at| chosen & (1 << at) != 0).map(|at| names[at]).collect();
            let without = voices.without(&policy, Subject::Track, origin, &silent);
            prop_assert_eq!(without, said(&silent));
            if without.1 == Verdict::Allow {
                freeing.push(silent);
            }
        }
        let least = freeing.iter().map(Vec::len).min().filter(|least| (1..=4).contains(least));
        let mut expected: Vec<Vec<Name>> = freeing.into_iter().filter(|silent| Some(silent.len()) == least).collect();
        let mut found = voices.hangs_on(&policy, Subject::Track, origin);
        found.iter_mut().for_each(|names| names.sort());
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn every_rule_is_a_signal_and_stands_in_the_documentation() {
    let page = include_str!("../../docs/SIGNALS.md");
    let rules = built_in().rules;
    for rules in [&rules.account, &rules.artist, &rules.distributor, &rules.playlist, &rules.track, &rules.uploader] {
        for name in rules.keys() {
            let signal: Name = serde_json::from_value(name.as_str().into()).unwrap();
            assert_eq!(signal.name(), name);
            assert!(page.contains(&format!("`{name}`")), "{name} is not documented");
        }
    }
}

#[test]
fn what_a_model_says_holds_from_where_it_is_sharp_or_the_policy_says() {
    let sharp_from = Percent::new(30).unwrap();
    let assessed = |policy: &Policy, parts: u64| {
        let signals = of_model(Risk::from_parts(parts), sharp_from).into_iter().collect();
        fuse(policy, Subject::Account, false, signals)
    };
    let verdicts = |policy: &Policy, parts: [u64; 4]| {
        parts.map(|parts| decide(policy, Subject::Account, Origin::default(), &assessed(policy, parts)).verdict)
    };
    let built_in = built_in();
    let held = |from: [bool; 4]| from.map(|held| if held { Verdict::Hold } else { Verdict::Allow });
    assert_eq!(verdicts(&built_in, [99, 2_999, 3_000, 10_000]), held([false, false, true, true]), "the model says");
    let mut plain = built_in.clone();
    let mut learned = |weight, full_at| {
        plain.rules.account.insert("learned".to_owned(), Rule { on: true, weight, full_at: Some(full_at) });
        plain.clone()
    };
    let half = learned(Percent::new(40).unwrap(), Percent::new(50).unwrap());
    assert_eq!(verdicts(&half, [3_000, 4_999, 5_000, 10_000]), held([false, false, true, true]), "the policy says");
    let plain = learned(Percent::whole(), Percent::whole());
    assert_eq!(
        assessed(&plain, 4_321).rb,
        Risk::from_parts(4_321),
        "where it is weighed as it is, the risk is the probability"
    );
}
