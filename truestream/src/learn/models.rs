//! `truestream models`: what the registry holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clap::{Args, Subcommand};
use datasets::formats::instant::to_text;
use features::profile;
use models::Scorer;
use serde_json::json;

use super::EXIT_CODES;
use super::registry::{MODEL, Registry, Run, Version, hash, write_whole};
use crate::exit::Failure;

/// Shows versions of the model: all of them, one, or how two differ.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("\
Examples:
  truestream models list --registry models
  truestream models show champion --registry models
  truestream models diff champion latest --registry models --json
  truestream models import lightgbm.txt --registry models
  truestream models export champion --onnx network.onnx --registry models

{EXIT_CODES}"))]
pub struct ModelsArgs {
    #[command(subcommand)]
    what: What,
    /// The folder of the registry
    #[arg(long, value_name = "DIR", global = true, default_value = "models")]
    registry: std::path::PathBuf,
    /// Print as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// All versions, oldest first
    List,
    /// The card of a version
    Show {
        /// A number, `latest` or `champion`
        version: String,
    },
    /// What two versions chose and measured differently
    Diff {
        /// A number, `latest` or `champion`
        a: String,
        /// Likewise
        b: String,
    },
    /// Writes the network of a version as ONNX: inputs `hours` and `plays` as the columns of `account_sequence`, output `score` in log odds
    Export {
        /// A number, `latest` or `champion`
        version: String,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        onnx: std::path::PathBuf,
    },
    /// Makes a version of a model that LightGBM (text) or XGBoost (JSON) trained on `account_features`
    Import {
        /// The file
        file: std::path::PathBuf,
        /// It never saw the accounts that versions are measured on; docs/MODELS.md says how they are found. Else it passes no evaluation
        #[arg(long)]
        held_out: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// When the registry cannot be read, or has no such version.
pub fn run(args: &ModelsArgs) -> Result<(), Failure> {
    let registry = match &args.what {
        What::Import { .. } => Registry::at(&args.registry),
        _ => Registry::open(&args.registry)?,
    };
    match &args.what {
        What::List => list(&registry, args.json),
        What::Show { version } => show(&registry, &registry.version(version)?, args.json),
        What::Diff { a, b } => diff(&registry.version(a)?, &registry.version(b)?, args.json),
        What::Export { version, onnx } => export(&registry, &registry.version(version)?, onnx, args.json),
        What::Import { file, held_out } => import(&registry, file, *held_out, args.json),
    }
}

fn export(registry: &Registry, version: &Version, onnx: &Path, json: bool) -> Result<(), Failure> {
    let Some(network) = registry.scorer(version)?.network else {
        return Err(Failure::Input(format!(
            "version {} has no network; `truestream train --network` makes one",
            version.number
        )));
    };
    write_whole(onnx, &network.to_onnx())?;
    match json {
        true => println!("{}", json!({ "version": version.number, "sequences": network.version, "file": onnx })),
        false => println!("the network of version {} is in {}", version.number, onnx.display()),
    }
    Ok(())
}

fn import(registry: &Registry, file: &Path, held_out: bool, json: bool) -> Result<(), Failure> {
    let input = |error: &dyn std::fmt::Display| Failure::Input(format!("{}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| input(&error))?;
    let (booster, calibration) = models::import::import(&text).map_err(|error| input(&error))?;
    let booster = booster.with_features(profile::names()).map_err(|error| input(&error))?;
    let scorer = Scorer::new(profile::VERSION, booster, calibration);
    let model = scorer.to_json();
    // What is registered can be loaded, and is the same.
    match Scorer::from_json(&model, None).map_err(|error| input(&error))? {
        read if read == scorer => {}
        _ => return Err(input(&"it is another model once it is written and read back")),
    }
    let hash = |text: &str| hash(text.as_bytes());
    let mut params = vec![
        ("features", profile::VERSION.to_owned()),
        ("imported_from", file.file_name().unwrap_or_default().to_string_lossy().into_owned()),
        ("imported_hash", hash(&text)),
        ("model_hash", hash(&model)),
    ];
    params.extend(held_out.then(|| ("held_out", "yes".to_owned())));
    let card = format!(
        "# P(fraud) of an account\n\nTrained elsewhere and imported from `{}`; see there for its card. What accounts looked like in \
         its training is not known here: `truestream drift` has nothing to compare with.\n",
        params[1].1
    );
    let run = Run {
        id: hash(&format!("{held_out}\n{model}"))[..32].to_owned(),
        as_of: 0,
        params: params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        metrics: BTreeMap::new(),
        artifacts: BTreeMap::from([(MODEL, model.into_bytes()), ("card.md", card.into_bytes())]),
    };
    let version = registry.add(&registry.lock()?, &run)?;
    match json {
        true => println!("{}", json!(version)),
        false => println!(
            "version {} is {}; next: truestream evaluate --version {}",
            version.number,
            file.display(),
            version.number
        ),
    }
    Ok(())
}

fn list(registry: &Registry, json: bool) -> Result<(), Failure> {
    let versions = registry.versions()?;
    if json {
        println!("{}", json!({ "versions": versions, "history": registry.history()? }));
        return registry.champion().map(|_| ());
    }
    println!("{:>7}  {:<20}  {:>6}  {:>14}  {:>12}", "version", "as of", "AUC", "recall at 0.1 %", "recall at 1 %");
    for version in &versions {
        let of = |name: &str| version.metrics.get(name).map_or("-".to_owned(), |value| format!("{value:.3}"));
        println!(
            "{:>7}  {:<20}  {:>6}  {:>14}  {:>12}{}",
            version.number,
            to_text(version.as_of),
            of("auc"),
            of("recall_at_0.1pct"),
            of("recall_at_1pct"),
            if version.is_champion { "  champion" } else { "" }
        );
    }
    for change in registry.history()? {
        println!("{}: version {} ({})", change.what, change.to, change.why);
    }
    // Last, so that somebody who lost the champion sees what there is.
    registry.champion().map(|_| ())
}

fn show(registry: &Registry, version: &Version, json: bool) -> Result<(), Failure> {
    if json {
        println!("{}", json!(version));
        return Ok(());
    }
    let path = registry.artifact(version, "card.md");
    let card =
        std::fs::read_to_string(&path).map_err(|error| Failure::Input(format!("{}: {error}", path.display())))?;
    print!("{card}");
    Ok(())
}

fn diff(a: &Version, b: &Version, json: bool) -> Result<(), Failure> {
    let names: BTreeSet<&String> =
        a.params.keys().chain(b.params.keys()).chain(a.metrics.keys()).chain(b.metrics.keys()).collect();
    let of = |version: &Version, name: &String| match (version.params.get(name), version.metrics.get(name)) {
        (Some(value), _) => value.clone(),
        (None, Some(value)) => value.to_string(),
        (None, None) => "-".to_owned(),
    };
    let rows = names.into_iter().map(|name| (name, of(a, name), of(b, name))).filter(|(_, a, b)| a != b);
    if json {
        let rows = rows.map(|(name, a, b)| (name.clone(), json!([a, b])));
        println!("{}", json!({ "a": a.number, "b": b.number, "differ": rows.collect::<serde_json::Map<_, _>>() }));
        return Ok(());
    }
    println!("{:<28}  version {:<28}  version {}", "", a.number, b.number);
    for (name, a, b) in rows {
        println!("{name:<28}  {a:<36}  {b}");
    }
    Ok(())
}
