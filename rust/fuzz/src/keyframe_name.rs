//! Names of keyframes, against a reading from the left, character by character.

use textbook_core::keyframe_name::KeyframeName;

/// `<vid>@<start>_<end>#<n>.<extension>`: tries every place of the four separators.
fn plain(name: &str) -> Option<(String, String, String, String)> {
    let at = |text: &str, separator: char| -> Vec<usize> {
        text.match_indices(separator).map(|(place, _)| place).collect()
    };
    let is_number = |text: &str| {
        !text.is_empty()
            && text.chars().all(|c| c.is_ascii_digit() || "+-.e".contains(c))
            && text.parse::<f64>().is_ok_and(f64::is_finite)
    };
    let dot = *at(name, '.').last()?;
    let extension = &name[dot + 1..];
    if extension.is_empty() || !extension.chars().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let hash = *at(&name[..dot], '#').last()?;
    let number = &name[hash + 1..dot];
    if !number.chars().all(|c| c.is_ascii_digit()) || number.parse::<u64>().is_err() {
        return None;
    }
    let sign = *at(&name[..hash], '@').last()?;
    let times = &name[sign + 1..hash];
    let places = at(times, '_');
    let [place] = places.as_slice() else { return None };
    let (start, end) = (&times[..*place], &times[place + 1..]);
    let found = sign > 0 && is_number(start) && is_number(end);
    found.then(|| (name[..sign].into(), start.into(), end.into(), number.into()))
}

/// Both see the same, and the parts are of the name.
pub fn check(data: &[u8]) {
    let Ok(path) = std::str::from_utf8(data) else { return };
    let name = path.rsplit('/').next().unwrap_or_default();
    let found = KeyframeName::parse(path);
    assert_eq!(found, KeyframeName::parse(name), "folders do not count");
    match (found, plain(name)) {
        (None, None) => {}
        (Some(found), Some((vid, start, end, number))) => {
            assert_eq!(found.vid, vid);
            assert_eq!(found.start_seconds, start.parse::<f64>().expect("a number"));
            assert_eq!(found.end_seconds, end.parse::<f64>().expect("a number"));
            assert_eq!(found.number, number.parse::<u64>().expect("a number"));
        }
        (found, expected) => panic!("{path:?}: {found:?} instead of {expected:?}"),
    }
}
