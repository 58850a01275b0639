//! Scrobbles: Last.fm-1K, the scrobbler CSV, ListenBrainz, LFM-1b and LFM-2b.

use std::io::Write;

use datasets::formats::Format;

use super::{import, import_with, options};

const LOG: &[u8] = b"user_000001\t2009-05-04T23:08:57Z\tf1b1cf71\tDeep Dish\tm-1\tFuck Me Im Famous\n\
user_000001\t2009-05-04T13:54:10Z\ta33b9822\tNine \"Inch\" Nails\t\tThe \"Four Of Us\n\
user_000001\t2009-05-04T13:50:10Z\t\tTwo\rLines\t\tSong\r\n\
user_000002\t1970-01-01T00:00:00Z\t\tBand\t\tSong\n\
user_000002\t2013-09-29T18:32:04Z\t\tBand\t\tSong\n\
user_000002\t2009-05-04T13:50:10Z\t\tBand\t\t\n\
user_000002\t2009-05-04T13:50:10Z\t\tBand\n";

const PROFILES: &[u8] = b"#id\tgender\tage\tcountry\tregistered\n\
user_000001\tm\t\tJapan\tAug 13, 2006\nuser_000009\t\t\t\t\nuser_000001\tm\t\tJapan\tAug 13, 2006\nuser_000001\tf\t\tChile\tAug 13, 2006\n";

#[test]
fn lastfm_1k_is_read_without_quoting_and_its_wrong_clocks_are_refused() {
    let outcome =
        import(&[("k/userid-profile.tsv", PROFILES), ("k/userid-timestamp-artid-artname-traid-traname.tsv", LOG)]);
    // START + the assumed 203 s; newest first, as it stands.
    assert_eq!(
        outcome.column("ended_at"),
        ["2009-05-04T23:12:20.000", "2009-05-04T13:57:33.000", "2009-05-04T13:53:33.000"]
    );
    assert_eq!(outcome.column("played_ms"), ["203000"; 3]);
    assert_eq!(outcome.reports[1].assumed_lengths, 3);
    assert_eq!(outcome.column("track_id"), ["m-1", "name:Nine \"Inch\" Nails/The \"Four Of Us", "name:Two Lines/Song"]);
    assert_eq!(outcome.codes(), ["conflicting", "out_of_range", "out_of_range", "missing", "malformed"]);

    let artists: Vec<&str> = outcome.tracks.iter().map(|track| track["artist_id"].as_str()).collect();
    assert_eq!(artists, ["f1b1cf71", "a33b9822", "name:Two Lines"], "an MBID where there is one");
    let account = &outcome.accounts[0];
    assert_eq!((&*account["country"], &*account["created_at"]), ("JP", "2006-08-13T00:00:00.000"));
    assert_eq!(outcome.accounts.len(), 2, "a profile without plays is an account");
}

#[test]
fn the_scrobbler_csv_numbers_its_rows_anew_in_each_export() {
    let old = b"\"\",\"date\",\"artist\",\"track\",\"album\"\n\
        \"1\",\"2020-06-29 05:01:31\",\"Band, The\",\"Say \"\"Hi\"\"\",\"LP\"\n\"2\",\"2020-06-29 04:57:59\",\"Band\",\"B\",\"\"\n";
    let new = b"\"\",\"date\",\"artist\",\"track\",\"album\"\n\
        \"1\",\"2020-06-30 05:01:31\",\"Band\",\"C\",\"LP\"\n\"2\",\"2020-06-29 05:01:31\",\"Band, The\",\"Say \"\"Hi\"\"\",\"LP\"\n";
    let (old, new) =
        (import(&[("eve/scrobbles.csv", old.as_slice())]), import(&[("eve/scrobbles.csv", new.as_slice())]));
    assert_eq!(old.column("play_id")[0], new.column("play_id")[1]);
    assert_eq!(old.column("track_id"), ["name:Band, The/Say \"Hi\"", "name:Band/B"]);
    assert_eq!(old.column("account_id"), ["eve"; 2]);
    assert_eq!(old.column("ended_at")[0], "2020-06-29T05:04:54.000");
}

const LISTENS: &str = r#"{"listened_at":1600000000,"user_name":"fay","recording_msid":"ms-1","track_metadata":{"artist_name":"Band","track_name":"A","release_name":"R","additional_info":{"duration_ms":180000,"recording_mbid":"mb-1"}}}
{"listened_at":1600000300,"user_name":"fay","recording_msid":"ms-2","track_metadata":{"artist_name":"Band","track_name":"B","additional_info":{"duration":"241","music_service":"x"}}}
{"listened_at":1600000600,"user_name":"fay","recording_msid":"ms-3","track_metadata":{"artist_name":"Band","track_name":"C","additional_info":{"duration_ms":"soon","duration":[1],"tracknumber":"3/4"}}}
{"listened_at":"1600000900","user_name":"fay","track_metadata":{"artist_name":"Band","track_name":"D","additional_info":null}}
{"listened_at":null,"user_name":"fay","track_metadata":{"artist_name":"Band","track_name":"E"}}
{"listened_at":1600000900,"user_name":"fay","track_metadata":{"artist_name":"Band"}}
{"listened_at":1600000900,"user_name":"fay"
"#;

#[test]
fn listenbrainz_survives_what_clients_write_and_compression() {
    let plain = import(&[("lb/1.listens", LISTENS.as_bytes())]);
    assert_eq!(plain.column("played_ms"), ["180000", "241000", "203000", "203000"]);
    assert_eq!(plain.column("track_ms"), ["180000", "241000", "-", "-"]);
    assert_eq!(plain.column("track_id"), ["ms-1", "ms-2", "ms-3", "name:Band/D"]);
    assert_eq!(plain.column("ended_at")[0], "2020-09-13T12:29:40.000");
    assert_eq!(plain.codes(), ["missing", "missing", "malformed"]);
    assert_eq!(plain.tracks[0]["content_id"], "mb-1");

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(LISTENS.as_bytes()).unwrap();
    let packed = [
        ("lb/1.jsonl.gz", gzip.finish().unwrap()),
        ("lb/1.jsonl.zst", zstd::encode_all(LISTENS.as_bytes(), 1).unwrap()),
    ];
    for (name, bytes) in packed {
        assert_eq!(import(&[(name, &bytes)]).plays, plain.plays, "{name}");
        let half = import_with(&[(name, &bytes[..bytes.len() - 9])], Some(Format::ListenBrainz), &options()).unwrap();
        assert!(half.reports[0].damage.is_some(), "{name}: a cut stream is damage, not a panic");
    }
}

#[test]
fn a_persons_own_listenbrainz_export_names_nobody() {
    let line = r#"{"listened_at":1600000000,"track_metadata":{"artist_name":"Band","track_name":"A"}}"#;
    assert_eq!(import(&[("gus/listens.jsonl", line.as_bytes())]).column("account_id"), ["gus"]);
}

#[test]
fn lfm_1b_and_2b_are_ids_and_a_start() {
    let one =
        import(&[("lfm/LFM-1b_LEs.txt", b"31435736\t15\t3\t5\t1385212958\n31435736\t15\t3\t5\t0\n31435736\t15\tx\n")]);
    assert_eq!(one.column("account_id"), ["31435736"]);
    assert_eq!(one.column("ended_at"), ["2013-11-23T13:26:01.000"]);
    assert_eq!(one.tracks[0]["artist_id"], "15");
    assert_eq!(one.codes(), ["out_of_range", "malformed"]);

    let text = b"user_id\ttrack_id\talbum_id\ttimestamp\n2\t45\t7\t2019-02-12 08:10:00\n2\t45\t7\tnever\n";
    let two = import(&[("lfm/listening_events.tsv", text.as_slice())]);
    assert_eq!(two.column("ended_at"), ["2019-02-12T08:13:23.000"]);
    assert_eq!(two.codes(), ["bad_time"]);
    assert!(Format::Lfm1b.caveat().unwrap().contains("20,000"), "the cut accounts are told to the user");
}

#[test]
fn the_assumed_length_is_the_callers() {
    let mut short = options();
    short.assume_played_ms = 60_000;
    let line = b"31435736\t15\t3\t5\t1385212958\n";
    let outcome = import_with(&[("a/events.txt", line)], None, &short).unwrap();
    assert_eq!(outcome.column("played_ms"), ["60000"]);
    assert_eq!(outcome.column("ended_at"), ["2013-11-23T13:23:38.000"]);
}
