//! A signal in words that an analyst and an artist can read, with what people do beside it.

use records::Millis;

use super::windows::DAY_MS;
use super::{Name, Seen, WHOLE, ratio};

const HOUR_MS: u64 = 3_600_000;

/// What was seen, and what is usual.
pub(super) fn say(name: Name, seen: Seen) -> String {
    let Seen { count, of, .. } = seen;
    let window = window(seen.window_ms);
    let [percent, daily] = [percent(seen), daily(seen)];
    match name {
        Name::Edge => {
            format!("{count} of {of} payable plays ({percent}) {window} lasted 30 to 35 seconds; people: at most 1.4 %")
        }
        Name::CutShort => {
            format!("{of} payable plays {window} lasted {} seconds on average; people: 150 and more", count / of.max(1))
        }
        Name::Loop => format!(
            "{of} plays {window} went round and round {count} tracks, without a person's skips, pauses or lengths"
        ),
        Name::Breadth => format!(
            "{count} different tracks in {of} plays {window}: hardly a repeat; people who play this much repeat half of it within a week"
        ),
        Name::ImpossibleTime => format!(
            "{} hours were heard in {} hours: more than one pair of ears can; people: up to 20.9 hours a day over a week",
            tenths(count * 10 / HOUR_MS),
            of / HOUR_MS
        ),
        Name::Volume => {
            format!(
                "{daily} plays a day {window}; the most by a person we know: 363 a day over a week, 729 in 24 hours"
            )
        }
        Name::NoSleep => format!("active in {count} of {of} hours {window}, with hardly a skip; people sleep"),
        Name::NoSkips => format!("{count} of {of} plays ({percent}) {window} were skipped; people: 20 to 30 %"),
        Name::Hosted => format!("{count} of {of} plays ({percent}) {window} came from data centres or VPN exits"),
        Name::NetworkHops => format!("{count} different networks {window}"),
        Name::Devices => format!("{count} different devices {window}"),
        Name::OneChannel => {
            format!("{count} of {of} plays ({percent}) {window} came from playlists, none from search or a library")
        }
        Name::Group => format!("tied by devices to a group of {count} accounts; a family plan has six"),
        Name::Rig => format!(
            "{count} accounts take turns on the one device it uses: {of} plays {window}, hardly one skipped and hardly one heard to the end"
        ),
        Name::Intruder => format!(
            "{count} of {of} plays ({percent}) {window} came from data centres or VPN exits, which it never used before"
        ),
        Name::Lockstep => format!(
            "in lockstep with {count} accounts: {} hours of its day in the same ten minutes as one of them",
            tenths(of * 10 / 60)
        ),
        Name::SuspiciousTracks => {
            format!("{percent} of what its tracks are played {window} comes from other suspicious accounts")
        }
        Name::Learned => format!("a model that learned from labelled accounts finds fraud {percent} probable"),
        Name::Replays => format!("{count} plays by {of} listeners {window}: {daily} each a day; usual: 1.5 to 3"),
        Name::TopAccount => format!("{count} of {of} plays ({percent}) {window} are one account's"),
        Name::EvenAccounts => format!(
            "{of} listeners {window} played it almost equally often, {} times each; people differ",
            count / of.max(1)
        ),
        Name::NewAccounts => {
            format!("{count} of {of} plays ({percent}) {window} came from accounts younger than a week")
        }
        Name::SuspiciousAccounts => {
            format!("{percent} of its plays {window} came from suspicious accounts, weighted by their risk")
        }
        Name::SuspiciousCopies => format!(
            "{percent} of all plays of its recording {window} were plays of its copies by suspicious accounts, weighted by their risk"
        ),
        Name::UploadRate => format!("at least {count} tracks were uploaded {window}; an album has ten to twenty"),
        Name::MissingFields => format!("{count} of {of} fields are empty (ISRC, artist, title, uploader, duration)"),
        Name::ShortTracks => match of {
            1 => "lasts 30 to 47 seconds, just long enough to be paid".to_string(),
            _ => format!("{count} of {of} tracks ({percent}) last 30 to 47 seconds, just long enough to be paid"),
        },
        Name::LongTracks => match of {
            1 => "lasts longer than two hours".to_string(),
            _ => format!("{count} of {of} tracks ({percent}) last longer than two hours"),
        },
        Name::UndeclaredAi => match of {
            1 => "does not say whether generative AI was used".to_string(),
            _ => format!("{count} of {of} tracks ({percent}) do not say whether generative AI was used"),
        },
        Name::Audio => match of / WHOLE {
            0 | 1 => format!("the audio is {percent} suspicious"),
            tracks => format!("the audio of its {tracks} tracks that were heard is {percent} suspicious on average"),
        },
    }
}

/// Thousandths of the signal's unit: a number per day, a number, or a share.
pub(super) fn value_milli(name: Name, seen: Seen) -> i64 {
    let Seen { window_ms, count, of } = seen;
    let days_milli = |count: u64| count.saturating_mul(1_000 * DAY_MS as u64) / window_ms.max(1) as u64;
    let milli = match name {
        Name::Volume => days_milli(count),
        Name::Replays => days_milli(count) / of.max(1),
        Name::NetworkHops | Name::Devices | Name::Group | Name::Rig | Name::Lockstep | Name::UploadRate => {
            count * 1_000
        }
        Name::Loop => of * 1_000 / count.max(1),
        Name::CutShort | Name::EvenAccounts => count.saturating_mul(1_000) / of.max(1),
        _ => ratio(count, of) / 10,
    };
    i64::try_from(milli).unwrap_or(i64::MAX)
}

fn percent(seen: Seen) -> String {
    let tenths_percent = (ratio(seen.count, seen.of) + 5) / 10;
    match tenths_percent {
        // Above 10 % a decimal is noise.
        100.. => format!("{} %", (tenths_percent + 5) / 10),
        _ => format!("{} %", tenths(tenths_percent)),
    }
}

/// A number given in tenths.
pub(crate) fn tenths(tenths: u64) -> String {
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        tenth => format!("{}.{tenth}", tenths / 10),
    }
}

/// Per day, and per item of the whole where there is one.
fn daily(seen: Seen) -> String {
    let tenths_per_day = seen.count.saturating_mul(10 * DAY_MS as u64) / seen.window_ms.max(1) as u64;
    tenths(tenths_per_day / seen.of.max(1))
}

fn window(window_ms: Millis) -> String {
    match (window_ms / DAY_MS, window_ms % DAY_MS) {
        (0, 0) => String::new(),
        (1, 0) => "in 24 hours".to_string(),
        (days, 0) => format!("in {days} days"),
        _ => format!("in {} hours", window_ms as u64 / HOUR_MS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_reads_like_a_sentence() {
        let seen = Seen { window_ms: DAY_MS, count: 612, of: 640 };
        let edge = "612 of 640 payable plays (96 %) in 24 hours lasted 30 to 35 seconds; people: at most 1.4 %";
        assert_eq!(say(Name::Edge, seen), edge);
        assert_eq!(value_milli(Name::Edge, seen), 956);
        let replays = Seen { window_ms: 7 * DAY_MS, count: 10_000, of: 100 };
        assert_eq!(
            say(Name::Replays, replays),
            "10000 plays by 100 listeners in 7 days: 14.2 each a day; usual: 1.5 to 3"
        );
        assert_eq!(value_milli(Name::Replays, replays), 14_285);
        let heard = Seen { window_ms: 7 * DAY_MS, count: 801_360_000, of: 604_800_000 };
        assert!(say(Name::ImpossibleTime, heard).starts_with("222.6 hours were heard in 168 hours"));
    }
}
