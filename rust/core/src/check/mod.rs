//! The doctor: what is wrong with records and with the images that they name, each with
//! its place. Repairs nothing, and no fault ends the pass: it goes on with the next.

mod image;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::index::Progress;
use crate::keyframe_name::KeyframeName;
use crate::parts::{Chunk, Parts, pass};
use crate::record::Record;
use crate::store::{StoreError, Stores, root_of};
pub use image::Depth;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The sample, or one of its images, cannot be used as it is.
    Error,
    /// Unlike the dataset, but usable.
    Notice,
}

/// Something that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A short stable name of what is wrong.
    pub kind: &'static str,
    /// The record's position in all files together.
    pub sample: usize,
    /// The number of its file.
    pub file: usize,
    /// The byte of the file at which the trouble stands.
    pub offset: u64,
    /// The position in the sample's lists, if it is of one.
    pub item: Option<usize>,
    /// The image's path as it stands in the JSON, if it is of one.
    pub image: Option<String>,
    /// What is wrong, in words.
    pub reason: String,
}

/// What was looked at, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Report {
    /// In the order of the samples.
    pub findings: Vec<Finding>,
    /// Records looked at.
    pub samples: u64,
    /// Images looked for.
    pub images: u64,
    /// Images that are in the store.
    pub found: u64,
    /// Bytes of images read.
    pub bytes: u64,
    /// How many images have which width and height.
    pub sizes: BTreeMap<(u32, u32), u64>,
    /// By what comes before `<vid>/<name>` in the JSON: how many images are in the store,
    /// and how many are not.
    pub prefixes: BTreeMap<String, (u64, u64)>,
}

impl Report {
    fn add(&mut self, other: Report) {
        self.findings.extend(other.findings);
        self.samples += other.samples;
        self.images += other.images;
        self.found += other.found;
        self.bytes += other.bytes;
        for (size, count) in other.sizes {
            *self.sizes.entry(size).or_default() += count;
        }
        for (prefix, (found, missing)) in other.prefixes {
            let counts = self.prefixes.entry(prefix).or_default();
            *counts = (counts.0 + found, counts.1 + missing);
        }
    }
}

/// What is looked at.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the images are; without it only the records are checked.
    pub store: Option<Arc<Stores>>,
    /// How closely images are looked at.
    pub depth: Depth,
    /// No image may have more pixels.
    pub limit: Option<u64>,
    /// How many threads work.
    pub threads: usize,
}

/// Checks the chunks in `range` of `chunks`, which are those of all records.
pub fn check(
    parts: &Arc<Parts>,
    chunks: &Arc<Vec<Chunk>>,
    range: Range<usize>,
    plan: &Plan,
) -> Result<Report> {
    let threads = plan.threads;
    let plan = plan.clone();
    let body = move |parts: &Parts, chunk: &Chunk| check_chunk(parts, chunk, &plan);
    let reports = pass(parts, chunks, range, threads, &Arc::new(Progress::default()), body)?;
    let mut all = Report::default();
    for report in reports {
        all.add(report);
    }
    Ok(all)
}

fn check_chunk(parts: &Parts, chunk: &Chunk, plan: &Plan) -> Result<Report> {
    let part = &parts.files()[chunk.part];
    let mut report = Report::default();
    parts.with_bytes(chunk, |bytes| {
        for place in chunk.places.clone() {
            let span = part.index.span(place, &part.source)?;
            let at = Place { sample: part.first + place, file: chunk.part, start: span.start };
            let mut visit = Visit { plan, at, report: &mut report };
            match parts.record(chunk, bytes, place) {
                Ok(record) => visit.record(&record),
                Err(error) => visit.broken(&error),
            }
        }
        Ok(())
    })?;
    Ok(report)
}

/// Where a record lies.
#[derive(Debug, Clone, Copy)]
struct Place {
    sample: usize,
    file: usize,
    start: u64,
}

/// One record under inspection.
struct Visit<'a> {
    plan: &'a Plan,
    at: Place,
    report: &'a mut Report,
}

impl Visit<'_> {
    fn record(&mut self, record: &Record) {
        self.report.samples += 1;
        let images = record::check(record, &mut |fault| self.tell(fault));
        let mut first: Option<(u32, u32)> = None;
        for item in images {
            let Some(size) = self.image(&item) else { continue };
            *self.report.sizes.entry(size).or_default() += 1;
            let other = *first.get_or_insert(size);
            if other != size {
                let reason = format!(
                    "{} x {} pixels, where the sample's first image has {} x {}",
                    size.0, size.1, other.0, other.1
                );
                self.tell_of(&item, Severity::Notice, "other_size", reason);
            }
        }
    }

    fn broken(&mut self, error: &Error) {
        self.report.samples += 1;
        let (offset, reason) = match error {
            Error::Record { offset, reason } => (*offset, reason.clone()),
            other => (0, other.to_string()),
        };
        self.tell(Fault { severity: Severity::Error, kind: "record", offset, item: None, reason });
    }

    /// Width and height of an image that is good.
    fn image(&mut self, item: &Item) -> Option<(u32, u32)> {
        let store = self.plan.store.as_ref()?;
        self.report.images += 1;
        let mut bytes = Vec::new();
        let read = store.read(&item.path, &mut bytes);
        let is_there = !matches!(read, Err(StoreError::Missing { .. }));
        self.count_prefix(&item.path, is_there);
        if let Err(error) = read {
            let kind = match error {
                StoreError::Missing { .. } => "missing",
                StoreError::Refused { .. } => "bad_path",
                StoreError::Unreadable { .. } => "unreadable",
            };
            self.tell_of(item, Severity::Error, kind, error.to_string());
            return None;
        }
        self.report.found += 1;
        self.report.bytes += bytes.len() as u64;
        match image::check(&bytes, self.plan.depth, self.plan.limit) {
            Ok(size) => Some(size),
            Err((kind, reason)) => {
                self.tell_of(item, Severity::Error, kind, reason);
                None
            }
        }
    }

    fn count_prefix(&mut self, path: &str, is_there: bool) {
        let folder = || path.rsplit_once('/').map(|(folder, _)| folder);
        let prefix = match root_of(path) {
            Some(root) => root,
            None if KeyframeName::vid_of(path).is_some() => "",
            None => folder().unwrap_or_default(),
        };
        let prefixes = &mut self.report.prefixes;
        if !prefixes.contains_key(prefix) {
            prefixes.insert(prefix.to_owned(), (0, 0));
        }
        if let Some((found, missing)) = prefixes.get_mut(prefix) {
            *if is_there { found } else { missing } += 1;
        }
    }

    fn tell_of(&mut self, item: &Item, severity: Severity, kind: &'static str, reason: String) {
        let offset = item.offset;
        self.tell(Fault { severity, kind, offset, item: Some(item.number), reason });
        if let Some(last) = self.report.findings.last_mut() {
            last.image = Some(item.path.clone());
        }
    }

    fn tell(&mut self, fault: Fault) {
        let Fault { severity, kind, offset, item, reason } = fault;
        let Place { sample, file, start } = self.at;
        let offset = start + offset as u64;
        let finding = Finding { severity, kind, sample, file, offset, item, image: None, reason };
        self.report.findings.push(finding);
    }
}

/// What is wrong in a record, and at which of its bytes.
#[derive(Debug)]
struct Fault {
    severity: Severity,
    kind: &'static str,
    offset: usize,
    item: Option<usize>,
    reason: String,
}

/// An image that a record names.
#[derive(Debug)]
struct Item {
    number: usize,
    offset: usize,
    path: String,
}
