//! How trees and network are trained: what is chosen here, and what a file of settings says instead.

use std::path::Path;

use features::profile;
use models::boost::{Monotone, Settings};
use models::temporal::{self, Network};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::registry::hash;
use super::train::TrainArgs;
use crate::exit::Failure;

/// How trees and network are trained.
pub(super) struct Chosen {
    pub(super) trees: Settings,
    pub(super) network: Option<Source>,
}

/// Where the network comes from.
pub(super) enum Source {
    Lessons(temporal::Settings),
    /// A file, read.
    File(Box<Network>),
}

impl Chosen {
    pub(super) fn of(args: &TrainArgs) -> Result<Chosen, Failure> {
        let seed = args.data.seed;
        let is_asked = |name: &&str| args.only.is_empty() || args.only.iter().any(|only| only == name);
        // Trees end where accounts that they have not seen are scored best.
        let trees = Settings {
            trees_max: 400,
            learning_rate: 0.05,
            patience: 30,
            feature_share: 0.7,
            seed,
            monotone: profile::rising().filter(is_asked).map(|name| (name.to_owned(), Monotone::Rising)).collect(),
            ..Settings::default()
        };
        let network = temporal::Settings { seed, ..temporal::Settings::default() };
        let named_in = args.settings.as_ref().map_or(String::new(), |path| format!("{}: ", path.display()));
        let input = |error: &dyn std::fmt::Display| Failure::Input(format!("{named_in}{error}"));
        let text = args.settings.as_ref().map_or(Ok("{}".to_owned()), std::fs::read_to_string);
        let text = text.map_err(|error| input(&error))?;
        let mut named: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&text).map_err(|error| input(&error))?;
        let of_network = match named.remove("network").unwrap_or_else(|| json!({})) {
            serde_json::Value::Object(named) => named,
            other => return Err(input(&format!("`network` is {other}; expected an object of settings"))),
        };
        let network = with(&network, of_network).map_err(|error| input(&format!("network: {error}")))?;
        let from = args.network_from.as_deref().map(network_from).transpose()?;
        let trees = with(&trees, named).map_err(|error| input(&error))?;
        if trees.trees_max == 0 {
            return Err(input(&"trees_max is 0; expected at least 1"));
        }
        Ok(Chosen { trees, network: from.map(Source::File).or(args.network.then_some(Source::Lessons(network))) })
    }

    pub(super) fn json(&self) -> serde_json::Value {
        let mut all = json!(self.trees);
        match &self.network {
            None => {}
            Some(Source::Lessons(settings)) => all["network"] = json!(settings),
            Some(Source::File(network)) => all["network_from"] = json!(hash(&network.to_bytes())),
        }
        all
    }
}

/// The network in a file of either format.
fn network_from(path: &Path) -> Result<Box<Network>, Failure> {
    let input = |error: &dyn std::fmt::Display| Failure::Input(format!("{}: {error}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| input(&error))?;
    let read = match path.extension().is_some_and(|extension| extension == "onnx") {
        true => Network::from_onnx(&bytes),
        false => Network::from_bytes(&bytes),
    };
    read.map(Box::new).map_err(|error| input(&error))
}

/// The settings with those replaced that are named.
fn with<T: Serialize + DeserializeOwned>(
    settings: &T,
    named: serde_json::Map<String, serde_json::Value>,
) -> Result<T, serde_json::Error> {
    let mut all = serde_json::to_value(settings).expect("settings are plain data");
    all.as_object_mut().expect("settings have names").extend(named);
    serde_json::from_value(all)
}
