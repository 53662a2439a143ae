//! From coefficients to the pixels of the planes, at any size of a block. Knows neither
//! coded data nor colors.

use crate::entropy::{MAX_UNITS, Unit};
use crate::kernels::reduced::flat_pixel_of_size;
use crate::kernels::{Job, Kernels, PlaneMut};
use crate::macro_row::{Block, BlocksPerMcu, CodedBlock, LAST_OF_CORNER, MacroRow};
use crate::planes::{Plane, Planes};
use crate::scan::ScanHeader;
use crate::smoothing::Smoothing;
use crate::store::{ComponentBlocks, Store};
use crate::tables::Quantization;

/// Blocks that are to be transformed, by how much of them is not 0, and memory for them.
#[derive(Default)]
pub(crate) struct Jobs {
    /// Of each component, those with coefficients in the top left corner only.
    corner: [Vec<Job>; 4],
    /// Of each component, the others.
    full: [Vec<Job>; 4],
    /// Blocks whose coefficients are estimates.
    smoothed: Vec<Block>,
    /// The pixel of each block of a row that its DC coefficient alone would make.
    pixels: Vec<u8>,
    /// The same, side by side, of one row of blocks of a component.
    line: Vec<u8>,
}

impl Jobs {
    fn clear(&mut self) {
        for jobs in self.corner.iter_mut().chain(&mut self.full) {
            jobs.clear();
        }
        self.smoothed.clear();
    }

    #[inline(always)]
    fn push(&mut self, place: usize, block: usize, pixel: usize, is_corner: bool) {
        let job = Job { block: block as u32, pixel: pixel as u32 };
        let jobs = if is_corner { &mut self.corner } else { &mut self.full };
        jobs[place & 3].push(job);
    }

    #[inline(always)]
    fn run<K: Kernels>(
        &self,
        kernels: K,
        place: usize,
        blocks: &mut [Block],
        table: &Quantization,
        plane: &mut Plane,
    ) {
        let size = plane.block;
        for (jobs, is_corner) in [(&self.corner[place], true), (&self.full[place], false)] {
            let plane = plane.pixels();
            match (size, is_corner) {
                (8, true) => kernels.idct_corner(jobs, blocks, table, plane),
                (8, false) => kernels.idct(jobs, blocks, table, plane),
                (4, true) => kernels.idct_4x4_corner(jobs, blocks, table, plane),
                (4, false) => kernels.idct_4x4(jobs, blocks, table, plane),
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
    macro_row: &mut MacroRow,
    (units, scan, tables): (&[Unit], &ScanHeader, &[Quantization; 4]),
    planes: &mut Planes,
    jobs: &mut Jobs,
    row: usize,
) {
    let needed = planes.count;
    jobs.clear();
    // For each block of an MCU, where its pixels are in the first one, and how much further
    // in the next.
    let mut places = [(0, 0); MAX_UNITS];
    let mut is_wanted = [false; MAX_UNITS];
    for ((place, is_wanted), unit) in places.iter_mut().zip(&mut is_wanted).zip(units) {
        let index = scan.components[usize::from(unit.component)].index;
        if index < needed {
            let plane = planes.plane(index);
            let y = (row * plane.vertical + usize::from(unit.y)) * plane.block;
            *place =
                (plane.at(usize::from(unit.x) * plane.block, y), plane.horizontal * plane.block);
            *is_wanted = plane.block > 1;
        }
    }
    let per_mcu = BlocksPerMcu::new(units.len());
    for &CodedBlock { block, last } in macro_row.coded_blocks() {
        let (mcu, number) = per_mcu.split(block);
        let (mcu, number) = (mcu as usize, number as usize % MAX_UNITS);
        let (first, step) = places[number];
        if is_wanted[number] {
            let component = usize::from(units[number].component);
            jobs.push(component, block as usize, first + mcu * step, last <= LAST_OF_CORNER);
        }
    }
    let mut sizes = [8; 4];
    for (size, component) in sizes.iter_mut().zip(&scan.components) {
        if component.index < needed {
            *size = planes.plane(component.index).block;
        }
    }
    let Jobs { pixels, line, .. } = jobs;
    find_pixels(&macro_row.dc, units, (tables, sizes), pixels);
    let mut first_unit = 0;
    for (place, component) in scan.components.iter().enumerate() {
        let own = units.iter().filter(|unit| usize::from(unit.component) == place).count();
        if component.index < needed {
            let plane = planes.plane(component.index);
            let pixels = (pixels.as_slice(), units.len(), first_unit);
            match plane.block {
                8 => fill_component::<8>(pixels, plane, line, row),
                4 => fill_component::<4>(pixels, plane, line, row),
                2 => fill_component::<2>(pixels, plane, line, row),
                _ => fill_component::<1>(pixels, plane, line, row),
            }
        }
        first_unit += own;
    }
    for (place, component) in scan.components.iter().enumerate() {
        if component.index < needed {
            let plane = planes.plane(component.index);
            jobs.run(kernels, place, &mut macro_row.blocks, &tables[place], plane);
        }
    }
}

/// The pixel of every block of a row of MCUs that its DC coefficient alone would make.
/// `sizes`: how many pixels the blocks of each of the scan's components get across.
#[inline(always)]
fn find_pixels(
    dc: &[i16],
    units: &[Unit],
    (tables, sizes): (&[Quantization; 4], [usize; 4]),
    pixels: &mut Vec<u8>,
) {
    pixels.resize(dc.len(), 0);
    let used = usize::from(units.iter().map(|unit| unit.component).max().unwrap_or(0)) + 1;
    let factor = tables[0][0];
    let largest = dc.iter().fold(0, |all, dc| all | dc.unsigned_abs());
    // Then nothing overflows, not even the 10 bits of a block that becomes one pixel, and
    // the size makes no difference.
    let is_tame = u32::from(largest) * u32::from(factor.unsigned_abs()) < 511 * 8;
    if is_tame && tables[1..used].iter().all(|table| table[0] == factor) {
        // All in one, as whole vectors.
        for (pixel, &dc) in pixels.iter_mut().zip(dc) {
            *pixel = flat_pixel_of_size(8, dc, factor);
        }
        return;
    }
    let all = pixels.chunks_exact_mut(units.len()).zip(dc.chunks_exact(units.len()));
    for (pixels, dc) in all {
        for ((pixel, &dc), unit) in pixels.iter_mut().zip(dc).zip(units) {
            let place = usize::from(unit.component & 3);
            *pixel = flat_pixel_of_size(sizes[place], dc, tables[place][0]);
        }
    }
}

/// Makes every block of a component what its DC coefficient alone would make it; those that
/// have more are written over. `pixels`: those of all blocks, how many an MCU has, and which
/// of these is the component's first.
#[inline(always)]
fn fill_component<const SIZE: usize>(
    (pixels, count, first_unit): (&[u8], usize, usize),
    plane: &mut Plane,
    line: &mut Vec<u8>,
    row: usize,
) {
    let (across, down) = (plane.horizontal, plane.vertical);
    line.resize(pixels.len() / count * across, 0);
    for y in 0..down {
        let first = first_unit + y * across;
        let mcus = pixels.chunks_exact(count);
        match across {
            1 => line.iter_mut().zip(mcus).for_each(|(own, pixels)| *own = pixels[first]),
            2 => {
                for (own, pixels) in line.as_chunks_mut::<2>().0.iter_mut().zip(mcus) {
                    *own = [pixels[first], pixels[first + 1]];
                }
            }
            _ => {
                for (own, pixels) in line.chunks_exact_mut(across).zip(mcus) {
                    own.copy_from_slice(&pixels[first..first + across]);
                }
            }
        }
        let start = plane.at(0, (row * down + y) * SIZE);
        let PlaneMut { pixels: all, stride } = plane.pixels();
        let length = line.len() * SIZE;
        let blocks = all[start..start + length].as_chunks_mut::<SIZE>().0;
        for (block, &pixel) in blocks.iter_mut().zip(line.iter()) {
            *block = [pixel; SIZE];
        }
        for y in 1..SIZE {
            all.copy_within(start..start + length, start + y * stride);
        }
    }
}

/// One row of MCUs from the store, whose blocks may be 0 afterwards.
#[inline(always)]
pub(crate) fn transform_stored<K: Kernels>(
    kernels: K,
    store: &mut Store,
    smoothing: Option<&Smoothing>,
    tables: &[Quantization; 4],
    planes: &mut Planes,
    jobs: &mut Jobs,
    row: usize,
) {
    for (index, table) in tables.iter().enumerate().take(planes.count) {
        let plane = planes.plane(index);
        let size = plane.block;
        jobs.clear();
        let mut smoothed = std::mem::take(&mut jobs.smoothed);
        for unit_y in 0..plane.vertical {
            let component = &store.components[index];
            let y = row * plane.vertical + unit_y;
            if y >= component.height {
                break;
            }
            let start = plane.at(0, y * size);
            if let Some(smoothing) = smoothing {
                smoothing.row(store, index, y, &mut smoothed);
                let first = smoothed.len() - component.width;
                for x in 0..component.width {
                    jobs.push(index, first + x, start + x * size, false);
                }
            } else {
                sort_stored((index, component), table, plane, jobs, (y, start));
            }
        }
        if smoothing.is_none() {
            jobs.run(kernels, index, &mut store.components[index].blocks, table, plane);
        } else if size == 1 {
            for job in &jobs.full[index] {
                let dc = smoothed[job.block as usize].0[0];
                plane.pixels().pixels[job.pixel as usize] = flat_pixel_of_size(size, dc, table[0]);
            }
        } else {
            jobs.run(kernels, index, &mut smoothed, table, plane);
        }
        jobs.smoothed = smoothed;
    }
}

#[inline(always)]
fn sort_stored(
    (index, component): (usize, &ComponentBlocks),
    table: &Quantization,
    plane: &mut Plane,
    jobs: &mut Jobs,
    (y, start): (usize, usize),
) {
    let (size, first) = (plane.block, y * component.stride);
    let masks = &component.masks[first..first + component.width];
    for (x, &mask) in masks.iter().enumerate() {
        let pixel = start + x * size;
        if mask == 0 || size == 1 {
            let dc = component.blocks[first + x].0[0];
            fill_block(plane.pixels(), pixel, size, flat_pixel_of_size(size, dc, table[0]));
        } else {
            jobs.push(index, first + x, pixel, mask >> (LAST_OF_CORNER + 1) == 0);
        }
    }
}
