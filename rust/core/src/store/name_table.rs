//! Members of an archive by the hash of their name: for millions of them, without an
//! object for each. Lies in one piece of bytes, which may be a mapped file. It gives
//! candidates: their names have to be compared by whoever knows them.
//!
//! ```text
//! hash:  | bucket (the highest bits) | check (as many as an entry has room for) | not kept |
//! entry: | member (its lowest bits)  | check |   whole bytes, the lowest first
//!
//! 0            4            8                     12                 entries
//! bits (u32)   count (u32)  bits of member (u32)  starts of buckets  as many bytes each as
//!                                                 u32 × (2^bits + 1) MIN_CHECK takes × count
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![allow(clippy::cast_possible_truncation, reason = "members are counted in u32")]

/// A bucket holds at most about so many members.
const BUCKET: usize = 16;
/// A check has at least so many bits: of 16 others in a bucket, one in 32 looks as wanted.
const MIN_CHECK: u32 = 9;
const HEAD: usize = 12;

/// What an entry is made of.
#[derive(Debug, Clone, Copy)]
struct Shape {
    /// Bits that tell the bucket.
    bits: u32,
    member_bits: u32,
}

impl Shape {
    /// Bytes of an entry.
    #[allow(clippy::arithmetic_side_effects, reason = "members have at most 32 bits")]
    fn bytes(self) -> usize {
        (self.member_bits + MIN_CHECK).div_ceil(8) as usize
    }

    #[allow(clippy::arithmetic_side_effects, reason = "bits are 1 to 32")]
    fn bucket(self, hash: u64) -> u64 {
        hash >> (64 - self.bits)
    }

    /// The check of a hash, where an entry has it.
    #[allow(clippy::arithmetic_side_effects, reason = "bits are 1 to 32, bytes at most 6")]
    fn check(self, hash: u64) -> u64 {
        let room = 8 * self.bytes() as u32 - self.member_bits;
        hash << self.bits >> (64 - room) << self.member_bits
    }

    /// The bits of an entry that are the member's.
    #[allow(clippy::arithmetic_side_effects, reason = "members have at most 32 bits")]
    fn members(self) -> u64 {
        (1 << self.member_bits) - 1
    }
}

/// A table in bytes of any kind.
#[derive(Debug)]
pub struct NameTable<B> {
    bytes: B,
    shape: Shape,
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
        let last = pairs.iter().map(|&(_, member)| member).max().unwrap_or(0);
        let member_bits = u32::BITS.saturating_sub(last.leading_zeros());
        let shape = Shape { bits: buckets.trailing_zeros(), member_bits };
        let mut bytes = Vec::new();
        for number in [shape.bits, count as u32, member_bits] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let mut done = pairs.iter().enumerate().peekable();
        for bucket in 0..=buckets as u64 {
            while done.next_if(|(_, (hash, _))| shape.bucket(*hash) < bucket).is_some() {}
            let start = done.peek().map_or(count, |(place, _)| *place);
            bytes.extend_from_slice(&(start as u32).to_le_bytes());
        }
        for (hash, member) in pairs {
            let entry = shape.check(hash) | u64::from(member);
            bytes.extend(entry.to_le_bytes().into_iter().take(shape.bytes()));
        }
        NameTable { bytes, shape, count }
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
        let shape = Shape { bits: u32_at(all, 0)?, member_bits: u32_at(all, 8)? };
        let count = u32_at(all, 4)? as usize;
        if !(1..=32).contains(&shape.bits) || shape.member_bits > 32 {
            return None;
        }
        let buckets = 1_usize.checked_shl(shape.bits)?;
        let length = buckets.checked_add(1)?.checked_mul(4)?.checked_add(HEAD)?;
        let length = count.checked_mul(shape.bytes())?.checked_add(length)?;
        (length == all.len()).then_some(NameTable { bytes, shape, count })
    }

    /// The members whose name may have this hash, the last one first.
    pub fn find(&self, hash: u64) -> impl Iterator<Item = u32> + '_ {
        let (shape, bytes) = (self.shape, self.bytes.as_ref());
        let starts = bytes.get(HEAD..).unwrap_or_default();
        let (starts, entries) = starts.split_at_checked(self.starts_length()).unwrap_or_default();
        let bucket = usize::try_from(shape.bucket(hash)).unwrap_or(0);
        let border = |bucket: usize| u32_at(starts, bucket.checked_mul(4)?).map(|at| at as usize);
        let first = border(bucket).unwrap_or(0);
        let end = bucket.checked_add(1).and_then(border).unwrap_or(0).min(self.count);
        let check = shape.check(hash);
        let entry = move |place: usize| {
            let at = place.checked_mul(shape.bytes())?;
            let mut entry = [0; 8];
            entry
                .get_mut(..shape.bytes())?
                .copy_from_slice(entries.get(at..at.checked_add(shape.bytes())?)?);
            Some(u64::from_le_bytes(entry))
        };
        let found = move |entry: u64| (entry & !shape.members() == check).then_some(entry);
        let found = (first..end).rev().filter_map(entry).filter_map(found);
        found.map(move |entry| (entry & shape.members()) as u32)
    }

    #[allow(clippy::arithmetic_side_effects, reason = "checked by new")]
    fn starts_length(&self) -> usize {
        ((1 << self.shape.bits) + 1) * 4
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
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
            let bytes = if count < 32_768 { 7 } else { 9 };
            assert!(built.as_bytes().len() < 100 + count as usize * bytes / 2, "{count}");
            let table = NameTable::new(built.as_bytes()).expect("a table");
            for member in 0..count {
                assert!(table.find(hash(member)).any(|found| found == member));
            }
            let strangers: usize =
                (count..count + 10_000).map(|member| table.find(hash(member)).count()).sum();
            assert!(strangers < 330, "{strangers} of {count}");
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
        for (at, bits) in [(0, 0), (0, 33), (0, 64), (0, 255), (8, 33), (8, 255)] {
            let mut bytes = bytes.clone();
            bytes[at] = bits;
            assert!(NameTable::new(&bytes).is_none(), "{bits}");
        }
        let mut torn = bytes.clone();
        torn[HEAD..HEAD + 12].fill(255);
        assert_eq!(NameTable::new(&torn).expect("a table").find(5).count(), 0);
    }
}
