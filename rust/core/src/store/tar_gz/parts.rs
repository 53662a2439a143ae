//! Files that are one stream without being joined: the parts of a split archive. Read
//! with pread, by place in the stream. Some of them may be gone. Knows no gzip.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::index::sidecar;
use crate::shell;
use crate::source::{Access, Identity, Source};

/// Open files in the order of the stream.
#[derive(Debug)]
pub(super) struct Parts {
    paths: Vec<PathBuf>,
    /// `None` where a part was removed: what lies in it cannot be read.
    files: Vec<Option<Source>>,
    /// Where each begins in the stream, and at last where the stream ends.
    starts: Vec<u64>,
    /// The file of the index, where the user named one.
    index: Option<PathBuf>,
}

/// By what a part is recognized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartId {
    pub name: Vec<u8>,
    pub size: u64,
    pub mtime_ns: i64,
    /// Of pieces of the content.
    pub hash: u64,
}

impl Parts {
    pub fn open(paths: &[PathBuf]) -> Result<Parts> {
        Parts::open_rest(paths, &[])
    }

    /// The parts, of which those may be gone that have a length here.
    pub fn open_rest(paths: &[PathBuf], lengths: &[u64]) -> Result<Parts> {
        let (files, starts) = (Vec::new(), vec![0]);
        let mut parts = Parts { paths: paths.to_vec(), files, starts, index: None };
        for (number, path) in paths.iter().enumerate() {
            let (file, size) = match (Source::open(path, Access::Read), lengths.get(number)) {
                (Err(Error::Io { source, .. }), Some(&length))
                    if source.kind() == std::io::ErrorKind::NotFound =>
                {
                    (None, length)
                }
                (file, _) => {
                    file.map(|file| (file.size(), file)).map(|(size, file)| (Some(file), size))?
                }
            };
            parts.starts.push(parts.size() + size);
            parts.files.push(file);
        }
        Ok(parts)
    }

    /// The same, whose index the user has named.
    pub fn indexed_at(self, index: Option<&Path>) -> Parts {
        Parts { index: index.map(Path::to_owned), ..self }
    }

    /// The command that indexes the archive. The first part stands for all beside it.
    pub fn index_command(&self, options: &[&str]) -> String {
        let mut options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        if let Some(index) = &self.index {
            options.extend(["--index".to_owned(), shell::word(index)]);
        }
        let folder = self.first().parent();
        let lie_together = self.paths().all(|path| path.parent() == folder);
        let count = if lie_together { 1 } else { self.paths.len() };
        shell::index_command(&options, self.paths().take(count))
    }

    /// Whether each part is there.
    pub fn are_there(&self) -> impl Iterator<Item = bool> {
        self.files.iter().map(Option::is_some)
    }

    /// The file of a part; an error where it is gone.
    fn file(&self, number: usize) -> Result<&Source> {
        self.files[number].as_ref().ok_or_else(|| Error::Io {
            path: self.paths[number].clone(),
            action: "read",
            source: std::io::Error::new(std::io::ErrorKind::NotFound, "the part was removed"),
        })
    }

    /// Fails where the part was changed, or another file has its name.
    pub fn check_part(&self, number: usize) -> Result<()> {
        let file = self.file(number)?;
        file.check_unchanged()?;
        let there = Source::open(&self.paths[number], Access::Read)?;
        match there.identity().difference(&file.identity()) {
            Some(what) => Err(Error::SourceChanged { path: self.paths[number].clone(), what }),
            None => Ok(()),
        }
    }

    /// Where each part begins in the stream, and at last where the stream ends.
    pub fn starts(&self) -> &[u64] {
        &self.starts
    }

    /// Fails where the stream does not begin as gzip does.
    pub fn check_is_gzip(&self) -> Result<()> {
        let mut magic = [0; 3];
        if self.read(0, &mut magic)? == 3 && magic == [0x1f, 0x8b, 8] {
            return Ok(());
        }
        let reason =
            "no gzip: it does not begin with 1f 8b 08; of a split archive, give the first part";
        Err(self.error_at(0, reason))
    }

    pub fn first_source(&self) -> Result<&Source> {
        self.file(0)
    }

    pub fn first(&self) -> &Path {
        &self.paths[0]
    }

    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter().map(PathBuf::as_path)
    }

    /// The length of the stream.
    pub fn size(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0)
    }

    /// Which parts a range of the stream lies in.
    fn number_of(&self, offset: u64) -> usize {
        // Empty parts are passed over; the end of the stream belongs to the last one.
        let after = self.starts.partition_point(|&start| start <= offset);
        after.saturating_sub(1).min(self.paths.len() - 1)
    }

    /// Reads from `offset` on until the buffer is full or the stream ends.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            if at >= self.size() {
                break;
            }
            let number = self.number_of(at);
            let left = self.starts[number + 1] - at;
            let count = (buffer.len() - done).min(usize::try_from(left).unwrap_or(usize::MAX));
            let file = self.file(number)?;
            file.read_at(&mut buffer[done..done + count], at - self.starts[number])?;
            done += count;
        }
        Ok(done)
    }

    /// Asks the system to have a range of the stream in memory soon.
    pub fn will_need(&self, range: &Range<u64>) {
        for (file, place) in self.files.iter().zip(self.starts.windows(2)) {
            let (start, end) = (range.start.max(place[0]), range.end.min(place[1]));
            if let Some(file) = file
                && start < end
            {
                file.will_need(&(start - place[0]..end - place[0]));
            }
        }
    }

    /// The part that a place of the stream lies in, and which byte of the part it is.
    pub fn place_of(&self, offset: u64) -> (&Path, u64) {
        let number = self.number_of(offset);
        (&self.paths[number], offset.saturating_sub(self.starts[number]))
    }

    /// An error at a place of the stream, told as one of the part it lies in.
    pub fn error_at(&self, offset: u64, reason: &str) -> Error {
        let (path, offset) = self.place_of(offset);
        Error::Format { path: path.to_owned(), offset, reason: reason.to_owned() }
    }

    /// The error, and which part may be the cause: parts have one length but for the last, so
    /// a single shorter one may be cut, and the damage shows in the one after it.
    pub fn with_cut_part(&self, error: Error) -> Error {
        let sizes: Vec<u64> = self.starts.windows(2).map(|ends| ends[1] - ends[0]).collect();
        let full = &sizes[..sizes.len().saturating_sub(1)];
        let usual = full.iter().copied().max().unwrap_or(0);
        let mut shorter = (0..full.len()).filter(|&number| full[number] < usual);
        match (error, shorter.next(), shorter.next()) {
            (Error::Format { path, offset, reason }, Some(number), None) => {
                let (cut, size) = (self.paths[number].display(), full[number]);
                let reason = format!(
                    "{reason}; {cut} has {size} bytes, and the other parts have {usual}: it may \
                     be cut"
                );
                Error::Format { path, offset, reason }
            }
            (error, ..) => error,
        }
    }

    pub fn check_unchanged(&self) -> Result<()> {
        self.files.iter().flatten().try_for_each(Source::check_unchanged)
    }

    /// Fails where one of the parts that a range lies in was overwritten or cut.
    pub fn check_range(&self, range: &Range<u64>) -> Result<()> {
        let (first, last) = (self.number_of(range.start), self.number_of(range.end));
        (first..=last).try_for_each(|number| self.file(number)?.check_unchanged())
    }

    /// The parts, and which files they were when they were opened.
    pub fn identities(&self) -> impl Iterator<Item = (&Path, Identity)> {
        self.files.iter().flatten().map(|file| (file.path(), file.identity()))
    }

    /// As [`Parts::check_ids`], for the parts that end before a place of the stream.
    pub fn check_ids_before(&self, known: &[PartId], offset: u64) -> Result<()> {
        let ends = self.starts.iter().skip(1).take_while(|&&end| end <= offset);
        self.check_ids(known, ends.count())
    }

    /// The part at this place of the stream is another one than before.
    pub fn changed_at(&self, offset: u64, what: &str) -> Error {
        let number = self.number_of(offset);
        let path = self.paths[number].clone();
        let index = self.index.as_ref();
        let index = index.map_or(String::new(), |index| format!(" in {}", index.display()));
        let command = self.index_command(&["--rebuild"]);
        let what = format!(
            "{what} (part {number}{index}): put the right part in its place, or make the index \
             anew with: {command}"
        );
        Error::ArchiveChanged { path, what }
    }

    pub fn ids(&self) -> Result<Vec<PartId>> {
        self.files.iter().flatten().map(id_of).collect()
    }

    /// Fails where one of the first parts is not what it was. `count` limits which.
    pub fn check_ids(&self, known: &[PartId], count: usize) -> Result<()> {
        for (number, known) in known.iter().enumerate().take(count) {
            let Some(file) = self.files.get(number) else {
                let name = String::from_utf8_lossy(&known.name);
                return Err(Error::Io {
                    path: self.first().with_file_name(&*name),
                    action: "open",
                    source: std::io::Error::new(
                        std::io::ErrorKind::NotFound,
                        format!(
                            "it is part {number} of the archive that was indexed, and was not given"
                        ),
                    ),
                });
            };
            let Some(file) = file else { continue };
            if let Some(what) = difference(file, known)? {
                return Err(self.changed_at(self.starts[number], &what));
            }
        }
        Ok(())
    }

    /// The first part that is not what it was.
    pub fn first_changed(&self, known: &[PartId]) -> Result<Option<usize>> {
        for (number, (file, known)) in self.files.iter().zip(known).enumerate() {
            if let Some(file) = file
                && difference(file, known)?.is_some()
            {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }
}

/// What is different about a part, in words; `None` where nothing is.
fn difference(file: &Source, known: &PartId) -> Result<Option<String>> {
    let Identity { size, mtime_ns, .. } = file.identity();
    Ok(if size != known.size {
        Some(format!("it had {} bytes and has {size}", known.size))
    } else if mtime_ns != known.mtime_ns && sidecar::content_hash(file)? != known.hash {
        Some("its content is another one".to_owned())
    } else {
        None
    })
}

fn id_of(file: &Source) -> Result<PartId> {
    let name = file.path().file_name().unwrap_or_default().as_encoded_bytes().to_vec();
    let Identity { size, mtime_ns, .. } = file.identity();
    Ok(PartId { name, size, mtime_ns, hash: sidecar::content_hash(file)? })
}
