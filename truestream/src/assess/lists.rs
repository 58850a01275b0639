//! What became of those whom people put on lists by hand: measured like verdicts, so that whoever allows or puts forward is asked, too.
//!
//! ```text
//! gate.toml, pins.toml of the policy, rulings that clear ──▶ entries: whom, by whom, until when ──┐
//! labels, rulings that confirm ───────────────────────────────────────────────────────────────────┼──▶ a line for each list and author
//! streams, paid now and with the candidate ───────────────────────────────────────────────────────┘
//! ```

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use datasets::policy;
use datasets::tables::read::{IdKinds, read_table};
use datasets::tables::{IdKind, Inputs};
use records::lists::{Entry, Pin};
use records::{Id, LabelKind, Millis, Ruled, Ruling, RulingKind, Subject, Track};
use serde::{Deserialize, Serialize};

use super::crowd::{Labelled, Pair};
use crate::exit::Failure;

/// Streams, whoever made them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// All of them.
    pub streams: u64,
    /// Those of accounts that labels call fraud, or of which somebody else made use.
    pub of_fraud: u64,
    /// Those that are paid.
    pub paid: Pair<u64>,
}

impl Flow {
    /// Counts a stream.
    pub fn add(&mut self, is_of_people: bool, paid: Pair<bool>) {
        self.streams += 1;
        self.of_fraud += u64::from(!is_of_people);
        self.paid = [0, 1].map(|side| self.paid[side] + u64::from(paid[side]));
    }

    fn with(self, other: Flow) -> Flow {
        Flow {
            streams: self.streams + other.streams,
            of_fraud: self.of_fraud + other.of_fraud,
            paid: [0, 1].map(|side| self.paid[side] + other.paid[side]),
        }
    }
}

/// Somebody on a list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    list: String,
    by: String,
    subject: Subject,
    id: String,
    until: Option<Millis>,
}

/// All lists, and what people ruled against whom.
#[derive(Debug, Default)]
pub struct Lists {
    listed: Vec<Listed>,
    confirmed: HashSet<(Subject, String)>,
    /// What a stream pays, in millionths, and of which currency.
    rate: u64,
    currency: String,
}

/// What became of those whom somebody put on a list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OfList {
    /// Which list.
    pub list: String,
    /// Who put them there; nothing where that is not told.
    pub by: String,
    /// How many they are.
    pub entries: usize,
    /// How many of them speak about nothing any more, at the last instant.
    pub expired: usize,
    /// How many labels call fraud, or people confirmed a verdict on.
    pub fraud: usize,
    /// How many labels call honest.
    pub honest: usize,
    /// Their streams.
    pub streams: u64,
    /// Those of accounts that labels call fraud.
    pub streams_of_fraud: u64,
    /// Those that are paid: now, and with the candidate.
    pub paid: [u64; 2],
    /// The same as shares of all paid streams.
    pub paid_share: [f64; 2],
    /// What they pay, in the policy's currency.
    pub money: [f64; 2],
    /// The currency.
    pub currency: String,
}

fn input(error: datasets::Error) -> Failure {
    Failure::Input(error.to_string())
}

impl Lists {
    /// Those of the policy, and rulings that clear.
    ///
    /// # Errors
    /// When the policy or a table cannot be read.
    pub fn read(inputs: &Inputs, kinds: &IdKinds, policy: Option<&Path>) -> Result<Lists, Failure> {
        let trusted = policy::gate(policy).map_err(input)?.trusted;
        let mut lists = Lists {
            rate: policy::attacks(policy).map_err(input)?.stream_rate,
            currency: policy::terms(policy).map_err(input)?.currency,
            ..Lists::default()
        };
        for (subject, entries) in [
            (Subject::Track, trusted.tracks),
            (Subject::Uploader, trusted.uploaders),
            (Subject::Distributor, trusted.distributors),
        ] {
            entries.into_iter().for_each(|entry| lists.add(&format!("{}s let pass", subject.name()), subject, entry));
        }
        for Pin { subject, entry } in policy::pins(policy).map_err(input)? {
            lists.add(&format!("{}s put forward", subject.name()), subject, entry);
        }
        let mut rulings: BTreeMap<(Subject, String), Vec<Ruling>> = BTreeMap::new();
        let keep = |Ruled { subject, subject_id, ruling }: Ruled| {
            rulings.entry((subject, subject_id.to_string())).or_default().push(ruling);
        };
        read_table(&inputs.rulings, kinds, keep, &mut Vec::new()).map_err(input)?;
        for ((subject, id), mut of_it) in rulings {
            of_it.sort_by_key(|ruling| ruling.known_at);
            let Some(last) = of_it.pop() else { continue };
            match last.kind {
                RulingKind::Cleared => {
                    let by = last.ruled_by.unwrap_or_default();
                    let entry = Entry { id, by, why: last.reason.unwrap_or_default(), until: last.until };
                    lists.add(&format!("{}s cleared", subject.name()), subject, entry);
                }
                RulingKind::Confirmed(_) => _ = lists.confirmed.insert((subject, id)),
                RulingKind::Victim | RulingKind::Withdrawn => {}
            }
        }
        Ok(lists)
    }

    fn add(&mut self, list: &str, subject: Subject, Entry { id, by, until, .. }: Entry) {
        self.listed.push(Listed { list: list.to_owned(), by, subject, id, until });
    }

    /// What became of them as of the last instant, by list and author.
    pub fn measure(
        &self,
        kinds: &IdKinds,
        (label, catalogue): (&Labelled<'_>, &HashMap<Id, Track>),
        (tracks, accounts): (&HashMap<&Id, Flow>, &HashMap<&Id, Flow>),
        ended: Millis,
    ) -> Vec<OfList> {
        let mut owners: HashMap<(Subject, String), Flow> = self
            .listed
            .iter()
            .filter(|listed| !matches!(listed.subject, Subject::Track | Subject::Account))
            .map(|listed| ((listed.subject, listed.id.clone()), Flow::default()))
            .collect();
        for (track, flow) in tracks {
            let Some(row) = catalogue.get(*track) else { continue };
            let of = [
                (Subject::Artist, &row.artist_id),
                (Subject::Uploader, &row.uploader_id),
                (Subject::Distributor, &row.distributor_id),
            ];
            for (subject, owner) in of {
                let owner = owner.as_ref().and_then(|id| owners.get_mut(&(subject, id.to_string())));
                owner.into_iter().for_each(|known| *known = known.with(*flow));
            }
        }
        let all = tracks.values().fold(Flow::default(), |all, flow| all.with(*flow));
        let mut lines: BTreeMap<(&str, &str), OfList> = BTreeMap::new();
        for listed in &self.listed {
            let Listed { list, by, subject, id, until } = listed;
            let key = id_of(kinds[subject.space() as usize], id);
            let flow = match subject {
                Subject::Track => key.as_ref().and_then(|id| tracks.get(id)).copied(),
                Subject::Account => key.as_ref().and_then(|id| accounts.get(id)).copied(),
                _ => owners.get(&(*subject, id.clone())).copied(),
            };
            let said = key.as_ref().and_then(|id| label.of_subject(*subject, id));
            let is_fraud = said == Some(LabelKind::Fraud) || self.confirmed.contains(&(*subject, id.clone()));
            let line = lines.entry((list, by)).or_insert_with(|| OfList {
                list: list.clone(),
                by: by.clone(),
                currency: self.currency.clone(),
                ..OfList::default()
            });
            let flow = flow.unwrap_or_default();
            line.entries += 1;
            line.expired += usize::from(until.is_some_and(|until| until <= ended));
            line.fraud += usize::from(is_fraud);
            line.honest += usize::from(!is_fraud && said == Some(LabelKind::Honest));
            line.streams += flow.streams;
            line.streams_of_fraud += flow.of_fraud;
            line.paid = [0, 1].map(|side| line.paid[side] + flow.paid[side]);
        }
        let told = |line: OfList| OfList {
            paid_share: [0, 1].map(|side| line.paid[side] as f64 / all.paid[side].max(1) as f64),
            money: line.paid.map(|paid| paid as f64 * self.rate as f64 / 1e6),
            ..line
        };
        lines.into_values().map(told).collect()
    }
}

/// The id that is written like this, where ids are of this kind.
fn id_of(kind: IdKind, id: &str) -> Option<Id> {
    match kind {
        IdKind::Text => Some(Id::from(id)),
        IdKind::Number => id.parse().ok().map(Id::Number),
    }
}

impl OfList {
    /// In a sentence.
    pub fn words(&self) -> String {
        let OfList {
            list, entries, expired, fraud, honest, paid, paid_share, streams_of_fraud, money, currency, ..
        } = self;
        let by = if self.by.is_empty() { "nobody who is told" } else { &self.by };
        format!(
            "{list} by {by}: {entries}, of them {expired} expired, {fraud} fraud and {honest} honest by labels or rulings; {} streams paid ({:.2} % of all, \
             {:.2} {currency}; now {}), {streams_of_fraud} of all their streams of fraudulent accounts",
            paid[1],
            100.0 * paid_share[1],
            money[1],
            paid[0]
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_told_by_author_with_what_flows_to_whom_they_name() {
        let row =
            |id: u64, uploader: &str| Track { uploader_id: Some(Id::from(uploader)), ..Track::new(Id::Number(id)) };
        let catalogue: HashMap<Id, Track> =
            [row(1, "u"), row(2, "u"), row(3, "v")].into_iter().map(|row| (row.track_id.clone(), row)).collect();
        let labels = HashMap::from([(("track".to_owned(), "1".to_owned()), LabelKind::Fraud)]);
        let label = Labelled { labels: &labels, catalogue: &catalogue };
        let flow = |streams: u64, of_fraud: u64, then: u64| Flow { streams, of_fraud, paid: [streams, then] };
        let ids: Vec<Id> = [1, 2, 3].map(Id::Number).to_vec();
        let tracks: HashMap<&Id, Flow> = ids.iter().zip([flow(10, 9, 0), flow(20, 0, 20), flow(70, 0, 60)]).collect();
        let mut lists = Lists { rate: 4_000, currency: "EUR".to_owned(), ..Lists::default() };
        let entry = |id: &str, by: &str, until: Option<Millis>| Entry {
            id: id.to_owned(),
            by: by.to_owned(),
            why: String::new(),
            until,
        };
        lists.add("tracks put forward", Subject::Track, entry("1", "ann", Some(50)));
        lists.add("tracks put forward", Subject::Track, entry("2", "ann", Some(51)));
        lists.add("tracks put forward", Subject::Track, entry("3", "bob", None));
        lists.add("uploaders let pass", Subject::Uploader, entry("u", "", None));
        lists.confirmed.insert((Subject::Uploader, "u".to_owned()));
        let mut kinds = [IdKind::Number; records::IdSpace::ALL.len()];
        kinds[Subject::Uploader.space() as usize] = IdKind::Text;
        let told = lists.measure(&kinds, (&label, &catalogue), (&tracks, &HashMap::new()), 50);
        let [ann, bob, unnamed] = &told[..] else { panic!("{told:?}") };
        assert_eq!((ann.entries, ann.expired, ann.fraud, ann.streams_of_fraud, ann.paid), (2, 1, 1, 9, [30, 20]));
        assert_eq!((ann.paid_share, ann.money[1]), ([0.3, 0.25], 0.08));
        assert_eq!((bob.by.as_str(), bob.expired, bob.fraud, bob.paid), ("bob", 0, 0, [70, 60]));
        assert_eq!((unnamed.entries, unnamed.fraud, unnamed.paid), (1, 1, [30, 20]));
        assert!(
            unnamed.words().contains("by nobody who is told: 1, of them 0 expired, 1 fraud"),
            "{}",
            unnamed.words()
        );
    }
}
