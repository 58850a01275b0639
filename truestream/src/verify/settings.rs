//! What a replay said about itself in `run.json`: the settings under which its answer must be right.

use std::path::Path;

use records::Subject;
use serde::Deserialize;

use crate::exit::Failure;
use crate::replay::laws::is_tried_on;

/// What of each view was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Emit {
    /// The last instant.
    Last,
    /// Every instant.
    All,
    /// What changed at every instant.
    Changes,
}

#[derive(Deserialize)]
struct File {
    format: u32,
    every_ms: i64,
    windows: Vec<String>,
    windows_ms: Vec<i64>,
    hub: i64,
    links: Vec<String>,
    views: Vec<String>,
    emit: Emit,
    first_as_of_ms: Option<i64>,
    last_as_of_ms: Option<i64>,
    #[serde(default)]
    policies: Vec<Enacted>,
    #[serde(default)]
    tried: Vec<Tried>,
    #[serde(default)]
    gate: Vec<Gate>,
    #[serde(default)]
    hindsight: bool,
}

/// A policy that decided from an instant on.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Enacted {
    from_ms: i64,
    version: String,
}

/// A policy that was tried on some subjects.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Tried {
    from_ms: Option<i64>,
    until_ms: Option<i64>,
    version: String,
    percent: u8,
}

/// What uploads must pass from an instant on.
#[derive(Deserialize)]
struct Gate {
    from_ms: i64,
    limits: serde_json::Value,
}

/// The settings of a run.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The refresh interval.
    pub(crate) every_ms: i64,
    /// The windows: name and length in milliseconds, shortest first.
    pub(crate) windows: Vec<(String, i64)>,
    /// More accounts than this make a hub.
    pub(crate) hub: i64,
    /// The links that are switched on.
    pub(crate) links: Vec<String>,
    /// The views that were written.
    pub(crate) views: Vec<String>,
    /// What of each.
    pub(crate) emit: Emit,
    /// The first and the last instant that the run spoke about; `None` where nothing ever arrived.
    pub(crate) as_of_ms: Option<(i64, i64)>,
    /// The policies that decided, with their waves, in order.
    pub(crate) policies: Vec<Enacted>,
    /// Those that were tried beside them.
    pub(crate) tried: Vec<Tried>,
    /// What uploads must pass, from which instant on, as JSON.
    pub(crate) gate: Vec<(i64, String)>,
    /// Whether what people ruled speaks as if it had always been known.
    pub(crate) hindsight: bool,
}

impl Settings {
    /// Reads `run.json` in the folder that a replay wrote.
    pub(crate) fn read(out: &Path) -> Result<Settings, Failure> {
        let path = out.join("run.json");
        let wrong = |why: String| Failure::Input(format!("{}: {why}", path.display()));
        let text = std::fs::read_to_string(&path)
            .map_err(|error| wrong(format!("{error}; expected a folder that `truestream replay` wrote")))?;
        let file: File = serde_json::from_str(&text).map_err(|error| wrong(format!("not understood: {error}")))?;
        if file.format != 1 {
            return Err(wrong(format!("format {} is not known; this program knows format 1", file.format)));
        }
        if file.every_ms <= 0 || file.windows.len() != file.windows_ms.len() {
            return Err(wrong("the refresh interval or the windows cannot be".to_owned()));
        }
        let mut views = file.views;
        // What comes along with other views, named or not.
        for companion in ["hubs", "refusal"] {
            if !views.iter().any(|view| view == companion) && out.join(format!("{companion}.parquet")).is_file() {
                views.push(companion.to_owned());
            }
        }
        let mut windows: Vec<(String, i64)> = file.windows.into_iter().zip(file.windows_ms).collect();
        windows.sort_by_key(|(_, length_ms)| *length_ms);
        Ok(Settings {
            every_ms: file.every_ms,
            windows,
            hub: file.hub,
            links: file.links,
            views,
            emit: file.emit,
            as_of_ms: file.first_as_of_ms.zip(file.last_as_of_ms),
            hindsight: file.hindsight,
            policies: file.policies,
            tried: file.tried,
            gate: file.gate.into_iter().map(|gate| (gate.from_ms, gate.limits.to_string())).collect(),
        })
    }

    /// The version of the policy that decided about the subject as of the instant.
    pub(crate) fn version_for(&self, subject: &str, id: &str, as_of: i64) -> Option<String> {
        let is_tried = |tried: &&Tried| {
            let lasts =
                tried.from_ms.is_none_or(|from| from <= as_of) && tried.until_ms.is_none_or(|until| as_of < until);
            let is_drawn = |subject| is_tried_on(&tried.version, tried.percent, subject, id);
            lasts && Subject::named(subject).is_some_and(is_drawn)
        };
        let in_force = || self.policies.iter().rfind(|policy| policy.from_ms <= as_of);
        let tried = self.tried.iter().rfind(is_tried).map(|tried| tried.version.clone());
        tried.or_else(|| Some(in_force()?.version.clone()))
    }

    /// What uploads must pass as of the instant, as JSON.
    pub(crate) fn gate_at(&self, as_of: i64) -> &str {
        self.gate.iter().rfind(|(from, _)| *from <= as_of).map_or("{}", |(_, limits)| limits)
    }

    /// Whether the view of this name was written.
    pub(crate) fn wrote(&self, name: &str) -> bool {
        self.views.iter().any(|view| view == name)
    }

    /// Whether the link of this name is switched on.
    pub(crate) fn has_link(&self, name: &str) -> bool {
        self.links.iter().any(|link| link == name)
    }
}
