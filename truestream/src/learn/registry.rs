//! The registry: every model that was ever trained, which of them is champion, and who was before.
//!
//! ```text
//! REGISTRY/mlruns/1/<run>/{meta.yaml, params, metrics, tags, artifacts}   one training, as MLflow's file store has it
//!          mlruns/models/account/{version-N, aliases/champion}            versions in the order of training
//!          history.jsonl                                                  promotions and rollbacks, one line each
//!          stages.jsonl                                                   who agreed to which step of which version, each line sealed
//!          evaluations/version-N.json                                     what the last evaluation found
//!          features/<hash>/                                               feature rows, kept for the next command
//!          lock                                                           held while something is written
//! ```
//!
//! A run appears whole or not at all: it is written beside its place and renamed. The alias says who is champion; a change that
//! stands in the history and did not reach the alias never happened. No file holds a clock's reading: the same training gives the
//! same bytes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use datasets::policy::Signature;
use models::Scorer;
use models::temporal::Network;
use records::Millis;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::exit::Failure;

/// What the models are about; the name of the registered model and of the experiment.
pub const SUBJECT: &str = "account";
/// The file of the model itself.
pub const MODEL: &str = "model.json";
/// The file of its network, where it has one.
pub const NETWORK_FILE: &str = "network.safetensors";
/// The file of the steps that were agreed to.
const STAGES: &str = "stages.jsonl";
/// The number of the experiment; MLflow keeps 0 for its own.
const EXPERIMENT: &str = "1";

/// A registry that may be read.
#[derive(Clone, Debug)]
pub struct Registry {
    root: PathBuf,
}

/// Holds the right to write, until it is dropped.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code)] File);

/// A training, to be written.
pub struct Run {
    /// 32 hexadecimal digits that depend on all that went in.
    pub id: String,
    /// The instant of training, as of the data.
    pub as_of: Millis,
    /// What was chosen.
    pub params: BTreeMap<String, String>,
    /// What was measured.
    pub metrics: BTreeMap<String, f64>,
    /// Files: names and contents.
    pub artifacts: BTreeMap<&'static str, Vec<u8>>,
}

/// A version of the model.
#[derive(Clone, Debug, Serialize)]
pub struct Version {
    /// From 1 on.
    pub number: u32,
    /// Its training.
    pub run: String,
    /// The instant of training, as of the data.
    pub as_of: Millis,
    /// Whether it is the champion.
    pub is_champion: bool,
    /// What was measured when it was trained.
    pub metrics: BTreeMap<String, f64>,
    /// What was chosen.
    pub params: BTreeMap<String, String>,
}

impl Version {
    /// The hashes of its files.
    pub fn digest(&self) -> String {
        let hashes = ["model_hash", "network_hash"].map(|name| self.params.get(name).map(String::as_str));
        hashes.into_iter().flatten().collect::<Vec<_>>().join("+")
    }
}

/// A change of champion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What was done: `promote` or `rollback`.
    pub what: String,
    /// The champion before.
    pub from: Option<u32>,
    /// The champion since.
    pub to: u32,
    /// Why, in words.
    pub why: String,
}

/// A step of a version towards deciding, as it was agreed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staged {
    /// The version.
    pub version: u32,
    /// The hash of its model.
    pub model_hash: String,
    /// `shadow`, `beta` or `full`.
    pub stage: String,
    /// Of a beta: on so many of a hundred accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// Of a beta: who was champion, and after how many changes of champion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<(u32, usize)>,
    /// From when on, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Who agreed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signed: Vec<Signature>,
    /// Why, in words.
    pub why: String,
    /// The hash of the line before; empty in the first.
    pub before: String,
    /// The hash of this line without this field.
    pub hash: String,
}

/// A version that is tried on some accounts, while the champion scores all others.
#[derive(Clone, Debug)]
pub struct Beta {
    /// The version.
    pub version: Version,
    /// On so many of a hundred.
    pub percent: u8,
    /// From when on, where that was said.
    pub from: Option<String>,
}

impl Beta {
    /// As the option `--beta` of a replay says it.
    pub fn as_option(&self) -> String {
        let from = self.from.iter().map(|from| format!("@{from}"));
        format!("{}:{}{}", self.version.number, self.percent, from.collect::<String>())
    }
}

impl Staged {
    fn hashed(&self) -> String {
        let unsealed = Staged { hash: String::new(), ..self.clone() };
        hash(serde_json::to_string(&unsealed).expect("a step is plain data").as_bytes())
    }
}

/// The part of a version's `meta.yaml` that is read back.
struct Meta {
    run: String,
    as_of: Millis,
}

impl Registry {
    /// The registry in this folder, which may have to be made.
    pub fn at(root: &Path) -> Registry {
        Registry { root: root.to_owned() }
    }

    /// The registry in this folder, which must be there.
    ///
    /// # Errors
    /// When it is not.
    pub fn open(root: &Path) -> Result<Registry, Failure> {
        let next = "`truestream train` makes a registry; --registry says where it is";
        match fs::metadata(root) {
            Ok(found) if found.is_dir() => Ok(Registry::at(root)),
            Ok(_) => Err(Failure::Input(format!("{}: a registry is a folder, this is none; {next}", root.display()))),
            Err(error) => Err(Failure::Input(format!("{}: {error}; {next}", root.display()))),
        }
    }

    /// Makes the folder where there is none, keeps all others from writing, and mends the history where a command was killed
    /// between the record and the fact.
    ///
    /// # Errors
    /// [`Failure::Locked`] when somebody else writes; when the folder cannot be written or locked, or the history is damaged.
    pub fn lock(&self) -> Result<Lock, Failure> {
        create_folder(&self.root)?;
        let path = self.root.join("lock");
        let file = File::create(&path).map_err(|error| failed(&path, &error))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            Errno::WOULDBLOCK => Failure::Locked(format!(
                "{}: another command writes this registry; try again when it is done",
                path.display()
            )),
            error => Failure::Output(format!(
                "{}: cannot be locked ({error}); keep the registry on a file system that knows flock",
                path.display()
            )),
        })?;
        let lock = Lock(file);
        self.mend_history(&lock)?;
        Ok(lock)
    }

    /// A folder of its own for what this hash names.
    pub fn features(&self, hash: &str) -> PathBuf {
        self.root.join("features").join(hash)
    }

    /// All versions, in the order of training.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn versions(&self) -> Result<Vec<Version>, Failure> {
        let folder = self.registered();
        let champion = self.alias()?;
        let Some(entries) = if_there(fs::read_dir(&folder), &folder)? else { return Ok(Vec::new()) };
        let mut numbers: Vec<u32> = Vec::new();
        for entry in entries {
            let name = entry.map_err(|error| unreadable(&folder, &error))?.file_name();
            numbers.extend(name.to_str().and_then(|name| name.strip_prefix("version-")?.parse::<u32>().ok()));
        }
        numbers.sort_unstable();
        numbers.into_iter().map(|number| self.version_of(number, champion)).collect()
    }

    /// The version of this number, or the champion, or the latest.
    ///
    /// # Errors
    /// When there is no such version.
    pub fn version(&self, name: &str) -> Result<Version, Failure> {
        let versions = self.versions()?;
        let known = versions.len();
        let found = match name {
            "latest" => versions.into_iter().next_back(),
            "champion" => self.champion()?,
            number => versions.into_iter().find(|version| version.number.to_string() == number),
        };
        found.ok_or_else(|| {
            let where_ = self.root.display();
            Failure::Input(format!("{where_}: no version `{name}` among {known}; `truestream models list` shows them"))
        })
    }

    /// The champion, if there is one.
    ///
    /// # Errors
    /// When a file cannot be read, or the version that the alias names is gone.
    pub fn champion(&self) -> Result<Option<Version>, Failure> {
        let Some(number) = self.champion_number()? else { return Ok(None) };
        let found = self.versions()?.into_iter().find(|version| version.is_champion);
        found.map(Some).ok_or_else(|| {
            Failure::Input(format!(
                "{}: version {number} is champion, and there is no version-{number} beside it; restore it from a backup, or say \
                 who is champion with `truestream rollback --to VERSION`",
                self.alias_path().display()
            ))
        })
    }

    /// Where a file of the version is.
    pub fn artifact(&self, version: &Version, name: &str) -> PathBuf {
        self.run_folder(&version.run).join("artifacts").join(name)
    }

    /// The model of the version.
    ///
    /// # Errors
    /// When its file is not what it was, or none.
    pub fn scorer(&self, version: &Version) -> Result<Scorer, Failure> {
        let path = self.artifact(version, MODEL);
        let input = |error: &dyn std::fmt::Display| Failure::Input(format!("{}: {error}", path.display()));
        let model = self.unchanged(version, MODEL, "model_hash")?;
        let text = String::from_utf8(model).map_err(|error| input(&error))?;
        let network = match version.params.contains_key("network_hash") {
            true => Some(self.unchanged(version, NETWORK_FILE, "network_hash")?),
            false => None,
        };
        let network = network.map(|bytes| Network::from_bytes(&bytes)).transpose().map_err(|error| input(&error))?;
        Scorer::from_json(&text, network).map_err(|error| input(&error))
    }

    /// A file of the version, if it is what was registered.
    fn unchanged(&self, version: &Version, name: &str, hash_name: &str) -> Result<Vec<u8>, Failure> {
        let path = self.artifact(version, name);
        let bytes = fs::read(&path).map_err(|error| Failure::Input(format!("{}: {error}", path.display())))?;
        let hash = hash(&bytes);
        if version.params.get(hash_name) != Some(&hash) {
            return Err(Failure::Input(format!(
                "{}: its hash is {hash}, version {} was registered with {}; restore the file from a backup",
                path.display(),
                version.number,
                version.params.get(hash_name).map_or("none", String::as_str)
            )));
        }
        Ok(bytes)
    }

    /// The version of a training, if it is there.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn trained(&self, run: &str) -> Result<Option<Version>, Failure> {
        Ok(self.versions()?.into_iter().find(|version| version.run == run))
    }

    /// Writes a training and makes it the next version; one that is there stays as it is.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn add(&self, _lock: &Lock, run: &Run) -> Result<Version, Failure> {
        if let Some(version) = self.trained(&run.id)? {
            return Ok(version);
        }
        let number = self.versions()?.last().map_or(1, |last| last.number + 1);
        self.describe_experiment(run.as_of)?;
        let folder = self.run_folder(&run.id);
        let part = folder.with_extension("part");
        if part.exists() {
            fs::remove_dir_all(&part).map_err(|error| failed(&part, &error))?;
        }
        write_run(&part, run)?;
        if folder.exists() {
            // A run without a version: the command was killed between the two.
            fs::remove_dir_all(&folder).map_err(|error| failed(&folder, &error))?;
        }
        fs::rename(&part, &folder).map_err(|error| failed(&folder, &error))?;
        let version = self.registered().join(format!("version-{number}"));
        write_whole(&version.join("meta.yaml"), version_meta(number, run).as_bytes())?;
        self.version_of(number, self.alias()?)
    }

    /// Makes the version the champion and writes down why.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn crown(&self, _lock: &Lock, version: &Version, what: &str, why: &str) -> Result<Change, Failure> {
        let from = self.alias()?;
        let change = Change { what: what.to_owned(), from, to: version.number, why: why.to_owned() };
        let mut line = serde_json::to_string(&change).expect("a change is plain data");
        line.push('\n');
        // First the record, then the fact: a crown that nobody recorded cannot be, and a record without its fact is taken out.
        let path = self.history_path();
        let opened = File::options().create(true).append(true).open(&path);
        let written = opened.and_then(|mut file| file.write_all(line.as_bytes()).and_then(|()| file.sync_all()));
        written.map_err(|error| failed(&path, &error))?;
        write_whole(&self.alias_path(), version.number.to_string().as_bytes())?;
        Ok(change)
    }

    /// All steps that were agreed to, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read, or somebody changed it: names the line.
    pub fn staged(&self) -> Result<Vec<Staged>, Failure> {
        let path = self.root.join(STAGES);
        let text = if_there(fs::read_to_string(&path), &path)?.unwrap_or_default();
        let mut all: Vec<Staged> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let wrong =
                |why: &dyn std::fmt::Display| Failure::Input(format!("{}, line {}: {why}", path.display(), number + 1));
            let step: Staged = serde_json::from_str(line).map_err(|error| wrong(&error))?;
            if step.before != all.last().map_or("", |last| &last.hash) || step.hash != step.hashed() {
                return Err(wrong(&"found another hash than the line has, expected that nobody changed who agreed"));
            }
            all.push(step);
        }
        Ok(all)
    }

    /// The version that is tried beside the champion, if one is: until it is in another stage, another one is tried, or somebody else is champion.
    ///
    /// # Errors
    /// When a file cannot be read or was changed, or the version is gone or another one.
    pub fn beta(&self) -> Result<Option<Beta>, Failure> {
        let mut tried: Option<Staged> = None;
        for step in self.staged()? {
            let is_over = tried.as_ref().is_some_and(|tried| tried.version == step.version);
            match step.percent {
                Some(_) => tried = Some(step),
                None if is_over => tried = None,
                None => {}
            }
        }
        let Some(Staged { version, model_hash, percent: Some(percent), beside, from, .. }) = tried else {
            return Ok(None);
        };
        let stands = self.champion_number()?.zip(Some(self.history()?.len()));
        if stands.is_none() || beside != stands {
            return Ok(None);
        }
        let version = self.version(&version.to_string())?;
        match version.params.get("model_hash") == Some(&model_hash) {
            true => Ok(Some(Beta { version, percent, from })),
            false => Err(Failure::Input(format!(
                "{}: version {} is tried, and its model is another one now; try it again with `truestream promote --stage beta`",
                self.root.join(STAGES).display(),
                version.number
            ))),
        }
    }

    /// Writes down that a step was agreed to; the file is replaced as a whole.
    ///
    /// # Errors
    /// When what is there was changed, or the disk does not take it.
    pub fn stage(&self, _lock: &Lock, step: Staged) -> Result<(), Failure> {
        let mut all = self.staged()?;
        let before = all.last().map_or_else(String::new, |last| last.hash.clone());
        let step = Staged { before, ..step };
        let hash = step.hashed();
        all.push(Staged { hash, ..step });
        let line = |step: &Staged| serde_json::to_string(step).expect("a step is plain data") + "\n";
        write_whole(&self.root.join(STAGES), all.iter().map(line).collect::<String>().as_bytes())
    }

    /// All changes of champion, oldest first: what happened, whatever a killed command left in the file.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn history(&self) -> Result<Vec<Change>, Failure> {
        let path = self.history_path();
        let text = if_there(fs::read(&path), &path)?.unwrap_or_default();
        let mut changes: Vec<Change> = Vec::new();
        for (number, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            match serde_json::from_slice(line) {
                Ok(change) => changes.push(change),
                // Torn: the command was killed while it wrote, before the fact.
                Err(_) if !line.ends_with(b"\n") => {}
                Err(error) => {
                    return Err(Failure::Input(format!("{}, line {}: {error}", path.display(), number + 1)));
                }
            }
        }
        let champion = self.alias()?;
        changes.pop_if(|last| Some(last.to) != champion && last.from == champion);
        Ok(changes)
    }

    /// Writes the history as it was where the file says more.
    fn mend_history(&self, _lock: &Lock) -> Result<(), Failure> {
        let path = self.history_path();
        let Some(found) = if_there(fs::read(&path), &path)? else { return Ok(()) };
        let lines = self.history()?.into_iter().map(|change| serde_json::to_string(&change));
        let lines: Result<Vec<String>, _> = lines.collect();
        let happened: String = lines.expect("a change is plain data").into_iter().map(|line| line + "\n").collect();
        match found == happened.as_bytes() {
            true => Ok(()),
            false => write_whole(&path, happened.as_bytes()),
        }
    }

    /// Where the last evaluation of a version stands.
    pub fn evaluation(&self, version: &Version) -> PathBuf {
        self.root.join("evaluations").join(format!("version-{}.json", version.number))
    }

    fn runs(&self) -> PathBuf {
        self.root.join("mlruns")
    }

    fn run_folder(&self, run: &str) -> PathBuf {
        self.runs().join(EXPERIMENT).join(run)
    }

    fn registered(&self) -> PathBuf {
        self.runs().join("models").join(SUBJECT)
    }

    fn history_path(&self) -> PathBuf {
        self.root.join("history.jsonl")
    }

    fn alias_path(&self) -> PathBuf {
        self.registered().join("aliases").join("champion")
    }

    /// The number of the champion, whether its version is there or not.
    ///
    /// # Errors
    /// When the alias cannot be read, or was lost: the history knows of a champion.
    pub fn champion_number(&self) -> Result<Option<u32>, Failure> {
        let number = self.alias()?;
        match self.history()?.last() {
            Some(Change { to, .. }) if number.is_none() => Err(Failure::Input(format!(
                "{}: it is not there, and {} says that version {to} is champion; say who is with `truestream rollback --to VERSION`",
                self.alias_path().display(),
                self.history_path().display()
            ))),
            _ => Ok(number),
        }
    }

    /// What the alias says.
    fn alias(&self) -> Result<Option<u32>, Failure> {
        let path = self.alias_path();
        let Some(text) = if_there(fs::read_to_string(&path), &path)? else { return Ok(None) };
        let number = text.trim().parse();
        number.map(Some).map_err(|_| {
            Failure::Input(format!(
                "{}: `{}` is no version; write the number of the champion into it",
                path.display(),
                text.trim()
            ))
        })
    }

    fn version_of(&self, number: u32, champion: Option<u32>) -> Result<Version, Failure> {
        let path = self.registered().join(format!("version-{number}")).join("meta.yaml");
        let meta = read_meta(&path)?;
        let folder = self.run_folder(&meta.run);
        let read = |name: &str| read_values(&folder.join(name));
        // A metric is a line: instant, value, step.
        let metrics = read("metrics")?
            .into_iter()
            .filter_map(|(name, line)| Some((name, line.split_whitespace().nth(1)?.parse().ok()?)));
        Ok(Version {
            number,
            as_of: meta.as_of,
            is_champion: champion == Some(number),
            metrics: metrics.collect(),
            params: read("params")?,
            run: meta.run,
        })
    }

    fn describe_experiment(&self, as_of: Millis) -> Result<(), Failure> {
        let experiment = self.runs().join(EXPERIMENT).join("meta.yaml");
        if !experiment.exists() {
            let text = format!(
                "artifact_location: mlruns/{EXPERIMENT}\ncreation_time: {as_of}\nexperiment_id: '{EXPERIMENT}'\n\
                 last_update_time: {as_of}\nlifecycle_stage: active\nname: {SUBJECT}\n"
            );
            write_whole(&experiment, text.as_bytes())?;
        }
        let model = self.registered().join("meta.yaml");
        if !model.exists() {
            let text = format!(
                "creation_timestamp: {as_of}\ndescription: P(fraud) of an account\nlast_updated_timestamp: {as_of}\n\
                 latest_versions: []\nname: {SUBJECT}\n"
            );
            write_whole(&model, text.as_bytes())?;
        }
        Ok(())
    }
}

fn write_run(folder: &Path, run: &Run) -> Result<(), Failure> {
    for name in ["params", "metrics", "tags", "artifacts"] {
        create_folder(&folder.join(name))?;
    }
    for (name, value) in &run.params {
        write(&folder.join("params").join(name), value.as_bytes())?;
    }
    for (name, value) in &run.metrics {
        write(&folder.join("metrics").join(name), format!("{} {value} 0\n", run.as_of).as_bytes())?;
    }
    for (name, content) in &run.artifacts {
        write(&folder.join("artifacts").join(name), content)?;
    }
    let name = format!("{SUBJECT}-{}", &run.id[..8]);
    write(&folder.join("tags").join("mlflow.runName"), name.as_bytes())?;
    let text = format!(
        "artifact_uri: mlruns/{EXPERIMENT}/{id}/artifacts\nend_time: {as_of}\nentry_point_name: ''\n\
         experiment_id: '{EXPERIMENT}'\nlifecycle_stage: active\nrun_id: {id}\nrun_name: {name}\nrun_uuid: {id}\n\
         source_name: truestream train\nsource_type: 4\nsource_version: ''\nstart_time: {as_of}\nstatus: 3\ntags: []\n\
         user_id: truestream\n",
        id = run.id,
        as_of = run.as_of,
    );
    write(&folder.join("meta.yaml"), text.as_bytes())
}

fn version_meta(number: u32, run: &Run) -> String {
    format!(
        "aliases: []\ncreation_timestamp: {as_of}\ncurrent_stage: None\ndescription: ''\nlast_updated_timestamp: {as_of}\n\
         name: {SUBJECT}\nrun_id: {id}\nrun_link: ''\nsource: mlruns/{EXPERIMENT}/{id}/artifacts\nstatus: READY\n\
         status_message: ''\nuser_id: truestream\nversion: {number}\n",
        as_of = run.as_of,
        id = run.id,
    )
}

fn read_meta(path: &Path) -> Result<Meta, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::Input(format!("{}: {error}", path.display())))?;
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.ok_or_else(|| Failure::Input(format!("{}: `{name}` is missing", path.display())))
    };
    let as_of = field("creation_timestamp")?.parse();
    let as_of = as_of.map_err(|_| Failure::Input(format!("{}: `creation_timestamp` is no number", path.display())))?;
    Ok(Meta { run: field("run_id")?.to_owned(), as_of })
}

/// What was read, or nothing where nothing is there; any other error is one.
fn if_there<T>(read: std::io::Result<T>, path: &Path) -> Result<Option<T>, Failure> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Input(format!("{}: {error}", path.display()))
}

/// The files of a folder: names and contents.
fn read_values(folder: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let input = |error: std::io::Error| Failure::Input(format!("{}: {error}", folder.display()));
    let mut values = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(input)? {
        let entry = entry.map_err(input)?;
        let value = fs::read_to_string(entry.path()).map_err(input)?;
        values.insert(entry.file_name().to_string_lossy().into_owned(), value);
    }
    Ok(values)
}

/// The hash that files and settings are known by: BLAKE3, 64 hexadecimal digits.
pub fn hash(content: &[u8]) -> String {
    blake3::hash(content).to_hex().to_string()
}

/// Writes a file, and the folders above it.
fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    path.parent().map_or(Ok(()), create_folder)?;
    fs::write(path, content).map_err(|error| failed(path, &error))
}

/// Writes a file that is there whole or as it was before.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let part = path.with_extension("part");
    write(&part, content)?;
    let durable = File::open(&part).and_then(|file| file.sync_all());
    durable.and_then(|()| fs::rename(&part, path)).map_err(|error| failed(path, &error))
}

pub fn create_folder(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Output(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: char) -> Run {
        Run {
            id: id.to_string().repeat(32),
            as_of: 1_000,
            params: BTreeMap::from([("model_hash".to_owned(), blake3::hash(b"{}").to_hex().to_string())]),
            metrics: BTreeMap::from([("auc".to_owned(), 0.75)]),
            artifacts: BTreeMap::from([(MODEL, b"{}".to_vec())]),
        }
    }

    #[test]
    fn versions_count_up_and_the_champion_is_remembered() {
        let folder = tempfile::tempdir().expect("a folder");
        let registry = Registry::at(folder.path());
        let lock = registry.lock().expect("nobody else is here");
        assert!(matches!(registry.lock(), Err(Failure::Locked(_))));
        assert!(registry.versions().expect("empty").is_empty());

        let first = registry.add(&lock, &run('a')).expect("written");
        let second = registry.add(&lock, &run('b')).expect("written");
        let again = registry.add(&lock, &run('a')).expect("there already");
        assert_eq!([first.number, second.number, again.number], [1, 2, 1]);
        assert_eq!(first.metrics, BTreeMap::from([("auc".to_owned(), 0.75)]));

        registry.crown(&lock, &second, "promote", "better").expect("written");
        assert_eq!(registry.champion().expect("readable").map(|version| version.number), Some(2));
        registry.crown(&lock, &first, "rollback", "worse in practice").expect("written");
        let history = registry.history().expect("readable");
        assert_eq!(
            history.iter().map(|change| (change.from, change.to)).collect::<Vec<_>>(),
            [(None, 2), (Some(2), 1)]
        );
        assert_eq!(registry.version("champion").expect("there").number, 1);
        assert!(registry.version("7").is_err());
    }

    /// A registry of these versions.
    fn registry_of(folder: &Path, versions: &str) -> (Registry, Vec<Version>) {
        let registry = Registry::at(folder);
        let lock = registry.lock().expect("nobody else is here");
        let versions = versions.chars().map(|id| registry.add(&lock, &run(id)).expect("written"));
        let versions = versions.collect();
        (registry, versions)
    }

    #[test]
    fn what_did_not_reach_the_alias_never_happened() {
        let folder = tempfile::tempdir().expect("a folder");
        let (registry, versions) = registry_of(folder.path(), "abc");
        let crown = |at: usize| {
            let lock = registry.lock().expect("free");
            registry.crown(&lock, &versions[at], "promote", "weniger für Schlafmusik").expect("written")
        };
        let known = || {
            let changes = registry.history().expect("readable");
            changes.iter().map(|change| (change.from, change.to)).collect::<Vec<_>>()
        };
        let bytes = || fs::read(registry.history_path()).expect("a file");
        let lines = || bytes().iter().filter(|byte| **byte == b'\n').count();

        // Killed before anybody was champion, and between the record and the fact.
        crown(0);
        fs::remove_file(registry.alias_path()).expect("a file");
        assert!(known().is_empty() && registry.champion().expect("nobody yet").is_none());
        crown(0);
        crown(1);
        write_whole(&registry.alias_path(), b"1").expect("written");
        assert_eq!(known(), [(None, 1)]);
        crown(1);
        assert_eq!(known(), [(None, 1), (Some(1), 2)]);
        assert_eq!(lines(), 2);

        // Killed while it wrote: at every byte of the line.
        let whole = bytes();
        let before = whole.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
        for torn in before..whole.len() {
            fs::write(registry.history_path(), &whole[..torn]).expect("written");
            write_whole(&registry.alias_path(), b"1").expect("written");
            assert_eq!(known(), [(None, 1)], "{torn}");
            crown(2);
            assert_eq!(known(), [(None, 1), (Some(1), 3)], "{torn}");
            assert_eq!(lines(), 2, "{torn}");
        }

        // A line that was whole once is damage, and nothing is thrown away.
        fs::write(registry.history_path(), [b"{".as_slice(), &whole].concat()).expect("written");
        assert!(matches!(registry.lock(), Err(Failure::Input(_))));
    }

    #[test]
    fn only_what_is_not_there_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let (registry, versions) = registry_of(folder.path(), "ab");
        for version in &versions {
            registry.crown(&registry.lock().expect("free"), version, "promote", "better").expect("written");
        }
        let told = |found: Result<Option<Version>, Failure>| match found {
            Err(Failure::Input(text)) => text,
            other => panic!("{other:?}"),
        };

        // The champion's version is gone, the alias is gone, the alias is no version, the alias cannot be read.
        let version = registry.registered().join("version-2");
        fs::rename(&version, folder.path().join("kept")).expect("moved");
        let lost = told(registry.champion());
        assert!(lost.contains("version 2 is champion") && lost.contains("rollback --to"), "{lost}");
        assert!(registry.version("champion").is_err() && registry.version("1").is_ok());
        fs::rename(folder.path().join("kept"), &version).expect("moved");
        fs::write(registry.alias_path(), "two").expect("written");
        assert!(told(registry.champion()).contains("`two` is no version"));
        fs::remove_file(registry.alias_path()).expect("a file");
        assert!(told(registry.champion()).contains("says that version 2 is champion"));
        fs::create_dir(registry.alias_path()).expect("a folder");
        assert!(told(registry.champion()).contains("champion"));

        assert!(Registry::open(&folder.path().join("nowhere")).is_err());
        assert!(Registry::open(&registry.artifact(&versions[0], MODEL)).is_err());
        assert!(Registry::at(&registry.artifact(&versions[0], MODEL)).versions().is_err());
    }

    #[test]
    fn a_model_that_was_touched_is_not_loaded() {
        let folder = tempfile::tempdir().expect("a folder");
        let registry = Registry::at(folder.path());
        let version = registry.add(&registry.lock().expect("free"), &run('c')).expect("written");
        fs::write(registry.artifact(&version, MODEL), "{ }").expect("written");
        let told = registry.scorer(&version).expect_err("touched").to_string();
        assert!(told.contains("was registered with"), "{told}");
    }
}
