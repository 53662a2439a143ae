//! What a dataset holds, counted in one pass over its records. Opens no images and draws
//! no conclusions: means and percentiles are the caller's.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::clips;
use crate::error::Result;
use crate::index::Progress;
use crate::keyframe_name::KeyframeName;
use crate::parts::{Parts, pass};
use crate::record::Record;

/// A number that a record does not have.
pub const MISSING: i64 = i64::MIN;

/// What is known of one clip of a video.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct ClipUse {
    /// Its length.
    pub seconds: f64,
    /// How many keyframes of it stand in samples.
    pub keyframes: u32,
}

/// The counts: lists have an entry for each sample, in order.
#[derive(Debug, Default)]
pub struct Counts {
    /// Images in `images`.
    pub images: Vec<i64>,
    /// Texts in `texts`.
    pub texts: Vec<i64>,
    /// `text_num`, or [`MISSING`].
    pub text_num: Vec<i64>,
    /// `token_num`, or [`MISSING`].
    pub token_num: Vec<i64>,
    /// Characters in `texts`.
    pub characters: Vec<i64>,
    /// Characters that `text_ocr_list` has more than `texts`.
    pub ocr_characters: Vec<i64>,
    /// Texts that have more in `text_ocr_list`.
    pub ocr_texts: u64,
    /// Images whose name is no keyframe's.
    pub other_images: u64,
    /// The videos, by a hash of their ids.
    pub videos: HashSet<u64>,
    /// The clips, by a hash of their videos and times.
    pub clips: HashMap<u64, ClipUse>,
}

impl Counts {
    /// Adds what other samples hold.
    pub fn append(&mut self, mut other: Counts) {
        self.images.append(&mut other.images);
        self.texts.append(&mut other.texts);
        self.text_num.append(&mut other.text_num);
        self.token_num.append(&mut other.token_num);
        self.characters.append(&mut other.characters);
        self.ocr_characters.append(&mut other.ocr_characters);
        self.ocr_texts += other.ocr_texts;
        self.other_images += other.other_images;
        self.videos.extend(other.videos);
        for (clip, more) in other.clips {
            let known = self.clips.entry(clip).or_default();
            known.seconds = more.seconds;
            known.keyframes += more.keyframes;
        }
    }

    fn add(&mut self, record: &Record) -> Result<()> {
        let texts = lengths(record, "texts")?;
        let both = lengths(record, "text_ocr_list")?;
        let said: i64 = texts.iter().flatten().sum();
        let mut more = 0;
        for (text, with_ocr) in texts.iter().zip(&both) {
            let surplus = (with_ocr.unwrap_or(0) - text.unwrap_or(0)).max(0);
            more += surplus;
            self.ocr_texts += u64::from(surplus > 0);
        }
        let mut images = 0;
        crate::videos::each_image(record, |path| {
            images += 1;
            self.add_image(path);
        })?;
        self.images.push(images);
        self.texts.push(i64::try_from(texts.iter().flatten().count()).unwrap_or(i64::MAX));
        self.characters.push(said);
        self.ocr_characters.push(more);
        self.text_num.push(number(record, "text_num")?);
        self.token_num.push(number(record, "token_num")?);
        Ok(())
    }

    fn add_image(&mut self, path: &str) {
        let Some(keyframe) = KeyframeName::parse(path) else {
            self.other_images += 1;
            return;
        };
        self.videos.insert(xxh3_64(keyframe.vid.as_bytes()));
        let name = path.rsplit('/').next().unwrap_or_default();
        let clip = name.rsplit_once('#').map_or(name, |(clip, _)| clip);
        let known = self.clips.entry(xxh3_64(clip.as_bytes())).or_default();
        known.seconds = (keyframe.end_seconds - keyframe.start_seconds).max(0.0);
        known.keyframes += 1;
    }
}

/// Counts the records at these positions, or all.
pub fn count(
    parts: &Arc<Parts>,
    positions: Option<&[usize]>,
    threads: usize,
    progress: &Arc<Progress>,
) -> Result<Counts> {
    let chunks = Arc::new(parts.chunks(positions));
    progress.begin(chunks.iter().map(|chunk| chunk.bytes).sum());
    let found = pass(parts, &chunks, 0..chunks.len(), threads, progress, |parts, chunk| {
        let mut counts = Counts::default();
        parts.each_record(chunk, |_, record| match clips::interleaved(record)? {
            Some(interleaved) => counts.add(&interleaved),
            None => counts.add(record),
        })?;
        Ok(counts)
    })?;
    let mut counts = Counts::default();
    for of_chunk in found {
        counts.append(of_chunk);
    }
    Ok(counts)
}

/// The number of characters of each text in a list.
fn lengths(record: &Record, name: &str) -> Result<Vec<Option<i64>>> {
    let mut lengths = Vec::new();
    let Some(mut reader) = record.field(name)? else { return Ok(lengths) };
    if reader.peek() == Some(b'n') {
        reader.nullable_text()?;
        return Ok(lengths);
    }
    reader.each_item(&format!("field '{name}': expected a list"), |_, reader| {
        let text = reader.nullable_text()?;
        let length = text.map(|text| Ok::<_, crate::Error>(characters(&text.bytes()?)));
        lengths.push(length.transpose()?);
        Ok(())
    })?;
    Ok(lengths)
}

fn characters(text: &[u8]) -> i64 {
    let count = text.iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn number(record: &Record, name: &str) -> Result<i64> {
    let Some(mut reader) = record.field(name)? else { return Ok(MISSING) };
    Ok(clips::read_integer(&mut reader)?.unwrap_or(MISSING))
}
