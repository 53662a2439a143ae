//! A feed's order, its bound, and what it leaves behind.

use super::state::{Encoded, Image, Order, Read, State};
use crate::decode::ImageFailure;
use crate::index::scan_tests::Numbers;
use crate::prepare::Made;

fn failure() -> ImageFailure {
    ImageFailure::Bug("a test's".to_owned())
}

/// Runs orders through a state as several threads would, in any order of events, and
/// gives the samples' positions as they were delivered, and the most bytes held.
fn simulate(seed: u64, bound: usize, sizes: &[Vec<(usize, usize)>]) -> (Vec<usize>, usize) {
    let mut numbers = Numbers(seed);
    let mut state = State::new(bound, 4);
    let orders = (0..sizes.len()).map(|position| Order { source: 0, position });
    state.push(orders);
    let (mut reading, mut decoding) = (Vec::new(), Vec::new());
    let mut delivered = Vec::new();
    let mut idle = 0;
    while !state.is_empty() {
        idle += 1;
        assert!(idle < 10_000, "it does not go on");
        match numbers.below(6) {
            0 | 1 if reading.len() < 4 => reading.extend(state.next_read()),
            2 | 3 if !reading.is_empty() => {
                let at = numbers.below(reading.len());
                idle = 0;
                match reading.swap_remove(at) {
                    Read::Record(number, order) => {
                        let images = sizes[order.position].iter();
                        let images = images
                            .map(|_| Image::Wanted(order.position.to_string(), None))
                            .collect();
                        state.settle_record(number, Ok(vec![0; 10]), Some(images));
                    }
                    Read::Images(wanted) => {
                        assert_eq!(wanted.len(), 1, "no place is known");
                        let sample: usize = wanted[0].path.parse().expect("a position");
                        let (length, needs) = sizes[sample][wanted[0].ticket.1];
                        if numbers.below(20) == 0 {
                            state.settle_failure(&wanted[0], failure());
                        } else {
                            let encoded = Encoded { bytes: vec![0; length], needs };
                            state.settle_read(&wanted[0], encoded);
                        }
                    }
                }
            }
            4 if decoding.len() < 3 => decoding.extend(state.next_decode()),
            5 => {
                if numbers.below(2) == 0 && !decoding.is_empty() {
                    let at = numbers.below(decoding.len());
                    let (ticket, _, encoded) = decoding.swap_remove(at);
                    // As if it could not be decoded, in some cases; a picture otherwise.
                    let picture = crate::decode::Picture {
                        size: textbook_jpeg::Size { width: 0, height: 0, channels: 3 },
                        damage: None,
                        pixels: crate::buffers::Buffer::take(0),
                    };
                    let fails = numbers.below(10) == 0;
                    state.settle_decode(
                        ticket,
                        encoded,
                        if fails { Err(failure()) } else { Ok(Made::Picture(picture)) },
                    );
                    idle = 0;
                } else if let Some(slot) = state.take_ready() {
                    let images = slot.images.expect("images");
                    assert!(images.iter().all(|image| matches!(image, Image::Done(_))));
                    delivered.push(slot.order.position);
                    idle = 0;
                }
            }
            _ => {}
        }
    }
    let (ready, under_way, held, most) = state.depth();
    assert_eq!((ready, under_way, held), (0, 0, 0), "nothing is left");
    (delivered, most)
}

#[test]
fn samples_come_in_order_and_the_bound_holds() {
    let mut reached = 0;
    for seed in 0..300 {
        let mut numbers = Numbers(seed);
        let bound = 8 * 40_000;
        let sizes: Vec<Vec<(usize, usize)>> = (0..60)
            .map(|_| {
                let images = numbers.below(5);
                // At most half of a part together.
                (0..images).map(|_| (numbers.below(4_000), numbers.below(30_000))).collect()
            })
            .collect();
        let (delivered, most) = simulate(seed, bound, &sizes);
        assert!(delivered.into_iter().eq(0..60));
        assert!(most <= bound, "{most} of {bound} bytes, seed {seed}");
        reached = reached.max(most);
    }
    assert!(reached > 200_000, "the bound was never near: {reached}");
}

#[test]
fn samples_larger_than_the_bound_go_through_one_by_one() {
    for seed in 0..50 {
        let sizes = vec![vec![(100, 5_000), (30, 9_000)]; 20];
        let (delivered, most) = simulate(seed, 8_000, &sizes);
        assert!(delivered.into_iter().eq(0..20));
        assert!(most < 8_000 + 2 * 14_000, "{most}");
    }
}
