//! Feeding a training run: the order of an epoch, and samples read and decoded ahead.

mod feed;
pub mod permutation;
mod state;
#[cfg(test)]
mod tests;

pub use feed::{Delivered, Feed, From, Next, Settings, Totals};
