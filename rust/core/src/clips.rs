//! The corpus's original form, a sample as a conversation of video clips, and how it
//! becomes interleaved images and texts: as the authors' training code reads it. Knows
//! no files.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::error::Result;
use crate::record::{Number, Reader, Record, Scalar, push_string};

/// The field that tells a record of clips from an interleaved one.
pub const CONVERSATIONS: &str = "conversations";
/// The `vid` of a clip that only marks where a video ends.
pub const END_OF_VIDEO: &[u8] = b"End of a Video";
/// The `vid` of a clip that is one image and its caption.
pub const IMAGE_TEXT_PAIR: &[u8] = b"image_text_pair";
/// What stands before the words that were read from the images.
const OCR_LEAD_IN: &[u8] = b"We can see these words from the image by OCR: ";
/// The authors' placeholder of an image; as a part of what is said it is taken for a word.
const IMAGE_TOKEN: &[u8] = b"<image>";

/// What of a record of clips becomes text.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Whether the words read from the images stand in `texts` too. In `text_ocr_list`
    /// they always do.
    pub ocr: Ocr,
    /// A text of its own after each video and each image-text pair.
    pub separator: Option<&'a str>,
}

/// Whether `texts` holds the words read from the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ocr {
    /// What is said alone.
    Without,
    /// The words in the images, then what is said.
    With,
}

/// What matters of one clip.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Clip {
    /// The id of the video, or one of the special ones.
    pub vid: Option<Vec<u8>>,
    /// The paths of its keyframes.
    pub keyframes: Vec<Vec<u8>>,
    /// What is said: `refined_asr`, else `asr`.
    pub speech: Option<Vec<u8>>,
    /// `ocr_qwen2_vl_72b`.
    pub ocr: Option<Vec<u8>>,
    image_tokens: Option<i64>,
}

impl Clip {
    fn is_of(&self, vid: &[u8]) -> bool {
        self.vid.as_deref() == Some(vid)
    }

    /// What is seen and said, or said alone; `None` where that is nothing.
    fn text(&self, ocr: Ocr) -> Option<Vec<u8>> {
        let seen = self.ocr.as_deref().filter(|text| ocr == Ocr::With && !text.is_empty());
        let said = self.speech.as_deref().filter(|text| !text.is_empty());
        let mut text = Vec::new();
        if let Some(seen) = seen {
            text.extend_from_slice(OCR_LEAD_IN);
            text.extend_from_slice(&without_token(seen));
        }
        if let Some(said) = said {
            if seen.is_some() {
                text.push(b'\n');
            }
            text.extend_from_slice(&without_token(said));
        }
        (seen.is_some() || said.is_some()).then_some(text)
    }
}

fn without_token(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, IMAGE_TOKEN) {
        let (before, found) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(before);
        out.extend_from_slice(b"image");
        rest = found.strip_prefix(IMAGE_TOKEN).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

/// Whether the record is one of clips.
pub fn is_of_clips(record: &Record) -> Result<bool> {
    record.has(CONVERSATIONS)
}

/// What everybody reads who asks for a sample's images and texts: the interleaved form of
/// a record of clips, `texts` being the speech alone. `None` for a record that is none.
pub fn interleaved(record: &Record) -> Result<Option<Record>> {
    if !is_of_clips(record)? {
        return Ok(None);
    }
    let options = Options { ocr: Ocr::Without, separator: None };
    Ok(Some(Record::new(interleave(record, options)?)))
}

/// The clips of a record.
pub fn read_clips(record: &Record) -> Result<Vec<Clip>> {
    let mut clips = Vec::new();
    if let Some(mut reader) = record.field(CONVERSATIONS)? {
        reader.each_item("field 'conversations': expected a list", |_, reader| {
            clips.push(read_clip(reader)?);
            Ok(())
        })?;
    }
    Ok(clips)
}

fn read_clip(reader: &mut Reader<'_>) -> Result<Clip> {
    let mut clip = Clip::default();
    let (mut refined, mut asr) = (None, None);
    reader.each_field("expected a clip, which is an object", |key, reader| {
        match &*key.bytes()? {
            b"vid" => clip.vid = read_text(reader)?,
            b"refined_asr" => refined = read_text(reader)?,
            b"asr" => asr = read_text(reader)?,
            b"ocr_qwen2_vl_72b" => clip.ocr = read_text(reader)?,
            b"keyframe_ssim" => clip.keyframes = read_paths(reader)?,
            b"image_tokens" => clip.image_tokens = read_integer(reader)?,
            _ => reader.skip_value()?,
        }
        Ok(())
    })?;
    // An empty one counts as none, as it does in the authors' code.
    clip.speech = refined.filter(|text| !text.is_empty()).or(asr);
    Ok(clip)
}

fn read_text(reader: &mut Reader<'_>) -> Result<Option<Vec<u8>>> {
    let text = reader.nullable_text()?;
    text.map(|text| Ok(text.bytes()?.into_owned())).transpose()
}

fn read_paths(reader: &mut Reader<'_>) -> Result<Vec<Vec<u8>>> {
    let mut paths = Vec::new();
    if reader.peek() == Some(b'n') {
        reader.nullable_text()?;
        return Ok(paths);
    }
    reader.each_item("field 'keyframe_ssim': expected a list of paths", |_, reader| {
        paths.push(reader.text()?.bytes()?.into_owned());
        Ok(())
    })?;
    Ok(paths)
}

/// An integer; `None` for anything else.
pub(crate) fn read_integer(reader: &mut Reader<'_>) -> Result<Option<i64>> {
    if matches!(reader.peek(), Some(b'"' | b'[' | b'{')) {
        reader.skip_value()?;
        return Ok(None);
    }
    Ok(match reader.simple()? {
        Scalar::Number(Number::Int(value)) => Some(value),
        _ => None,
    })
}

/// The positions of an interleaved sample that is being put together.
#[derive(Default)]
struct Positions {
    images: Vec<Option<Vec<u8>>>,
    texts: Vec<Option<Vec<u8>>>,
    seen_and_said: Vec<Option<Vec<u8>>>,
}

impl Positions {
    fn push_image(&mut self, path: Vec<u8>) {
        self.images.push(Some(path));
        self.texts.push(None);
        self.seen_and_said.push(None);
    }

    fn push_text(&mut self, text: Vec<u8>, seen_and_said: Vec<u8>) {
        self.images.push(None);
        self.texts.push(Some(text));
        self.seen_and_said.push(Some(seen_and_said));
    }

    fn push_separator(&mut self, separator: Option<&str>) {
        if let Some(text) = separator {
            self.push_text(text.as_bytes().to_vec(), text.as_bytes().to_vec());
        }
    }
}

/// The same sample as an interleaved record: for each clip its keyframes, then its text.
pub fn interleave(record: &Record, options: Options<'_>) -> Result<Vec<u8>> {
    let mut positions = Positions::default();
    let mut image_tokens = Some(0i64);
    for clip in read_clips(record)? {
        image_tokens = image_tokens
            .zip(clip.image_tokens.or(Some(0)))
            .and_then(|(sum, more)| sum.checked_add(more));
        if clip.is_of(END_OF_VIDEO) {
            positions.push_separator(options.separator);
            continue;
        }
        let is_pair = clip.is_of(IMAGE_TEXT_PAIR);
        let (text, both) = (clip.text(options.ocr), clip.text(Ocr::With));
        for path in clip.keyframes {
            positions.push_image(path);
            if is_pair {
                positions.push_separator(options.separator);
            }
        }
        if let Some(both) = both {
            positions.push_text(text.unwrap_or_default(), both);
        }
    }
    let token_num = match record.field("token_num")? {
        Some(mut reader) => read_integer(&mut reader)?,
        None => None,
    };
    Ok(write(&positions, token_num, image_tokens))
}

fn write(positions: &Positions, token_num: Option<i64>, image_tokens: Option<i64>) -> Vec<u8> {
    let mut out = Vec::new();
    let lists = [
        ("{\"images\": [", &positions.images),
        (", \"texts\": [", &positions.texts),
        (", \"text_ocr_list\": [", &positions.seen_and_said),
    ];
    for (begin, list) in lists {
        out.extend_from_slice(begin.as_bytes());
        for (number, value) in list.iter().enumerate() {
            if number > 0 {
                out.extend_from_slice(b", ");
            }
            match value {
                Some(value) => push_string(&mut out, value),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.push(b']');
    }
    let images = positions.images.iter().filter(|image| image.is_some()).count();
    let text_num = token_num.zip(image_tokens).and_then(|(all, images)| all.checked_sub(images));
    let number = |value: Option<i64>| value.map_or("null".to_owned(), |value| value.to_string());
    let numbers = format!(
        ", \"image_num\": {images}, \"text_num\": {}, \"token_num\": {}}}",
        number(text_num),
        number(token_num)
    );
    out.extend_from_slice(numbers.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interleaved(json: &str, ocr: Ocr, separator: Option<&str>) -> String {
        let record = Record::new(json.as_bytes().to_vec());
        let bytes = interleave(&record, Options { ocr, separator }).expect("clips");
        Record::new(bytes.clone()).check().expect("a record");
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn keyframes_come_before_their_text() {
        let json = r#"{"token_num": 1209, "conversations": [
            {"vid": "a", "keyframe_ssim": ["a/1.jpg", "a/2.jpg"], "asr": "raw",
             "refined_asr": "see \u003cimage> \"x\"", "ocr_qwen2_vl_72b": "E=mc\u00b2",
             "image_tokens": 1152, "unknown": [{}]},
            {"vid": "End of a Video", "clip_path": "", "image_tokens": 0, "token_num": 0},
            {"vid": "image_text_pair", "keyframe_ssim": ["p.jpg"], "asr": "cap", "refined_asr": ""},
            {"vid": "b", "keyframe_ssim": null, "asr": null}]}"#;
        assert_eq!(
            interleaved(json, Ocr::Without, Some("\n<s>")),
            r#"{"images": ["a/1.jpg", "a/2.jpg", null, null, "p.jpg", null, null], "#.to_owned()
                + r#""texts": [null, null, "see image \"x\"", "\n<s>", null, "\n<s>", "cap"], "#
                + r#""text_ocr_list": [null, null, "We can see these words from the image by "#
                + r#"OCR: E=mc²\nsee image \"x\"", "\n<s>", null, "\n<s>", "cap"], "#
                + r#""image_num": 3, "text_num": 57, "token_num": 1209}"#
        );
        let with = interleaved(json, Ocr::With, None);
        assert!(with.contains(r#""texts": [null, null, "We can see these words"#), "{with}");
        assert!(!with.contains("<s>"));
    }

    #[test]
    fn a_clip_that_is_none_is_told_with_its_place() {
        for (json, told) in [
            (
                r#"{"conversations": [3]}"#,
                "expected a clip, which is an object, found '3' (at byte 19",
            ),
            (r#"{"conversations": {}}"#, "expected a list, found '{' (at byte 18"),
            (r#"{"conversations": [{"keyframe_ssim": [null]}]}"#, "expected a string, found 'n'"),
            (r#"{"conversations": [{"asr": 1}]}"#, "expected a string or null, found '1'"),
        ] {
            let record = Record::new(json.as_bytes().to_vec());
            let options = Options { ocr: Ocr::With, separator: None };
            let error = interleave(&record, options).expect_err("no clips").to_string();
            assert!(error.contains(told), "{error}");
        }
        let record = Record::new(b"{\"images\": []}".to_vec());
        assert!(!is_of_clips(&record).expect("a record"));
    }
}
