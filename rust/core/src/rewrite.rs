//! Another folder before the images' paths, in a copy of a file whose other bytes stay as
//! they are. Streams: a few chunks are in memory at a time. Knows no Python.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::index::{Progress, sidecar};
use crate::keyframe_name::KeyframeName;
use crate::parts::{Chunk, Parts, pass};
use crate::record::{Reader, Record, Text, push_escaped};

/// The lists of paths in a clip.
const CLIP_LISTS: [&[u8]; 3] = [b"extracted_frames", b"ocr_image", b"keyframe_ssim"];
/// So many chunks are worked on before they are written.
const BATCH: usize = 16;
/// So many images that are not there are named.
const NAMED: usize = 5;

/// What is put in the place of what.
#[derive(Debug, Clone)]
pub struct Rewrite {
    /// What the paths begin with now; `None` to take it from each keyframe's path: all
    /// before `<vid>/<name>`, or before the name.
    pub old_prefix: Option<String>,
    /// The folder of the images, without a slash at its end.
    pub new_root: String,
    /// Whether to look for each image.
    pub check: Check,
}

/// Whether images are looked for below the new folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// No.
    Skip,
    /// They are, and those that are not there are counted.
    Count,
    /// The same, and if there are any, no file is left.
    Require,
}

/// What was done.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Paths that begin with the new folder now.
    pub rewritten: u64,
    /// Paths that were left as they were: they have no such prefix, or are no keyframe's.
    pub kept: u64,
    /// Images that are not there.
    pub missing: u64,
    /// Some of those: the record's position, and the new path.
    pub examples: Vec<(usize, String)>,
}

impl Report {
    fn add(&mut self, other: Report) {
        self.rewritten += other.rewritten;
        self.kept += other.kept;
        self.missing += other.missing;
        self.examples.extend(other.examples);
        self.examples.truncate(NAMED);
    }
}

/// Writes a copy of the one file of `parts` to `out`: to a temporary name beside it
/// first, which is gone again if anything fails, or images are required and missing.
pub fn rewrite(
    parts: &Arc<Parts>,
    out: &Path,
    rewrite: &Arc<Rewrite>,
    threads: usize,
    progress: &Arc<Progress>,
) -> Result<Report> {
    let temporary = temporary_name(out);
    let io = |action| {
        let path = temporary.clone();
        move |source| Error::Io { path, action, source }
    };
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&temporary);
    let mut file = Unfinished { path: temporary.clone(), file: file.map_err(io("create"))? };
    let report = write_all(parts, &mut file, rewrite, threads, progress)?;
    if rewrite.check == Check::Require && report.missing > 0 {
        return Ok(report);
    }
    file.file.sync_all().map_err(io("sync"))?;
    progress.check()?;
    std::fs::rename(&temporary, out).map_err(io("rename"))?;
    std::mem::forget(file);
    sidecar::sync_folder_of(out);
    Ok(report)
}

/// A file that is removed unless it is finished.
struct Unfinished {
    path: PathBuf,
    file: std::fs::File,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn temporary_name(out: &Path) -> PathBuf {
    let name = out.file_name().unwrap_or_default().to_string_lossy().into_owned();
    out.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

fn write_all(
    parts: &Arc<Parts>,
    to: &mut Unfinished,
    rewrite: &Arc<Rewrite>,
    threads: usize,
    progress: &Arc<Progress>,
) -> Result<Report> {
    let chunks = Arc::new(parts.chunks(None));
    let Some(part) = parts.files().first() else { return Ok(Report::default()) };
    let source = &part.source;
    progress.begin(source.size());
    let span = |place| part.index.span(place, source);
    let (first, end) = match chunks.last() {
        Some(last) => (span(0)?.start, span(last.places.end - 1)?.end),
        None => (source.size(), source.size()),
    };
    let mut write = |bytes: &[u8]| {
        let path = to.path.clone();
        to.file.write_all(bytes).map_err(|source| Error::Io { path, action: "write", source })
    };
    source.with_range(0..first, &mut write)?;
    let mut report = Report::default();
    for start in (0..chunks.len()).step_by(BATCH) {
        let range = start..(start + BATCH).min(chunks.len());
        let shared = Arc::clone(rewrite);
        let body = move |parts: &Parts, chunk: &Chunk| rewrite_chunk(parts, chunk, &shared);
        for (bytes, of_chunk) in pass(parts, &chunks, range, threads, progress, body)? {
            write(&bytes)?;
            report.add(of_chunk);
        }
    }
    source.with_range(end..source.size(), &mut write)?;
    Ok(report)
}

fn rewrite_chunk(parts: &Parts, chunk: &Chunk, rewrite: &Rewrite) -> Result<(Vec<u8>, Report)> {
    let part = &parts.files()[chunk.part];
    let mut out = Vec::new();
    let mut report = Report::default();
    parts.with_bytes(chunk, |bytes| {
        let begin = part.index.span(chunk.places.start, &part.source)?.start;
        for place in chunk.places.clone() {
            let span = part.index.span(place, &part.source)?;
            let within = |offset| usize::try_from(offset - begin).unwrap_or(0);
            let all = bytes.get(within(span.start)..within(span.end)).unwrap_or_default();
            let record = Record::new(part.index.trimmed(place, &part.source, all)?.to_vec());
            rewrite_record(&record, part.first + place, rewrite, &mut out, &mut report)
                .map_err(|error| parts.at(error, chunk, place))?;
            out.extend_from_slice(all.get(record.bytes().len()..).unwrap_or_default());
        }
        Ok(())
    })?;
    Ok((out, report))
}

fn rewrite_record(
    record: &Record,
    position: usize,
    rewrite: &Rewrite,
    out: &mut Vec<u8>,
    report: &mut Report,
) -> Result<()> {
    record.check()?;
    let mut done = 0;
    let mut visit = |text: Text<'_>| -> Result<()> {
        let unescaped = text.bytes()?;
        // What is no UTF-8 is no path that we know.
        let path = str::from_utf8(&unescaped).unwrap_or_default();
        let Some(old) = old_prefix(path, rewrite) else {
            report.kept += 1;
            look_for(path, position, rewrite, report);
            return Ok(());
        };
        let tail = path.get(old..).unwrap_or_default();
        let skipped = spelled_length(&text, old)?;
        out.extend_from_slice(record.bytes().get(done..text.offset()).unwrap_or_default());
        push_escaped(out, rewrite.new_root.as_bytes());
        out.push(b'/');
        done = text.offset() + skipped;
        report.rewritten += 1;
        look_for(&format!("{}/{tail}", rewrite.new_root), position, rewrite, report);
        Ok(())
    };
    each_path(record, &mut visit)?;
    out.extend_from_slice(record.bytes().get(done..).unwrap_or_default());
    Ok(())
}

/// How many bytes of a path are to be replaced, its last slash included.
fn old_prefix(path: &str, rewrite: &Rewrite) -> Option<usize> {
    if let Some(prefix) = &rewrite.old_prefix {
        let rest = path.strip_prefix(prefix.trim_end_matches('/'))?;
        let tail = rest.trim_start_matches('/');
        let is_whole = rest.starts_with('/') || prefix.is_empty();
        return is_whole.then(|| path.len() - tail.len());
    }
    let name = path.rsplit('/').next()?;
    let vid = KeyframeName::vid_of(name)?;
    let above = path.len() - name.len();
    let folder = path.get(..above)?.strip_suffix('/').unwrap_or_default();
    let has_vid = folder == vid || folder.strip_suffix(vid).is_some_and(|it| it.ends_with('/'));
    Some(if has_vid { above - vid.len() - 1 } else { above })
}

/// How many bytes the first `length` bytes of a text take as it is spelled.
fn spelled_length(text: &Text<'_>, length: usize) -> Result<usize> {
    if text.plain().is_some() {
        return Ok(length);
    }
    // The shortest spelling's prefix that means the wanted text.
    let raw = text.raw();
    let mut at = 0;
    let mut meant = 0;
    while meant < length && at < raw.len() {
        let step = match raw.get(at..at + 2) {
            Some(b"\\u") => {
                let is_pair = raw.get(at + 6..at + 8) == Some(b"\\u");
                let two = raw.get(at..at + 12).filter(|_| is_pair);
                // Both halves of a pair are one character; two lone escapes are two.
                let is_one = two.is_some_and(is_surrogate_pair);
                if is_one { 12 } else { 6 }
            }
            Some([b'\\', _]) => 2,
            _ => 1,
        };
        let mut quoted = vec![b'"'];
        quoted.extend_from_slice(raw.get(at..at + step).unwrap_or_default());
        quoted.push(b'"');
        meant += Reader::of_bytes(&quoted).text()?.bytes()?.len();
        at += step;
    }
    Ok(at)
}

fn is_surrogate_pair(two: &[u8]) -> bool {
    let is_half = |at: usize, letters: &[u8]| {
        let digits = two.get(at..at + 2).map(<[u8]>::to_ascii_lowercase);
        digits.is_some_and(|digits| digits[0] == b'd' && letters.contains(&digits[1]))
    };
    is_half(2, b"89ab") && is_half(8, b"cdef")
}

fn look_for(path: &str, position: usize, rewrite: &Rewrite, report: &mut Report) {
    if rewrite.check != Check::Skip && !Path::new(path).is_file() {
        report.missing += 1;
        if report.examples.len() < NAMED {
            report.examples.push((position, path.to_owned()));
        }
    }
}

/// Hands each path of an image in a record, of either form, to `visit`, as it is spelled.
fn each_path(record: &Record, visit: &mut impl FnMut(Text<'_>) -> Result<()>) -> Result<()> {
    if let Some(mut reader) = record.field(crate::clips::CONVERSATIONS)? {
        return reader.each_item("field 'conversations': expected a list", |_, reader| {
            reader.each_field("expected a clip, which is an object", |key, reader| {
                let is_list = CLIP_LISTS.contains(&&*key.bytes()?);
                if is_list { each_of_list(reader, visit) } else { reader.skip_value() }
            })
        });
    }
    match record.field("images")? {
        Some(mut reader) => each_of_list(&mut reader, visit),
        None => Ok(()),
    }
}

fn each_of_list(
    reader: &mut Reader<'_>,
    visit: &mut impl FnMut(Text<'_>) -> Result<()>,
) -> Result<()> {
    if reader.peek() == Some(b'n') {
        return reader.nullable_text().map(|_| ());
    }
    reader.each_item("expected a list of paths", |_, reader| match reader.nullable_text()? {
        Some(path) => visit(path),
        None => Ok(()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(json: &str, old_prefix: Option<&str>) -> (String, Report) {
        let rewrite = Rewrite {
            old_prefix: old_prefix.map(str::to_owned),
            new_root: "/my \"data\"/é".to_owned(),
            check: Check::Skip,
        };
        let record = Record::new(json.as_bytes().to_vec());
        let mut out = Vec::new();
        let mut report = Report::default();
        rewrite_record(&record, 0, &rewrite, &mut out, &mut report).expect("rewritten");
        (String::from_utf8(out).expect("UTF-8"), report)
    }

    #[test]
    fn prefixes_change_and_nothing_else() {
        const NEW: &str = "/my \\\"data\\\"/é/";
        for (path, kept) in [
            (
                "/mnt/a/b/-1uixJ1V-As/-1uixJ1V-As@0.0_10.0#1.jpg",
                "-1uixJ1V-As/-1uixJ1V-As@0.0_10.0#1.jpg",
            ),
            ("-1uixJ1V-As@0.0_10.0#1.jpg", "-1uixJ1V-As@0.0_10.0#1.jpg"),
            ("v/v@0.0_10.0#1.jpg", "v/v@0.0_10.0#1.jpg"),
            ("xv/v@0.0_10.0#1.jpg", "v@0.0_10.0#1.jpg"),
            (r"\/m\u00e9\ud83d\ude00\/v\/v@0_1\u00231.jpg", r"v\/v@0_1\u00231.jpg"),
        ] {
            let (before, after) = (
                "{ \"x\": 1.0,\r\n\t\"images\":[ null , \"",
                "\" ], \"texts\" : [\"/mnt/a/b/v@0_1#1.jpg\"]}",
            );
            let (out, report) = rewritten(&format!("{before}{path}{after}"), None);
            assert_eq!(out, format!("{before}{NEW}{kept}{after}"));
            assert_eq!((report.rewritten, report.kept), (1, 0));
        }
        let unknown = r#"{"images": ["/a/1.jpg", "/ab/2.jpg"]}"#;
        assert_eq!(rewritten(unknown, None).0, unknown);
        let (out, report) = rewritten(unknown, Some("/a/"));
        assert_eq!(out, format!("{{\"images\": [\"{NEW}1.jpg\", \"/ab/2.jpg\"]}}"));
        assert_eq!((report.rewritten, report.kept), (1, 1));
    }

    #[test]
    fn clips_have_three_lists_of_paths() {
        let json = r#"{"conversations": [{"vid": "v", "clip_path": "/a/v/v@0_1#1.jpg", "ocr_image":
            ["/a/v/v@0_1#1.jpg"], "keyframe_ssim": ["/a/v/v@0_1#1.jpg"], "extracted_frames": null}]}"#;
        let (out, report) = rewritten(json, None);
        assert_eq!(report.rewritten, 2);
        assert_eq!(out.matches("/a/v/v@0_1#1.jpg").count(), 1);
        assert_eq!(out.matches("/é/v/v@0_1#1.jpg").count(), 2);
    }
}
