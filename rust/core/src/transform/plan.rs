//! All that can be known before the first row: geometry, weights, the order of passes.

use super::coefficients::{Alignment, Axis, Filter, nearest};
use super::geometry::{Geometry, Size};
use super::{Settings, TransformError};

/// What is done to the source canvas.
#[derive(Debug)]
pub(crate) enum Passes {
    /// It is not resized.
    Keep,
    /// Each kept pixel is a source pixel: its row and its column.
    Nearest {
        rows: Vec<usize>,
        columns: Vec<usize>,
    },
    Horizontal(Axis),
    Vertical(Axis),
    HorizontalFirst {
        horizontal: Axis,
        vertical: Axis,
    },
    VerticalFirst {
        horizontal: Axis,
        vertical: Axis,
    },
}

/// How pictures of one size are transformed.
#[derive(Debug)]
pub(crate) struct Plan {
    pub geometry: Geometry,
    pub passes: Passes,
    pub color: [u8; 3],
}

impl Plan {
    /// The plan for pictures of a size, which the decoder may have scaled down.
    pub fn new(settings: &Settings, original: Size, picture: Size) -> Result<Plan, TransformError> {
        let mut geometry = Geometry::new(settings.fit, original)?;
        if picture != original {
            // Without a canvas around it: a squared picture is never scaled down.
            (geometry.source, geometry.picture.size) = (picture, picture);
        }
        let passes = passes(settings.filter, &geometry).ok_or(TransformError::Weights)?;
        Ok(Plan { geometry, passes, color: settings.color })
    }
}

/// Pillow 13 resizes vertically first where that takes away more than twice as many rows as
/// the other columns; both as signed numbers. Its older versions never do.
fn is_vertical_first(from: Size, to: Size) -> bool {
    let gone = |from: usize, to: usize| from as i64 - to as i64;
    let rows = gone(from.height, to.height);
    rows > 0 && rows > 2 * gone(from.width, to.width)
}

fn passes(filter: Filter, geometry: &Geometry) -> Option<Passes> {
    let Geometry { source: from, resized: to, kept, .. } = *geometry;
    let rows = kept.top..kept.top + kept.size.height;
    let columns = kept.left..kept.left + kept.size.width;
    if from == to {
        return Some(Passes::Keep);
    }
    if filter == Filter::Nearest {
        let rows = nearest(from.height, to.height, rows);
        return Some(Passes::Nearest { rows, columns: nearest(from.width, to.width, columns) });
    }
    let horizontal = || Axis::new(filter, from.width, to.width, columns.clone(), Alignment::Even);
    let vertical = || Axis::new(filter, from.height, to.height, rows.clone(), Alignment::Any);
    Some(match (from.width == to.width, from.height == to.height) {
        (true, _) => Passes::Vertical(vertical()?),
        (_, true) => Passes::Horizontal(horizontal()?),
        _ if is_vertical_first(from, to) => {
            Passes::VerticalFirst { horizontal: horizontal()?, vertical: vertical()? }
        }
        _ => Passes::HorizontalFirst { horizontal: horizontal()?, vertical: vertical()? },
    })
}
