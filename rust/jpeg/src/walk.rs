//! From scan to scan of a frame, with the tables that are in force there. Knows segments,
//! not coded data.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::JpegError;
use crate::header::Header;
use crate::markers::{DAC, DHT, DQT, DRI, EOI, SOI, SOS, Segment, next_segment};
use crate::scan::ScanHeader;
use crate::tables::Tables;

/// A scan, before its coded data.
pub(crate) struct FoundScan {
    /// Where its marker is.
    pub offset: usize,
    /// Where its coded data begins.
    pub start: usize,
    pub header: ScanHeader,
}

impl FoundScan {
    /// An error of its header.
    pub(crate) fn bad(&self, reason: &'static str) -> JpegError {
        bad(self.offset, "SOS", reason)
    }
}

/// A walk over the segments of a picture.
pub(crate) struct Walk<'a> {
    pub data: &'a [u8],
    header: &'a Header,
    /// Where it goes on.
    pub at: usize,
    pub tables: Tables,
    /// MCUs between restart markers, 0 for none.
    pub restart_interval: usize,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(data: &'a [u8], header: &'a Header) -> Walk<'a> {
        let tables = if header.is_progressive { Tables::default() } else { Tables::standard() };
        Walk { data, header, at: 2, tables, restart_interval: 0 }
    }

    /// The next scan, or `None` at the end of the picture.
    pub(crate) fn next_scan(&mut self) -> Result<Option<FoundScan>, JpegError> {
        loop {
            let (segment, next) = next_segment(self.data, self.at)?;
            self.at = next;
            let Segment { marker, offset, body } = segment;
            match marker {
                DQT => self.tables.read_dqt(offset, body)?,
                DHT => self.tables.read_dht(offset, body)?,
                DRI => self.restart_interval = read_restart_interval(offset, body)?,
                SOI => return Err(bad(offset, "SOI", "a picture begins inside of this one")),
                EOI => return Ok(None),
                // DAC lies among the frame headers' codes.
                0xc0..=0xcf if marker != DAC && offset > self.header.scan_offset => {
                    return Err(bad(offset, "SOF", "there is a second frame header"));
                }
                SOS => {
                    let header = ScanHeader::read(offset, body, self.header)?;
                    return Ok(Some(FoundScan { offset, start: next, header }));
                }
                _ => {}
            }
        }
    }
}

fn read_restart_interval(offset: usize, body: &[u8]) -> Result<usize, JpegError> {
    let interval: [u8; 2] = body.try_into().map_err(|_| bad(offset, "DRI", "it has 2 bytes"))?;
    Ok(u16::from_be_bytes(interval).into())
}

pub(crate) fn bad(offset: usize, segment: &'static str, reason: &'static str) -> JpegError {
    JpegError::BadSegment { offset, segment, reason }
}
