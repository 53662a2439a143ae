//! Quantization and Huffman tables as their segments give them (T.81 B.2.4.1, B.2.4.2).
//! Knows nothing of how they are used.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::JpegError;
use crate::standard;

/// The order in which coefficients are coded, as positions in rows of 8 (T.81 figure A.6).
/// The second half catches run lengths that lead out of the block.
pub(crate) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// A quantization table, in rows of 8. Only the low 16 bits of a product with it count.
pub(crate) type Quantization = [i16; 64];

/// How many codes of each length there are, and what they mean, in order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct HuffmanSpec {
    pub counts: [u8; 16],
    pub symbols: [u8; 256],
}

impl HuffmanSpec {
    /// A table; `symbols` beyond 256 are left out.
    #[expect(clippy::indexing_slicing, reason = "const code, both indices below 256")]
    #[expect(clippy::arithmetic_side_effects, reason = "counts to 256")]
    pub(crate) const fn new(counts: [u8; 16], symbols: &[u8]) -> HuffmanSpec {
        let mut all = [0; 256];
        let mut at = 0;
        while at < symbols.len() && at < 256 {
            all[at] = symbols[at];
            at += 1;
        }
        HuffmanSpec { counts, symbols: all }
    }
}

/// The tables in force at one place of the data.
#[derive(Default)]
pub(crate) struct Tables {
    quantization: [Option<Quantization>; 4],
    dc: [Option<HuffmanSpec>; 4],
    ac: [Option<HuffmanSpec>; 4],
}

impl Tables {
    /// The quantization table of a component.
    pub(crate) fn quantization(&self, index: u8) -> Option<&Quantization> {
        self.quantization.get(usize::from(index))?.as_ref()
    }

    /// The tables that sequential coding begins with: the standard ones, which the files of
    /// MJPEG leave out. Progressive coding has to define its own.
    pub(crate) fn standard() -> Tables {
        let dc = [standard::DC_LUMINANCE, standard::DC_CHROMINANCE].map(Some);
        let ac = [standard::AC_LUMINANCE, standard::AC_CHROMINANCE].map(Some);
        let four = |[luminance, chrominance]: [_; 2]| [luminance, chrominance, None, None];
        Tables { quantization: [None; 4], dc: four(dc), ac: four(ac) }
    }

    /// A DC table.
    pub(crate) fn dc(&self, index: u8) -> Option<HuffmanSpec> {
        self.dc.get(usize::from(index)).copied().flatten()
    }

    /// An AC table.
    pub(crate) fn ac(&self, index: u8) -> Option<HuffmanSpec> {
        self.ac.get(usize::from(index)).copied().flatten()
    }

    /// Takes over the tables of a DQT segment.
    pub(crate) fn read_dqt(&mut self, offset: usize, mut body: &[u8]) -> Result<(), JpegError> {
        let bad = |reason| JpegError::BadSegment { offset, segment: "DQT", reason };
        while let Some((&head, rest)) = body.split_first() {
            let slot = self.quantization.get_mut(usize::from(head & 15));
            let slot = slot.ok_or_else(|| bad("there are four tables, 0 to 3"))?;
            let (values, rest) = match head >> 4 {
                0 => {
                    let (bytes, rest) =
                        rest.split_first_chunk::<64>().ok_or_else(|| bad("it is too short"))?;
                    (bytes.map(u16::from), rest)
                }
                1 => {
                    let (bytes, rest) =
                        rest.split_first_chunk::<128>().ok_or_else(|| bad("it is too short"))?;
                    let (pairs, _) = bytes.as_chunks::<2>();
                    let mut values = [0; 64];
                    for (value, &pair) in values.iter_mut().zip(pairs) {
                        *value = u16::from_be_bytes(pair);
                    }
                    (values, rest)
                }
                _ => return Err(bad("a table has 8 or 16 bits")),
            };
            let mut table = [0; 64];
            for (&place, value) in ZIGZAG.iter().zip(values) {
                if let Some(entry) = table.get_mut(usize::from(place)) {
                    *entry = value.cast_signed();
                }
            }
            *slot = Some(table);
            body = rest;
        }
        Ok(())
    }

    /// Takes over the tables of a DHT segment.
    pub(crate) fn read_dht(&mut self, offset: usize, mut body: &[u8]) -> Result<(), JpegError> {
        let bad = |reason| JpegError::BadSegment { offset, segment: "DHT", reason };
        while let Some((&head, rest)) = body.split_first() {
            let (counts, rest) =
                rest.split_first_chunk::<16>().ok_or_else(|| bad("it is too short"))?;
            let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
            if total > 256 {
                return Err(bad("a table has more than 256 codes"));
            }
            let (symbols, rest) =
                rest.split_at_checked(total).ok_or_else(|| bad("it is too short"))?;
            let class = match head >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return Err(bad("a table's class is 0 (DC) or 1 (AC)")),
            };
            let slot = class.get_mut(usize::from(head & 15));
            let slot = slot.ok_or_else(|| bad("there are four tables, 0 to 3"))?;
            *slot = Some(HuffmanSpec::new(*counts, symbols));
            body = rest;
        }
        Ok(())
    }
}
