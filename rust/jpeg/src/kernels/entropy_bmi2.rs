//! The loop of [`crate::entropy`] for CPUs with BMI2, in assembly: it is one chain of
//! dependencies from look-up to look-up, and each of its variables has to stay in a
//! register, which compilers do not see to.
//!
//! ```text
//! look-up ─┬─ length ─ shift ─────────────────── next look-up     the chain: seven cycles
//!          ├─ end of the block? ─ which table is next ─┘
//!          ├─ value of the bits after the code ─┐
//!          └─ place in the block ───────────────┴─ store          beside it
//! ```

use std::arch::asm;
use std::ops::Range;

use crate::entropy::{BitReader, LOOKUPS, MAX_UNITS, ScanLayout, ScanTables};
use crate::huffman::{ENDS_BLOCK, Entry, LOOKUP_BITS, Lookup};
use crate::macro_row::{Block, FULL, MacroRow, PLACES, is_beyond};
use crate::values::{VALUES, Values};

/// Where in a block a value is, as [`PLACES`], with the top bit set for sums of full blocks
/// and for those beyond.
const PLACES_AND_FULL: [u8; 256] = {
    let mut places = PLACES;
    let mut sum = 0;
    while sum < 256 {
        if sum == FULL as usize || is_beyond(sum as u8) {
            places[sum] |= 1 << 7;
        }
        sum += 1;
    }
    places
};

/// A block of an MCU.
#[derive(Clone, Copy)]
#[repr(C)]
struct Step {
    /// The table of its AC coefficients.
    ac: *const Lookup,
    /// The DC table of the block after it.
    next_dc: *const Lookup,
    /// The block after it.
    next: *const Step,
}

/// What the loop reads. It lies at addresses whose low six bits are 0.
#[repr(C, align(64))]
struct Context {
    places: [u8; 256],
    zero: u64,
    /// The bits of an MCU without any change, how many they are, and how far to shift others
    /// to compare them.
    pattern: u64,
    pattern_length: u64,
    pattern_shift: u64,
    /// The first block of an MCU, how many there are, and their bytes.
    first_step: *const Step,
    mcu_blocks: u64,
    mcu_bytes: u64,
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
        self.number += 1;
        if self.number == count {
            self.number = 0;
        }
        self.place = 0;
    }
}

/// Why the loop stopped: all blocks are decoded.
const DONE: u64 = 0;
/// One symbol is wanted alone: its code is in no table, or what is read together with it
/// belongs to the next block.
const SINGLE: u64 = 1;
/// The bytes end.
const SHORT: u64 = 2;

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
/// Not into the first cache, which the look-up tables need.
macro_rules! prefetch {
    () => {
        "
        mov rax, [rsi + {upcoming}]
        cmp rax, [rsi + {upcoming_end}]
        jae 21f
        prefetcht1 [rax]
        prefetcht1 [rax + 64]
        prefetcht1 [rax + 128]
        prefetcht1 [rax + 192]
        add rax, 256
        mov [rsi + {upcoming}], rax
        21:
        "
    };
}

/// Whether the bits ahead are those of an MCU without any change.
macro_rules! compare_pattern {
    () => {
        "
        shrx rax, r8, rbx
        cmp rax, [rsi + {pattern}]
        "
    };
}

/// Stores the last value, in `dx`, at the place in `eax`, and the first one, in the upper half
/// of `edx`, where the entry in `ecx` says; where there is one only, it is both.
macro_rules! store {
    ($mask:literal) => {
        concat!(
            $mask,
            "
            mov [r14 + rax*2], dx
            mov eax, ecx
            shr eax, 24
            add al, r13b
            movzx eax, byte ptr [rsi + rax + {places}]
            shr edx, 16
            ",
            $mask,
            "
            mov [r14 + rax*2], dx
            mov [rbp + r15], r13b
            "
        )
    };
}

/// What comes next: the same block, or the next one.
macro_rules! go_on {
    () => {
        "
        mov r10, [r11 + {ac}]
        lea rax, [r14 + {block}]
        add cl, cl
        cmovc r10, [r11 + {next_dc}]
        cmovc r11, [r11 + {next}]
        cmovc r13d, [rsi + {zero}]
        cmovc r14, rax
        adc r15, 0
        jz 70f
        "
    };
}

/// One entry; `$full` and `$on` are numbers of labels of its own.
macro_rules! step {
    ($full:literal, $on:literal) => {
        concat!(
            "
            shrx rax, r8, rsi
            mov ecx, [r10 + rax*4]
            test cl, 63
            jz 60f
            add r13b, [r10 + rax*4 + 1]
            // The extra bits are the last ones of all that it is about.
            movzx edx, byte ptr [r10 + rax*4 + 2]
            mov rax, r8
            rol rax, cl
            and eax, [r12 + rdx*8]
            add eax, [r12 + rdx*8 + 4]
            mov edx, [r12 + rax*4 + {values}]
            movzx eax, byte ptr [rsi + r13 + {places}]
            test al, al
            js ",
            $full,
            "f
            shlx r8, r8, rcx
            sub r9d, ecx
            ",
            store!(""),
            $on,
            ":
            ",
            go_on!()
        )
    };
}

/// The same, unless here may be an MCU without any change.
macro_rules! checked_step {
    ($full:literal, $on:literal) => {
        concat!(compare_pattern!(), "je 50f\n", step!($full, $on))
    };
}

/// A block that is full ends without a code; where more was read, it belongs to the next
/// block.
macro_rules! full {
    ($full:literal, $on:literal) => {
        concat!(
            $full,
            ":
            cmp r13b, {full}
            jne 63f
            shlx r8, r8, rcx
            sub r9d, ecx
            ",
            store!("\nand eax, 63\n"),
            "
            or ecx, {ends_block}
            jmp ",
            $on,
            "b
            "
        )
    };
}

/// An entry whose value is to be computed.
macro_rules! computed_step {
    () => {
        concat!(
            refill!(),
            "
            test ecx, {has_code_length}
            jnz 65f
            mov rax, r8
            shr rax, 48
            sub rax, [r10 + {long_start}]
            jb 61f
            mov ecx, [r10 + rax*4 + {long}]
            test ecx, {has_code_length}
            jz 61f
            65:
            mov eax, ecx
            shr eax, 16
            // The bits after the code, turned around if the first of them is 0.
            shlx rdx, r8, rax
            mov rbx, rdx
            sar rbx, 63
            not rbx
            xor rdx, rbx
            shr rdx, 1
            mov eax, ecx
            shr eax, 24
            shrx rdx, rdx, rax
            xor edx, ebx
            sub edx, ebx
            // The code's length and the size.
            sub eax, 63
            mov ebx, ecx
            shr ebx, 16
            movzx ebx, bl
            sub ebx, eax
            shlx r8, r8, rbx
            sub r9d, ebx
            mov rbx, [rsi + {pattern_shift}]
            movzx eax, ch
            add r13b, al
            movzx eax, byte ptr [rsi + r13 + {places}]
            test al, al
            js 62f
            mov [r14 + rax*2], dx
            mov [rbp + r15], r13b
            64:
            ",
            go_on!()
        )
    };
}

/// Passes over MCUs without any change, if this is the beginning of one and they are ahead:
/// before, the bits ahead may have been too few to tell.
macro_rules! unchanged {
    () => {
        concat!(
            "
            50:
            ",
            refill!(),
            compare_pattern!(),
            "
            jne 51f
            test r13d, r13d
            jnz 51f
            cmp r11, [rsi + {first_step}]
            jne 51f
            52:
            mov eax, [rsi + {pattern_length}]
            shlx r8, r8, rax
            sub r9d, eax
            add r14, [rsi + {mcu_bytes}]
            add r15, [rsi + {mcu_blocks}]
            jz 70f
            ",
            refill!(),
            compare_pattern!(),
            "
            je 52b
            51:
            ",
            step!("40", "41"),
            "jmp 20b\n",
            full!("40", "41"),
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
    let (blocks, sums) = (&mut row.blocks[start..end], &mut row.sums[start..end]);
    let Some(last_word) = reader.bytes.len().checked_sub(8) else { return false };
    let nothing = std::ptr::null();
    let mut steps = [Step { ac: nothing, next_dc: nothing, next: std::ptr::null() }; MAX_UNITS];
    let first_step = steps.as_ptr();
    for (number, step) in steps[..count].iter_mut().enumerate() {
        let next = if number + 1 == count { 0 } else { number + 1 };
        step.ac = layout.table(number, 1, tables).lookup.as_ref();
        step.next_dc = layout.table(next, 0, tables).lookup.as_ref();
        step.next = first_step.wrapping_add(next);
    }
    let mut context = Context {
        places: PLACES_AND_FULL,
        zero: 0,
        pattern: layout.zero_pattern,
        pattern_length: layout.zero_length.into(),
        pattern_shift: 64 - u64::from(layout.zero_length),
        first_step,
        mcu_blocks: count as u64,
        mcu_bytes: (count * size_of::<Block>()) as u64,
        sums_end: sums.as_ptr_range().end,
        last_word: reader.bytes[last_word..].as_ptr(),
        upcoming: upcoming.as_ptr(),
        upcoming_end: upcoming.as_ptr_range().end,
    };
    let mut position = Position { at: 0, number: 0, place: 0 };
    while position.at < sums.len() {
        if reader.at > last_word {
            return false;
        }
        // SAFETY: both slices are equally long, and the context is about these sums and bytes.
        match unsafe { run(&mut context, &steps, scan, reader, (blocks, sums), &mut position) } {
            DONE => {}
            SHORT => return false,
            _ => {
                if !decode_symbol(scan, reader, (blocks, sums), &mut position) {
                    return false;
                }
            }
        }
    }
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
    if sum >= FULL {
        position.next_block(layout.unit_count);
    } else {
        position.place = sum;
    }
    true
}

/// How far the bits ahead are shifted to be the number of an entry. The loop has the
/// context's address and this in one register, as shifts look at its low six bits only.
const SHIFT: usize = 64 - LOOKUP_BITS as usize;

/// Where a field of the context lies from there.
macro_rules! field {
    ($name:ident) => {
        std::mem::offset_of!(Context, $name) as isize - SHIFT as isize
    };
}

/// Decodes symbols until something is in the way; returns what.
///
/// ```text
/// r8  bits ahead             r12  all values             rsi  the context and SHIFT
/// r9  how many               r13  the place in the block rdi  the next bytes
/// r10 the look-up's table    r14  the block              rbp  where the sums end
/// r11 the block's step       r15  0 less blocks to come  rbx  the shift of the pattern
/// eax, ecx, edx  for the moment; ecx: the entry
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
    let lookup = layout.table(position.number, position.place, tables).lookup.as_ref();
    let (first_step, step) = (steps.as_ptr(), &raw const steps[position.number]);
    let first_byte = reader.bytes[reader.at..].as_ptr();
    let (mut last_byte, mut last_step) = (first_byte, step);
    let mut count = u64::from(reader.count);
    let mut in_block = u64::from(position.place);
    let mut to_come = position.at.cast_signed() - sums.len().cast_signed();
    let status: u64;
    // What is read: eight bytes at `rdi`, which is compared with `last_word` before; entries of
    // whole tables, as the shift leaves so many bits, and of long ones, of which there are all
    // from `long_start` on; values, as entries name rows that there are; places, as a sum is a
    // byte; the steps, of which each names another one. What is written: a coefficient, whose
    // place is below 64, of the block at `r14`, and a sum at `rbp + r15`.
    // SAFETY: See above; both begin at the same place of slices of the same length, go on
    // together, by one or from the beginning of an MCU by one MCU, and end the loop where the
    // sums end; there are whole MCUs. A place is at most 63 where a look-up begins: sums from 64
    // on end the block, either by their entry or as full ones.
    unsafe {
        asm!(
            "
            push rbx
            push rbp
            mov rbx, [rsi + {pattern_shift}]
            mov rbp, [rsi + {sums_end}]
            20:
            ",
            refill!(),
            prefetch!(),
            checked_step!("30", "31"),
            checked_step!("32", "33"),
            checked_step!("34", "35"),
            "jmp 20b",
            full!("30", "31"),
            full!("32", "33"),
            full!("34", "35"),
            unchanged!(),
            "60:",
            computed_step!(),
            "
            jmp 20b
            62:
            and eax, 63
            mov [r14 + rax*2], dx
            mov [rbp + r15], r13b
            or ecx, {ends_block}
            jmp 64b
            63:
            movzx eax, ch
            sub r13b, al
            61: mov eax, {is_single}
            jmp 90f
            70: mov eax, {is_done}
            jmp 90f
            80: mov eax, {is_short}
            90:
            pop rbp
            pop rbx
            ",
            block = const size_of::<Block>(),
            places = const field!(places),
            zero = const field!(zero),
            pattern = const field!(pattern),
            pattern_length = const field!(pattern_length),
            pattern_shift = const field!(pattern_shift),
            first_step = const field!(first_step),
            mcu_blocks = const field!(mcu_blocks),
            mcu_bytes = const field!(mcu_bytes),
            sums_end = const field!(sums_end),
            upcoming = const field!(upcoming),
            upcoming_end = const field!(upcoming_end),
            last_word = const field!(last_word),
            ac = const std::mem::offset_of!(Step, ac),
            next_dc = const std::mem::offset_of!(Step, next_dc),
            next = const std::mem::offset_of!(Step, next),
            full = const FULL,
            values = const std::mem::offset_of!(Values, values),
            ends_block = const ENDS_BLOCK,
            long_start = const std::mem::offset_of!(Lookup, long_start),
            long = const std::mem::offset_of!(Lookup, long),
            has_code_length = const 0x1f_0000,
            is_single = const SINGLE,
            is_done = const DONE,
            is_short = const SHORT,
            out("rax") status,
            out("rcx") _,
            out("rdx") _,
            in("rsi") (&raw mut *context).wrapping_byte_add(SHIFT),
            inout("rdi") last_byte,
            inout("r8") reader.ahead,
            inout("r9") count,
            inout("r10") lookup => _,
            inout("r11") last_step,
            in("r12") &raw const VALUES,
            inout("r13") in_block,
            inout("r14") blocks[position.at..].as_mut_ptr() => _,
            inout("r15") to_come,
        );
    }
    reader.at += last_byte.addr() - first_byte.addr();
    reader.count = count as u32;
    reader.load();
    position.at = sums.len().wrapping_add_signed(to_come);
    position.number = (last_step.addr() - first_step.addr()) / size_of::<Step>();
    position.place = in_block as u8;
    status
}

// Three look-ups between two refills.
const _: () = assert!(LOOKUPS >= 3);
const _: () = assert!(SHIFT < align_of::<Context>());
