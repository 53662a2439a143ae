//! Members of an archive by the hash of their name: for millions of them, without an
//! object for each. Lies in one piece of bytes, which may be a mapped file. It gives
//! candidates: their names have to be compared by whoever knows them.
//!
//! ```text
//! hash:  | bucket (the highest bits) | check (the next 16) | not kept |
//!
//! 0            4                  starts of buckets  checks          members
//! bits (u32)   count (u32)        u32 × (2^bits + 1) u16 × count     u32 × count
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![allow(clippy::cast_possible_truncation, reason = "members are counted in u32")]

/// A bucket holds about so many members.
const BUCKET: usize = 8;
const HEAD: usize = 8;

/// A table in bytes of any kind.
#[derive(Debug)]
pub struct NameTable<B> {
    bytes: B,
    bits: u32,
    count: usize,
}

impl NameTable<Vec<u8>> {
    /// The table of these hashes and members, each pair once.
    #[must_use]
    pub fn build(mut pairs: Vec<(u64, u32)>) -> NameTable<Vec<u8>> {
        pairs.sort_unstable();
        pairs.dedup();
        let count = pairs.len();
        let buckets = (count / BUCKET).max(2).next_power_of_two();
        let bits = buckets.trailing_zeros();
        let mut bytes = Vec::new();
        for number in [bits, count as u32] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let mut done = pairs.iter().enumerate().peekable();
        for bucket in 0..=buckets as u64 {
            while done.next_if(|(_, (hash, _))| bucket_of(*hash, bits) < bucket).is_some() {}
            let start = done.peek().map_or(count, |(place, _)| *place);
            bytes.extend_from_slice(&(start as u32).to_le_bytes());
        }
        bytes.extend(pairs.iter().flat_map(|(hash, _)| check_of(*hash, bits).to_le_bytes()));
        bytes.extend(pairs.iter().flat_map(|(_, member)| member.to_le_bytes()));
        NameTable { bytes, bits, count }
    }

    /// The bytes, from which [`NameTable::new`] makes the same table.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl<B: AsRef<[u8]>> NameTable<B> {
    /// The table in these bytes; `None` where they cannot be one.
    pub fn new(bytes: B) -> Option<NameTable<B>> {
        let all = bytes.as_ref();
        let bits = u32_at(all, 0)?;
        let count = u32_at(all, 4)? as usize;
        let buckets = 1_usize.checked_shl(bits).filter(|_| (1..=32).contains(&bits))?;
        let length = buckets.checked_add(1)?.checked_mul(4)?.checked_add(HEAD)?;
        let length = count.checked_mul(6)?.checked_add(length)?;
        (length == all.len()).then_some(NameTable { bytes, bits, count })
    }

    /// The members whose name may have this hash, the last one first.
    pub fn find(&self, hash: u64) -> impl Iterator<Item = u32> + '_ {
        let bytes = self.bytes.as_ref();
        let starts = bytes.get(HEAD..).unwrap_or_default();
        let (starts, rest) = starts.split_at_checked(self.starts_length()).unwrap_or_default();
        let (checks, members) =
            rest.split_at_checked(self.count.saturating_mul(2)).unwrap_or_default();
        let bucket = usize::try_from(bucket_of(hash, self.bits)).unwrap_or(0);
        let border = |bucket: usize| u32_at(starts, bucket.checked_mul(4)?).map(|at| at as usize);
        let first = border(bucket).unwrap_or(0);
        let end = bucket.checked_add(1).and_then(border).unwrap_or(0).min(self.count);
        let check = check_of(hash, self.bits).to_le_bytes();
        (first..end).rev().filter_map(move |place| {
            let at = place.checked_mul(2)?;
            let found = checks.get(at..at.checked_add(2)?)?;
            if found == check { u32_at(members, at.checked_mul(2)?) } else { None }
        })
    }

    #[allow(clippy::arithmetic_side_effects, reason = "checked by new")]
    fn starts_length(&self) -> usize {
        ((1 << self.bits) + 1) * 4
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[allow(clippy::arithmetic_side_effects, reason = "bits are 1 to 32")]
fn bucket_of(hash: u64, bits: u32) -> u64 {
    hash >> (64 - bits)
}

#[allow(clippy::arithmetic_side_effects, reason = "bits are 1 to 32")]
fn check_of(hash: u64, bits: u32) -> u16 {
    (hash >> (48 - bits)) as u16
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a panic fails the test"
)]
mod tests {
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    #[test]
    fn every_member_is_found_and_little_else() {
        for count in [0_u32, 1, 5, 1000, 70_000] {
            let hash = |member: u32| xxh3_64(&member.to_le_bytes());
            let pairs: Vec<_> = (0..count).rev().map(|member| (hash(member), member)).collect();
            let built = NameTable::build(pairs);
            assert!(built.as_bytes().len() < 100 + count as usize * 7, "{count}");
            let table = NameTable::new(built.as_bytes()).expect("a table");
            for member in 0..count {
                assert!(table.find(hash(member)).any(|found| found == member));
            }
            let strangers: usize =
                (count..count + 10_000).map(|member| table.find(hash(member)).count()).sum();
            assert!(strangers < 30, "{strangers} of {count}");
        }
    }

    #[test]
    fn members_of_one_name_come_last_first() {
        let table = NameTable::build(vec![(5, 1), (9, 8), (5, 7), (5, 3), (u64::MAX, 4)]);
        assert_eq!(table.find(5).filter(|&member| member != 8).collect::<Vec<_>>(), [7, 3, 1]);
        assert_eq!(table.find(u64::MAX).collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn other_bytes_are_no_table() {
        let bytes = NameTable::build(vec![(5, 1)]).as_bytes().to_vec();
        for length in 0..bytes.len() {
            assert!(NameTable::new(&bytes[..length]).is_none());
        }
        for bits in [0, 33, 64, 255] {
            let mut bytes = bytes.clone();
            bytes[0] = bits;
            assert!(NameTable::new(&bytes).is_none(), "{bits}");
        }
        let mut torn = bytes.clone();
        torn[8..20].fill(255);
        assert_eq!(NameTable::new(&torn).expect("a table").find(5).count(), 0);
    }
}
