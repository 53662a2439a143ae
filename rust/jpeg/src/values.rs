//! The values that look-ups put into blocks, all of them in one table for all Huffman
//! tables: those that the extra bits choose, and those that stand without any.

/// Most extra bits that an entry's value may have.
pub(crate) const MAX_SIZE: u32 = 8;

/// Most extra bits of a value that is looked up together with the end of the block.
pub(crate) const MAX_SIZE_BEFORE_END: u32 = 5;

/// Most extra bits of two values that are looked up together.
pub(crate) const MAX_SIZE_OF_PAIR: u32 = 2;

/// The value of these extra bits, so many of them: below zero if the first of them is 0.
#[inline(always)]
pub(crate) const fn extend(bits: i32, size: u32) -> i32 {
    if bits < 1 << size >> 1 { bits - (1 << size) + 1 } else { bits }
}

/// The values that entries put into blocks.
#[repr(C)]
pub(crate) struct Values {
    /// For each row, the mask of the extra bits, and the place of the values for 0.
    pub rows: [[u32; 2]; 128],
    /// The last value and the first one, the same if there is one only.
    pub values: [[i16; 2]; VALUE_COUNT],
}

/// ```text
/// rows   1 …   8   a value with so many extra bits
///        9 …  71   a value without extra bits: -31 … 31
///       72 … 107   two of them, each one of -3, -2, -1, 1, 2, 3
/// ```
pub(crate) static VALUES: Values = {
    let mut table = Values { rows: [[0; 2]; 128], values: [[0; 2]; VALUE_COUNT] };
    let mut place = 0;
    let mut size = 1;
    while size <= MAX_SIZE {
        table.rows[size as usize] = [(1 << size) - 1, place];
        let mut bits = 0;
        while bits < 1 << size {
            table.values[place as usize] = [extend(bits, size) as i16; 2];
            place += 1;
            bits += 1;
        }
        size += 1;
    }
    let mut value = -MAX_CONSTANT;
    while value <= MAX_CONSTANT {
        table.rows[constant(value) as usize] = [0, place];
        table.values[place as usize] = [value as i16; 2];
        place += 1;
        value += 1;
    }
    let mut pair = 0;
    while pair < PAIR_VALUES.len() * PAIR_VALUES.len() {
        let (first, last) = (pair / PAIR_VALUES.len(), pair % PAIR_VALUES.len());
        table.rows[FIRST_PAIR as usize + pair] = [0, place];
        table.values[place as usize] = [PAIR_VALUES[last], PAIR_VALUES[first]];
        place += 1;
        pair += 1;
    }
    assert!(place as usize == VALUE_COUNT);
    table
};

/// The largest value that has a place without extra bits.
const MAX_CONSTANT: i32 = (1 << MAX_SIZE_BEFORE_END) - 1;

/// The values that pairs consist of.
const PAIR_VALUES: [i16; 6] = [-3, -2, -1, 1, 2, 3];

const FIRST_CONSTANT: u8 = MAX_SIZE as u8 + 1;

const FIRST_PAIR: u8 = constant(MAX_CONSTANT) + 1;

const VALUE_COUNT: usize =
    (2 << MAX_SIZE) - 2 + 2 * MAX_CONSTANT as usize + 1 + PAIR_VALUES.len().pow(2);

/// The row of the values of this size, at most [`MAX_SIZE`].
pub(crate) const fn row_of_size(size: u32) -> u8 {
    match size {
        0 => constant(0),
        _ => size as u8,
    }
}

/// The row of this value, without extra bits.
pub(crate) const fn constant(value: i32) -> u8 {
    FIRST_CONSTANT + (value + MAX_CONSTANT) as u8
}

/// The row of these two.
pub(crate) fn pair(first: i32, last: i32) -> u8 {
    let place = |value: i32| (if value < 0 { value + 3 } else { value + 2 }) as u8;
    FIRST_PAIR + PAIR_VALUES.len() as u8 * place(first) + place(last)
}
