//! Columns are what a plain reading of each record gives, made or kept.

use std::sync::Arc;

use super::*;
use crate::index::{OffsetIndex, Options};
use crate::source::{Access, Source};
use crate::test_folder::TestFolder;

fn open(path: &std::path::Path) -> Arc<Parts> {
    let source = Arc::new(Source::open(path, Access::Map).expect("opened"));
    let options = Options {
        threads: 2,
        recover: false,
        read_sidecar: false,
        write_sidecar: false,
        level: textbook_simd::Level::active(),
    };
    let index = OffsetIndex::open(&source, options, &Arc::default()).expect("an index");
    let mut parts = Parts::default();
    parts.push(source, index);
    Arc::new(parts)
}

fn column(parts: &Arc<Parts>, name: &Name) -> Column {
    columns(parts, name, 2, &Arc::default()).expect("a pass").remove(0)
}

fn kept(folder: &TestFolder) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder.path("")).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.to_string_lossy().contains(".column-")).collect()
}

const TEXT: &str = r#"[
{"images": ["v_1@0.0_1.5#1.jpg", null, "v_1@2.0_3.5#1.jpg"], "n": 3, "x": 0.5, "ok": true},
{"images": null, "n": null, "x": 2, "ok": false},
{"images": ["a.jpg", "-w@0_1#2.jpg"], "n": -9, "x": "no", "ok": 1},
{"images": [1], "n": 12345678901234567890, "x": [1]}
]"#;

#[test]
fn values_their_kinds_and_what_is_not_there() {
    let folder = TestFolder::new("columns");
    let parts = open(&folder.write("c.json", TEXT.as_bytes()));
    let field = |name: &str| Name::Field(name.to_owned());
    for round in 0..2 {
        let n = column(&parts, &field("n"));
        assert_eq!(n.values, Values::Ints(vec![3, 0, -9, 0]));
        assert_eq!((&n.missing[..], &n.faulty[..]), (&[1][..], &[3][..]));
        let x = column(&parts, &field("x"));
        assert!(matches!(&x.values, Values::Floats(list) if list[..2] == [0.5, 2.0]));
        assert_eq!((&x.missing[..], &x.faulty[..]), (&[][..], &[2, 3][..]));
        let ok = column(&parts, &field("ok"));
        assert_eq!(ok.values, Values::Bools(vec![true, false, false, false]));
        assert_eq!((&ok.missing[..], &ok.faulty[..]), (&[3][..], &[2][..]));
        let images = column(&parts, &Name::Images);
        assert_eq!(images.values, Values::Ints(vec![2, 0, 2, 0]));
        assert_eq!((&images.missing[..], &images.faulty[..]), (&[1][..], &[3][..]));
        let vid = column(&parts, &Name::Vid);
        let texts = ["v_1", "", "-w", ""].map(str::to_owned).to_vec();
        assert_eq!(vid.values, Values::Texts(texts));
        assert_eq!(column(&parts, &field("none")).missing, [0, 1, 2, 3]);
        assert_eq!(kept(&folder).len(), 6, "round {round}");
    }
    let bytes = column(&parts, &Name::Bytes);
    let line = TEXT.lines().nth(1).expect("a line");
    let length = i64::try_from(line.len() - 1).expect("short");
    assert!(matches!(&bytes.values, Values::Ints(list) if list[0] == length));
}

#[test]
fn a_kept_column_counts_for_the_very_file_and_whole_only() {
    let folder = TestFolder::new("kept_columns");
    let path = folder.write("c.json", br#"[{"n": 1}, {"n": 2}]"#);
    let name = Name::Field("n".to_owned());
    let expected = column(&open(&path), &name);
    let place = kept(&folder).remove(0);
    let whole = std::fs::read(&place).expect("kept");
    // Any byte that is changed, and any cut, makes it count as not there.
    for at in 0..whole.len() {
        let mut broken = whole.clone();
        broken[at] ^= 0x10;
        std::fs::write(&place, &broken).expect("written");
        assert!(file::load(&open(&path).files()[0].source, "field n", 2).is_none(), "byte {at}");
        std::fs::write(&place, &whole[..at]).expect("written");
        assert!(file::load(&open(&path).files()[0].source, "field n", 2).is_none(), "cut at {at}");
    }
    std::fs::write(&place, &whole).expect("written");
    let loaded = file::load(&open(&path).files()[0].source, "field n", 2);
    assert_eq!(loaded.as_ref(), Some(&expected));
    // The same length and a later time: the column is another.
    std::thread::sleep(std::time::Duration::from_millis(20));
    folder.write("c.json", br#"[{"n": 1}, {"n": 7}]"#);
    assert_eq!(column(&open(&path), &name).values, Values::Ints(vec![1, 7]));
}
