//! Sorts plays by arrival in bounded memory: runs that do not fit go to disk.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};

use records::{Country, Key, KeyedPlay, Source};

use super::decode::Arrived;
use crate::Error;

/// A play on disk: nine numbers of 8 bytes.
const ROW_BYTES: usize = 72;

/// Takes plays in any order, gives sorted runs.
pub(super) struct Sorter {
    rows: Vec<Arrived>,
    rows_max: usize,
    runs: Vec<File>,
}

impl Sorter {
    /// Holds at most so many plays in memory.
    pub fn new(rows_max: usize) -> Sorter {
        Sorter { rows: Vec::new(), rows_max: rows_max.max(1), runs: Vec::new() }
    }

    /// Takes the plays.
    pub fn extend(&mut self, plays: impl IntoIterator<Item = Arrived>) -> Result<(), Error> {
        for play in plays {
            self.rows.push(play);
            if self.rows.len() >= self.rows_max {
                self.spill().map_err(spilled)?;
            }
        }
        Ok(())
    }

    fn spill(&mut self) -> std::io::Result<()> {
        self.rows.sort_unstable_by_key(|arrived| arrived.at);
        let mut file = BufWriter::new(tempfile::tempfile()?);
        for arrived in self.rows.drain(..) {
            file.write_all(&encode(&arrived))?;
        }
        let mut file = file.into_inner()?;
        file.rewind()?;
        self.runs.push(file);
        Ok(())
    }

    /// The runs: those on disk, and what is in memory.
    pub fn finish(mut self) -> (Vec<Run>, Vec<Arrived>) {
        self.rows.sort_unstable_by_key(|arrived| arrived.at);
        (self.runs.into_iter().map(|file| Run { file: BufReader::new(file) }).collect(), self.rows)
    }
}

fn spilled(error: std::io::Error) -> Error {
    Error::Input(format!(
        "cannot sort plays on disk: {error}; free space in {} or set TMPDIR to a larger disk",
        std::env::temp_dir().display()
    ))
}

/// A sorted run on disk.
pub(super) struct Run {
    file: BufReader<File>,
}

impl Run {
    /// The next plays of the run; none at its end.
    pub fn next(&mut self, plays_max: usize, to: &mut Vec<Arrived>) -> Result<(), Error> {
        let mut row = [0; ROW_BYTES];
        for _ in 0..plays_max {
            match self.file.read_exact(&mut row) {
                Ok(()) => to.push(decode(&row)),
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(spilled(error)),
            }
        }
        Ok(())
    }
}

fn encode(arrived: &Arrived) -> [u8; ROW_BYTES] {
    let play = &arrived.play;
    let words = [
        arrived.at as u64,
        play.ended_at as u64,
        play.account.0,
        play.track.0,
        play.device.0,
        play.ip_prefix.0,
        play.playlist.0,
        u64::from(play.played_ms) << 32 | u64::from(play.asn),
        u64::from(play.country.number()) << 32 | u64::from(play.source as u8) << 8 | u64::from(play.marks),
    ];
    let mut row = [0; ROW_BYTES];
    for (bytes, word) in row.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    row
}

fn decode(row: &[u8; ROW_BYTES]) -> Arrived {
    let word = |at: usize| u64::from_le_bytes(row[at * 8..][..8].try_into().expect("eight bytes"));
    let last = word(8);
    let play = KeyedPlay {
        ended_at: word(1) as i64,
        account: Key(word(2)),
        track: Key(word(3)),
        device: Key(word(4)),
        ip_prefix: Key(word(5)),
        playlist: Key(word(6)),
        played_ms: (word(7) >> 32) as u32,
        asn: word(7) as u32,
        country: Country::from_number((last >> 32) as u32),
        source: Source::from_number((last >> 8) as u8),
        marks: last as u8,
    };
    Arrived { at: word(0) as i64, play }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_on_disk_come_back_sorted_and_whole() {
        let play = |at: i64| KeyedPlay {
            ended_at: -at,
            account: Key(1),
            track: Key(u64::MAX - 1),
            device: Key::NONE,
            ip_prefix: Key(4),
            playlist: Key(5),
            played_ms: u32::MAX,
            asn: KeyedPlay::NO_ASN,
            country: Country::pack("DE").unwrap(),
            source: Source::Playlist,
            marks: 0xA5,
        };
        let plays: Vec<Arrived> = [5, 3, 9, 1, 7].map(|at| Arrived { at, play: play(at) }).into();
        let mut sorter = Sorter::new(2);
        sorter.extend(plays.clone()).unwrap();
        let (mut runs, rest) = sorter.finish();
        assert_eq!(rest.iter().map(|a| a.at).collect::<Vec<_>>(), [7]);
        let mut read = rest;
        for run in &mut runs {
            let before = read.len();
            run.next(10, &mut read).unwrap();
            assert!(read[before..].is_sorted_by_key(|arrived| arrived.at));
        }
        read.sort_by_key(|arrived| arrived.at);
        let mut sorted = plays;
        sorted.sort_by_key(|arrived| arrived.at);
        assert_eq!(read, sorted);
    }
}
