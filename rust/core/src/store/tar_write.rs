//! Headers of a tar that every tool reads: ustar, with a pax header before a name or a
//! size that ustar cannot hold. Writes to no file itself.

use super::tar_header::{BLOCK, Block};

/// The two zero blocks that end an archive.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// The most that eleven octal digits can say.
const MAX_USTAR_SIZE: u64 = 0o77_777_777_777;

/// The header blocks of a regular file. The same input gives the same bytes.
#[must_use]
pub fn file_header(name: &[u8], size: u64, mtime: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BLOCK);
    let place = split(name);
    let mut records = Vec::new();
    if place.is_none() || !name.is_ascii() {
        pax_record(&mut records, b"path", name);
    }
    if size > MAX_USTAR_SIZE {
        pax_record(&mut records, b"size", size.to_string().as_bytes());
    }
    if !records.is_empty() {
        bytes.extend_from_slice(&header(b"PaxHeader", b"", b'x', records.len() as u64, mtime));
        bytes.extend_from_slice(&records);
        pad(&mut bytes);
    }
    let (prefix, name) = place.unwrap_or((b"", &name[name.len().saturating_sub(100)..]));
    bytes.extend_from_slice(&header(name, prefix, b'0', size.min(MAX_USTAR_SIZE), mtime));
    bytes
}

/// Zeros up to the next block.
pub fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
}

/// Prefix and name, split at a slash so that both fit their fields.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= 100 {
        return Some((b"", name));
    }
    let first = name.len().checked_sub(101)?;
    let slash = first + name.get(first..name.len() - 1)?.iter().position(|&byte| byte == b'/')?;
    (slash > 0 && slash <= 155).then(|| (&name[..slash], &name[slash + 1..]))
}

fn header(name: &[u8], prefix: &[u8], flag: u8, size: u64, mtime: u64) -> Block {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name);
    put(100, b"0000644\x000000000\x000000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, format!("{:011o}\0", mtime.min(MAX_USTAR_SIZE)).as_bytes());
    put(148, b"        ");
    put(156, &[flag]);
    put(257, b"ustar\x0000");
    put(329, b"0000000\x000000000\0");
    put(345, prefix);
    seal(&mut block);
    block
}

/// Puts the checksum into a header block.
pub(super) fn seal(block: &mut Block) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// `<length> <key>=<value>\n`, the length counting its own digits.
fn pax_record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(length.to_string().as_bytes());
    for part in [b" ", key, b"=", value, b"\n"] {
        records.extend_from_slice(part);
    }
}
