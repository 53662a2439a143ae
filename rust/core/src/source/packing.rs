//! What a file of text is packed in: nothing, gzip, or a zip with one JSON file. Reads
//! headers and directories; inflates nothing.

use std::ops::Range;
use std::path::{Path, PathBuf};

use rawzip::{CompressionMethod, ReaderAt, ZipLocator};

use super::Source;
use crate::error::{Error, Result};
use crate::inflate::stream::Framing;

/// How the text lies in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packing {
    /// The file is the text.
    Plain,
    /// A range of the file is the text: stored in a zip, with this CRC-32.
    Stored { range: Range<u64>, crc: u32 },
    /// A range of the file is deflate data.
    Deflated { range: Range<u64>, framing: Framing },
}

/// A packing, and what the text in it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packed {
    pub packing: Packing,
    pub name: PathBuf,
}

const ENDINGS: [&str; 3] = [".json", ".jsonl", ".ndjson"];
/// What else macOS puts into a zip.
const JUNK: &str = "__MACOSX/";
/// An error lists so many names.
const LISTED: usize = 20;

/// Tells by a file's first bytes what it is packed in.
pub(crate) fn detect(source: &Source) -> Result<Packed> {
    let head = source.with_file_range(0..source.file_size().min(4), |head| Ok(head.to_vec()))?;
    let path = source.path();
    if head.starts_with(b"\x1f\x8b") {
        let range = 0..source.file_size();
        let packing = Packing::Deflated { range, framing: Framing::Gzip };
        let is_gz = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
        let name = if is_gz { path.with_extension("") } else { path.to_owned() };
        return Ok(Packed { packing, name });
    }
    if head.starts_with(b"PK") {
        return of_zip(source);
    }
    Ok(Packed { packing: Packing::Plain, name: path.to_owned() })
}

struct At<'a>(&'a Source);

impl ReaderAt for At<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        let left = self.0.file_size().saturating_sub(offset);
        let count = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let buffer = buffer.get_mut(..count).unwrap_or_default();
        self.0.read_at(buffer, offset).map_err(std::io::Error::other)?;
        Ok(count)
    }
}

/// An entry of a zip.
struct Entry {
    name: String,
    method: CompressionMethod,
    is_encrypted: bool,
    length: u64,
    crc: u32,
    place: rawzip::ZipArchiveEntryWayfinder,
}

fn of_zip(source: &Source) -> Result<Packed> {
    let error = |offset: u64, reason: String| Error::Format {
        path: source.path().to_owned(),
        offset,
        reason,
    };
    let broken = |found: &rawzip::Error| {
        let what = match found.kind() {
            rawzip::ErrorKind::MissingEndOfCentralDirectory => {
                "its central directory is not there, which stands at its end: the file is cut"
                    .to_owned()
            }
            _ => format!("its central directory is damaged: {found}"),
        };
        error(source.file_size(), format!("broken or cut zip: {what}; fetch it again"))
    };
    let mut buffer = vec![0; rawzip::MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
    let locator = ZipLocator::new();
    let archive = locator.locate_in_reader(At(source), &mut buffer, source.file_size());
    let archive = archive.map_err(|(_, found)| broken(&found))?;
    let mut found = Vec::new();
    let mut others = Vec::new();
    let mut entries = archive.entries(&mut buffer);
    while let Some(entry) = entries.next_entry().map_err(|found| broken(&found))? {
        let name = String::from_utf8_lossy(entry.file_path().as_ref()).into_owned();
        let lower = name.to_ascii_lowercase();
        if !ENDINGS.iter().any(|ending| lower.ends_with(ending)) || name.starts_with(JUNK) {
            if !entry.is_dir() && !name.starts_with(JUNK) {
                others.push(name);
            }
            continue;
        }
        found.push(Entry {
            name,
            method: entry.compression_method(),
            is_encrypted: entry.flags().is_encrypted(),
            length: entry.uncompressed_size_hint(),
            crc: entry.crc32(),
            place: entry.wayfinder(),
        });
    }
    let [entry] = &found[..] else {
        let names: Vec<&str> = found.iter().map(|entry| entry.name.as_str()).collect();
        let reason = match names.len() {
            0 => format!(
                "one JSON file is expected in the zip, there are 0 (it holds {})",
                listed(&others.iter().map(String::as_str).collect::<Vec<_>>())
            ),
            count => format!(
                "one JSON file is expected in the zip, there are {count} ({}): extract the one \
                 you want",
                listed(&names)
            ),
        };
        return Err(error(0, reason));
    };
    let place = archive.get_entry(entry.place).map_err(|found| broken(&found))?;
    let (start, end) = place.compressed_data_range();
    if entry.is_encrypted {
        let reason = format!("{:?} in it is encrypted: extract it with its password", entry.name);
        return Err(error(start, reason));
    }
    if end > source.file_size() || start > end {
        return Err(error(
            source.file_size(),
            format!(
                "broken or cut zip: {:?} in it lies at bytes {start} to {end}, but the file ends \
                 here; fetch it again",
                entry.name
            ),
        ));
    }
    let packing = match entry.method {
        CompressionMethod::STORE if end - start == entry.length => {
            Packing::Stored { range: start..end, crc: entry.crc }
        }
        CompressionMethod::STORE => {
            let reason = format!("broken or cut zip: {:?} in it has two lengths", entry.name);
            return Err(error(start, reason));
        }
        CompressionMethod::DEFLATE => Packing::Deflated {
            range: start..end,
            framing: Framing::Bare { crc: entry.crc, length: entry.length },
        },
        method => {
            let reason = format!(
                "{:?} in it is compressed by method {method}; only stored (0) and deflate (8) \
                 can be read: extract it with another program",
                entry.name
            );
            return Err(error(start, reason));
        }
    };
    let name = entry.name.rsplit(['/', '\\']).next().unwrap_or_default();
    Ok(Packed { packing, name: source.path().with_file_name(Path::new(name)) })
}

fn listed(names: &[&str]) -> String {
    match names {
        [] => "nothing".to_owned(),
        names if names.len() > LISTED => {
            format!("{} and {} more", names[..LISTED].join(", "), names.len() - LISTED)
        }
        names => names.join(", "),
    }
}
