//! Usage reports to who delivered the music: DDEX DSR, flat file, one per recipient and month.
//!
//! ```text
//! HEAD ──▶ SY02.04 (payable, held, withheld, ineligible: streams, money) ──▶ blocks: AS02.04 (a track), of each that it has SU02.03 (streams)
//!                                                                            and, where there is money, LI01.03 ──▶ FOOT
//! ```
//!
//! Royalties are owed for payable streams alone. The others have rows of their own, each of the sum that says what they are, so that whoever
//! delivered a track sees what waits and what counts for nothing. HEAD and SU02.03 are written as DDEX's public definitions of the records say; of the
//! records of tracks, sums and money only the cells that tell something here. SU02.03 has no cell for what a stream earns (its price is what a listener paid for
//! this one stream, which nobody does who subscribes), so money stands in the record that says what of a row falls to a licensor.

use std::collections::BTreeMap;

use records::Millis;
use records::royalty::Micros;

use crate::Error;
use crate::formats::instant;
use crate::policy::amount_text;

/// A month's usage of one recipient's tracks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Unique with the sender.
    pub message_id: String,
    /// When it was made.
    pub created_at: Millis,
    /// The first day of the month, `2026-01-01`.
    pub from: String,
    /// Its last day.
    pub until: String,
    /// Who reports.
    pub sender: String,
    /// Who delivered.
    pub recipient: String,
    /// Of all amounts, such as `EUR`.
    pub currency: String,
    /// Days of the twelve months with streams, and all of them: by so many tracks were found to have no share.
    pub year_days: [u64; 2],
    /// The tracks, each once.
    pub usages: Vec<Usage>,
}

/// How streams stand, in the order of [`Usage::streams`], and whether royalties are owed for them. The word is the service description of the sum.
const KINDS: [(&str, &str); 4] =
    [("payable", "true"), ("held", "false"), ("withheld", "false"), ("ineligible", "false")];
/// The first of them may earn something.
const EARNING: usize = 2;

/// The streams of one track.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The platform's id of it.
    pub track: String,
    /// ISRC; empty where there is none.
    pub isrc: String,
    /// Title.
    pub title: String,
    /// Main artist.
    pub artist: String,
    /// Payable, held, withheld, ineligible.
    pub streams: [u64; 4],
    /// Payable and held; the others earn nothing.
    pub micros: [Micros; EARNING],
}

impl Usage {
    /// Money of the kind; `None` of one that earns none.
    fn earned(&self, kind: usize) -> Option<Micros> {
        self.micros.get(kind).copied()
    }
}

const VERSION: &str = "dsrf/1.3/7/1.3";

/// The report as text.
pub fn write(report: &Report) -> String {
    let Report { message_id, created_at, from, until, sender, recipient, currency, usages, .. } = report;
    let [known, days] = report.year_days;
    let created_at = instant::to_text(*created_at);
    let head = [
        "HEAD",
        VERSION,
        "BasicAudioProfile",
        "1.3",
        message_id,
        &created_at,
        "1",
        "1",
        from,
        until,
        "",
        sender,
        "",
        "",
        recipient,
    ];
    let mut lines = vec![line(&head)];
    for (at, (kind, _)) in KINDS.iter().enumerate() {
        let (id, all) = ((at + 1).to_string(), usages.iter().map(|usage| usage.streams[at]).sum::<u64>().to_string());
        let earned = amount_text(usages.iter().filter_map(|usage| usage.earned(at)).sum());
        // A description has no blanks.
        let told = if *kind == "ineligible" { format!("{kind}-by-{known}-of-{days}-days") } else { (*kind).to_owned() };
        let context = ["SubscriptionModel", "OnDemandStream", "Worldwide", &told];
        lines.push(line(&[&["SY02.04", &id, "", ""][..], &context[..], &[&all, "", currency, &earned][..]].concat()));
    }
    let mut rows = 0_u64;
    for (block, usage) in usages.iter().enumerate() {
        let block = (block + 1).to_string();
        let Usage { track, isrc, title, artist, streams, .. } = usage;
        lines.push(line(&["AS02.04", &block, "1", track, isrc, title, "", artist]));
        for (at, (_, owed)) in KINDS.iter().enumerate() {
            let earned = usage.earned(at);
            if streams[at] == 0 && earned.unwrap_or_default() == 0 {
                continue;
            }
            rows += 1;
            let [sum, id, streams] = [at as u64 + 1, rows, streams[at]].map(|number| number.to_string());
            lines.push(line(&["SU02.03", &block, &sum, &id, "", "1", owed, &streams]));
            lines.extend(earned.map(|earned| {
                let earned = amount_text(earned);
                line(&["LI01.03", &block, &sum, recipient, "", "", "", "", "", &earned, &streams, &id, &id])
            }));
        }
    }
    let (count, blocks) = ((lines.len() + 1).to_string(), usages.len().to_string());
    let sums = KINDS.len().to_string();
    lines.push(line(&["FOOT", &count, &count, &sums, &blocks, &blocks]));
    lines.join("\n") + "\n"
}

/// Cells between tabs; what would end a cell becomes a blank, and the sign between several values of a cell is escaped.
fn line(cells: &[&str]) -> String {
    let clean = |cell: &&str| {
        let blank = |c: char| if c.is_control() { ' ' } else { c };
        cell.chars().map(blank).collect::<String>().replace('|', "\\|")
    };
    cells.iter().map(clean).collect::<Vec<_>>().join("\t")
}

/// An amount to its last millionth, however large.
fn micros(cell: &str) -> Option<Micros> {
    let (whole, fraction) = cell.split_once('.')?;
    let is_one =
        !whole.is_empty() && fraction.len() == 6 && cell.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_one.then(|| format!("{whole}{fraction}").parse().ok()).flatten()
}

/// A sum as it is promised: of what, and how many streams and how much money.
struct Sum {
    at: usize,
    kind: usize,
    streams: u64,
    micros: Micros,
}

/// Reads a report of the form that [`write`] writes; records of other types are passed over.
///
/// # Errors
/// Names the line that is cut, out of its block, or promises other numbers than there are.
pub fn read(text: &str) -> Result<Report, Error> {
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.split('\t').collect::<Vec<_>>()));
    let wrong = |at: usize, what: &str| Error::Input(format!("line {at}: {what}"));
    let (_, head) = lines.next().ok_or_else(|| wrong(1, "found nothing, expected HEAD"))?;
    let [kind, _, _, _, message_id, created_at, _, _, from, until, _, sender, _, _, recipient, ..] = head[..] else {
        return Err(wrong(1, "found fewer than 15 cells, expected HEAD"));
    };
    let created_at = instant::from_text(created_at).filter(|_| kind == "HEAD");
    let created_at = created_at.ok_or_else(|| wrong(1, "expected HEAD with the time of creation as its sixth cell"))?;
    let plain = |cell: &str| cell.replace("\\|", "|");
    let [message_id, from, until, sender, recipient] = [message_id, from, until, sender, recipient].map(plain);
    let mut report = Report {
        message_id,
        created_at,
        from,
        until,
        sender,
        recipient,
        currency: String::new(),
        year_days: [0, 0],
        usages: Vec::new(),
    };
    let mut blocks: Vec<String> = Vec::new();
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    // The last row of usage: its id, its sum and its streams.
    let mut row: Option<[String; 3]> = None;
    let mut foot = None;
    for (at, cells) in lines {
        let number = |cell: &str| cell.parse::<u64>().map_err(|_| wrong(at, "expected a number of streams"));
        let money = |cell: &str| micros(cell).ok_or_else(|| wrong(at, "expected an amount of money such as 1.000000"));
        match (cells[0], &cells[1..]) {
            ("AS02.04", [block, _, track, isrc, title, _, artist, ..]) => {
                blocks.push((*block).to_owned());
                let [track, isrc, title, artist] = [track, isrc, title, artist].map(|cell| plain(cell));
                report.usages.push(Usage { track, isrc, title, artist, ..Usage::default() });
            }
            ("SY02.04", [id, _, _, _, _, _, told, streams, _, currency, earned, ..]) => {
                let (kind, days) = told.split_once("-by-").unwrap_or((told, ""));
                let kind = KINDS.iter().position(|(name, _)| *name == kind);
                let kind = kind.ok_or_else(|| wrong(at, "expected payable, held, withheld or ineligible as cell 8"))?;
                let sum = Sum { at, kind, streams: number(streams)?, micros: money(earned)? };
                if sums.insert((*id).to_owned(), sum).is_some() || sums.len() > 1 && report.currency != *currency {
                    return Err(wrong(at, "expected a sum of its own, in the currency of the others"));
                }
                report.currency = (*currency).to_owned();
                let mut numbers = days.split('-').filter_map(|word| word.parse().ok());
                if let (Some(known), Some(all)) = (numbers.next(), numbers.next()) {
                    report.year_days = [known, all];
                }
            }
            ("SU02.03", [block, sum, id, _, _, owed, streams, ..]) => {
                let usage = report.usages.last_mut().filter(|_| blocks.last().is_some_and(|known| known == block));
                let usage = usage.ok_or_else(|| wrong(at, "found usage outside the block of its track"))?;
                let kind = sums.get(*sum).map(|sum| sum.kind);
                let kind = kind.ok_or_else(|| wrong(at, "found usage of a sum that is not there"))?;
                if *owed != KINDS[kind].1 {
                    return Err(wrong(at, "expected true as cell 7 where royalties are owed, and false elsewhere"));
                }
                usage.streams[kind] += number(streams)?;
                row = Some([id, sum, streams].map(|cell| (*cell).to_owned()));
            }
            ("LI01.03", [_, sum, _, _, _, _, _, _, earned, streams, id, ..]) => {
                // Money is told once of each row, right after it.
                if row
                    .take()
                    .is_none_or(|row| [id, sum, streams].iter().zip(&row).any(|(cell, of)| **cell != of.as_str()))
                {
                    return Err(wrong(at, "found money of another row than the one before it"));
                }
                let earning = sums.get(*sum).map_or(EARNING, |sum| sum.kind);
                let known = report.usages.last_mut().and_then(|usage| usage.micros.get_mut(earning));
                *known.ok_or_else(|| wrong(at, "found money for streams that earn none"))? += money(earned)?;
            }
            ("AS02.04" | "SY02.04" | "SU02.03" | "LI01.03", _) => return Err(wrong(at, "found too few cells")),
            ("FOOT", [lines, ..]) => foot = Some((at, lines.parse::<usize>().ok())),
            _ => {}
        }
    }
    for Sum { at, kind, streams, micros } in sums.into_values() {
        let found: u64 = report.usages.iter().map(|usage| usage.streams[kind]).sum();
        let earned: Micros = report.usages.iter().filter_map(|usage| usage.earned(kind)).sum();
        if (found, earned) != (streams, micros) {
            let earned = amount_text(earned);
            return Err(wrong(at, &format!("promises other sums than the rows have: {found} streams, {earned}")));
        }
    }
    match foot {
        Some((at, promised)) if promised == Some(at) => Ok(report),
        Some((at, _)) => Err(wrong(at, "FOOT promises another number of lines than there are")),
        None => Err(Error::Input("the report breaks off: it has no FOOT".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let usage = |track: &str, title: &str, streams, micros| Usage {
            track: track.to_owned(),
            isrc: "SEXXX2600001".to_owned(),
            title: title.to_owned(),
            artist: "Å | B".to_owned(),
            streams,
            micros,
        };
        Report {
            message_id: "2026-01/d1".to_owned(),
            created_at: 1_770_000_000_000,
            from: "2026-01-01".to_owned(),
            until: "2026-01-31".to_owned(),
            sender: "platform".to_owned(),
            recipient: "d1".to_owned(),
            currency: "EUR".to_owned(),
            year_days: [31, 365],
            usages: vec![
                usage("1", "Song", [90, 4, 5, 1], [12_345_678_900_000_001, 7]),
                usage("2", "Other", [0, 0, 3, 0], [0, 0]),
                usage("3", "", [1, 0, 0, 0], [0, 0]),
            ],
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = write(&report());
        assert_eq!(read(&text).unwrap(), report());
        for line in [
            "SY02.04\t1\t\t\tSubscriptionModel\tOnDemandStream\tWorldwide\tpayable\t91\t\tEUR\t12345678900.000001",
            "SY02.04\t3\t\t\tSubscriptionModel\tOnDemandStream\tWorldwide\twithheld\t8\t\tEUR\t0.000000",
            "SY02.04\t4\t\t\tSubscriptionModel\tOnDemandStream\tWorldwide\tineligible-by-31-of-365-days\t1\t\tEUR\t0.000000",
            "SU02.03\t1\t1\t1\t\t1\ttrue\t90",
            "LI01.03\t1\t1\td1\t\t\t\t\t\t12345678900.000001\t90\t1\t1",
            "LI01.03\t1\t2\td1\t\t\t\t\t\t0.000007\t4\t2\t2",
            // What nobody listened to earns nothing.
            "SU02.03\t1\t3\t3\t\t1\tfalse\t5\nSU02.03\t1\t4\t4\t\t1\tfalse\t1\nAS02.04\t2",
        ] {
            assert!(text.contains(&format!("\n{line}")), "{line} in {text}");
        }
        assert!(text.ends_with("FOOT\t18\t18\t4\t3\t3\n"), "{text}");
        let mut strange = report();
        strange.usages[0].title = "a\tb\nc".to_owned();
        assert_eq!(read(&write(&strange)).unwrap().usages[0].title, "a b c");
    }

    #[test]
    fn what_is_no_report_is_refused_with_its_line() {
        let text = write(&report());
        let cut = |upto: &str| text[..text.find(upto).unwrap()].to_owned();
        for (text, says) in [
            (String::new(), "line 1"),
            (cut("FOOT"), "no FOOT"),
            (text.replace("\ttrue\t90", "\tfalse\t90"), "line 7: expected true"),
            (text.replace("\ttrue\t90", "\ttrue\tmany"), "line 7"),
            (text.replace("\twithheld\t", "\tlost\t"), "line 4: expected payable"),
            (text.replace("SU02.03\t1\t3", "SU02.03\t1\t7"), "line 11: found usage of a sum"),
            (text.replace("SU02.03\t2\t", "SU02.03\t9\t"), "line 14: found usage outside"),
            (text.replace("FOOT\t18", "FOOT\t19"), "line 18: FOOT promises"),
            (
                text.replace("withheld\t8\t", "withheld\t9\t"),
                "line 4: promises other sums than the rows have: 8 streams",
            ),
            (
                text.replacen("0.000007", "0.000008", 1),
                "line 3: promises other sums than the rows have: 4 streams, 0.000007",
            ),
            (text.replace("\t0.000007\t4", "\t0.000007\t5"), "line 10: found money of another row"),
            (text.replace("\t0.000007\t4", "\t0.00007\t4"), "line 10: expected an amount"),
            (
                text.replacen("held\t4\t\tEUR", "held\t4\t\tUSD", 1),
                "line 3: expected a sum of its own, in the currency",
            ),
            (text.replacen("HEAD", "HAED", 1), "line 1"),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(says), "{says}: {error}");
        }
    }
}
