//! Goes round the brokers: who leads what, where each partition is read from, what comes next in it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use datasets::intake::of_messages;
use datasets::kafka::{End, Fetched, Question, TopicId, Wrong, fetched, metadata, offsets};
use datasets::log::{Entry, Offsets};

use super::arriving::{Arriving, Portion};
use super::broker::Connection;
use super::position::{Ends, Partition, Start, Stretch, start};
use super::standing::Standing;
use super::{Kafka, Sink};
use crate::exit::Failure;
use crate::serve::gate::{self, Answer, Refused};

/// How often brokers are asked who leads what: so soon a partition that was added is read.
const SURVEYS_EVERY: Duration = Duration::from_secs(5);
/// A broker that was lost is tried again after this, and twice as long each time, up to that.
const WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// For so long a broker that was lost is left alone while another one answers, and one that does not lead any more is believed to.
const LEAVES_ALONE: Duration = Duration::from_millis(500);
/// How often a partition that is not read is looked at: its messages may have come back, or somebody else leads it.
const LOOKS_EVERY: Duration = Duration::from_secs(5);
/// How long nothing is done where there is nothing to do.
const NAP: Duration = Duration::from_millis(50);
/// What all brokers together are asked for at once.
const FETCH_BYTES: i32 = 8 << 20;
/// What is waited for, so that not every message becomes an entry of its own, and for how long.
const FETCH_WAITS: (i32, Duration) = (64 << 10, Duration::from_millis(200));
/// Why a round was not finished.
enum Halt {
    /// No broker can be asked.
    Away(String),
    /// The service ends.
    Failed(Failure),
}

/// Partitions of one broker by topic, each with what is asked about it.
type Asked<'a, T> = Vec<(&'a str, Vec<T>)>;
/// Partitions by topic, each with the offset that is read next.
type Next = Vec<(String, Vec<(i32, i64)>)>;

/// Where a partition is.
struct Place {
    table: &'static str,
    id: Option<TopicId>,
    leader: Option<i32>,
    is: Is,
}

enum Is {
    /// It is not known where to read, and nobody looks before this instant.
    Sought(Instant),
    /// The next offset of the stretch.
    At(Stretch, i64),
}

/// The topics, while they are followed.
pub struct Following {
    kafka: Kafka,
    sink: Sink,
    standing: Arc<Standing>,
    /// Whoever is asked who leads what.
    guide: Option<Connection>,
    addresses: HashMap<i32, String>,
    connections: HashMap<i32, Connection>,
    /// Brokers that were lost, and until when they are left alone.
    lost: HashMap<i32, Instant>,
    surveyed: Option<Instant>,
    places: BTreeMap<Partition, Place>,
    /// Which partition is asked for first: an answer has room for some.
    turn: usize,
}

impl Following {
    /// Nothing asked yet.
    pub fn new(kafka: Kafka, sink: Sink, standing: Arc<Standing>) -> Following {
        Following {
            kafka,
            sink,
            standing,
            guide: None,
            addresses: HashMap::new(),
            connections: HashMap::new(),
            lost: HashMap::new(),
            surveyed: None,
            places: BTreeMap::new(),
            turn: 0,
        }
    }

    /// Goes round until the service ends.
    pub fn run(mut self) {
        let mut wait = WAIT.0;
        while self.goes_on() {
            let full = self.sink.capacity.full();
            let is_full = full.is_some();
            self.standing.holds(full);
            if is_full {
                std::thread::sleep(NAP);
                continue;
            }
            match self.round() {
                Ok(()) => {
                    self.standing.is_up();
                    wait = WAIT.0;
                }
                Err(Halt::Away(why)) => {
                    self.standing.is_down(&why);
                    self.nap(wait);
                    wait = (2 * wait).min(WAIT.1);
                }
                Err(Halt::Failed(failure)) => {
                    self.sink.failure.lock().expect("nobody panics with it").get_or_insert(failure);
                    return;
                }
            }
        }
    }

    fn goes_on(&self) -> bool {
        !self.sink.progress.stopping.load(Ordering::Relaxed)
    }

    fn nap(&self, so_long: Duration) {
        let until = Instant::now() + so_long;
        while self.goes_on() && Instant::now() < until {
            std::thread::sleep(NAP.min(until.saturating_duration_since(Instant::now())));
        }
    }

    fn round(&mut self) -> Result<(), Halt> {
        let now = Instant::now();
        self.lost.retain(|_, until| *until > now);
        if self.surveyed.is_none_or(|at| at.elapsed() >= SURVEYS_EVERY) {
            self.survey().map_err(Halt::Away)?;
        }
        self.place()?;
        self.fetch()
    }

    /// Asks who leads what.
    fn survey(&mut self) -> Result<(), String> {
        let topics: Vec<&str> = self.kafka.topics.keys().map(String::as_str).collect();
        let mut why = "no broker is named".to_owned();
        let known = self.addresses.values().filter(|address| !self.kafka.brokers.contains(address));
        let mut addresses = self.kafka.brokers.iter().chain(known);
        let found = loop {
            let mut guide = match self.guide.take() {
                Some(guide) => guide,
                None => match addresses.next().map(|one| Connection::open(one, &self.kafka.way, &self.sink.progress)) {
                    Some(Ok(guide)) => guide,
                    Some(Err(away)) => {
                        why = away;
                        continue;
                    }
                    None => return Err(why),
                },
            };
            let with_ids = guide.tells_ids;
            let asked = guide.ask(Question::Metadata { topics: &topics, with_ids });
            match asked
                .and_then(|(number, answer)| metadata(with_ids, number, &answer).map_err(|wrong| wrong.to_string()))
            {
                Ok(found) => {
                    self.guide = Some(guide);
                    break found;
                }
                Err(away) => why = away,
            }
        };
        self.surveyed = Some(Instant::now());
        for broker in found.brokers {
            if self.addresses.get(&broker.id) != Some(&broker.address) {
                self.connections.remove(&broker.id);
                self.addresses.insert(broker.id, broker.address);
            }
        }
        for topic in found.topics {
            let Some(table) = self.kafka.topics.get(&topic.name).copied() else { continue };
            let partition = |number| Partition { topic: topic.name.clone(), number };
            match &topic.partitions {
                Err(wrong) => {
                    let known = self.places.iter_mut().filter(|(partition, _)| partition.topic == topic.name);
                    known.for_each(|(_, place)| place.leader = None);
                    self.standing.stops(&partition(0), &wrong.to_string());
                }
                Ok(partitions) => {
                    for led in partitions {
                        self.lead(partition(led.partition), table, topic.id, led.leader);
                    }
                }
            }
        }
        Ok(())
    }

    fn lead(&mut self, partition: Partition, table: &'static str, id: Option<TopicId>, leader: Result<i32, Wrong>) {
        if let Err(wrong) = leader {
            self.standing.stops(&partition, &wrong.to_string());
        }
        let now = Instant::now();
        let place = self.places.entry(partition).or_insert(Place { table, id, leader: None, is: Is::Sought(now) });
        place.leader = leader.ok();
        if place.id != id {
            (place.id, place.is) = (id, Is::Sought(now));
        }
    }

    /// Finds out where partitions are read from that have no place yet.
    fn place(&mut self) -> Result<(), Halt> {
        let now = Instant::now();
        let mut sought: BTreeMap<i32, BTreeMap<String, Vec<i32>>> = BTreeMap::new();
        for (partition, place) in &self.places {
            if let (Is::Sought(from), Some(leader)) = (&place.is, place.leader)
                && *from <= now
                && !self.lost.contains_key(&leader)
            {
                let of_leader = sought.entry(leader).or_default();
                of_leader.entry(partition.topic.clone()).or_default().push(partition.number);
            }
        }
        let mut ends: BTreeMap<Partition, Ends> = BTreeMap::new();
        for (leader, partitions) in sought {
            let partitions: Asked<'_, i32> =
                partitions.iter().map(|(topic, partitions)| (topic.as_str(), partitions.clone())).collect();
            let earliest = self.ends(leader, &partitions, End::Earliest);
            if earliest.is_empty() {
                continue;
            }
            let latest = self.ends(leader, &partitions, End::Latest);
            for (partition, earliest) in earliest {
                let Some(latest) = latest.get(&partition) else { continue };
                match earliest.and_then(|earliest| latest.map(|latest| Ends { earliest, latest })) {
                    Ok(there) => drop(ends.insert(partition, there)),
                    Err(wrong) => self.put_off(&partition, &wrong.to_string()),
                }
            }
        }
        if ends.is_empty() {
            return Ok(());
        }
        // All of a topic is decided by the same log: else what is begun of it would make a partition of the others that was added.
        let log = self.sink.offsets.clone();
        let waiting: BTreeSet<&str> = self
            .places
            .iter()
            .filter(|(partition, place)| matches!(place.is, Is::Sought(_)) && !ends.contains_key(partition))
            .map(|(partition, _)| partition.topic.as_str())
            .collect();
        let read: BTreeSet<String> =
            log.keys().filter_map(|source| Some(source.parse::<Stretch>().ok()?.partition.topic)).collect();
        ends.retain(|Partition { topic, .. }, _| read.contains(topic) || !waiting.contains(topic.as_str()));
        for (partition, ends) in ends {
            self.decide(partition, ends, &log)?;
        }
        Ok(())
    }

    fn ends(
        &mut self,
        leader: i32,
        partitions: &[(&str, Vec<i32>)],
        end: End,
    ) -> BTreeMap<Partition, Result<i64, Wrong>> {
        let asked = self.ask(leader, |connection| {
            let (number, answer) = connection.ask(Question::Offsets { partitions, end })?;
            offsets(number, &answer).map_err(|wrong| wrong.to_string())
        });
        let found = asked.unwrap_or_default().into_iter();
        found.map(|ends| (Partition { topic: ends.topic, number: ends.partition }, ends.at)).collect()
    }

    fn decide(&mut self, partition: Partition, ends: Ends, log: &Offsets) -> Result<(), Halt> {
        let Some(place) = self.places.get(&partition) else { return Ok(()) };
        let is = match start(&partition, place.id, ends, log, self.kafka.from.as_ref()) {
            Start::Refused(why) => {
                self.put_off(&partition, &why);
                return Ok(());
            }
            Start::GoOn(stretch, at) => Is::At(stretch, at),
            Start::Begin(stretch, at) if self.begin(&stretch, at)? => Is::At(stretch, at),
            Start::Begin(..) => return Ok(()),
        };
        if let Some(place) = self.places.get_mut(&partition) {
            place.is = is;
        }
        Ok(())
    }

    /// The partition is not read for now, for this reason.
    fn put_off(&mut self, partition: &Partition, why: &str) {
        self.standing.stops(partition, why);
        if let Some(place) = self.places.get_mut(partition) {
            place.is = Is::Sought(Instant::now() + LOOKS_EVERY);
        }
    }

    /// Asks the broker, which is left alone for a while where it does not answer.
    fn ask<T>(&mut self, broker: i32, asks: impl FnOnce(&mut Connection) -> Result<T, String>) -> Option<T> {
        let asked = self.connection(broker).and_then(asks);
        asked.map_err(|why| self.lose(broker, &why)).ok()
    }

    fn connection(&mut self, broker: i32) -> Result<&mut Connection, String> {
        if !self.connections.contains_key(&broker) {
            let address = self.addresses.get(&broker).ok_or_else(|| format!("broker {broker} is not known"))?;
            let connection = Connection::open(address, &self.kafka.way, &self.sink.progress)?;
            self.connections.insert(broker, connection);
        }
        Ok(self.connections.get_mut(&broker).expect("it was put there"))
    }

    fn lose(&mut self, broker: i32, why: &str) {
        self.connections.remove(&broker);
        self.lost.insert(broker, Instant::now() + LEAVES_ALONE);
        // Somebody else may lead by now.
        self.surveyed = None;
        if self.goes_on() {
            let led = self.places.iter().filter(|(_, place)| place.leader == Some(broker));
            led.for_each(|(partition, _)| self.standing.stops(partition, why));
        }
    }

    /// Asks each broker for what comes next in what it leads, and takes it in.
    fn fetch(&mut self) -> Result<(), Halt> {
        let mut led: BTreeMap<i32, Vec<(&Partition, i64)>> = BTreeMap::new();
        for (partition, place) in &self.places {
            if let (Is::At(_, at), Some(leader)) = (&place.is, place.leader)
                && !self.lost.contains_key(&leader)
            {
                led.entry(leader).or_default().push((partition, *at));
            }
        }
        if led.is_empty() {
            self.nap(NAP);
            return Ok(());
        }
        self.turn = self.turn.wrapping_add(1);
        let (bytes_min, wait) = FETCH_WAITS;
        let bytes_max = FETCH_BYTES / led.len() as i32;
        let led: Vec<(i32, Next)> = led
            .into_iter()
            .map(|(leader, mut partitions)| {
                let turn = self.turn % partitions.len();
                partitions.rotate_left(turn);
                let mut by_topic = Next::new();
                for (partition, at) in partitions {
                    match by_topic.iter_mut().find(|(topic, _)| *topic == partition.topic) {
                        Some((_, partitions)) => partitions.push((partition.number, at)),
                        None => by_topic.push((partition.topic.clone(), vec![(partition.number, at)])),
                    }
                }
                (leader, by_topic)
            })
            .collect();
        // All are asked before one is waited for.
        let mut asked = Vec::new();
        for (leader, partitions) in &led {
            let partitions: Asked<'_, (i32, i64)> =
                partitions.iter().map(|(topic, partitions)| (topic.as_str(), partitions.clone())).collect();
            let wait_ms = wait.as_millis() as i32;
            let fetch = Question::Fetch { partitions: &partitions, bytes_max, bytes_min, wait_ms };
            asked.extend(self.ask(*leader, |connection| connection.send(fetch)).map(|number| (*leader, number)));
        }
        for (leader, number) in asked {
            let Some(answer) = self.ask(leader, |connection| connection.receive(wait)) else { continue };
            match fetched(number, &answer) {
                Ok(partitions) => self.take(partitions)?,
                Err(wrong) => self.lose(leader, &wrong.to_string()),
            }
        }
        Ok(())
    }

    /// Takes in what came.
    fn take(&mut self, partitions: Vec<Fetched<'_>>) -> Result<(), Halt> {
        let mut arriving = Vec::new();
        for fetched in partitions {
            let partition = Partition { topic: fetched.topic.clone(), number: fetched.partition };
            let Some(place) = self.places.get_mut(&partition) else { continue };
            let Is::At(stretch, at) = &place.is else { continue };
            match fetched.end {
                Ok(end) if end >= *at => {
                    self.standing.reads(&partition, *at, end);
                    arriving.push((partition, place.table, stretch.clone(), end, Arriving::new(*at, fetched)));
                }
                // It became shorter, or what comes next is gone: that is looked into at once.
                Ok(_) | Err(Wrong::OFFSET_OUT_OF_RANGE) => place.is = Is::Sought(Instant::now()),
                Err(wrong) if wrong.is_about_leaders() => {
                    place.leader = None;
                    self.standing.stops(&partition, &wrong.to_string());
                    self.surveyed = self.surveyed.and_then(|at| at.checked_sub(SURVEYS_EVERY - LEAVES_ALONE));
                }
                Err(wrong) => self.put_off(&partition, &wrong.to_string()),
            }
        }
        // One entry of each partition at a time: the log has none of a source before the one before it.
        while self.goes_on() {
            let mut waiting = Vec::new();
            for (number, (partition, table, stretch, _, arriving)) in arriving.iter_mut().enumerate() {
                if let Some(portion) = arriving.portion() {
                    let answer = self.submit(partition, table, stretch, &portion)?;
                    waiting.push((number, portion, answer));
                }
            }
            if waiting.is_empty() {
                break;
            }
            let mut is_full = false;
            for (number, portion, answer) in waiting {
                let (partition, _, stretch, end, arriving) = &mut arriving[number];
                match answer.recv().unwrap_or_else(|_| Err(Refused::Broken("the service ends".to_owned()))) {
                    Ok(_) => {
                        let next = portion.next;
                        arriving.is_taken(portion);
                        self.standing.reads(partition, next, *end);
                        self.sink.offsets.insert(stretch.to_string(), next as u64);
                        if let Some(place) = self.places.get_mut(partition) {
                            place.is = Is::At(stretch.clone(), next);
                        }
                    }
                    Err(Refused::Later(why)) => {
                        is_full = true;
                        self.standing.holds(Some(why));
                        arriving.comes_again(portion);
                    }
                    Err(Refused::Never(why)) => arriving.comes_in_parts(portion, &why),
                    Err(broken) => return Err(Halt::Failed(gate::failure(broken))),
                }
            }
            if is_full {
                self.nap(NAP);
            }
        }
        for (partition, _, _, _, arriving) in arriving {
            if let Some(unreadable) = arriving.unreadable {
                self.put_off(&partition, &unreadable.to_string());
            }
        }
        Ok(())
    }

    /// Hands in the rows of a portion, and how far the partition is read with them. Where it has none that is handed in alone: what ended a
    /// transaction there is gone one day, too, and nobody is to miss it.
    fn submit(
        &self,
        partition: &Partition,
        table: &'static str,
        stretch: &Stretch,
        portion: &Portion,
    ) -> Result<Receiver<Answer>, Halt> {
        let read = || of_messages(table, &partition.to_string(), &portion.messages, &self.sink.ids);
        let rows = (!portion.messages.is_empty()).then(read).transpose();
        let rows = rows.map_err(|error| Halt::Failed(Failure::Input(error.to_string())))?.map(|(rows, _)| rows);
        let entry = Entry { source: Some((stretch.to_string(), portion.next as u64)), until: None, rows };
        let (sender, answer) = channel();
        self.sink.gate.submit(entry, move |taken| {
            let _ = sender.send(taken);
        });
        Ok(answer)
    }

    /// Tells the log that the stretch begins there; whether it is told.
    fn begin(&mut self, stretch: &Stretch, at: i64) -> Result<bool, Halt> {
        while self.goes_on() {
            let source = Some((stretch.to_string(), at as u64));
            match self.sink.gate.take(Entry { source, until: None, rows: None }) {
                Ok(_) => {
                    self.sink.offsets.insert(stretch.to_string(), at as u64);
                    eprintln!("Kafka: {} begins at offset {at}", stretch.partition);
                    return Ok(true);
                }
                Err(Refused::Later(_)) => self.nap(NAP),
                Err(refused) => return Err(Halt::Failed(gate::failure(refused))),
            }
        }
        Ok(false)
    }
}
