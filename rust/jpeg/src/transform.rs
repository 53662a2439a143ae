//! From coefficients to the pixels of the planes, at any size of a block. Knows neither
//! coded data nor colors.

use crate::entropy::{Block, LAST_OF_CORNER, MacroRow, Unit};
use crate::kernels::reduced::flat_pixel_of_size;
use crate::kernels::{Job, Kernels, PlaneMut};
use crate::planes::{Plane, Planes};
use crate::scan::ScanHeader;
use crate::smoothing::Smoothing;
use crate::store::{ComponentBlocks, Store};
use crate::tables::Quantization;

/// The blocks of one component that are to be transformed, by how much of them is not 0.
#[derive(Default)]
pub(crate) struct Jobs {
    corner: Vec<Job>,
    full: Vec<Job>,
    /// Blocks whose coefficients are estimates.
    smoothed: Vec<Block>,
}

impl Jobs {
    fn clear(&mut self) {
        self.corner.clear();
        self.full.clear();
        self.smoothed.clear();
    }

    #[inline(always)]
    fn push(&mut self, block: usize, pixel: usize, is_corner: bool) {
        let job = Job { block: block as u32, pixel: pixel as u32 };
        if is_corner { self.corner.push(job) } else { self.full.push(job) }
    }

    #[inline(always)]
    fn run<K: Kernels>(
        &self,
        kernels: K,
        blocks: &[Block],
        table: &Quantization,
        plane: &mut Plane,
    ) {
        let size = plane.block;
        for (jobs, is_corner) in [(&self.corner, true), (&self.full, false)] {
            let plane = plane.pixels();
            match (size, is_corner) {
                (8, true) => kernels.idct_corner(jobs, blocks, table, plane),
                (8, false) => kernels.idct(jobs, blocks, table, plane),
                (4, _) => kernels.idct_4x4(jobs, blocks, table, plane),
                (2, _) => kernels.idct_2x2(jobs, blocks, table, plane),
                _ => {}
            }
        }
    }
}

/// A block that is one value.
#[inline(always)]
fn fill_block(plane: PlaneMut<'_>, at: usize, size: usize, pixel: u8) {
    let PlaneMut { pixels, stride } = plane;
    match size {
        8 => fill::<8>(&mut pixels[at..], stride, pixel),
        4 => fill::<4>(&mut pixels[at..], stride, pixel),
        2 => fill::<2>(&mut pixels[at..], stride, pixel),
        _ => pixels[at] = pixel,
    }
}

#[inline(always)]
fn fill<const SIZE: usize>(pixels: &mut [u8], stride: usize, pixel: u8) {
    let pixels = &mut pixels[..(SIZE - 1) * stride + SIZE];
    for line in pixels.chunks_mut(stride) {
        line[..SIZE].copy_from_slice(&[pixel; SIZE]);
    }
}

/// One row of MCUs of a scan that has all components.
#[inline(always)]
pub(crate) fn transform_row<K: Kernels>(
    kernels: K,
    macro_row: &MacroRow,
    (units, scan, tables): (&[Unit], &ScanHeader, &[Quantization; 4]),
    planes: &mut Planes,
    jobs: &mut Jobs,
    row: usize,
) {
    let needed = planes.count;
    for (place, component) in scan.components.iter().enumerate() {
        if component.index >= needed {
            continue;
        }
        let plane = planes.plane(component.index);
        jobs.clear();
        let (table, size) = (&tables[place], plane.block);
        let step = plane.horizontal * size;
        let own = units.iter().enumerate();
        for (number, unit) in own.filter(|(_, unit)| usize::from(unit.component) == place) {
            let y = (row * plane.vertical + usize::from(unit.y)) * size;
            let mut pixel = plane.at(usize::from(unit.x) * size, y);
            let coefficients = macro_row.dc.iter().zip(&macro_row.slots);
            for (&dc, &slot) in coefficients.skip(number).step_by(units.len()) {
                if slot == 0 || size == 1 {
                    fill_block(plane.pixels(), pixel, size, flat_pixel_of_size(size, dc, table));
                } else {
                    let last = macro_row.lasts[slot as usize - 1];
                    jobs.push(slot as usize - 1, pixel, last <= LAST_OF_CORNER);
                }
                pixel += step;
            }
        }
        jobs.run(kernels, &macro_row.blocks, table, plane);
    }
}

/// One row of MCUs from the store.
#[inline(always)]
pub(crate) fn transform_stored<K: Kernels>(
    kernels: K,
    store: &Store,
    smoothing: Option<&Smoothing>,
    tables: &[Quantization; 4],
    planes: &mut Planes,
    jobs: &mut Jobs,
    row: usize,
) {
    for (index, table) in tables.iter().enumerate().take(planes.count) {
        let plane = planes.plane(index);
        let (component, size) = (&store.components[index], plane.block);
        jobs.clear();
        for unit_y in 0..plane.vertical {
            let y = row * plane.vertical + unit_y;
            if y >= component.height {
                break;
            }
            let start = plane.at(0, y * size);
            if let Some(smoothing) = smoothing {
                smoothing.row(store, index, y, &mut jobs.smoothed);
                let first = jobs.smoothed.len() - component.width;
                for x in 0..component.width {
                    jobs.push(first + x, start + x * size, false);
                }
            } else {
                sort_stored(component, table, plane, jobs, y, start);
            }
        }
        let blocks = if smoothing.is_some() { &jobs.smoothed } else { &component.blocks };
        jobs.run(kernels, blocks, table, plane);
        if let (1, true) = (size, smoothing.is_some()) {
            for job in &jobs.full {
                let dc = jobs.smoothed[job.block as usize].0[0];
                plane.pixels().pixels[job.pixel as usize] = flat_pixel_of_size(size, dc, table);
            }
        }
    }
}

#[inline(always)]
fn sort_stored(
    component: &ComponentBlocks,
    table: &Quantization,
    plane: &mut Plane,
    jobs: &mut Jobs,
    y: usize,
    start: usize,
) {
    let (size, first) = (plane.block, y * component.stride);
    let masks = &component.masks[first..first + component.width];
    for (x, &mask) in masks.iter().enumerate() {
        let pixel = start + x * size;
        if mask == 0 || size == 1 {
            let dc = component.blocks[first + x].0[0];
            fill_block(plane.pixels(), pixel, size, flat_pixel_of_size(size, dc, table));
        } else {
            jobs.push(first + x, pixel, mask >> (LAST_OF_CORNER + 1) == 0);
        }
    }
}
