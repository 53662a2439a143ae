//! The memory map: the only unsafe code of this crate beside the kernels.

use std::fs::File;
use std::io;

use memmap2::{Advice, Mmap, MmapOptions};

/// A whole file in memory, read-only; or bytes that could not be written to one.
#[derive(Debug)]
pub struct Map(Bytes);

#[derive(Debug)]
enum Bytes {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

impl Map {
    /// Maps the first `size` bytes.
    #[allow(unsafe_code, reason = "a memory map")]
    pub fn new(file: &File, size: u64) -> io::Result<Map> {
        if size == 0 {
            return Ok(Map::of_memory(Vec::new()));
        }
        let length = usize::try_from(size).map_err(io::Error::other)?;
        // SAFETY: the map is private and read-only, so this process never writes
        // through it. Another process may write to the file meanwhile; whoever reads
        // takes the bytes for untrusted data, never keeps a &str or another proof
        // about them across reads (records are copied out before they are parsed),
        // and indexes nothing unchecked by them, so that torn or changed bytes are
        // wrong data and no more. A file that is cut raises SIGBUS, which ends the
        // process and corrupts nothing; `Access::Read` is for those who cannot have that.
        let map = unsafe { MmapOptions::new().len(length).map(file)? };
        // Huge pages halve the cost of a pass where the file system has them, and
        // are refused where it does not: no reason to fail.
        let _ = map.advise(Advice::HugePage);
        Ok(Map(Bytes::Mapped(map)))
    }

    /// Bytes that are in memory.
    pub fn of_memory(bytes: Vec<u8>) -> Map {
        Map(Bytes::Owned(bytes))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Mapped(map) => map,
            Bytes::Owned(bytes) => bytes,
        }
    }
}
