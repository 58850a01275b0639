//! The options of `truestream serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::replay::{Emit, ReplayArgs, USUAL_WINDOWS};

/// Takes plays in over HTTP and keeps every table current; what it said it took survives any crash.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  truestream serve --state service
      on http://127.0.0.1:8490, refreshed every minute; prints a token when it starts for the first time
  curl -H \"Authorization: Bearer $TOKEN\" --data-binary @plays.jsonl http://127.0.0.1:8490/v1/plays
      200 means: on disk
  curl -H \"Authorization: Bearer $TOKEN\" 'http://127.0.0.1:8490/v1/view/account_window?window=24h'
      rows as of one instant, which the header truestream-as-of tells; accounts stand in them by pseudonyms (truestream pseudonym)
  curl -H \"Authorization: Bearer $TOKEN\" --data 'SELECT verdict, count(*) FROM verdict GROUP BY 1' \\
       'http://127.0.0.1:8490/v1/query?format=csv'
      any question in SQL, over all views as of one instant
  PGPASSWORD=$TOKEN psql -h 127.0.0.1 -p 5433 -U truestream truestream
      the same in psql, pandas or any other client of PostgreSQL
  truestream serve --state service --follow world --every 1h --speed 3600x
      a folder of tables arrives as it once did, an hour a second
  truestream serve --state service --kafka broker1:9092,broker2:9092 --kafka-topic plays=plays.eu,tracks=catalogue
      messages of Kafka are rows, each once; how far each partition is read is in the log
  truestream serve --state service --models registry
      the champion of a registry of models scores accounts, beside the rules
  truestream serve --state service --heard scanned --audio music
      the desk shows what a scan drew of recordings, and plays clips of their files

Exit codes: 0 ended as asked, 2 options that cannot be, 4 the log or an input is damaged, 5 the disk fails,
6 another process holds the folder.")]
pub struct ServeArgs {
    /// The folder of the service: its log and its token; created if need be
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8490", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Where to listen for clients of PostgreSQL
    #[arg(long, default_value = "127.0.0.1:5433", value_name = "ADDRESS")]
    pub sql_listen: SocketAddr,
    /// A chain of certificates, PEM: who does not encrypt is not spoken to, by HTTP and by PostgreSQL's clients
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The key of the first certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Listen beyond this machine although nothing is encrypted
    #[arg(long, conflicts_with = "tls_cert")]
    pub insecure_listen: bool,
    /// The refresh interval, from 1s to 1d
    #[arg(long, default_value = "1min")]
    pub every: String,
    /// Window lengths, each a multiple of the refresh interval
    #[arg(long, value_delimiter = ',', default_value = USUAL_WINDOWS)]
    pub windows: Vec<String>,
    /// Which views; unless named all that a living service can keep
    #[arg(long, value_delimiter = ',', value_name = "VIEW")]
    pub views: Vec<String>,
    /// Threads of the dataflow
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
    /// A device of more accounts than this links nobody and is listed in `hubs`
    #[arg(long, default_value_t = 50)]
    pub hub: u32,
    /// What links two accounts that both used it in the last 7 days: device, ip_prefix
    #[arg(long, value_delimiter = ',', default_value = "device", value_name = "LINK")]
    pub links: Vec<String>,
    /// A folder of policy files instead of the built-in policy
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    /// A registry of models (see `truestream train`): its champion scores accounts, over windows of 24h, 7d and 28d; another champion is taken up
    /// while the service runs
    #[arg(long, value_name = "REGISTRY")]
    pub models: Option<PathBuf>,
    /// What ids are; settled when the service starts for the first time, by the folder where one is followed
    #[arg(long, value_enum, default_value_t = Ids::Text)]
    pub ids: Ids,
    /// Ids of accounts, devices, addresses and payments stay as they are: for data that has pseudonyms already. Unless said, a key makes
    /// pseudonyms of them before anything is written; settled when the service starts for the first time
    #[arg(long, conflicts_with = "id_key")]
    pub plain_ids: bool,
    /// Where the key of pseudonyms is; ids.key of the folder unless given. Made where it is missing when the service starts for the first time
    #[arg(long, value_name = "FILE")]
    pub id_key: Option<PathBuf>,
    /// Who says how late it is: the clock of this machine, or who sends, with the header Truestream-Until
    #[arg(long, value_enum, default_value_t = Time::Wall)]
    pub time: Time,
    /// A folder of tables that arrives as it once did; time is then that of the folder
    #[arg(long, value_name = "DIR")]
    pub follow: Option<PathBuf>,
    /// Follow no faster than so many times real time, such as 100x
    #[arg(long, value_name = "FACTOR", requires = "follow")]
    pub speed: Option<String>,
    /// Brokers of Kafka, of which one is asked who the others are
    #[arg(long, value_delimiter = ',', value_name = "HOST:PORT", requires = "kafka_topic", conflicts_with = "follow")]
    pub kafka: Vec<String>,
    /// Topics whose messages are rows of a table, as JSON; how far each is read stands in the log
    #[arg(long, value_delimiter = ',', value_name = "TABLE=TOPIC", requires = "kafka")]
    pub kafka_topic: Vec<String>,
    /// Where a partition begins that was never read, or of which what comes next is gone: earliest, latest, or TOPIC/PARTITION=OFFSET,...; unless
    /// said, what was never read begins with the earliest message, and where messages are gone nothing is read
    #[arg(long, value_name = "WHERE", requires = "kafka")]
    pub kafka_from: Option<String>,
    /// Certificates, PEM, of who vouches for the brokers: nothing is said to them in plain text
    #[arg(long, value_name = "FILE", requires = "kafka")]
    pub kafka_ca: Option<PathBuf>,
    /// A file with NAME:PASSWORD for the brokers (SASL PLAIN)
    #[arg(long, value_name = "FILE", requires = "kafka")]
    pub kafka_login: Option<PathBuf>,
    /// A folder of `truestream scan`, of which the desk shows waveforms and spectrograms; only read
    #[arg(long, value_name = "DIR")]
    pub heard: Vec<PathBuf>,
    /// A folder of the files that were scanned, which the desk lets people listen to; only read
    #[arg(long, value_name = "DIR", requires = "heard")]
    pub audio: Vec<PathBuf>,
    /// Plays that left the longest window and are older than this leave the log, a segment of 64 MiB at a time; unless said, none ever does
    #[arg(long, value_name = "TIME")]
    pub keep: Option<String>,
    /// Above nine tenths of this memory, in MiB, nothing more is taken in
    #[arg(long, default_value_t = 4096, value_name = "MIB")]
    pub memory_max: u64,
    /// While what was taken waits for longer than this to be stated, such as 20s, nothing more is taken in; unless said, the log takes what
    /// comes, and views follow
    #[arg(long, value_name = "TIME")]
    pub behind_max: Option<String>,
    /// A statement of SQL that works for longer is ended, such as 30s
    #[arg(long, default_value = "30s", value_name = "TIME")]
    pub sql_timeout: String,
    /// Memory, in MiB, that all statements together may hold for sorting, grouping and joining
    #[arg(long, default_value_t = 512, value_name = "MIB")]
    pub sql_memory: u64,
    /// So many statements a second may each user and token ask for long, and twice as many at once; 0 is without a limit
    #[arg(long, default_value_t = 1000, value_name = "PER_SECOND")]
    pub query_rate: u32,
    /// Threads that work on statements
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub sql_threads: u16,
}

/// What ids are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Ids {
    /// Texts.
    Text,
    /// Whole numbers.
    Number,
}

/// Who says how late it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Time {
    /// The clock of this machine.
    Wall,
    /// Who sends.
    Told,
}

impl ServeArgs {
    /// What a replay of the same would be asked.
    pub fn as_replay(&self) -> ReplayArgs {
        ReplayArgs {
            terse: false,
            input: Default::default(),
            out: PathBuf::new(),
            every: self.every.clone(),
            windows: self.windows.clone(),
            views: self.views.clone(),
            emit: Emit::Last,
            workers: self.workers,
            hub: self.hub,
            links: self.links.clone(),
            policy: self.policy.clone(),
            models: self.models.clone(),
            model: Vec::new(),
            beta: Vec::new(),
            challenger: None,
            sequences_of: None,
            network: None,
            hindsight: false,
            speed: None,
            sort_plays_max: 0,
            hosts: None,
            process: None,
            json: false,
        }
    }
}
