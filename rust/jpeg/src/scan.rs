//! A scan's header (T.81 B.2.3): which components, which tables. Knows no coded data.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::JpegError;
use crate::entropy::{MAX_UNITS, Unit};
use crate::header::Header;
use crate::planes::Extent;

/// A component's part in a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScanComponent {
    /// Its index in the frame.
    pub index: usize,
    /// Its DC table.
    pub dc: u8,
    /// Its AC table.
    pub ac: u8,
}

/// What a scan's header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScanHeader {
    pub components: Vec<ScanComponent>,
    /// The first coefficient, the last one, and the bits before and after (progressive).
    pub spectral: [u8; 3],
}

impl ScanHeader {
    pub(crate) fn read(
        offset: usize,
        body: &[u8],
        header: &Header,
    ) -> Result<ScanHeader, JpegError> {
        let bad = |reason| JpegError::BadSegment { offset, segment: "SOS", reason };
        let (&count, rest) = body.split_first().ok_or_else(|| bad("it is too short"))?;
        let (listed, spectral) = rest
            .split_at_checked(usize::from(count).saturating_mul(2))
            .ok_or_else(|| bad("it is too short"))?;
        let spectral: [u8; 3] = spectral
            .try_into()
            .map_err(|_| bad("its length does not fit its number of components"))?;
        if !(1..=4).contains(&count) {
            return Err(bad("a scan has one to four components"));
        }
        let mut components: Vec<ScanComponent> = Vec::with_capacity(4);
        for &[id, tables] in listed.as_chunks::<2>().0 {
            // In the frame's order (T.81 B.2.3); of the other orders, those that libjpeg takes.
            let mut frame = header.components.iter().enumerate().skip(components.len());
            let index = frame.find(|(_, component)| component.id == id);
            let (index, _) =
                index.ok_or_else(|| bad("a component is not in the frame, or out of order"))?;
            if components.iter().any(|component| component.index == index) {
                return Err(bad("a component comes twice"));
            }
            // Numbers beyond 3 are wrong only where the table is used.
            components.push(ScanComponent { index, dc: tables >> 4, ac: tables & 15 });
        }
        Ok(ScanHeader { components, spectral })
    }

    /// The blocks of an MCU in their order (T.81 A.2.3).
    pub(crate) fn units(
        &self,
        offset: usize,
        header: &Header,
        extent: Extent,
    ) -> Result<Vec<Unit>, JpegError> {
        let mut units = Vec::with_capacity(MAX_UNITS);
        let is_single = self.components.len() == 1;
        for (place, component) in self.components.iter().enumerate() {
            let Some(&frame) = header.components.get(component.index) else { continue };
            let (across, down) = if is_single { (1, 1) } else { extent.factors(frame) };
            for (y, x) in (0..down).flat_map(|y| (0..across).map(move |x| (y, x))) {
                units.push(Unit {
                    component: place as u8,
                    dc: component.dc,
                    ac: component.ac,
                    x: x as u8,
                    y: y as u8,
                });
            }
        }
        if units.len() > MAX_UNITS {
            let reason = "its MCUs have more than 10 blocks";
            return Err(JpegError::BadSegment { offset, segment: "SOS", reason });
        }
        Ok(units)
    }
}
