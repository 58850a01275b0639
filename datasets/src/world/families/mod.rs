//! Attacks, and honest listeners that look like them: who takes part, when, with which music, and what is true of them.
//!
//! ```text
//! plan (share of accounts, days) ──▶ cast (members, artists, playlists) ──▶ days of plays
//!                                                                      └──▶ labels
//! ```
//!
//! Members are the last accounts by index (ids are scattered); a world without attacks has the same ordinary listeners.

mod attacks;
mod lookalikes;

use std::ops::Range;

use records::{Id, Label, LabelKind, Millis};

use super::World;
use super::catalogue::{Catalogue, NewArtist, Style, artist_id, distributor_for_everybody};
use super::delivery::Delivery;
use super::people::Person;
use super::{DAY_MS, WorldSpec};
use crate::chance::{Chance, Purpose};

/// What a family does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    LoopFarm,
    BreadthFarm,
    PlaylistFarm,
    DeviceFarm,
    Lockstep,
    Hijacked,
    SpamUploader,
    SuperFan,
    SleepMusic,
    Cafe,
    FamilyDevice,
    Traveller,
    ViralClip,
    VpnUser,
}

/// A family before it has members.
struct Plan {
    kind: Kind,
    name: &'static str,
    /// Members per thousand accounts, and at least how many.
    per_mille: f64,
    least: u32,
    /// The part of the world's days in which it acts.
    days: (f64, f64),
}

const fn plan(kind: Kind, name: &'static str, per_mille: f64, least: u32, days: (f64, f64)) -> Plan {
    Plan { kind, name, per_mille, least, days }
}

/// All families. Together the attacks make about a tenth of a small world's plays, several times the 1-3 % that public
/// studies find (CNM, 2023): small worlds would otherwise have none of each.
const PLANS: [Plan; 14] = [
    plan(Kind::LoopFarm, "loop_farm", 1.0, 3, (0.30, 0.65)),
    plan(Kind::BreadthFarm, "breadth_farm", 1.0, 3, (0.40, 0.75)),
    plan(Kind::PlaylistFarm, "playlist_farm", 2.5, 5, (0.25, 0.65)),
    plan(Kind::DeviceFarm, "device_farm", 4.0, 8, (0.35, 0.75)),
    plan(Kind::Lockstep, "lockstep", 5.0, 10, (0.50, 0.80)),
    plan(Kind::Hijacked, "hijacked_account", 4.0, 6, (0.30, 1.0)),
    plan(Kind::SpamUploader, "spam_uploader", 2.5, 5, (0.20, 0.80)),
    plan(Kind::SuperFan, "super_fan", 2.0, 2, (0.0, 1.0)),
    plan(Kind::SleepMusic, "sleep_music", 2.0, 3, (0.0, 1.0)),
    plan(Kind::Cafe, "cafe_device", 4.0, 8, (0.0, 1.0)),
    plan(Kind::FamilyDevice, "family_device", 8.0, 8, (0.0, 1.0)),
    plan(Kind::Traveller, "traveller", 3.0, 3, (0.0, 1.0)),
    plan(Kind::ViralClip, "viral_clip", 20.0, 20, (0.45, 0.70)),
    plan(Kind::VpnUser, "vpn_user", 8.0, 5, (0.0, 1.0)),
];

/// A family with its members and its music.
pub(super) struct Family {
    pub kind: Kind,
    pub name: &'static str,
    /// Account indices.
    pub members: Range<u32>,
    /// Days of the world in which it acts.
    pub days: Range<i64>,
    /// Artists that exist for it.
    artists: Vec<u32>,
    /// Tracks that it wants to be played, or plays most.
    pub tracks: Vec<u32>,
    /// Tracks of others that it plays to look ordinary.
    innocents: Vec<u32>,
    playlist: u32,
}

impl Kind {
    /// Whether it is fraud, not a look-alike.
    pub fn is_attack(self) -> bool {
        !matches!(
            self,
            Kind::SuperFan
                | Kind::SleepMusic
                | Kind::Cafe
                | Kind::FamilyDevice
                | Kind::Traveller
                | Kind::ViralClip
                | Kind::VpnUser
        )
    }
}

/// How many members a plan has in a world of so many accounts; small worlds get fewer than the least.
fn members(plan: &Plan, accounts: u32) -> u32 {
    let share = (f64::from(accounts) * plan.per_mille / 1_000.0).round() as u32;
    share.max(plan.least.min(accounts / 40)).max(u32::from(accounts >= 20))
}

/// Gives every family its members and its music; members' habits and accounts change accordingly.
pub(super) fn cast(spec: &WorldSpec, catalogue: &mut Catalogue, people: &mut [Person]) -> Vec<Family> {
    let mut families = Vec::new();
    let mut free = spec.accounts;
    for (number, plan) in PLANS.iter().enumerate() {
        // The members of a family left out stay ordinary: the others do not move.
        let count = members(plan, spec.accounts).min(free);
        free -= count;
        let wanted = if plan.kind.is_attack() { spec.attacks } else { spec.lookalikes };
        if !wanted || count == 0 {
            continue;
        }
        let day = |share: f64| (share * f64::from(spec.days)) as i64;
        let days = day(plan.days.0)..day(plan.days.1).max(day(plan.days.0) + 1);
        let mut family = Family {
            kind: plan.kind,
            name: plan.name,
            members: free..free + count,
            days,
            artists: Vec::new(),
            tracks: Vec::new(),
            innocents: Vec::new(),
            playlist: 0,
        };
        let chance = &mut Chance::of(spec.seed, Purpose::Family, number as u64, 0);
        let members = &mut people[free as usize..(free + count) as usize];
        if plan.kind.is_attack() {
            attacks::cast(spec, &mut family, catalogue, members, chance);
        } else {
            lookalikes::cast(spec, &mut family, catalogue, members, chance);
        }
        families.push(family);
    }
    families
}

/// Makes a member's day.
pub(super) fn day(world: &World, number: usize, person: &Person, day: i64, delivery: &mut Delivery<'_>) {
    let family = &world.families[number];
    let tag = number as u8 + 1;
    if family.kind.is_attack() {
        attacks::day(world, family, tag, person, day, delivery);
    } else {
        lookalikes::day(world, family, tag, person, day, delivery);
    }
}

/// Adds an artist with `count` tracks to the family's; lengths in seconds are drawn between two bounds.
fn add_artist(
    family: &mut Family,
    catalogue: &mut Catalogue,
    style: Style,
    (count, lengths, uploaded): (usize, (f64, f64), Range<Millis>),
    chance: &mut Chance,
) -> u32 {
    let tracks = (0..count)
        .map(|_| {
            let length_ms = (chance.between(lengths.0, lengths.1) * 1_000.0) as u32;
            (length_ms, uploaded.start + (chance.unit() * (uploaded.end - uploaded.start) as f64) as Millis)
        })
        .collect();
    let artist = NewArtist { style, country: 0, distributor: distributor_for_everybody(chance.below(8)), tracks };
    let index = catalogue.add(artist, family.artists.first().copied());
    family.artists.push(index);
    family.tracks.extend(catalogue.tracks_of(index));
    index
}

/// The instants at which the family's days begin and end.
fn span(spec: &WorldSpec, family: &Family) -> Range<Millis> {
    let base = spec.base();
    (base + family.days.start * DAY_MS).max(spec.start_ms)..(base + family.days.end * DAY_MS).min(spec.end_ms())
}

/// What is true of the members, tracks, uploaders, artists and playlists of a family.
pub(super) fn labels(world: &World, family: &Family) -> Vec<Label> {
    let span = span(&world.spec, family);
    let always = span.start <= world.spec.start_ms && span.end >= world.spec.end_ms();
    let label = |subject: &str, subject_id: Id, label: LabelKind| Label {
        subject: subject.to_owned(),
        subject_id,
        label,
        attack: Some(family.name.to_owned()),
        from: (!always).then_some(span.start),
        until: (!always).then_some(span.end),
        labelled_at: Some(world.spec.end_ms()),
        labelled_by: Some("injected".to_owned()),
    };
    let attack = family.kind.is_attack();
    let guilt = if attack { LabelKind::Fraud } else { LabelKind::Honest };
    // A hijacked account is somebody's: what it does at night is done to it.
    let member = if family.kind == Kind::Hijacked { LabelKind::Victim } else { guilt };
    let names = world.names();
    let mut labels: Vec<Label> =
        family.members.clone().map(|index| label("account", Id::Number(names.account(index)), member)).collect();
    labels.extend(family.tracks.iter().map(|&track| label("track", Id::Number(u64::from(track) + 1), guilt)));
    labels.extend(family.artists.iter().map(|&artist| label("artist", artist_id(artist), guilt)));
    let mut uploaders: Vec<u64> = family.artists.iter().map(|&artist| world.catalogue.uploader_of(artist)).collect();
    uploaders.dedup();
    labels.extend(uploaders.into_iter().map(|uploader| label("uploader", Id::Number(uploader), guilt)));
    if family.playlist != 0 {
        labels.push(label("playlist", Id::Number(u64::from(family.playlist)), guilt));
    }
    let mut victims: Vec<u32> = family.innocents.iter().map(|&track| world.catalogue.artist_of(track)).collect();
    victims.sort_unstable();
    victims.dedup();
    labels.extend(victims.into_iter().map(|artist| label("artist", artist_id(artist), LabelKind::Victim)));
    labels
}
