//! Evidence that is written is the evidence that is read; what is none is refused.

use datasets::tables::rows::{Column, ColumnKind, Value, write};
use datasets::tables::{IdKind, TableWriter, read_evidence};
use records::{Code, Confidence, Evidence, Id, Risk};

fn evidence(content_id: Id, parts: u64) -> Evidence {
    Evidence {
        content_id,
        detector: "synthesis".to_owned(),
        version: "1".to_owned(),
        risk: Risk::from_parts(parts),
        confidence: Confidence::from_parts(10_000 - parts),
        details: r#"{"lines":12}"#.to_owned(),
        known_at: 1_767_571_200_000,
        file: Some(format!("{parts}.mp3")),
    }
}

#[test]
fn every_share_comes_back_exactly() {
    let folder = tempfile::tempdir().expect("a folder");
    for (kind, id) in [(IdKind::Number, Id::from(7)), (IdKind::Text, Id::from("a recording"))] {
        let mut table = TableWriter::create(folder.path(), kind).expect("a table");
        let written: Vec<Evidence> = (0..=10_000).map(|parts| evidence(id.clone(), parts)).collect();
        written.iter().for_each(|row| table.push(row.clone()).expect("a row"));
        table.finish().expect("a whole table");

        let files = [folder.path().join("evidence.parquet")];
        let (mut read, mut refusals) = (Vec::new(), Vec::new());
        read_evidence(&files, |row| read.push(row), &mut refusals).expect("readable");
        assert_eq!((read, refusals), (written, Vec::new()));
    }
}

#[test]
fn what_is_no_evidence_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = [folder.path().join("evidence.parquet")];
    let column = |name: &str, kind| Column { name: name.to_owned(), kind };
    let columns = [
        column("content_id", ColumnKind::Text),
        column("detector", ColumnKind::Text),
        column("version", ColumnKind::Text),
        column("risk", ColumnKind::Float),
    ];
    let row = |risk| vec![Value::Text("x"), Value::Text("loops"), Value::Text("1"), risk];
    let mut rows: Vec<Vec<Value>> = [f64::NAN, -0.1, 1.1, f64::INFINITY].map(|risk| row(Value::Float(risk))).to_vec();
    rows.push(row(Value::Null));
    rows.push(row(Value::Float(0.25)));
    write(&files[0], &columns, &rows).expect("a file");

    let (mut read, mut refusals) = (Vec::new(), Vec::new());
    read_evidence(&files, |row| read.push(row), &mut refusals).expect("readable");
    let codes: Vec<Code> = refusals.iter().map(|refusal| refusal.code).collect();
    assert_eq!(codes, [Code::OutOfRange, Code::OutOfRange, Code::OutOfRange, Code::OutOfRange, Code::Missing]);
    // What is not said is the weakest claim: always known, heard in full, without details.
    let [kept] = &read[..] else { panic!("{read:?}") };
    assert_eq!((kept.risk.parts(), kept.confidence, kept.details.as_str()), (2_500, Confidence::FULL, "{}"));
}
