//! The pages of indexes that a thread has used last: who reads neighbors finds theirs taken
//! apart.

use std::cell::RefCell;

use super::TarGz;
use super::page::Entry;
use super::unpack::{Page, Unpacker, Wanted};
use crate::error::Result;

thread_local! {
    pub(super) static PAGES: RefCell<Pages> =
        RefCell::new(Pages { kept: Vec::new(), unpacker: Unpacker::new() });
}

/// The pages of indexes that a thread has used last.
pub(super) struct Pages {
    /// An archive's id, a page's number, and the page.
    kept: Vec<(u64, usize, Page)>,
    unpacker: Unpacker,
}

impl Pages {
    const KEPT: usize = 8;

    pub fn entry(&mut self, archive: &TarGz, number: usize, place: usize) -> Result<Entry> {
        let known = self.kept.iter().position(|(id, page, _)| (*id, *page) == (archive.id, number));
        let known = known.map(|at| self.kept.remove(at).2);
        // Who comes back to a page will mostly want all of it.
        let wanted = if known.is_some() { Wanted::All } else { Wanted::UpTo(place) };
        let page = match known {
            Some(page) if page.has(place) => page,
            _ => archive.index.page(number, wanted, &mut self.unpacker)?,
        };
        let entry = page.entry(place).ok_or_else(|| archive.index.damaged(number));
        if self.kept.len() == Self::KEPT {
            self.kept.remove(0);
        }
        self.kept.push((archive.id, number, page));
        entry
    }
}
