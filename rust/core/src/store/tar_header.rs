//! One 512-byte tar header block, taken apart: ustar (POSIX 1003.1), GNU and V7.
//! Knows no neighbors: long names and pax records are put together in `tar_walk`.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

/// The unit of a tar file.
pub const BLOCK: usize = 512;
/// One unit of a tar file.
pub type Block = [u8; BLOCK];

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file, whose data follows.
    File,
    /// Another name of a member before it.
    HardLink,
    /// A path to follow from the member's own folder.
    SymbolicLink,
    /// A folder.
    Directory,
    /// A file with holes: what follows is not its data as it was.
    Sparse,
    /// A device, a FIFO, a volume's label: nothing that is read.
    Special,
}

/// What the type byte of a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Member(Kind),
    /// The data is the name (`L`) of the member that follows.
    LongName,
    /// The data is the link's target (`K`) of the member that follows.
    LongLink,
    /// The data is pax records for the member that follows.
    Pax,
    /// The data is pax records for all members that follow.
    PaxGlobal,
}

/// A header block whose checksum is right.
#[derive(Debug)]
pub(super) struct Header<'a> {
    pub prefix: &'a [u8],
    pub name: &'a [u8],
    pub link: &'a [u8],
    pub kind: Type,
    pub size: u64,
    /// A block with more of an old GNU sparse map follows.
    pub has_more_sparse: bool,
}

impl<'a> Header<'a> {
    /// Reads a block that is not all zero, or says what is wrong with it.
    pub fn parse(block: &'a Block) -> Result<Header<'a>, String> {
        check_sum(block)?;
        let flag = block[156];
        let name = until_zero(&block[0..100]);
        let is_posix = &block[257..263] == b"ustar\0";
        let is_star = &block[508..512] == b"tar\0";
        let prefix = match (is_posix, is_star) {
            (true, true) => until_zero(&block[345..476]),
            (true, false) => until_zero(&block[345..500]),
            (false, _) => &[],
        };
        let size = number(&block[124..136]).ok_or_else(|| {
            format!("a size that is no number of bytes: {}", shown(&block[124..136]))
        })?;
        Ok(Header {
            prefix,
            name,
            link: until_zero(&block[157..257]),
            kind: type_of(flag, name),
            size,
            has_more_sparse: flag == b'S' && block[482] != 0,
        })
    }
}

/// Whether a block of an old GNU sparse map is followed by another one.
pub(super) fn sparse_goes_on(block: &Block) -> bool {
    block[504] != 0
}

/// Whether a file may be a tar: its first block is a header, or the end of an empty tar.
#[must_use]
pub fn is_tar_start(block: &Block) -> bool {
    is_zero(block) || check_sum(block).is_ok()
}

/// Whether it is a header of a kind that names itself.
pub(super) fn is_ustar(block: &Block) -> bool {
    &block[257..262] == b"ustar" && check_sum(block).is_ok()
}

pub(super) fn is_zero(block: &Block) -> bool {
    block.iter().fold(0, |all, byte| all | byte) == 0
}

fn type_of(flag: u8, name: &[u8]) -> Type {
    Type::Member(match flag {
        b'L' => return Type::LongName,
        b'K' => return Type::LongLink,
        b'x' | b'X' => return Type::Pax,
        b'g' => return Type::PaxGlobal,
        // V7 knew no folders; their names ended in a slash.
        0 if name.ends_with(b"/") => Kind::Directory,
        b'1' => Kind::HardLink,
        b'2' => Kind::SymbolicLink,
        b'5' => Kind::Directory,
        b'S' => Kind::Sparse,
        // Devices and FIFOs; a GNU dump's folder list, a volume's continuation and label.
        b'3' | b'4' | b'6' | b'D' | b'M' | b'V' | b'N' => Kind::Special,
        // POSIX: an unknown type is read as a regular file.
        _ => Kind::File,
    })
}

/// Whether data follows a header of this type, whatever its size field says.
pub(super) fn has_data(block: &Block) -> bool {
    !matches!(block[156], b'1'..=b'6')
}

/// The sum of all bytes, with spaces for the sum itself. Old writers took the bytes
/// for signed ones.
fn check_sum(block: &Block) -> Result<(), String> {
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    let field = &block[148..156];
    let own: u32 = field.iter().map(|&byte| u32::from(byte)).sum();
    let unsigned = sum.saturating_sub(own).saturating_add(8 * 32);
    let found = number(field).ok_or("no tar header: its checksum is no number")?;
    if found == u64::from(unsigned) {
        return Ok(());
    }
    let high = |bytes: &[u8]| bytes.iter().filter(|byte| **byte > 127).count();
    let negative = high(block).saturating_sub(high(field)).saturating_mul(256);
    let signed = i64::from(unsigned).saturating_sub(i64::try_from(negative).unwrap_or(i64::MAX));
    if i64::try_from(found) == Ok(signed) {
        return Ok(());
    }
    Err(format!(
        "no tar header, or a broken one: its checksum is {found}, its bytes sum to {unsigned}"
    ))
}

/// A field up to its first zero byte.
pub(super) fn until_zero(field: &[u8]) -> &[u8] {
    let end = memchr::memchr(0, field).unwrap_or(field.len());
    field.get(..end).unwrap_or(field)
}

/// An octal number, or a base-256 one where the first bit is set (GNU, star).
fn number(field: &[u8]) -> Option<u64> {
    let (&first, rest) = field.split_first()?;
    if first & 0x80 == 0 {
        return octal(until_zero(field));
    }
    // The second bit is the sign: a negative size is no size.
    if first & 0x40 != 0 {
        return None;
    }
    let mut value = u64::from(first & 0x3f);
    for &byte in rest {
        value = value.checked_mul(256)?.checked_add(u64::from(byte))?;
    }
    // Offsets are i64 in every system call.
    i64::try_from(value).ok().map(i64::cast_unsigned)
}

fn octal(text: &[u8]) -> Option<u64> {
    text.trim_ascii().iter().try_fold(0u64, |value, &byte| {
        let digit = matches!(byte, b'0'..=b'7').then(|| u64::from(byte & 7))?;
        value.checked_mul(8)?.checked_add(digit)
    })
}

fn shown(field: &[u8]) -> String {
    field.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_both_kinds() {
        for (field, expected) in [
            (&b"00000001750\0"[..], Some(1000)),
            (b"     1750 \0 ", Some(1000)),
            (b"77777777777\0", Some(0o77_777_777_777)),
            (b"777777777777", Some(0o777_777_777_777)),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0", Some(0)),
            (b"\x80\0\0\0\0\0\0\x02\x54\x0b\xe4\0", Some(10_000_000_000)),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX as u64)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
            (b"\x80\x01\0\0\0\0\0\0\0\0\0\0", None),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"-0000000001\0", None),
            (b"00000000008\0", None),
            (b"0x10\0\0\0\0\0\0\0\0", None),
        ] {
            assert_eq!(number(field), expected, "{}", shown(field));
        }
    }
}
