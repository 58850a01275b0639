//! What uploads must pass: `gate.toml` of a policy.

use std::path::Path;

use records::Millis;
use records::gate::{
    ArtistProfile, Incomplete, Length, Limits, LowBitrate, LowReputation, NearTitles, Rates, ShortRelease, Title,
};
use serde::Deserialize;

use super::lists::TrustedFile;
use super::{GATE, a_day, parse, read, refuse_strangers};
use crate::Error;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GateFile {
    #[serde(deserialize_with = "a_day")]
    asked_from: Millis,
    incomplete: Incomplete,
    length: Length,
    low_bitrate: LowBitrate,
    short_release: ShortRelease,
    uploader: Rates,
    distributor: Rates,
    title: Title,
    near_titles: NearTitles,
    artist_profile: ArtistProfile,
    /// Gates that were written before there was such a rule go without.
    #[serde(default)]
    reputation: LowReputation,
    #[serde(default)]
    trusted: TrustedFile,
}

impl GateFile {
    fn read(self, path: &Path) -> Result<Limits, Error> {
        let GateFile { asked_from, incomplete, length, low_bitrate, short_release, uploader, .. } = self;
        let GateFile { distributor, title, near_titles, artist_profile, reputation, trusted, .. } = self;
        let limits = Limits {
            asked_from,
            incomplete,
            length,
            low_bitrate,
            short_release,
            uploader,
            distributor,
            title,
            near_titles,
            artist_profile,
            reputation,
            trusted: trusted.into(),
        };
        match limits.fault() {
            Some(fault) => Err(Error::Input(format!("{}: {fault}", path.display()))),
            None => Ok(limits),
        }
    }
}

/// The limits of the gate: `gate.toml` of the policy in `folder`, or the built-in ones.
///
/// # Errors
/// When the folder or the file cannot be read, or says what cannot be.
pub fn gate(folder: Option<&Path>) -> Result<Limits, Error> {
    if let Some(folder) = folder {
        refuse_strangers(folder)?;
        if let Some(limits) = own_gate(folder)? {
            return Ok(limits);
        }
    }
    let built_in = Path::new("built-in policy").join(GATE.0);
    parse::<GateFile>(&built_in, GATE.1)?.read(&built_in)
}

pub(super) fn own_gate(folder: &Path) -> Result<Option<Limits>, Error> {
    let file: Option<GateFile> = read(folder, GATE.0)?;
    file.map(|file| file.read(&folder.join(GATE.0))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_is_as_built_in_or_as_the_folder_says() {
        let built_in = gate(None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(gate(Some(folder.path())).unwrap(), built_in);
        let plain: Vec<&str> = GATE.1.lines().filter(|line| !line.starts_with('#')).collect();
        let plain = plain.join("\n");
        let write = |text: &str| std::fs::write(folder.path().join(GATE.0), text).unwrap();
        write(&plain.replacen("week_max = 300", "week_max = 30", 1));
        assert_eq!(gate(Some(folder.path())).unwrap().uploader.week_max, Some(30));
        // A gate from before there was the rule is a gate without it.
        let (before, after) = plain.split_once("[reputation]").unwrap();
        write(&format!("{before}{}", &after[after.find("[trusted]").unwrap()..]));
        assert_eq!(gate(Some(folder.path())).unwrap().reputation, LowReputation::default());
        for (right, wrong, word) in [
            ("2026-01-01", "soon", "expected"),
            ("action = \"wait\"", "action = \"hold\"", "expected"),
            ("words_max", "words", "expected"),
            ("bits_max = 3", "bits_max = 8", "expected at most 7"),
            ("type beat", "Type beat", "in lower case"),
            ("share = 80", "share = 101", "0 to 100"),
            ("below = 70", "below = 81", "expected at most 80"),
            ("[title]", "[titles]", "titles"),
        ] {
            assert!(plain.contains(right), "{right}");
            write(&plain.replacen(right, wrong, 1));
            let error = gate(Some(folder.path())).unwrap_err().to_string();
            assert!(error.contains("gate.toml") && error.contains(word), "{right} -> {wrong}: {error}");
        }
    }
}
