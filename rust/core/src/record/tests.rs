//! What is one object and what is not; every level alike.

use textbook_simd::Level;

use super::fields::find_fields;
use super::reader::Scalar;
use super::{MAX_DEPTH, Number, Record};
use crate::index::scan_tests::Numbers;

fn value(record: &Record, name: &str) -> Option<String> {
    let reader = record.field(name).expect("a sound record")?;
    let rest = &record.bytes()[reader.offset()..];
    Some(String::from_utf8_lossy(rest).into_owned())
}

fn record(text: &str) -> Record {
    Record::new(text.as_bytes().to_vec())
}

#[test]
fn fields_are_found_and_the_last_of_equal_names_wins() {
    let sound =
        record(r#" { "a" : [1, "]"], "b\u0062":{"a":7},"n":-0.5e1 , "a":"x\"}", "":null } "#);
    sound.check().expect("one object");
    assert_eq!(value(&sound, "a").map(|value| value[..6].to_owned()), Some(r#""x\"}""#.to_owned()));
    assert!(value(&sound, "bb").is_some_and(|value| value.starts_with(r#"{"a":7}"#)));
    assert!(value(&sound, "n").is_some() && value(&sound, "").is_some());
    assert!(value(&sound, "c").is_none() && value(&sound, "b\\u0062").is_none());
}

#[test]
fn what_is_not_exactly_one_object_is_refused_with_its_place() {
    for (text, offset) in [
        ("", 0),
        (" ", 1),
        ("[]", 0),
        ("{", 1),
        ("{}}", 2),
        ("{}{}", 2),
        ("{},", 2),
        ("{,}", 1),
        (r#"{"a"}"#, 4),
        (r#"{"a" 1}"#, 5),
        (r#"{"a":}"#, 5),
        (r#"{"a":1,}"#, 7),
        (r#"{"a":1 2}"#, 7),
        (r#"{"a":[}"#, 6),
        (r#"{"a":{]}"#, 6),
        (r#"{"a":[1}]"#, 7),
        (r#"{"a":"x}"#, 8),
        (r#"{"a":1"#, 6),
        (r#"{"a":[1"#, 7),
        (r"{a:1}", 1),
        (r#"{"a":x}"#, 5),
        (r#"{"a":tru}"#, 5),
        (r#"{"a":01}"#, 6),
        (r#"{"a":1.}"#, 6),
        (r#"{"a":-}"#, 5),
        (r#"{"a":"b"#, 7),
        ("{\"a\nb\":1}", 3),
        (r#"{"a":1}x"#, 7),
        (r"{'a':1}", 1),
        (r#"{"a":1,,"b":2}"#, 7),
        (r#"{"a"::1}"#, 5),
        (r#"{"a":"\"}"#, 9),
    ] {
        for level in Level::available() {
            let fault = find_fields(level, text.as_bytes()).expect_err(text);
            assert_eq!(fault.offset, offset, "{text}: {}", fault.reason);
        }
    }
}

#[test]
fn nesting_has_a_limit_whatever_the_blocks() {
    for before in 0..70 {
        let nested = |depth: usize| {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            record(&format!("{{\"a\":{}{open}{close}}}", " ".repeat(before)))
        };
        nested(MAX_DEPTH - 1).check().expect("just within the limit");
        assert!(nested(MAX_DEPTH).check().is_err());
        let error = nested(100_000).check().expect_err("too deep").to_string();
        assert!(error.contains("nested more than 1000 deep"), "{error}");
    }
}

#[test]
fn every_level_finds_the_same_in_any_bytes() {
    let mut found = 0;
    for seed in 0..30_000 {
        let mut numbers = Numbers(seed);
        let mut text = b"{\"k\":".to_vec();
        for _ in 0..numbers.below(60) {
            let pieces: [&[u8]; 15] = [
                b"[",
                b"]",
                b"{",
                b"}",
                b"\"",
                b"\\",
                b",",
                b":",
                b" ",
                b"1",
                b"\"x\"",
                b"\\\"",
                b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                b"null",
                b"\"\":",
            ];
            text.extend_from_slice(pieces[numbers.below(pieces.len())]);
        }
        if numbers.below(2) > 0 {
            text = [b"{\"k\":[\"", &text[..], b"\"]}"].concat();
        }
        let of = |level| {
            let fields = find_fields(level, &text)?;
            Ok::<_, super::Fault>(
                fields.iter().map(|field| field.value.clone()).collect::<Vec<_>>(),
            )
        };
        let expected = of(Level::Scalar);
        found += usize::from(expected.is_ok());
        for level in Level::available() {
            assert_eq!(of(level), expected, "seed {seed}");
        }
    }
    assert!(found > 100, "{found} sound records");
}

#[test]
fn escapes_mean_what_they_mean() {
    for (text, expected) in [
        (r#""""#, &b""[..]),
        (r#""a\"\\\/\b\f\n\r\t""#, b"a\"\\/\x08\x0c\n\r\t"),
        (r#""\u00e9\uD83D\uDE00é""#, "é😀é".as_bytes()),
        (r#""\ud800""#, b"\xed\xa0\x80"),
        (r#""\udfff\ud800""#, b"\xed\xbf\xbf\xed\xa0\x80"),
        (r#""\ud800\ud83d\ude00""#, b"\xed\xa0\x80\xf0\x9f\x98\x80"),
    ] {
        let of_text = record(text);
        let text = of_text.reader().text().expect("a string");
        assert_eq!(&*text.bytes().expect("sound escapes"), expected);
    }
    for text in [r#""\x""#, r#""\u12""#, r#""\u12g4""#, r#""\u+123""#, r#""\uD83D\u""#] {
        let of_text = record(text);
        assert!(of_text.reader().text().expect("a string").bytes().is_err(), "{text}");
    }
}

#[test]
fn numbers_are_exact() {
    for (text, expected) in [
        ("0", Number::Int(0)),
        ("-9223372036854775808", Number::Int(i64::MIN)),
        ("9223372036854775808", Number::BigInt("9223372036854775808")),
        ("0.1", Number::Float(0.1)),
        ("1e999", Number::Float(f64::INFINITY)),
        ("-1E-2", Number::Float(-0.01)),
        ("2250.2200000000003", Number::Float(2_250.220_000_000_000_3)),
        ("-Infinity", Number::Float(f64::NEG_INFINITY)),
    ] {
        assert_eq!(record(text).reader().simple().ok(), Some(Scalar::Number(expected)), "{text}");
    }
}

#[test]
fn escapes_at_any_place_of_long_plain_text_end_no_string() {
    for before in 0..400 {
        for backslashes in 0..6 {
            let quote = if backslashes % 2 == 1 { "\"]}" } else { "" };
            let list = format!(
                "[\"{}{}{quote}{}\"]",
                "x".repeat(before),
                "\\".repeat(backslashes),
                "y".repeat(200),
            );
            let text = format!("{{\"a\":{list},\"b\":1}}");
            for level in Level::available() {
                let fields = find_fields(level, text.as_bytes()).expect("one object");
                assert_eq!(fields.len(), 2);
                assert_eq!(&text[fields[0].value.clone()], list);
            }
        }
    }
}
