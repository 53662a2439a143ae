//! What a feed's threads share under its lock: which samples are under way, what is to be
//! read and decoded next, and how many bytes are held. Starts no threads and reads nothing.
//!
//! # The bound
//!
//! An eighth of the bound is for records and encoded images, the rest for pixels. Out of
//! turn, work may fill half of a part only. In turn (all samples before have all they
//! need) pixels may fill their part. The sample that is delivered next always goes on.
//! So a sample of at most half a part never exceeds the bound, and one that is larger
//! is held alone, and is all that exceeds it.

use std::collections::{BTreeMap, VecDeque};

use crate::decode::ImageFailure;
use crate::error::Result;
use crate::prepare::Made;
use crate::store::{GAP, LONGEST_RUN, Span};

/// Until images were read, one is taken to have so many bytes.
const FIRST_GUESS: usize = 256 << 10;

/// An image's sample, by its number in the order of delivery, and its place in it.
pub(super) type Ticket = (u64, usize);

/// Whose turn is what: a sample of a source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    pub source: usize,
    pub position: usize,
}

/// A sample under way.
#[derive(Debug)]
pub(super) struct Slot {
    pub order: Order,
    /// The record, once it is read.
    pub record: Option<Result<Vec<u8>>>,
    /// Where the record is unfit for it, or no images are wanted, there are none.
    pub images: Option<Vec<Image>>,
    /// Images that are not yet decoded, and those that do not yet have memory for it.
    left: usize,
    waiting: usize,
    /// Bytes of pixels.
    pixels: usize,
}

/// An image of a sample.
#[derive(Debug)]
pub(super) enum Image {
    /// A text stands here.
    Text,
    /// To be had, from a place that may be known.
    Wanted(String, Option<Place>),
    /// Had, or not to be had.
    Done(std::result::Result<Made, ImageFailure>),
}

impl Slot {
    fn is_ready(&self) -> bool {
        self.record.is_some() && self.left == 0
    }
}

/// An image that was read.
#[derive(Debug)]
pub(super) struct Encoded {
    pub bytes: Vec<u8>,
    /// Bytes of its pixels.
    pub needs: usize,
}

/// Where an image lies: the number of a source, of a store there, and a place in it.
pub(super) type Place = (usize, Span);

/// An image that is to be read.
#[derive(Debug)]
pub(super) struct Wanted {
    pub ticket: Ticket,
    pub source: usize,
    pub path: String,
    /// Where that is known before it is read.
    pub place: Option<Place>,
    /// Bytes that are set aside for it.
    pub set_aside: usize,
}

impl Wanted {
    /// By what images are sorted, so that neighbors in an archive stand side by side.
    fn key(&self) -> Option<Key> {
        let (store, span) = self.place.as_ref()?;
        Some((self.source, *store, span.archive, span.start, self.ticket))
    }
}

type Key = (usize, usize, u16, u64, Ticket);

/// What a thread that reads does next.
#[derive(Debug)]
pub(super) enum Read {
    Record(u64, Order),
    /// Images: one, or several of one archive that lie near each other.
    Images(Vec<Wanted>),
}

/// A part of the bound.
#[derive(Debug, Default)]
struct Budget {
    limit: usize,
    used: usize,
}

/// Where an image whose place is known ends, and the bytes that are held for it.
#[derive(Debug, Clone, Copy)]
struct Extent {
    end: u64,
    size: usize,
}

#[derive(Debug)]
pub(super) struct State {
    orders: VecDeque<Order>,
    slots: VecDeque<Slot>,
    /// The number of the first slot: the sample that is delivered next.
    head: u64,
    /// The first sample that does not yet have all it needs.
    frontier: u64,
    reads: BTreeMap<Ticket, Wanted>,
    /// Those of them whose place is known, sorted by it.
    by_place: BTreeMap<Key, Extent>,
    decodes: BTreeMap<Ticket, Encoded>,
    encoded: Budget,
    pixels: Budget,
    guess: usize,
    most_slots: usize,
    most_reads: usize,
    most_spare: usize,
    peak: usize,
    /// Buffers of encoded images, to be used again: as many as can be read at a time.
    spare: Vec<Vec<u8>>,
    /// The threads have to end.
    pub is_ending: bool,
}

impl State {
    pub fn new(bound: usize, io_threads: usize) -> State {
        let encoded = bound / 8;
        State {
            orders: VecDeque::new(),
            slots: VecDeque::new(),
            head: 0,
            frontier: 0,
            reads: BTreeMap::new(),
            by_place: BTreeMap::new(),
            decodes: BTreeMap::new(),
            encoded: Budget { limit: encoded, used: 0 },
            pixels: Budget { limit: bound - encoded, used: 0 },
            guess: FIRST_GUESS.min(encoded / 4),
            most_slots: 4096,
            most_reads: 16 * io_threads,
            most_spare: io_threads,
            peak: 0,
            spare: Vec::new(),
            is_ending: false,
        }
    }

    pub fn push(&mut self, orders: impl IntoIterator<Item = Order>) {
        self.orders.extend(orders);
    }

    fn slot(&mut self, number: u64) -> Option<&mut Slot> {
        let at = usize::try_from(number.checked_sub(self.head)?).ok()?;
        self.slots.get_mut(at)
    }

    fn note_peak(&mut self) {
        self.peak = self.peak.max(self.encoded.used + self.pixels.used);
    }

    // --- reading

    fn may_read(&self, number: u64) -> bool {
        number == self.head || self.encoded.used + self.guess <= self.encoded.limit / 2
    }

    fn may_begin(&self) -> bool {
        !self.orders.is_empty()
            && self.slots.len() < self.most_slots
            && self.reads.len() < self.most_reads
            && self.may_read(self.head + self.slots.len() as u64)
    }

    pub fn has_read(&self) -> bool {
        match self.reads.keys().next() {
            Some(&(number, _)) if self.may_read(number) => true,
            _ => self.may_begin(),
        }
    }

    /// The next thing to read, which then has to be settled.
    pub fn next_read(&mut self) -> Option<Read> {
        if let Some(&ticket) = self.reads.keys().next()
            && self.may_read(ticket.0)
        {
            return Some(Read::Images(self.take_run(ticket)));
        }
        if !self.may_begin() {
            return None;
        }
        let order = self.orders.pop_front()?;
        let number = self.head + self.slots.len() as u64;
        let slot = Slot { order, record: None, images: None, left: 0, waiting: 0, pixels: 0 };
        self.slots.push_back(slot);
        Some(Read::Record(number, order))
    }

    /// The image of this ticket, and those near it that can be read in the same call.
    fn take_run(&mut self, ticket: Ticket) -> Vec<Wanted> {
        let mut run = Vec::new();
        let first = self.take_read(ticket, &mut run);
        let Some((key, Extent { mut end, .. })) = first else { return run };
        let mut begin = key.3;
        let is_here = |other: &Key| (other.0, other.1, other.2) == (key.0, key.1, key.2);
        let limit = self.encoded.limit / 2;
        while let Some((&next, &extent)) = self.by_place.range(key..).next() {
            let reach = extent.end.max(end);
            let is_near = is_here(&next) && next.3 <= end.saturating_add(GAP);
            let fits = self.encoded.used + extent.size <= limit;
            if !is_near || !fits || reach - begin > LONGEST_RUN {
                break;
            }
            self.take_read(next.4, &mut run);
            end = reach;
        }
        while let Some((&next, &extent)) = self.by_place.range(..key).next_back() {
            let is_near = is_here(&next) && extent.end.saturating_add(GAP) >= begin;
            let fits = self.encoded.used + extent.size <= limit;
            if !is_near || !fits || end - next.3 > LONGEST_RUN {
                break;
            }
            self.take_read(next.4, &mut run);
            begin = next.3;
        }
        run
    }

    /// Takes one image out of those to be read, and sets bytes aside for it. Where it
    /// lies, and where it ends, if that is known.
    fn take_read(&mut self, ticket: Ticket, run: &mut Vec<Wanted>) -> Option<(Key, Extent)> {
        let mut wanted = self.reads.remove(&ticket)?;
        let key = wanted.key();
        let extent = key.and_then(|key| self.by_place.remove(&key));
        wanted.set_aside = extent.map_or(self.guess, |extent| extent.size);
        self.encoded.used += wanted.set_aside;
        self.note_peak();
        run.push(wanted);
        key.zip(extent)
    }

    /// A record was read; its images come next.
    pub fn settle_record(
        &mut self,
        number: u64,
        record: Result<Vec<u8>>,
        mut images: Option<Vec<Image>>,
    ) {
        self.encoded.used += record.as_ref().map_or(0, Vec::len);
        self.note_peak();
        let Some(slot) = self.slot(number) else { return };
        let source = slot.order.source;
        let mut reads = Vec::new();
        for (at, image) in images.iter_mut().flatten().enumerate() {
            if let Image::Wanted(path, place) = image {
                let (path, place) = (std::mem::take(path), place.take());
                let ticket = (number, at);
                reads.push(Wanted { ticket, source, path, place, set_aside: 0 });
            }
        }
        slot.record = Some(record);
        slot.images = images;
        (slot.left, slot.waiting) = (reads.len(), reads.len());
        for wanted in reads {
            if let (Some(key), Some((_, span))) = (wanted.key(), &wanted.place) {
                let size = usize::try_from(span.size).unwrap_or(usize::MAX);
                self.by_place.insert(key, Extent { end: span.end, size });
            }
            self.reads.insert(wanted.ticket, wanted);
        }
        self.move_frontier();
    }

    /// An image was read.
    pub fn settle_read(&mut self, wanted: &Wanted, encoded: Encoded) {
        let length = encoded.bytes.len();
        self.encoded.used = (self.encoded.used + length).saturating_sub(wanted.set_aside);
        self.guess = self.guess.max(length);
        self.note_peak();
        self.decodes.insert(wanted.ticket, encoded);
    }

    /// An image cannot be had.
    pub fn settle_failure(&mut self, wanted: &Wanted, failure: ImageFailure) {
        self.encoded.used = self.encoded.used.saturating_sub(wanted.set_aside);
        if let Some(slot) = self.slot(wanted.ticket.0) {
            slot.waiting -= 1;
        }
        self.finish(wanted.ticket, Err(failure));
        self.move_frontier();
    }

    pub fn take_spare(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    // --- decoding

    fn move_frontier(&mut self) {
        self.frontier = self.frontier.max(self.head);
        loop {
            let frontier = self.frontier;
            match self.slot(frontier) {
                Some(slot) if slot.record.is_some() && slot.waiting == 0 => self.frontier += 1,
                _ => return,
            }
        }
    }

    fn may_decode(&self, number: u64, needs: usize) -> bool {
        let after = self.pixels.used + needs;
        number == self.head
            || after <= self.pixels.limit / 2
            || (number <= self.frontier && after <= self.pixels.limit)
    }

    pub fn has_decode(&self) -> bool {
        let first = self.decodes.first_key_value();
        first.is_some_and(|(&(number, _), encoded)| self.may_decode(number, encoded.needs))
    }

    /// The next image to decode, which then has to be settled.
    pub fn next_decode(&mut self) -> Option<(Ticket, usize, Encoded)> {
        if !self.has_decode() {
            return None;
        }
        let (ticket, encoded) = self.decodes.pop_first()?;
        self.pixels.used += encoded.needs;
        self.note_peak();
        let slot = self.slot(ticket.0)?;
        slot.pixels += encoded.needs;
        slot.waiting -= 1;
        let source = slot.order.source;
        self.move_frontier();
        Some((ticket, source, encoded))
    }

    pub fn settle_decode(
        &mut self,
        ticket: Ticket,
        encoded: Encoded,
        result: std::result::Result<Made, ImageFailure>,
    ) {
        let Encoded { bytes, needs } = encoded;
        self.encoded.used -= bytes.len();
        if result.is_err() {
            self.pixels.used -= needs;
            if let Some(slot) = self.slot(ticket.0) {
                slot.pixels -= needs;
            }
        }
        if self.spare.len() < self.most_spare {
            self.spare.push(bytes);
        }
        self.finish(ticket, result);
    }

    fn finish(&mut self, ticket: Ticket, result: std::result::Result<Made, ImageFailure>) {
        let Some(slot) = self.slot(ticket.0) else { return };
        slot.left -= 1;
        if let Some(image) = slot.images.as_mut().and_then(|images| images.get_mut(ticket.1)) {
            *image = Image::Done(result);
        }
    }

    // --- delivering

    pub fn is_ready(&self) -> bool {
        self.slots.front().is_some_and(Slot::is_ready)
    }

    /// Whether nothing is under way and nothing waits.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.orders.is_empty()
    }

    /// The next sample, if it is ready.
    pub fn take_ready(&mut self) -> Option<Slot> {
        if !self.is_ready() {
            return None;
        }
        let slot = self.slots.pop_front()?;
        self.head += 1;
        self.pixels.used -= slot.pixels;
        self.encoded.used -=
            slot.record.as_ref().and_then(|record| record.as_ref().ok()).map_or(0, Vec::len);
        self.move_frontier();
        Some(slot)
    }

    /// Samples that are ready or under way, bytes that are held, and the most so far.
    pub fn depth(&self) -> (usize, usize, usize, usize) {
        let ready = self.slots.iter().take_while(|slot| slot.is_ready()).count();
        (ready, self.slots.len(), self.encoded.used + self.pixels.used, self.peak)
    }
}
