//! Members that are read in one call: near and far, in any order, one of them broken.

use super::*;

fn spans(store: &TarGz, members: &Members, chosen: &[usize]) -> Vec<Option<Span>> {
    chosen.iter().map(|&at| store.locate(&members[at].0).expect("found")).collect()
}

/// What each of the chosen has, empty ones left out, which have no place.
fn read_run(
    store: &TarGz,
    members: &Members,
    chosen: &[usize],
) -> Vec<(usize, std::result::Result<Vec<u8>, StoreError>)> {
    let spans = spans(store, members, chosen);
    let with_place: Vec<usize> =
        chosen.iter().zip(&spans).filter(|(_, span)| span.is_some()).map(|(&at, _)| at).collect();
    for (&at, span) in chosen.iter().zip(&spans) {
        assert_eq!(span.is_none(), members[at].1.is_empty());
    }
    let spans: Vec<&Span> = spans.iter().flatten().collect();
    let read = store.read_run(&spans);
    assert_eq!(read.len(), spans.len());
    with_place.into_iter().zip(read).collect()
}

#[test]
fn runs_are_what_single_reads_are() {
    let members = members(90, 21);
    let data = tar(&members);
    let mut random = Random(22);
    for (kind, stream) in kinds(&data) {
        let folder = TestFolder::new("tar_gz_runs");
        let store = open(&split(&folder, &stream, 5));
        for round in 0..40 {
            // Neighbors, or any; in any order, some of them twice.
            let (first, near) = (random.below(80), [2, 10, 90][round % 3]);
            let count = [2, 3, 2, 8][round % 4];
            let chosen: Vec<usize> =
                (0..count).map(|_| (first + random.below(near)).min(members.len() - 1)).collect();
            for (at, bytes) in read_run(&store, &members, &chosen) {
                let bytes = bytes.unwrap_or_else(|error| panic!("{kind}, {at}: {error}"));
                assert!(bytes == members[at].1, "{kind}, member {at} of {chosen:?}");
            }
        }
        assert!(store.read_run(&[]).is_empty());
    }
}

#[test]
fn a_member_located_is_read_from_there() {
    let members = members(30, 23);
    let folder = TestFolder::new("tar_gz_located");
    let store = open(&split(&folder, &gzip(&tar(&members), 6, Strategy::Default), 2));
    for (name, data) in &members {
        let Some(span) = store.locate(name).expect("found") else { continue };
        assert_eq!(span.size, data.len() as u64);
        let InArchive::Compressed(located) = &span.member else { panic!("of another store") };
        let mut bytes = b"what was there".to_vec();
        store.read_located(located, &mut bytes).expect("read");
        assert!(bytes == *data);
    }
    assert!(matches!(store.locate("zzz@1_2#1.jpg"), Err(StoreError::Missing { .. })));
}

/// Where a member's data begins in the stream, and where it ends: in bytes.
fn place(store: &TarGz, name: &str) -> Range<usize> {
    let found = store.followed(store.find(name).expect("found")).expect("found");
    let Content::Data(place) = found.content else { panic!("{name} has no data") };
    (place.bit / 8) as usize + 1..(place.end_bit / 8) as usize
}

#[test]
fn what_is_broken_in_one_does_not_disturb_the_others() {
    let members = members(40, 24);
    let data = tar(&members);
    let mut random = Random(25);
    for strategy in [Strategy::Default, Strategy::HuffmanOnly] {
        let stream = gzip(&data, 6, strategy);
        let folder = TestFolder::new("tar_gz_broken_run");
        let parts = split(&folder, &stream, 1);
        let store = open(&parts);
        let large: Vec<usize> =
            (0..members.len()).filter(|&at| members[at].1.len() > 5000).collect();
        let mut failures = 0;
        for _ in 0..60 {
            let first = random.below(large.len() - 3);
            let chosen = &large[first..first + 3];
            let hit = chosen[random.below(3)];
            let of_hit = place(&store, &members[hit].0);
            let at = of_hit.start + random.below(of_hit.len());
            let mut broken = stream.clone();
            broken[at] ^= 1 << random.below(8);
            // In place, and with the time of before: the index goes on to be believed.
            overwrite(&parts[0], &broken, &store);
            for (number, bytes) in read_run(&store, &members, chosen) {
                let name = &members[number].0;
                match bytes {
                    Ok(bytes) => assert!(bytes == members[number].1, "wrong bytes of {number}"),
                    // A block's header in the one may be needed by the one after it.
                    Err(error) => {
                        failures += 1;
                        assert!(number >= hit, "{number} comes before {hit}: {error}");
                        assert!(error.to_string().contains(name.as_str()), "{error}");
                        // Which words it has depends on how much of the stream is there.
                        let alone = store.read(name, &mut Vec::new()).expect_err("alone as well");
                        assert!(alone.to_string().contains(name.as_str()), "{alone}");
                    }
                }
            }
        }
        overwrite(&parts[0], &stream, &store);
        assert_all(&store, &members, "mended");
        // A bit may lie in the padding and the header that follow the data.
        assert!(failures > 40, "{failures}");
    }
}

/// Writes other content into a part, so that it is the same file with the same time.
fn overwrite(path: &Path, content: &[u8], store: &TarGz) {
    let file = std::fs::File::options().write(true).open(path).expect("a part");
    let before = file.metadata().expect("a part").modified().expect("a time");
    std::os::unix::fs::FileExt::write_all_at(&file, content, 0).expect("written");
    file.set_modified(before).expect("a time");
    store.parts.check_unchanged().expect("the same to all appearances");
}

#[test]
fn the_checksum_of_each_is_verified() {
    let members = members(40, 26);
    let folder = TestFolder::new("tar_gz_run_sums");
    let store = open(&split(&folder, &gzip(&tar(&members), 6, Strategy::Default), 1));
    let large: Vec<usize> = (0..members.len()).filter(|&at| members[at].1.len() > 500).collect();
    for wrong in 0..2 {
        let mut spans: Vec<Span> =
            spans(&store, &members, &large[3..5]).into_iter().flatten().collect();
        let InArchive::Compressed(located) = &mut spans[wrong].member else { panic!("other") };
        located.place.crc32c ^= 1;
        let read = store.read_run(&[&spans[0], &spans[1]]);
        for (number, bytes) in read.iter().enumerate() {
            match bytes {
                Ok(bytes) => assert!(number != wrong && *bytes == members[large[3 + number]].1),
                Err(error) => {
                    assert_eq!(number, wrong);
                    assert!(error.to_string().contains("CRC-32C"), "{error}");
                }
            }
        }
    }
}

#[test]
fn of_a_run_into_a_part_that_was_cut_the_rest_is_read() {
    let members = members(40, 27);
    let stream = gzip(&tar(&members), 6, Strategy::Default);
    let folder = TestFolder::new("tar_gz_run_cut");
    let parts = split(&folder, &stream, 2);
    let store = open(&parts);
    let file = std::fs::File::options().write(true).open(&parts[1]).expect("a part");
    file.set_len(3).expect("cut");
    let all: Vec<usize> = (0..members.len()).collect();
    let (mut good, mut bad) = (0, 0);
    for (at, bytes) in read_run(&store, &members, &all) {
        match bytes {
            Ok(bytes) => {
                assert!(bytes == members[at].1);
                good += 1;
            }
            Err(error) => {
                assert!(error.to_string().contains("part_01"), "{error}");
                bad += 1;
            }
        }
    }
    assert!(good > 5 && bad > 5, "{good} and {bad}");
}
