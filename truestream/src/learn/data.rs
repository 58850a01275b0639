//! The feature rows that a command works on: computed by a replay once, and kept in the registry for the next command.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use datasets::formats::instant::from_text;
use features::profile;
use records::Millis;
use serde::Serialize;

use super::examples::{Instants, Known, Span};
use super::registry::{Lock, Registry, hash, write_whole};
use crate::exit::Failure;
use crate::ingredients;
use crate::inputs::InputArgs;
use crate::replay::{self, ReplayArgs, millis};
use crate::words::parsed;

/// The file of the rows, and what it was made of.
const ROWS: &str = "account_features.parquet";
const MANIFEST: &str = "manifest.json";
/// How often accounts are looked at.
pub const EVERY: &str = "6h";
/// The same in milliseconds.
pub const LOOK_MS: Millis = 6 * 3_600_000;
/// Features are stated over windows of a day, a week and a month.
const REPLAY: [&str; 8] = ["--every", EVERY, "--windows", "24h,7d,28d", "--emit", "all", "--views", "account_features"];

/// Plays, labels, and the instant of which everything is asked.
#[derive(Args, Clone, Debug)]
pub struct DataArgs {
    /// Where plays and labels come from.
    #[command(flatten)]
    pub input: InputArgs,
    /// As of when: plays and labels that came later are not known. A date, an instant, or milliseconds; unless given, when
    /// all was known that the data hold
    #[arg(long, value_name = "INSTANT")]
    pub as_of: Option<String>,
    /// Examples reach so far back
    #[arg(long, value_name = "LENGTH", default_value = "56d")]
    pub history: String,
    /// Accounts of which nothing is known that are used at most; a sample by the seed
    #[arg(long, value_name = "ACCOUNTS", default_value_t = 50_000)]
    pub unlabelled_max: usize,
    /// Where the sample and the parts come from
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Threads of the replay
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
}

/// A file that went in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ingredient {
    /// The table.
    pub table: String,
    /// The name of the file, without its folder.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// BLAKE3 of its bytes.
    pub hash: String,
}

/// All that a feature row depends on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Manifest {
    /// The version of the list of features.
    pub features: String,
    /// BLAKE3 of the names of the features.
    pub names_hash: String,
    /// BLAKE3 of the code that computes them.
    pub code_hash: String,
    /// How they were computed.
    pub replay: Vec<String>,
    /// The files, in the order of tables and names.
    pub files: Vec<Ingredient>,
}

/// Feature rows that are there.
pub struct Features {
    /// The file.
    pub rows: PathBuf,
    /// What it was made of.
    pub manifest: Manifest,
    /// A hash of the plays and all else that they are read with.
    pub plays_hash: String,
    /// The files with labels.
    pub labels: Vec<PathBuf>,
}

impl Manifest {
    fn of(args: &DataArgs) -> Result<Manifest, Failure> {
        let inputs = args.input.inputs()?;
        let mut files = Vec::new();
        for (table, paths) in inputs.by_table() {
            let mut found: Vec<Ingredient> =
                paths.iter().map(|path| ingredient(table, path)).collect::<Result<_, _>>()?;
            found.sort_by(|a, b| (&a.file, &a.hash).cmp(&(&b.file, &b.hash)));
            files.extend(found);
        }
        let hash = |text: String| hash(text.as_bytes());
        Ok(Manifest {
            features: profile::VERSION.to_owned(),
            names_hash: hash(profile::names().join("\n")),
            code_hash: hash(profile::CODE.concat()),
            replay: REPLAY.map(str::to_owned).to_vec(),
            files,
        })
    }

    /// The manifest as a file.
    pub fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a manifest is plain data");
        text.push('\n');
        text
    }

    /// A hash of all of it.
    pub fn hash(&self) -> String {
        hash(self.json().as_bytes())
    }

    /// Feature rows do not depend on what people say.
    fn without_labels(&self) -> Manifest {
        let files =
            self.files.iter().filter(|file| !["labels", "rulings"].contains(&file.table.as_str())).cloned().collect();
        Manifest { files, ..self.clone() }
    }
}

fn ingredient(table: &str, path: &Path) -> Result<Ingredient, Failure> {
    let ingredients::Ingredient { bytes, hash, .. } = ingredients::Ingredient::of(path)?;
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Ingredient { table: table.to_owned(), file, bytes, hash })
}

impl DataArgs {
    /// The feature rows: those of an earlier command over the same files, or those of a replay now.
    ///
    /// # Errors
    /// When plays cannot be read, or the disk does not take the rows.
    pub fn features(&self, registry: &Registry, _lock: &Lock) -> Result<Features, Failure> {
        let manifest = Manifest::of(self)?;
        let labels = self.input.inputs()?.labels;
        let plays_hash = manifest.without_labels().hash();
        let folder = registry.features(&plays_hash[..32]);
        // The manifest is written last: where it stands the rows were whole.
        if !folder.join(MANIFEST).exists() || !folder.join(ROWS).exists() {
            self.replay(&folder, &REPLAY)?;
            write_whole(&folder.join(MANIFEST), manifest.without_labels().json().as_bytes())?;
        }
        Ok(Features { rows: folder.join(ROWS), manifest, plays_hash, labels })
    }

    /// Replays the plays with these options.
    ///
    /// # Errors
    /// When plays cannot be read, or the disk does not take what they become.
    pub fn replay(&self, out: &Path, options: &[&str]) -> Result<(), Failure> {
        let workers = self.workers.to_string();
        let out = out.to_string_lossy();
        let words = ["replay", "--data", "-", "--out", &out, "--workers", &workers];
        let words = words.into_iter().chain(options.iter().copied());
        replay::replay(&ReplayArgs { input: self.input.clone(), ..parsed(words)? })?;
        // They say what files are called and how long it took; what is kept here goes by what is in the files.
        for name in ["refusal.parquet", "run.json"] {
            let path = Path::new(&*out).join(name);
            fs::remove_file(&path).map_err(|error| Failure::Output(format!("{}: {error}", path.display())))?;
        }
        Ok(())
    }

    /// How far examples reach back, in milliseconds.
    ///
    /// # Errors
    /// When it is no length of time.
    pub fn history_ms(&self) -> Result<i64, Failure> {
        millis(&self.history)
    }

    /// The examples, and when they were asked for. Labels that nothing comes of are told of on standard error.
    ///
    /// # Errors
    /// When a file cannot be read, or there is no row.
    pub fn known(&self, features: &Features) -> Result<(Known, Instants), Failure> {
        let instants = self.instants(features)?;
        let span =
            Span { instants, history_ms: self.history_ms()?, unlabelled_max: self.unlabelled_max, seed: self.seed };
        let known = Known::read(&features.rows, &features.labels, span)?;
        known.lost.iter().for_each(|lost| eprintln!("note: {lost}"));
        Ok((known, instants))
    }

    /// The instant of `--as-of`: what is known later is not looked at. Without it everything is.
    ///
    /// # Errors
    /// When it is no instant.
    pub fn asked(&self) -> Result<Millis, Failure> {
        self.as_of.as_ref().map_or(Ok(Millis::MAX), |text| instant(text))
    }

    /// When everything is asked.
    ///
    /// # Errors
    /// When `--as-of` is no instant, or nobody has a play by then.
    pub fn instants(&self, features: &Features) -> Result<Instants, Failure> {
        let asked = self.asked()?;
        let is_wanted = |name: &str| name == PLAYS_OF_THE_DAY;
        let rows = datasets::tables::read_features(&features.rows, "account_id", is_wanted, |as_of, _| as_of <= asked);
        let rows = rows.map_err(|error| Failure::Input(error.to_string()))?;
        let plays = rows.columns.first().map_or(&[][..], Vec::as_slice);
        let looked = rows.as_of.iter().zip(plays).filter(|(_, plays)| !plays.is_nan()).map(|(as_of, _)| *as_of);
        let instants = rows.as_of.iter().max().zip(looked.max());
        let (as_of, last_look) = instants.ok_or_else(|| Failure::Input("no account has a play by then".to_owned()))?;
        Ok(Instants { as_of: *as_of, last_look })
    }
}

/// Whether somebody played within a day, this feature says by not being null.
const PLAYS_OF_THE_DAY: &str = "day_plays_per_day";

fn instant(text: &str) -> Result<Millis, Failure> {
    from_text(text).or_else(|| text.parse().ok()).ok_or_else(|| {
        Failure::Usage(format!(
            "--as-of {text}: expected a date, an instant such as 2026-11-01T00:00:00Z, or milliseconds"
        ))
    })
}
