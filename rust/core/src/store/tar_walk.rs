//! A tar file as a sequence of members, from its header blocks alone. The walk asks
//! for one 512-byte block at a time and says where the next one lies, so it can be fed
//! from a file, from a map, or from a stream that is being inflated. It reads nothing
//! itself, and keeps no member.
//!
//! ```text
//! at()            at()                              at()
//!  │  feed → More  │  feed → Member                  │
//!  ▼               ▼                                 ▼
//!  [x header][pax ][header][data ......... padding ] [header] ...  [zero block] → End
//!  └─ start                └─ data, size
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::tar_header::{
    BLOCK, Block, Header, Kind, Type, has_data, is_zero, sparse_goes_on, until_zero,
};

/// Long names and pax records of one member have no more bytes than this together.
const MAX_EXTENSION: usize = 1 << 20;

/// A member of a tar file.
#[derive(Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name as it was written: long names and pax records are taken into account.
    pub name: &'a [u8],
    /// What a link points to; empty for others.
    pub link: &'a [u8],
    /// What it is.
    pub kind: Kind,
    /// Where its first header block begins, extensions included.
    pub start: u64,
    /// Where its data begins: right after its last header block.
    pub data: u64,
    /// How many bytes of data follow, before they are padded to a block.
    pub size: u64,
}

/// What a header block was.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A part of a member's headers: the next block goes on with it.
    More,
    /// A member's last header block. The next header comes after its padded data.
    Member(Member<'a>),
    /// The archive's end.
    End,
}

/// What is wrong with an archive, and at which of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (at byte {offset})")]
pub struct TarFault {
    /// The byte of the header block in the tar.
    pub offset: u64,
    /// What is wrong.
    pub reason: String,
}

/// What the blocks that come next are.
#[derive(Debug, Clone, Copy)]
enum State {
    Header,
    /// The data of an extension: so many bytes are still to come.
    Extension(Type, usize),
    /// Blocks of an old GNU sparse map, before the data.
    SparseMap,
}

/// The state of a walk.
#[derive(Debug)]
pub struct TarWalk {
    at: u64,
    start: u64,
    state: State,
    /// The data of the extension that is being read.
    extension: Vec<u8>,
    /// What the extensions before a member's own header say of it.
    said: Extensions,
    name: Vec<u8>,
    link: Vec<u8>,
    size: u64,
}

#[derive(Debug, Default)]
struct Extensions {
    bytes: usize,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    path: Option<Vec<u8>>,
    link_path: Option<Vec<u8>>,
    size: Option<u64>,
    is_sparse: bool,
    sparse_name: Option<Vec<u8>>,
}

impl Extensions {
    fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}

impl Default for TarWalk {
    fn default() -> TarWalk {
        TarWalk::new()
    }
}

impl TarWalk {
    /// A walk from the beginning of an archive.
    #[must_use]
    pub fn new() -> TarWalk {
        TarWalk::resume(0)
    }

    /// A walk that goes on where another one stood between two members: at the byte
    /// that its [`TarWalk::at`] gave after [`Event::Member`].
    #[must_use]
    pub fn resume(at: u64) -> TarWalk {
        TarWalk {
            at,
            start: at,
            state: State::Header,
            extension: Vec::new(),
            said: Extensions::default(),
            name: Vec::new(),
            link: Vec::new(),
            size: 0,
        }
    }

    /// Where the block lies that has to be fed next.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Whether the walk stands between two members, so that the archive may end here.
    #[must_use]
    pub fn is_between_members(&self) -> bool {
        matches!(self.state, State::Header) && self.said.is_empty()
    }

    /// Takes the block at [`TarWalk::at`]. After an error the walk is of no more use.
    pub fn feed(&mut self, block: &Block) -> Result<Event<'_>, TarFault> {
        let offset = self.at;
        let fault = |reason| TarFault { offset, reason };
        self.at = advance(self.at, BLOCK as u64).map_err(fault)?;
        match self.state {
            State::Extension(kind, left) => {
                self.take_extension(block, kind, left).map_err(fault)?;
                Ok(Event::More)
            }
            State::SparseMap => {
                if sparse_goes_on(block) {
                    return Ok(Event::More);
                }
                self.member(Kind::Sparse, self.size).map_err(fault)
            }
            State::Header => self.take_header(block, offset),
        }
    }

    fn take_header(&mut self, block: &Block, offset: u64) -> Result<Event<'_>, TarFault> {
        let fault = |reason| TarFault { offset, reason };
        if self.said.is_empty() {
            self.start = offset;
        }
        if is_zero(block) {
            if self.said.is_empty() {
                return Ok(Event::End);
            }
            return Err(fault(
                "the archive ends between the parts of a member's header".to_owned(),
            ));
        }
        let header = Header::parse(block).map_err(fault)?;
        let kind = match header.kind {
            Type::Member(kind) => kind,
            extension => {
                self.begin_extension(extension, header.size).map_err(fault)?;
                return Ok(Event::More);
            }
        };
        self.size = match (has_data(block), self.said.size) {
            (true, Some(size)) => size,
            (true, None) => header.size,
            (false, _) => 0,
        };
        self.put_names(&header);
        if header.has_more_sparse {
            self.state = State::SparseMap;
            return Ok(Event::More);
        }
        let is_sparse = self.said.is_sparse && kind == Kind::File;
        self.member(if is_sparse { Kind::Sparse } else { kind }, self.size).map_err(fault)
    }

    /// The member's name and link: of pax, else of GNU's long names, else of its header.
    fn put_names(&mut self, header: &Header<'_>) {
        let said = &mut self.said;
        let long = said.sparse_name.take().or(said.path.take()).or(said.long_name.take());
        self.name.clear();
        if let Some(long) = long {
            self.name = long;
        } else {
            if !header.prefix.is_empty() {
                self.name.extend_from_slice(header.prefix);
                self.name.push(b'/');
            }
            self.name.extend_from_slice(header.name);
        }
        self.link.clear();
        let is_link = matches!(header.kind, Type::Member(Kind::HardLink | Kind::SymbolicLink));
        if let Some(long) = said.link_path.take().or(said.long_link.take()) {
            self.link = long;
        } else if is_link {
            self.link.extend_from_slice(header.link);
        }
    }

    fn member(&mut self, kind: Kind, size: u64) -> Result<Event<'_>, String> {
        let data = self.at;
        let padded = size.checked_next_multiple_of(BLOCK as u64);
        let padded = padded.ok_or_else(|| format!("a size beyond all archives: {size}"))?;
        self.at = advance(self.at, padded)?;
        self.state = State::Header;
        self.said = Extensions::default();
        Ok(Event::Member(Member {
            name: &self.name,
            link: &self.link,
            kind,
            start: self.start,
            data,
            size,
        }))
    }

    fn begin_extension(&mut self, kind: Type, size: u64) -> Result<(), String> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        // The header counts too, so that empty extensions come to an end.
        let bytes = self.said.bytes.saturating_add(size).saturating_add(BLOCK);
        if bytes > MAX_EXTENSION {
            return Err(format!(
                "a long name or pax header of {size} bytes, where {MAX_EXTENSION} are the most for one member"
            ));
        }
        self.said.bytes = bytes;
        self.extension.clear();
        self.state = State::Extension(kind, size);
        if size == 0 { self.end_extension(kind) } else { Ok(()) }
    }

    fn take_extension(&mut self, block: &Block, kind: Type, left: usize) -> Result<(), String> {
        let taken = left.min(BLOCK);
        self.extension.extend_from_slice(block.get(..taken).unwrap_or(block));
        let left = left.saturating_sub(taken);
        self.state = State::Extension(kind, left);
        if left == 0 { self.end_extension(kind) } else { Ok(()) }
    }

    fn end_extension(&mut self, kind: Type) -> Result<(), String> {
        self.state = State::Header;
        let bytes = std::mem::take(&mut self.extension);
        match kind {
            Type::LongName => self.said.long_name = Some(until_zero(&bytes).to_vec()),
            Type::LongLink => self.said.long_link = Some(until_zero(&bytes).to_vec()),
            Type::Pax => read_pax(&bytes, |key, value| self.said.take(key, value))?,
            Type::PaxGlobal => {
                read_pax(&bytes, refuse_for_all)?;
                // It belongs to no member, so the archive may end after it.
                if self.said.bytes == bytes.len().saturating_add(BLOCK) {
                    self.said = Extensions::default();
                }
            }
            Type::Member(_) => {}
        }
        self.extension = bytes;
        Ok(())
    }
}

fn advance(at: u64, bytes: u64) -> Result<u64, String> {
    let end = at.checked_add(bytes).filter(|&end| i64::try_from(end).is_ok());
    end.ok_or_else(|| format!("a size beyond all archives: {bytes}"))
}

impl Extensions {
    /// One pax record. Times, owners and comments say nothing about the bytes.
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        match key {
            b"path" => self.path = (!value.is_empty()).then(|| value.to_vec()),
            b"linkpath" => self.link_path = (!value.is_empty()).then(|| value.to_vec()),
            b"size" => self.size = Some(decimal(value).ok_or("a pax size that is no number")?),
            b"GNU.sparse.name" => self.sparse_name = Some(value.to_vec()),
            b"GNU.sparse.major" | b"GNU.sparse.map" | b"GNU.sparse.size" => self.is_sparse = true,
            _ => {}
        }
        Ok(())
    }
}

/// A global header that gave all members one name or one size would break the archive.
fn refuse_for_all(key: &[u8], _value: &[u8]) -> Result<(), String> {
    match key {
        b"path" | b"linkpath" | b"size" => Err(format!(
            "a global pax header that sets '{}' for all members is not supported",
            key.escape_ascii()
        )),
        _ => Ok(()),
    }
}

/// Records of the form `<length> <key>=<value>\n`, the length counting all of it.
fn read_pax(
    mut bytes: &[u8],
    mut take: impl FnMut(&[u8], &[u8]) -> Result<(), String>,
) -> Result<(), String> {
    // Some writers pad with zeros.
    while !until_zero(bytes).is_empty() {
        let record = pax_record(bytes).ok_or("a pax header whose records do not add up")?;
        take(record.key, record.value)?;
        bytes = record.rest;
    }
    Ok(())
}

struct PaxRecord<'a> {
    key: &'a [u8],
    value: &'a [u8],
    rest: &'a [u8],
}

fn pax_record(bytes: &[u8]) -> Option<PaxRecord<'_>> {
    let space = memchr::memchr(b' ', bytes)?;
    let length = usize::try_from(decimal(bytes.get(..space)?)?).ok()?;
    let (record, rest) = bytes.split_at_checked(length)?;
    let record = record.get(space.checked_add(1)?..)?.strip_suffix(b"\n")?;
    let equals = memchr::memchr(b'=', record)?;
    let (key, value) = record.split_at_checked(equals)?;
    Some(PaxRecord { key, value: value.get(1..)?, rest })
}

fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let value = text.iter().try_fold(0u64, |value, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte & 15))?;
        value.checked_mul(10)?.checked_add(digit)
    })?;
    i64::try_from(value).ok().map(i64::cast_unsigned)
}
