//! Where a partition is read from: on from where the log ends, from its beginning where it was never read, and nowhere where messages are gone of
//! which nobody said that they may be.
//!
//! ```text
//! sources of the log ─┐
//! what there is now ──┼──▶ go on │ begin there │ refused: what is gone, and what may be said
//! --kafka-from ───────┘
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use datasets::kafka::TopicId;
use datasets::log::Offsets;

/// What the names of these sources begin with in the log.
const KIND: &str = "kafka";

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// The topic.
    pub topic: String,
    /// The number of the partition.
    pub number: i32,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.number)
    }
}

impl FromStr for Partition {
    type Err = ();

    fn from_str(text: &str) -> Result<Partition, ()> {
        let (topic, number) = text.rsplit_once('/').ok_or(())?;
        Ok(Partition { topic: topic.to_owned(), number: number.parse().map_err(drop)? })
    }
}

/// A stretch of a partition within which offsets only grow: a source of the log. Its number there is the offset that is read next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The partition.
    pub partition: Partition,
    /// The id of its topic, where the broker told it: a topic that was made anew has another one.
    pub id: Option<TopicId>,
    /// The first, or one after the partition had become shorter than it was read.
    pub nth: u32,
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KIND} {} ", self.partition)?;
        match self.id {
            Some(id) => write!(f, "{id}")?,
            None => f.write_str("-")?,
        }
        write!(f, " {}", self.nth)
    }
}

impl FromStr for Stretch {
    type Err = ();

    fn from_str(text: &str) -> Result<Stretch, ()> {
        let words: Vec<&str> = text.split(' ').collect();
        let [KIND, partition, id, nth] = words[..] else { return Err(()) };
        let id = if id == "-" { None } else { Some(TopicId::parse(id).ok_or(())?) };
        Ok(Stretch { partition: partition.parse()?, id, nth: nth.parse().map_err(drop)? })
    }
}

/// Where to begin where the log does not say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// With the first message that is there.
    Earliest,
    /// With the next one that comes.
    Latest,
    /// At these offsets.
    Offsets(BTreeMap<Partition, i64>),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<From, String> {
        let offset = |one: &str| {
            let (partition, offset) = one.split_once('=')?;
            Some((partition.parse().ok()?, offset.parse().ok().filter(|offset| *offset >= 0)?))
        };
        match text {
            "earliest" => Ok(From::Earliest),
            "latest" => Ok(From::Latest),
            text => text.split(',').map(offset).collect::<Option<_>>().map(From::Offsets).ok_or_else(|| {
                format!("`{text}`: expected earliest, latest, or TOPIC/PARTITION=OFFSET, with commas between several")
            }),
        }
    }
}

/// What there is of a partition now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The first offset that is there.
    pub earliest: i64,
    /// The offset that comes next.
    pub latest: i64,
}

impl Ends {
    fn have(self, at: i64) -> bool {
        (self.earliest..=self.latest).contains(&at)
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.earliest == self.latest {
            true => write!(f, "none, the next one is {}", self.latest),
            false => write!(f, "{} to {}", self.earliest, self.latest - 1),
        }
    }
}

/// From where on a partition is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// From where the log ends.
    GoOn(Stretch, i64),
    /// From there on, which the log does not say yet.
    Begin(Stretch, i64),
    /// From nowhere, for this reason.
    Refused(String),
}

/// From where on the partition is read, of whose topic the broker tells this id.
pub fn start(partition: &Partition, id: Option<TopicId>, ends: Ends, log: &Offsets, from: Option<&From>) -> Start {
    let of_topic: Vec<(Stretch, i64)> = log
        .iter()
        .filter_map(|(source, at)| Some((source.parse::<Stretch>().ok()?, i64::try_from(*at).ok()?)))
        .filter(|(stretch, _)| stretch.partition.topic == partition.topic)
        .collect();
    // Brokers that are older tell no ids, and of a newer one the topics that were there before have some.
    let is_same = |stretch: &Stretch| id.is_none() || stretch.id.is_none() || stretch.id == id;
    let mine = of_topic.iter().filter(|(stretch, _)| stretch.partition == *partition && is_same(stretch));
    let is_read = of_topic.iter().any(|(stretch, _)| is_same(stretch));
    let first = Stretch { partition: partition.clone(), id, nth: 1 };
    let offset_said = || match from? {
        From::Earliest => Some(ends.earliest),
        From::Latest => Some(ends.latest),
        From::Offsets(offsets) => offsets.get(partition).copied(),
    };
    let begin = |stretch: Stretch, gone: Option<String>| {
        let said = match (offset_said(), gone) {
            (Some(at), _) => at,
            (None, None) => ends.earliest,
            (None, Some(gone)) => {
                return Start::Refused(format!(
                    "{gone}. --kafka-from earliest goes on at {}, latest at {}, {partition}=OFFSET between them",
                    ends.earliest, ends.latest
                ));
            }
        };
        match ends.have(said) {
            true => Start::Begin(stretch, said),
            false => Start::Refused(format!("--kafka-from {partition}={said}: no such offset; the broker has {ends}")),
        }
    };
    match mine.max_by_key(|(stretch, _)| stretch.nth) {
        Some((stretch, at)) if ends.have(*at) => Start::GoOn(stretch.clone(), *at),
        Some((stretch, at)) if *at < ends.earliest => {
            let last = ends.earliest - 1;
            let gone = format!("offsets {at} to {last} were not read and are gone: the broker has {ends}");
            begin(stretch.clone(), Some(gone))
        }
        Some((stretch, at)) => {
            let gone =
                format!("it was read up to offset {}, and the broker has {ends}: messages were lost there", at - 1);
            begin(Stretch { id, nth: stretch.nth + 1, ..stretch.clone() }, Some(gone))
        }
        // A partition that was added: all that was ever in it is new.
        None if is_read => Start::Begin(first, ends.earliest),
        None if !of_topic.is_empty() => {
            let gone = "the topic was deleted and made anew: what was not read of the one before is gone".to_owned();
            begin(first, Some(gone))
        }
        None => begin(first, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: TopicId = TopicId([1; 16]);
    const NEW: TopicId = TopicId([2; 16]);

    fn partition(number: i32) -> Partition {
        Partition { topic: "plays.eu".to_owned(), number }
    }

    fn stretch(number: i32, id: Option<TopicId>, nth: u32) -> Stretch {
        Stretch { partition: partition(number), id, nth }
    }

    fn log(sources: &[(Stretch, u64)]) -> Offsets {
        let others = [("desk".to_owned(), 7), ("kafka plays.eu/x - 1".to_owned(), 9), ("follow".to_owned(), 1)];
        others.into_iter().chain(sources.iter().map(|(stretch, at)| (stretch.to_string(), *at))).collect()
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        for stretch in [stretch(0, Some(NEW), 1), stretch(12, None, 3)] {
            assert_eq!(stretch.to_string().parse(), Ok(stretch));
        }
        for other in ["follow", "kafka", "kafka a 1", "kafka a/1 - -1", "kafka a/1 - 1 1", "http a/1 - 1"] {
            assert_eq!(other.parse::<Stretch>(), Err(()), "{other}");
        }
        let offsets = BTreeMap::from([(partition(0), 5), (partition(1), 0)]);
        assert_eq!("plays.eu/0=5,plays.eu/1=0".parse(), Ok(From::Offsets(offsets)));
        for wrong in ["", "first", "plays.eu=5", "plays.eu/0=-1", "plays.eu/0=5,"] {
            assert!(wrong.parse::<From>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_partition_is_read_on_from_where_the_log_ends_and_nothing_is_passed_over_unless_somebody_says_so() {
        let from = |text: &str| Some(text.parse::<From>().expect("a place"));
        let ends = |earliest, latest| Ends { earliest, latest };
        let (first, other) = (stretch(0, Some(OLD), 1), stretch(1, Some(OLD), 1));
        let read = log(&[(first.clone(), 50), (other, 70)]);
        let decided = |ends: Ends, id: TopicId, log: &Offsets, said: Option<&From>| {
            start(&partition(0), Some(id), ends, log, said)
        };
        let refused = |decision: Start, says: &[&str]| {
            let Start::Refused(why) = decision else { panic!("{decision:?}") };
            says.iter().for_each(|word| assert!(why.contains(word), "{why}"));
        };

        // Never read: all of it, or as said.
        let never = log(&[]);
        assert_eq!(decided(ends(3, 9), OLD, &never, None), Start::Begin(first.clone(), 3));
        for (said, at) in [("earliest", 3), ("latest", 9), ("plays.eu/0=4", 4), ("plays.eu/1=4", 3)] {
            assert_eq!(
                decided(ends(3, 9), OLD, &never, from(said).as_ref()),
                Start::Begin(first.clone(), at),
                "{said}"
            );
        }
        refused(decided(ends(3, 9), OLD, &never, from("plays.eu/0=10").as_ref()), &["plays.eu/0=10", "3 to 8"]);

        // Read before: on from there, whatever is said.
        for said in [None, from("earliest"), from("latest"), from("plays.eu/0=51")] {
            for there in [ends(0, 60), ends(50, 50), ends(50, 90)] {
                assert_eq!(decided(there, OLD, &read, said.as_ref()), Start::GoOn(first.clone(), 50));
            }
        }

        // Retention was faster.
        refused(
            decided(ends(60, 90), OLD, &read, None),
            &["offsets 50 to 59 were not read", "60 to 89", "--kafka-from", "earliest"],
        );
        refused(decided(ends(60, 90), OLD, &read, from("plays.eu/1=70").as_ref()), &["offsets 50 to 59"]);
        refused(decided(ends(60, 90), OLD, &read, from("plays.eu/0=50").as_ref()), &["no such offset", "60 to 89"]);
        for (said, at) in [("earliest", 60), ("latest", 90), ("plays.eu/0=65", 65)] {
            assert_eq!(
                decided(ends(60, 90), OLD, &read, from(said).as_ref()),
                Start::Begin(first.clone(), at),
                "{said}"
            );
        }

        // It became shorter: numbers of a source only grow, so this is another one.
        refused(decided(ends(0, 40), OLD, &read, None), &["up to offset 49", "0 to 39", "lost"]);
        refused(decided(ends(0, 0), OLD, &read, None), &["the broker has none"]);
        let second = stretch(0, Some(OLD), 2);
        assert_eq!(decided(ends(0, 40), OLD, &read, from("earliest").as_ref()), Start::Begin(second.clone(), 0));
        let twice = log(&[(first.clone(), 50), (second.clone(), 10)]);
        assert_eq!(decided(ends(0, 60), OLD, &twice, None), Start::GoOn(second, 10));

        // It was made anew, and is as long as the one before by now.
        refused(decided(ends(0, 90), NEW, &read, None), &["made anew", "--kafka-from"]);
        let anew = stretch(0, Some(NEW), 1);
        assert_eq!(decided(ends(0, 90), NEW, &read, from("earliest").as_ref()), Start::Begin(anew.clone(), 0));
        let both = log(&[(first.clone(), 50), (anew.clone(), 20)]);
        assert_eq!(decided(ends(0, 90), NEW, &both, None), Start::GoOn(anew, 20));

        // A partition was added, and --kafka-from is about those that were there.
        let added = start(&partition(2), Some(OLD), ends(0, 5), &read, from("latest").as_ref());
        assert_eq!(added, Start::Begin(stretch(2, Some(OLD), 1), 0));

        // A broker that told no ids tells some.
        let unnamed = stretch(0, None, 1);
        assert_eq!(decided(ends(0, 90), NEW, &log(&[(unnamed.clone(), 50)]), None), Start::GoOn(unnamed, 50));
    }
}
