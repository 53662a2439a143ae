use super::*;
use crate::index::{OffsetIndex, Options};
use crate::source::{Access, Source};
use crate::test_folder::TestFolder;

fn open(folder: &TestFolder, json: &str) -> Arc<Parts> {
    let path = folder.write("x.json", json.as_bytes());
    let source = Arc::new(Source::open(&path, Access::Map).expect("opened"));
    let options = Options {
        threads: 1,
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

fn found(parts: &Arc<Parts>, query: Query) -> Vec<(usize, usize)> {
    let mut search = Search::new(parts, None, query, 2, &Arc::default());
    let mut found = Vec::new();
    while let Some(hits) = search.next_batch().expect("searched") {
        found.extend(hits.into_iter().map(|hit| (hit.place, hit.item)));
    }
    found
}

/// One sample for each spelling of the text.
fn corpus(spellings: &[&str]) -> String {
    let records: Vec<_> =
        spellings.iter().map(|text| format!(r#"{{"texts": [null, "{text}"]}}"#)).collect();
    format!("[{}]", records.join(",\n"))
}

#[test]
fn every_spelling_of_json_is_found_and_nothing_else() {
    for (pattern, spellings, others) in [
        (
            "café",
            &["a café b", r"caf\u00e9", r"\u0063af\u00E9", r"c\u0061fé"][..],
            &["cafe", "CAFÉ"][..],
        ),
        (
            r#"say "a/b""#,
            &[r#"say \"a/b\""#, r#"say \u0022a\/b\""#],
            &[r"say a/b", r#"say \\\"a/b\""#],
        ),
        ("😀", &["😀", r"\ud83d\ude00", r"\uD83D\uDE00"], &[r"\ud83d", "😁"]),
        ("a\nb", &[r"a\nb", r"a\u000ab"], &[r"a\\nb", "ab"]),
        ("\u{1}", &[r"\u0001"], &["1"]),
        (r"\u00e9", &[r"\\u00e9", r"\u005cu00e9"], &[r"\u00e9", "é"]),
        ("a.b", &["a.b"], &["axb"]),
    ] {
        let folder = TestFolder::new("search");
        let all: Vec<_> = spellings.iter().chain(others).copied().collect();
        let parts = open(&folder, &corpus(&all));
        let expected: Vec<_> = (0..spellings.len()).map(|place| (place, 1)).collect();
        let literal = Query::new(pattern, Syntax::Literal, Case::Sensitive, Field::Texts);
        assert_eq!(found(&parts, literal.expect("a pattern")), expected, "{pattern}");
        let regex =
            Query::new(&regex::escape(pattern), Syntax::Regex, Case::Sensitive, Field::Texts);
        assert_eq!(found(&parts, regex.expect("a pattern")), expected, "{pattern} as a regex");
    }
}

#[test]
fn case_is_ignored_beyond_ascii_and_in_escapes() {
    let folder = TestFolder::new("case");
    // The Kelvin sign and the long s fold to k and s.
    let texts = ["ÉCOLE kiss", r"\u00c9cole \u212AISS", r"école ki\u017fs", "ecole kiss"];
    let parts = open(&folder, &corpus(&texts));
    for syntax in [Syntax::Literal, Syntax::Regex] {
        let query = Query::new("école Kiss", syntax, Case::Ignored, Field::Texts);
        assert_eq!(found(&parts, query.expect("a pattern")), [(0, 1), (1, 1), (2, 1)]);
    }
}

#[test]
fn regular_expressions_find_what_they_find_in_the_texts_themselves() {
    let texts = [
        "Pythagoras' theorem",
        "a theorem, and a lemma\nof Gau\u{df}",
        "the\ttheorem \"of\" choice",
        "nothing of the kind",
        "\u{1f600} and the THEOREM",
        "/path/to/theorem.json",
        "",
    ];
    // As they are, and with every character escaped.
    let plain = |text: &str| text.replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t");
    let escaped = |text: &str| -> String {
        let units: Vec<_> = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        units.concat()
    };
    let spelled: Vec<String> = texts.iter().flat_map(|text| [plain(text), escaped(text)]).collect();
    let spelled: Vec<&str> = spelled.iter().map(String::as_str).collect();
    let folder = TestFolder::new("regex");
    let parts = open(&folder, &corpus(&spelled));
    for pattern in [
        r"\w+ theorem",
        r"\S+ theorem",
        r"theorem\W",
        r"(\w+)\s(theorem|lemma)",
        r"[a-z]+\n[a-z]+",
        r"and (a|the) \w+$",
        r#"\w "of" \w"#,
        r"^\W and",
        r"(/\w+)+/theorem\.",
        r"Gau\x{df}$",
        r"^$",
        r"kin.\b",
        r"(\w{3} ){2}",
    ] {
        for case in [Case::Sensitive, Case::Ignored] {
            let regex = regex::RegexBuilder::new(pattern)
                .case_insensitive(case == Case::Ignored)
                .build()
                .expect("a pattern");
            let matching = texts.iter().enumerate().filter(|(_, text)| regex.is_match(text));
            let expected: Vec<_> =
                matching.flat_map(|(place, _)| [(2 * place, 1), (2 * place + 1, 1)]).collect();
            let query = Query::new(pattern, Syntax::Regex, case, Field::Texts).expect("a pattern");
            assert_eq!(found(&parts, query), expected, "{pattern} {case:?}");
        }
    }
}

#[test]
fn only_the_field_is_searched_and_each_item_once() {
    let folder = TestFolder::new("field");
    let json = r#"[{"images": ["x"], "texts": ["x x", null, "ax"], "text_ocr_list": ["y"]},
        {"texts": null}, {"metadata": "x"}, {"text_ocr_list": ["b", "x"]}]"#;
    let parts = open(&folder, json);
    for (field, expected) in
        [(Field::Texts, vec![(0, 0), (0, 2)]), (Field::TextOcrList, vec![(3, 1)])]
    {
        let query = Query::new("x", Syntax::Literal, Case::Sensitive, field);
        assert_eq!(found(&parts, query.expect("a pattern")), expected);
    }
}

#[test]
fn clips_are_searched_as_they_are_interleaved() {
    let folder = TestFolder::new("clips");
    let json = r#"[{"conversations": [{"vid": "v", "keyframe_ssim": ["a.jpg", "b.jpg"],
        "asr": "not this", "refined_asr": "the valley", "ocr_qwen2_vl_72b": "words"}]}]"#;
    let parts = open(&folder, json);
    for (pattern, field, expected) in [
        ("valley", Field::Texts, vec![(0, 2)]),
        ("by OCR: words", Field::TextOcrList, vec![(0, 2)]),
        ("words", Field::Texts, vec![]),
        ("not this", Field::TextOcrList, vec![]),
    ] {
        let query = Query::new(pattern, Syntax::Literal, Case::Sensitive, field);
        assert_eq!(found(&parts, query.expect("a pattern")), expected, "{pattern}");
    }
}

#[test]
fn views_are_searched_in_their_order() {
    let folder = TestFolder::new("view");
    let texts: Vec<_> = (0..50).map(|number| format!("text {number}!")).collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let parts = open(&folder, &corpus(&texts));
    let positions = [7, 8, 9, 3, 7, 49];
    let query = Query::new(r"text (7|9|49)!", Syntax::Regex, Case::Sensitive, Field::Texts);
    let query = query.expect("a pattern");
    let mut search = Search::new(&parts, Some(&positions), query, 3, &Arc::default());
    let hits = search.next_batch().expect("searched").expect("a batch");
    let found: Vec<_> = hits.iter().map(|hit| (hit.place, hit.excerpt.text.as_str())).collect();
    assert_eq!(found, [(0, "text 7!"), (2, "text 9!"), (4, "text 7!"), (5, "text 49!")]);
    assert_eq!(search.next_batch().expect("searched"), None);
}

#[test]
fn bad_patterns_and_broken_records_are_told() {
    let error = Query::new("a(b", Syntax::Regex, Case::Sensitive, Field::Texts).err();
    assert!(error.expect("no pattern").contains("unclosed group"));
    let error = Query::new(r"\w{1000}{1000}", Syntax::Regex, Case::Sensitive, Field::Texts).err();
    assert!(error.expect("too large").contains("size limit"));
    let folder = TestFolder::new("broken");
    let parts = open(&folder, r#"[{"texts": ["fine"]}, {"texts": ["fine", 3]}]"#);
    let query = Query::new("fine", Syntax::Literal, Case::Sensitive, Field::Texts);
    let mut search = Search::new(&parts, None, query.expect("one"), 1, &Arc::default());
    let error = search.next_batch().expect_err("a number").to_string();
    assert!(error.starts_with("sample 1 (") && error.contains("expected a string"), "{error}");
}
