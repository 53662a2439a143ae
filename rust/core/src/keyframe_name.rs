//! The name of a keyframe, `<vid>@<start>_<end>#<n>.jpg`, taken apart. Knows no
//! folders. Numbers carry float noise and are never formatted anew: a name that
//! was would no longer find its file.

/// The parts of a keyframe's name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KeyframeName<'a> {
    /// The YouTube id of the video.
    pub vid: &'a str,
    /// Where the clip begins in the video, in seconds.
    pub start_seconds: f64,
    /// Where the clip ends in the video, in seconds.
    pub end_seconds: f64,
    /// Which keyframe of the clip it is, from 1, with gaps.
    pub number: u64,
}

impl<'a> KeyframeName<'a> {
    /// The parts of the last component of `path`, or `None` where it is no
    /// keyframe's name. Read from the right, since an id may hold `_` and `-`.
    #[must_use]
    pub fn parse(path: &'a str) -> Option<KeyframeName<'a>> {
        let Pieces { vid, start, end, number } = Pieces::of(path)?;
        Some(KeyframeName {
            vid,
            start_seconds: seconds(start)?,
            end_seconds: seconds(end)?,
            number: number.parse().ok()?,
        })
    }

    /// The video of the name that [`KeyframeName::parse`] gives, for millions of paths:
    /// the value of a number is seldom needed.
    #[must_use]
    pub fn vid_of(path: &'a str) -> Option<&'a str> {
        /// So few digits are a number of 64 bits, and a finite float.
        const FEW: usize = 19;
        let is_plain = |text: &str| {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
            let is_number = |digits: &str| {
                (1..=FEW).contains(&digits.len())
                    && digits.bytes().all(|byte| byte.is_ascii_digit())
            };
            is_number(whole) && is_number(fraction)
        };
        let Pieces { vid, start, end, number } = Pieces::of(path)?;
        let is_one = [start, end].iter().all(|text| is_plain(text) || seconds(text).is_some())
            && ((1..FEW).contains(&number.len()) || number.parse::<u64>().is_ok());
        is_one.then_some(vid)
    }
}

/// A keyframe's name, whose numbers are not yet read.
struct Pieces<'a> {
    vid: &'a str,
    start: &'a str,
    end: &'a str,
    /// Only digits.
    number: &'a str,
}

impl<'a> Pieces<'a> {
    fn of(path: &'a str) -> Option<Pieces<'a>> {
        let name = path.rsplit('/').next()?;
        let (stem, extension) = name.rsplit_once('.')?;
        let is_letter_or_digit = |byte: u8| byte.is_ascii_alphanumeric();
        if extension.is_empty() || !extension.bytes().all(is_letter_or_digit) {
            return None;
        }
        let (clip, number) = stem.rsplit_once('#')?;
        let (vid, times) = clip.rsplit_once('@')?;
        let (start, end) = times.split_once('_')?;
        if vid.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Pieces { vid, start, end, number })
    }
}

/// A number as Python's `repr` of a float writes it.
fn seconds(text: &str) -> Option<f64> {
    let is_of_number = |byte: u8| byte.is_ascii_digit() || b"+-.e".contains(&byte);
    let value: f64 = text.bytes().all(is_of_number).then(|| text.parse().ok())??;
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_names_are_read_from_the_right() {
        let path = "/mnt/x/-1_ixJ@V-As/-1_ixJ@V-As@2250.2200000000003_2271.26#12.jpg";
        let name = KeyframeName::parse(path).expect("a keyframe's name");
        assert_eq!(name.vid, "-1_ixJ@V-As");
        assert_eq!(name.start_seconds.to_string(), "2250.2200000000003");
        assert_eq!((name.end_seconds, name.number), (2271.26, 12));
        let late = KeyframeName::parse("a@51000.1_1e5#1.jpg").expect("a keyframe's name");
        assert_eq!((late.start_seconds, late.end_seconds), (51000.1, 100_000.0));
    }

    #[test]
    fn other_names_are_none() {
        for name in [
            "",
            "x",
            "x.jpg",
            "a@1_2.jpg",
            "a#1.jpg",
            "a@1#1.jpg",
            "@1_2#1.jpg",
            "a@1_2#x.jpg",
            "a@1_2_3#1.jpg",
            "a@_2#1.jpg",
            "a@1_2#1",
            "a@1_2#.jpg",
            "a@nan_inf#1.jpg",
            "a@1_2#-1.jpg",
            "a@1_2#1.",
            "a@1_2#99999999999999999999999.jpg",
            "a@1e999_2#1.jpg",
        ] {
            assert_eq!(KeyframeName::parse(name), None, "{name}");
            assert_eq!(KeyframeName::vid_of(name), None, "{name}");
        }
    }

    #[test]
    fn the_video_is_that_of_the_parts() {
        let numbers =
            ["", "0", "7", "1.", ".5", "0.25", "2250.2200000000003", "1e5", "-3.5", ".", "x"];
        let long = ["9".repeat(18), "9".repeat(19), "9".repeat(20), "9".repeat(400)];
        let numbers: Vec<&str> =
            numbers.into_iter().chain(long.iter().map(String::as_str)).collect();
        let mut are_names = 0;
        for start in &numbers {
            for end in &numbers {
                for number in &numbers {
                    let name = format!("v/a_b@{start}_{end}#{number}.jpg");
                    let vid = KeyframeName::parse(&name).map(|name| name.vid);
                    assert_eq!(KeyframeName::vid_of(&name), vid, "{name}");
                    are_names += usize::from(vid.is_some());
                }
            }
        }
        assert!(are_names > 200, "{are_names}");
    }
}
