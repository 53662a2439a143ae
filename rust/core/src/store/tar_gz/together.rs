//! What all members of an archive together say: the hashes of their names, by which they
//! are found, and the folder that they lie in. Gathered while the index is built.

use xxhash_rust::xxh3::xxh3_64;

use super::page::Entry;
use crate::store::common_folder::CommonFolder;
use crate::store::tar_index::{key, leads_out, plain_name};

/// Of some members in a row, which are numbered from 0 on.
#[derive(Debug, Default)]
pub(super) struct Together {
    pub count: u32,
    /// Hashes of keys, with the number of the member.
    pub hashes: Vec<(u64, u32)>,
    pub root: CommonFolder,
}

impl Together {
    /// The next member.
    pub fn add(&mut self, entry: &Entry) {
        let name = plain_name(&entry.name);
        // No path of an image can mean what lies outside.
        if !leads_out(&name) && !name.is_empty() {
            let key = key(&name);
            if key.len() == name.len() {
                self.root.add(&name);
            }
            self.hashes.push((xxh3_64(key), self.count));
        }
        self.count += 1;
    }

    /// Members that follow.
    pub fn append(&mut self, other: &Together) {
        let before = self.count;
        self.hashes.extend(other.hashes.iter().map(|&(hash, member)| (hash, before + member)));
        self.root.append(&other.root);
        self.count += other.count;
    }
}
