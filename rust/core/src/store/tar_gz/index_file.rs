//! The finished index of an archive, mapped when it is opened: pages of members, where
//! each page is, and a table from names to members.
//!
//! ```text
//! 0   magic          56 end of the directory    | header | pages, each with its CRC-32C
//! 16  flags          64 end of the names        | directory: where each page ends (u64)
//! 24  members        72 end of the tail         | names (see name_table)
//! 32  pages          80 bytes of the stream     | tail: parts, common folder, damage
//! 40  bytes of tar   88 hash of what follows
//! 48  end of pages      the pages; 96 of 0..96
//! ```

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use super::page::{self, Entry, MEMBERS};
use super::partial::{Partial, decode_ids, encode_ids};
use super::parts::PartId;
use super::together::Together;
use super::unpack::{Page, Unpacker, Wanted};
use crate::codec::{Reader, put};
use crate::error::{Error, Result};
use crate::index::sidecar;
use crate::source::Map;
use crate::store::name_table::NameTable;

const MAGIC: &[u8; 16] = b"TEXTBOOK.TGZ.I04";
const HEADER: usize = 104;
const IS_CONFIRMED: u64 = 1;

/// What is said of an archive beside its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    pub members: u64,
    /// Bytes of the tar that the members lie in.
    pub tar_bytes: u64,
    /// Bytes of the stream that were inflated.
    pub stream_bytes: u64,
    /// The whole stream was inflated and its checksums were right.
    pub is_confirmed: bool,
    pub parts: Vec<PartId>,
    /// The folder that all images without a keyframe's name lie in.
    pub root: Vec<u8>,
    /// Why the index covers only a part of the archive; empty where it covers all.
    pub damage: String,
}

/// An index in a mapped file.
#[derive(Debug)]
pub(super) struct IndexFile {
    path: PathBuf,
    map: Arc<Map>,
    pub about: About,
    pages: u64,
    directory: Range<usize>,
    names: NameTable<Piece>,
}

/// A range of a mapped file.
#[derive(Debug)]
struct Piece {
    map: Arc<Map>,
    range: Range<usize>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        self.map.bytes().get(self.range.clone()).unwrap_or_default()
    }
}

/// Whether a file begins as an index of an archive, of whatever version.
pub(super) fn is_index(path: &Path) -> bool {
    head(path).starts_with(&MAGIC[..14])
}

/// Whether a file may be replaced by an index: it is empty, or begins as such an index, or
/// as one that is being built, however short it was cut.
pub(super) fn is_replaceable(path: &Path) -> bool {
    path.is_file() && head(path).iter().zip(&MAGIC[..13]).all(|(byte, expected)| byte == expected)
}

fn head(path: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    // What cannot be read begins with nothing.
    let _ = File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut head));
    head
}

impl IndexFile {
    /// Opens an index; `None` where the file is not there, or is no index of this version.
    pub fn open(path: &Path) -> Result<Option<IndexFile>> {
        let io = |source| Error::Io { path: path.to_owned(), action: "open the index", source };
        let file = match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(io)?,
        };
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let map = Arc::new(Map::new(&file, metadata.len()).map_err(io)?);
        if !map.bytes().starts_with(MAGIC) {
            return Ok(None);
        }
        let broken = || Error::Format {
            path: path.to_owned(),
            offset: 0,
            reason: "the index is damaged: delete it and make it anew with textbook-fast index"
                .to_owned(),
        };
        IndexFile::check(path, map).map(Some).ok_or_else(broken)
    }

    fn check(path: &Path, map: Arc<Map>) -> Option<IndexFile> {
        let bytes = map.bytes();
        let word = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let end = |at: usize| usize::try_from(word(at)?).ok();
        if word(96)? != xxh3_64(bytes.get(..96)?) {
            return None;
        }
        let (pages_end, directory_end, names_end, tail_end) =
            (end(48)?, end(56)?, end(64)?, end(72)?);
        let pages = word(32)?;
        let directory = pages_end..directory_end;
        if tail_end != bytes.len()
            || word(88)? != xxh3_64(bytes.get(pages_end..)?)
            || u64::try_from(directory.len()).ok()? != pages.checked_mul(8)?
        {
            return None;
        }
        let names = Piece { map: Arc::clone(&map), range: directory_end..names_end };
        let names = NameTable::new(names)?;
        let mut tail = Reader(bytes.get(names_end..tail_end)?);
        let parts = decode_ids(&mut tail)?;
        let mut text = || {
            let length = usize::try_from(tail.number()?).ok()?;
            tail.take(length).map(<[u8]>::to_vec)
        };
        let about = About {
            members: word(24)?,
            tar_bytes: word(40)?,
            stream_bytes: word(80)?,
            is_confirmed: word(16)? & IS_CONFIRMED != 0,
            parts,
            root: text()?,
            damage: String::from_utf8(text()?).ok()?,
        };
        Some(IndexFile { path: path.to_owned(), map, about, pages, directory, names })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn bytes(&self) -> u64 {
        self.map.bytes().len() as u64
    }

    /// The numbers of the members whose key may have this hash, the last one first.
    pub fn find(&self, hash: u64) -> impl Iterator<Item = u32> + '_ {
        self.names.find(hash)
    }

    pub fn page_of(member: u32) -> (usize, usize) {
        (member as usize / MEMBERS, member as usize % MEMBERS)
    }

    pub fn page_count(&self) -> usize {
        self.pages as usize
    }

    /// A page, taken apart as far as it is wanted.
    pub fn page(&self, number: usize, wanted: Wanted, unpacker: &mut Unpacker) -> Result<Page> {
        let page = self.packed(number).and_then(|bytes| unpacker.unpack(bytes, wanted));
        page.ok_or_else(|| self.damaged(number))
    }

    /// Why there is no such page, or not what it should hold.
    pub fn damaged(&self, number: usize) -> Error {
        Error::Format {
            path: self.path.clone(),
            offset: 0,
            reason: format!(
                "page {number} of the index is damaged: delete the index and make it anew with \
                 textbook-fast index"
            ),
        }
    }

    /// The bytes of a page, if they have their checksum.
    fn packed(&self, number: usize) -> Option<&[u8]> {
        let bytes = self.map.bytes();
        let directory = bytes.get(self.directory.clone())?;
        let end = |number: usize| {
            let word = directory.get(number.checked_mul(8)?..)?.first_chunk()?;
            usize::try_from(u64::from_le_bytes(*word)).ok()
        };
        let start = if number == 0 { HEADER } else { end(number - 1)? };
        let (page, check) = bytes.get(start..end(number)?)?.split_last_chunk()?;
        (crc32c::crc32c(page) == u32::from_le_bytes(*check)).then_some(page)
    }
}

/// Makes the finished index of what was built, and of `last`, the members that did not
/// fill a page. Written under a temporary name, synced, then renamed.
pub(super) fn write(
    path: &Path,
    partial: &mut Partial,
    last: &[Entry],
    about: About,
) -> Result<()> {
    let mut all = partial.together()?;
    for entry in last {
        all.add(entry);
    }
    let io = |source| Error::Io { path: path.to_owned(), action: "write the index", source };
    sidecar::remove_leftovers(path);
    let temporary = sidecar::temporary_name(path);
    let written = write_temporary(&temporary, partial, last, all, about)
        .and_then(|()| std::fs::rename(&temporary, path).map_err(io));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    } else {
        sidecar::sync_folder_of(path);
    }
    written
}

fn write_temporary(
    path: &Path,
    partial: &Partial,
    last: &[Entry],
    all: Together,
    mut about: About,
) -> Result<()> {
    let io = |source| Error::Io { path: path.to_owned(), action: "write the index", source };
    let file = File::options().write(true).read(true).create_new(true).open(path).map_err(io)?;
    let mut output = BufWriter::with_capacity(1 << 20, &file);
    output.write_all(&[0; HEADER]).map_err(io)?;
    let mut directory = Vec::new();
    let mut end = HEADER as u64;
    let count = partial.page_count() + usize::from(!last.is_empty());
    for number in 0..count {
        let bytes = if number < partial.page_count() {
            partial.page(number)?
        } else {
            page::encode(last).map_err(io)?
        };
        output.write_all(&bytes).map_err(io)?;
        output.write_all(&crc32c::crc32c(&bytes).to_le_bytes()).map_err(io)?;
        end += bytes.len() as u64 + 4;
        directory.extend_from_slice(&end.to_le_bytes());
    }
    about.members = u64::from(all.count);
    about.root = all.root.into_bytes();
    let names = NameTable::build(all.hashes);
    let mut tail = encode_ids(&about.parts);
    for text in [&about.root[..], about.damage.as_bytes()] {
        put(&mut tail, text.len() as u64);
        tail.extend_from_slice(text);
    }
    let mut hash = Xxh3Default::new();
    let mut ends = vec![end];
    for piece in [&directory, names.as_bytes(), &tail] {
        output.write_all(piece).map_err(io)?;
        hash.update(piece);
        end += piece.len() as u64;
        ends.push(end);
    }
    output.flush().map_err(io)?;
    let mut header = MAGIC.to_vec();
    let pages = count as u64;
    let flags = if about.is_confirmed { IS_CONFIRMED } else { 0 };
    let words = [flags, about.members, pages, about.tar_bytes];
    let more = [about.stream_bytes, hash.digest()];
    for word in words.into_iter().chain(ends).chain(more) {
        header.extend_from_slice(&word.to_le_bytes());
    }
    header.extend_from_slice(&xxh3_64(&header).to_le_bytes());
    std::os::unix::fs::FileExt::write_all_at(&file, &header, 0).map_err(io)?;
    file.sync_all().map_err(io)
}
