//! The loop of [`crate::entropy`] for CPUs with BMI2, in assembly: it is one chain of
//! dependencies from look-up to look-up, and each of its variables has to stay in a
//! register, which compilers do not see to.
//!
//! ```text
//! look-up ─┬─ length ─ shift ─────────────────── next look-up     the chain: ten cycles
//!          ├─ end of the block? ─ which table is next ─┘
//!          ├─ value of the bits after the code ─┐
//!          └─ place in the block ───────────────┴─ store          beside it
//! ```

use std::arch::asm;
use std::ops::Range;

use crate::entropy::{BitReader, LOOKUPS, MAX_UNITS, ScanLayout, ScanTables};
use crate::huffman::{ENDS_BLOCK, Entry, LOOKUP_BITS};
use crate::macro_row::{Block, FIRST_FULL, FULL_AND_END, LAST_FULL, MacroRow, PLACES};

/// A block of an MCU.
#[derive(Clone, Copy)]
#[repr(C)]
struct Step {
    /// The table of its AC coefficients.
    ac: *const Entry,
    /// The DC table of the block after it.
    next_dc: *const Entry,
    /// The block after it.
    next: *const Step,
}

/// What the loop reads.
#[repr(C)]
struct Context {
    places: [u8; 256],
    zero: u64,
    /// The bits of an MCU without any change, left aligned, and which bits these are.
    pattern: u64,
    mask: u64,
    /// Where the sums end.
    sums_end: *const u8,
    /// The last place that has eight bytes to read.
    last_word: *const u8,
    /// The memory that the row of MCUs will be written to, from here on.
    upcoming: *const u8,
    upcoming_end: *const u8,
}

/// Where the loop is.
struct Position {
    /// In the blocks and sums.
    at: usize,
    /// The block's number in its MCU.
    number: usize,
    /// In the block.
    place: u8,
}

impl Position {
    fn next_block(&mut self, count: usize) {
        self.at += 1;
        self.number = (self.number + 1) % count;
        self.place = 0;
    }
}

/// Why the loop stopped: all blocks are decoded.
const DONE: u64 = 0;
/// Here may be an MCU without any change.
const ZERO: u64 = 1;
/// The code is not in the table.
const LONG: u64 = 2;
/// The bytes end.
const SHORT: u64 = 3;
/// A block is full, and what comes after it was taken for its end.
const FULL: u64 = 4;

/// Makes sure that 56 bits are ahead: of eight bytes those that fit.
macro_rules! refill {
    () => {
        "
        cmp rdi, [rsi + {last_word}]
        ja 80f
        mov rax, [rdi]
        bswap rax
        shrx rax, rax, r9
        or r8, rax
        mov eax, r9d
        not eax
        and eax, 63
        shr eax, 3
        add rdi, rax
        or r9d, 56
        "
    };
}

/// Asks for lines of the cache that the row of MCUs will be written to: here is time for it.
macro_rules! prefetch {
    () => {
        "
        mov rax, [rsi + {upcoming}]
        cmp rax, [rsi + {upcoming_end}]
        jae 21f
        prefetchw [rax]
        prefetchw [rax + 64]
        prefetchw [rax + 128]
        prefetchw [rax + 192]
        add rax, 256
        mov [rsi + {upcoming}], rax
        21:
        "
    };
}

/// From an entry in `ecx`: its place in the block.
macro_rules! place {
    () => {
        "
        movzx edx, ch
        add edx, r13d
        movzx r12d, byte ptr [rsi + rdx]
        "
    };
}

/// Stores the value in `ax`.
macro_rules! store {
    () => {
        "
        mov [r14 + r12*2], ax
        mov [r15], dl
        lea eax, [rdx - {first_full}]
        cmp eax, {last_full} - {first_full}
        "
    };
}

/// What comes next: the same block, or the next one.
macro_rules! go_on {
    () => {
        "
        mov r10, [r11 + {ac}]
        mov r13d, edx
        test cl, cl
        cmovs r10, [r11 + {next_dc}]
        cmovs r11, [r11 + {next}]
        cmovs r13d, [rsi + {zero}]
        lea rax, [r15 + 1]
        cmovs r15, rax
        lea rax, [r14 + {block}]
        cmovs r14, rax
        cmp r15, [rsi + {sums_end}]
        jae 70f
        "
    };
}

/// One entry; `$full` and `$on` are numbers of labels of its own.
macro_rules! step {
    ($full:literal, $on:literal) => {
        concat!(
            "
            // An MCU without any change?
            mov rax, r8
            xor rax, [rsi + {pattern}]
            test rax, [rsi + {mask}]
            jz 50f
            mov rax, r8
            shr rax, {shift}
            mov ecx, [r10 + rax*4]
            test cl, 63
            jz 60f
            shlx r8, r8, rcx
            sub r9d, ecx
            ",
            place!(),
            "
            mov eax, ecx
            shr eax, 16
            ",
            store!(),
            "
            jbe ",
            $full,
            "f
            cmp edx, {full_and_end}
            je 63f
            ",
            $on,
            ":
            ",
            go_on!()
        )
    };
}

/// A block that is full ends without a code.
macro_rules! full {
    ($full:literal, $on:literal) => {
        concat!($full, ": or ecx, {ends_block}\n jmp ", $on, "b\n")
    };
}

/// An entry that does not say its value.
macro_rules! computed_step {
    () => {
        concat!(
            refill!(),
            "
            mov eax, ecx
            shr eax, 16
            test al, 63
            jz 61f
            // The bits after the code, turned around if the first of them is 0.
            shlx rax, r8, rax
            mov rdx, rax
            sar rdx, 63
            not rdx
            xor rax, rdx
            shr rax, 1
            mov r12d, ecx
            shr r12d, 24
            shrx rax, rax, r12
            xor eax, edx
            sub eax, edx
            // The code's length and 63 less r12.
            mov edx, ecx
            shr edx, 16
            and edx, 63
            sub edx, r12d
            add edx, 63
            shlx r8, r8, rdx
            sub r9d, edx
            ",
            place!(),
            store!(),
            "
            ja 62f
            or ecx, {ends_block}
            62:
            ",
            go_on!()
        )
    };
}

/// See [`crate::entropy::decode_changed`], of which this is the same for other CPUs.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
pub(super) fn decode_changed(
    reader: &mut BitReader<'_>,
    scan: (&ScanLayout, &ScanTables),
    mcus: &Range<usize>,
    row: &mut MacroRow,
    upcoming: &[u8],
) -> bool {
    let (layout, tables) = scan;
    let count = layout.unit_count;
    let (start, end) = (mcus.start * count, mcus.end * count);
    let MacroRow { blocks, sums, changed, .. } = row;
    let (blocks, sums) = (&mut blocks[start..end], &mut sums[start..end]);
    let Some(last_word) = reader.bytes.len().checked_sub(8) else { return false };
    let (pattern, mask) = layout.zero_pattern_and_mask();
    let mut context = Context {
        places: PLACES,
        zero: 0,
        pattern,
        mask,
        sums_end: sums.as_ptr_range().end,
        last_word: reader.bytes[last_word..].as_ptr(),
        upcoming: upcoming.as_ptr(),
        upcoming_end: upcoming.as_ptr_range().end,
    };
    let nothing = std::ptr::null();
    let mut steps = [Step { ac: nothing, next_dc: nothing, next: std::ptr::null() }; MAX_UNITS];
    let first = steps.as_ptr();
    for (number, step) in steps[..count].iter_mut().enumerate() {
        let next = (number + 1) % count;
        step.ac = layout.table(number, 1, tables).lookup.as_ptr();
        step.next_dc = layout.table(next, 0, tables).lookup.as_ptr();
        step.next = first.wrapping_add(next);
    }
    let mut changed = |run: Range<usize>| {
        if !run.is_empty() {
            changed.push((start + run.start) as u32..(start + run.end) as u32);
        }
    };
    let mut position = Position { at: 0, number: 0, place: 0 };
    // Where the MCUs begin that are not passed over.
    let mut begin = 0;
    while position.at < sums.len() {
        if reader.at > last_word {
            return false;
        }
        // SAFETY: both slices are equally long, and the context is about these sums and bytes.
        match unsafe { run(&mut context, &steps, scan, reader, (blocks, sums), &mut position) } {
            DONE => {}
            SHORT => return false,
            FULL => {
                layout.take_end_back(reader, position.number, tables);
                sums[position.at] = FIRST_FULL;
                position.next_block(count);
            }
            // An MCU without any change, perhaps, or a code that is not in the table.
            _ => {
                let mut zeros = 0;
                if position.place == 0 && position.number == 0 {
                    zeros = layout.take_zeros(reader, (sums.len() - position.at) / count) * count;
                }
                if zeros > 0 {
                    changed(begin..position.at);
                    position.at += zeros;
                    begin = position.at;
                } else if !decode_symbol(scan, reader, (blocks, sums), &mut position) {
                    return false;
                }
            }
        }
    }
    changed(begin..position.at);
    true
}

/// One symbol, its code searched by its length. Returns whether there is one.
fn decode_symbol(
    (layout, tables): (&ScanLayout, &ScanTables),
    reader: &mut BitReader<'_>,
    (blocks, sums): (&mut [Block], &mut [u8]),
    position: &mut Position,
) -> bool {
    let place = (position.number, position.place);
    let symbol = layout.take_symbol(reader, place, Entry::NONE, tables);
    let Some((advance, value)) = symbol else { return false };
    let sum = position.place.wrapping_add(advance);
    blocks[position.at].0[usize::from(PLACES[usize::from(sum)] & 63)] = value;
    sums[position.at] = sum;
    if sum >= FIRST_FULL {
        position.next_block(layout.unit_count);
    } else {
        position.place = sum;
    }
    true
}

/// Decodes symbols until something is in the way; returns what.
///
/// ```text
/// r8  bits ahead             r12  for the moment         rsi  the context
/// r9  how many               r13  the place in the block rdi  the next bytes
/// r10 the look-up's table    r14  the block              eax, ecx, edx  for the moment;
/// r11 the block's step       r15  its sum                               ecx: the entry
/// ```
///
/// # Safety
///
/// There are as many sums as blocks, the context says where the sums and the reader's bytes
/// end, which is not before where the reader is, and the steps are those of the layout.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
#[inline]
unsafe fn run(
    context: &mut Context,
    steps: &[Step; MAX_UNITS],
    (layout, tables): (&ScanLayout, &ScanTables),
    reader: &mut BitReader<'_>,
    (blocks, sums): (&mut [Block], &mut [u8]),
    position: &mut Position,
) -> u64 {
    let lookup = layout.table(position.number, position.place, tables).lookup.as_ptr();
    let (first_step, step) = (steps.as_ptr(), &raw const steps[position.number]);
    let (first_byte, first_sum) =
        (reader.bytes[reader.at..].as_ptr(), sums[position.at..].as_mut_ptr());
    let (mut last_byte, mut last_sum, mut last_step) = (first_byte, first_sum, step);
    let mut count = u64::from(reader.count);
    let mut in_block = u64::from(position.place);
    let status: u64;
    // SAFETY: What is read: eight bytes at `rdi`, which is compared with `last_word` before;
    // entries of whole tables, as the shift leaves so many bits; places, as a sum is at most
    // 63 + 160; the steps, of which each names another one. What is written: a coefficient,
    // whose place is below 64, of the block at `r14`, and the sum at `r15`. Both begin at the
    // same place of slices of the same length, go on together, and end the loop where the
    // sums end. A place is at most 63 where a look-up begins: sums from 64 on end the
    // block, either by their entry or as full ones.
    unsafe {
        asm!(
            "20:",
            refill!(),
            prefetch!(),
            step!("30", "31"),
            step!("32", "33"),
            step!("34", "35"),
            step!("36", "37"),
            step!("38", "39"),
            "jmp 20b",
            full!("30", "31"),
            full!("32", "33"),
            full!("34", "35"),
            full!("36", "37"),
            full!("38", "39"),
            "60:",
            computed_step!(),
            "jmp 20b",
            "
            50: mov eax, {is_zero}
            jmp 90f
            61: mov eax, {is_long}
            jmp 90f
            70: mov eax, {is_done}
            jmp 90f
            63: mov eax, {is_full}
            jmp 90f
            80: mov eax, {is_short}
            90:
            ",
            block = const size_of::<Block>(),
            pattern = const std::mem::offset_of!(Context, pattern),
            mask = const std::mem::offset_of!(Context, mask),
            zero = const std::mem::offset_of!(Context, zero),
            sums_end = const std::mem::offset_of!(Context, sums_end),
            upcoming = const std::mem::offset_of!(Context, upcoming),
            upcoming_end = const std::mem::offset_of!(Context, upcoming_end),
            last_word = const std::mem::offset_of!(Context, last_word),
            ac = const std::mem::offset_of!(Step, ac),
            next_dc = const std::mem::offset_of!(Step, next_dc),
            next = const std::mem::offset_of!(Step, next),
            shift = const 64 - LOOKUP_BITS,
            first_full = const FIRST_FULL,
            last_full = const LAST_FULL,
            ends_block = const ENDS_BLOCK,
            is_zero = const ZERO,
            is_long = const LONG,
            is_done = const DONE,
            is_short = const SHORT,
            is_full = const FULL,
            full_and_end = const FULL_AND_END,
            out("rax") status,
            out("rcx") _,
            out("rdx") _,
            in("rsi") &raw mut *context,
            inout("rdi") last_byte,
            inout("r8") reader.ahead,
            inout("r9") count,
            inout("r10") lookup => _,
            inout("r11") last_step,
            out("r12") _,
            inout("r13") in_block,
            inout("r14") blocks[position.at..].as_mut_ptr() => _,
            inout("r15") last_sum,
            options(nostack),
        );
    }
    reader.at += last_byte.addr() - first_byte.addr();
    reader.count = count as u32;
    reader.load();
    position.at += last_sum.addr() - first_sum.addr();
    position.number = (last_step.addr() - first_step.addr()) / size_of::<Step>();
    position.place = in_block as u8;
    status
}

// Five look-ups between two refills.
const _: () = assert!(LOOKUPS >= 5);
