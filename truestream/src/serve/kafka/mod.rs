//! Topics of Kafka as sources: each partition is one, and how far it was read stands in the log with the rows that were read.
//!
//! ```text
//! --kafka ──▶ survey: who leads what ──▶ place: go on │ begin │ refused (position) ──▶ fetch ──▶ gate ──▶ log
//!                  ▲ every 5 s, and when a broker is lost                               │ ▲            │
//!                  └───────────────────────────────────────────────────────────────────┘ └── offset ──┘
//! ```
//!
//! There is no group and nothing is committed to a broker. An entry of the log has the rows of some messages and the offset that comes next: both
//! are durable or neither is, so a message counts once, whenever the service is killed. One thread asks all brokers, one answer each at a time, and
//! asks again when the log has what came: what nobody has room for stays where it is.

mod arriving;
mod broker;
mod following;
mod position;
mod standing;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use datasets::intake::Ids;
use datasets::log::{Offsets, TABLES};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use self::broker::Way;
use self::following::Following;
use self::position::From;
pub use self::standing::Standing;
use super::args::ServeArgs;
use super::capacity::Capacity;
use super::gate::Gate;
use super::source::Progress;
use crate::exit::Failure;

/// What is read, and how.
pub struct Kafka {
    /// Where brokers are asked first who the others are.
    brokers: Vec<String>,
    /// The table of which each topic has rows.
    topics: BTreeMap<String, &'static str>,
    /// Where a partition begins of which the log says nothing, or something that is gone.
    from: Option<From>,
    way: Way,
}

/// Where messages go.
pub struct Sink {
    /// The way in.
    pub gate: Gate,
    /// What ids are.
    pub ids: Ids,
    /// How far the log has each source.
    pub offsets: Offsets,
    /// Whether there is room.
    pub capacity: Arc<Capacity>,
    /// Whether the service is to end.
    pub progress: Arc<Progress>,
    /// Why it ends.
    pub failure: Arc<Mutex<Option<Failure>>>,
}

impl Kafka {
    /// What the options ask for; `None` where they ask for nothing.
    ///
    /// # Errors
    /// When they cannot be, or a file that they name cannot be read.
    pub fn of(args: &ServeArgs) -> Result<Option<Kafka>, Failure> {
        if args.kafka.is_empty() {
            return Ok(None);
        }
        if let Some(wrong) = args.kafka.iter().find(|broker| !is_address(broker)) {
            return Err(Failure::Usage(format!("--kafka {wrong}: expected HOST:PORT, with commas between several")));
        }
        let mut topics = BTreeMap::new();
        for one in &args.kafka_topic {
            let table = |name: &str| TABLES.into_iter().find(|table| *table == name);
            let named = one.split_once('=').and_then(|(name, topic)| Some((table(name)?, topic)));
            let named = named.filter(|(_, topic)| is_topic(topic)).ok_or_else(|| {
                let tables = TABLES.join(", ");
                Failure::Usage(format!("--kafka-topic {one}: expected TABLE=TOPIC, where TABLE is one of {tables}"))
            });
            let (table, topic) = named?;
            if topics.insert(topic.to_owned(), table).is_some_and(|other| other != table) {
                return Err(Failure::Usage(format!("--kafka-topic {one}: a topic has rows of one table")));
            }
        }
        let from = args.kafka_from.as_deref().map(str::parse).transpose();
        let from = from.map_err(|why| Failure::Usage(format!("--kafka-from {why}")))?;
        let login = args.kafka_login.as_deref().map(login).transpose()?;
        let tls = args.kafka_ca.as_deref().map(trusting).transpose()?;
        if login.is_some() && tls.is_none() && !args.kafka.iter().all(|broker| is_this_machine(broker)) {
            let why =
                "a password is not said in plain text beyond this machine; name who vouches for brokers (--kafka-ca)";
            return Err(Failure::Usage(format!("--kafka-login: {why}")));
        }
        Ok(Some(Kafka { brokers: args.kafka.clone(), topics, from, way: Way { tls, login } }))
    }

    /// Reads on from where the log is, until the service ends.
    pub fn follow(self, sink: Sink, standing: Arc<Standing>) -> JoinHandle<()> {
        std::thread::spawn(move || Following::new(self, sink, standing).run())
    }
}

fn is_address(broker: &str) -> bool {
    broker.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

/// Whether Kafka allows the name.
fn is_topic(name: &str) -> bool {
    let may = |letter: u8| letter.is_ascii_alphanumeric() || b"._-".contains(&letter);
    (1..=249).contains(&name.len()) && name.bytes().all(may)
}

fn is_this_machine(broker: &str) -> bool {
    let host = broker.rsplit_once(':').map_or(broker, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Name and password of the file, as `NAME:PASSWORD`.
fn login(path: &Path) -> Result<(String, String), Failure> {
    let wrong = |why: &str| Failure::Input(format!("--kafka-login {}: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
    let (name, password) = text.trim_end_matches(['\r', '\n']).split_once(':').unwrap_or_default();
    if name.is_empty() || password.is_empty() || text.contains('\0') {
        return Err(wrong("expected one line, NAME:PASSWORD"));
    }
    Ok((name.to_owned(), password.to_owned()))
}

/// Trust in those for whom the certificates of the file vouch, and in nobody else.
fn trusting(path: &Path) -> Result<Arc<ClientConfig>, Failure> {
    let wrong = |why: String| Failure::Input(format!("--kafka-ca {}: {why}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))? {
        let added = certificate.map_err(|error| error.to_string()).map(|certificate| roots.add(certificate));
        added.map_err(&wrong)?.map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("no certificate in it; expected PEM".to_owned()));
    }
    let versions =
        ClientConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let config = versions.map_err(|error| wrong(format!("TLS: {error}")))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
