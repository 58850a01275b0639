//! What `auto` takes files for.

use std::path::PathBuf;

use datasets::formats::{Finding, Format, recognise, walk};
use tempfile::TempDir;

use super::{array, extended};

fn found(name: &str, content: &[u8], in_folder: bool) -> Result<Finding, String> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    recognise(&path, in_folder, None, None).map_err(|error| error.to_string())
}

fn format(name: &str, content: &[u8]) -> Format {
    match found(name, content, false) {
        Ok(Finding::File(file)) => file.format(),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn content_tells_the_format_whatever_the_name() {
    let row = array(&[extended("{}")]);
    assert_eq!(format("renamed.json", &row), Format::SpotifyExtended);
    assert_eq!(format("renamed.json", b"\xef\xbb\xbf [\n{\"endTime\":\"\",\"msPlayed\":1}]"), Format::SpotifyBasic);
    assert_eq!(format("x", b",date,artist,track,album\n"), Format::LastfmCsv);
    assert_eq!(format("x", b"user_1\t2009-05-04T23:08:57Z\t\tA\t\tB\n"), Format::Lastfm1k);
    assert_eq!(format("x", b"1\t2\t3\t4\t1385212958\n"), Format::Lfm1b);
}

#[test]
fn a_name_tells_where_the_content_cannot() {
    assert_eq!(format("endsong_3.json", b""), Format::SpotifyExtended);
    assert_eq!(format("Streaming_History_Audio_2020_1.json", b"[]"), Format::SpotifyExtended);
    assert_eq!(format("StreamingHistory_music_1.json", b"[{\"endTi"), Format::SpotifyBasic);
    assert_eq!(format("listens.parquet", b"PAR1 cut"), Format::Yambda);
}

#[test]
fn formats_that_cannot_be_read_are_refused_by_name_with_the_reason() {
    for (content, says) in [
        (&b"msno,date,num_25,num_50,num_75,num_985,num_100,num_unq,total_secs\n"[..], "KKBox"),
        (b"Event Start Timestamp,Event End Timestamp,Play Duration Milliseconds\n", "Apple Music"),
        (b"userID\tartistID\tweight\n", "HetRec"),
        (b"b80344d063b5ccb3212f76538f3d9e43d87dca9e\tSOAKIMP12A8C130995\t1\n", "Taste Profile"),
        (b"{\"playlists\":[]}", "Million Playlist"),
        (b"a,b,c\n1,2,3\n", "first line a, b, c"),
        (b"[{\"x\":1}]", "keys x"),
        (b"\x00\x01\x02", "begin with"),
        (b"", "an empty file"),
        (b"PAR1", "cut short"),
    ] {
        let error = found("unknown", content, false).unwrap_err();
        assert!(error.contains(says) && error.contains("unknown") && error.contains("lastfm-1k"), "{error}");
    }
}

#[test]
fn what_lies_beside_the_plays_of_an_export_is_left_alone_in_folders_only() {
    assert!(matches!(found("Userdata.json", b"{}", true), Ok(Finding::Skipped(..))));
    assert!(matches!(found("ReadMeFirst.pdf", b"%PDF", true), Ok(Finding::Skipped(..))));
    assert!(found("Userdata.json", b"{}", false).is_err());
}

#[test]
fn folders_are_walked_in_order_and_no_file_comes_twice() {
    let folder = TempDir::new().unwrap();
    for name in ["b/2.json", "b/10.json", "a.json", ".hidden"] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    let files = walk(&[folder.path().to_owned(), folder.path().join("a.json")]).unwrap();
    let names: Vec<PathBuf> =
        files.iter().map(|(path, _)| path.strip_prefix(folder.path()).unwrap().to_owned()).collect();
    assert_eq!(names, ["a.json", "b/10.json", "b/2.json"].map(PathBuf::from));

    assert!(walk(&[folder.path().join("nowhere")]).unwrap_err().to_string().contains("nowhere"));
    let empty = TempDir::new().unwrap();
    assert!(walk(&[empty.path().to_owned()]).unwrap_err().to_string().contains("holds no files"));
}
