//! The header of a JPEG, against a walk over its segments.

use textbook_jpeg::read_header;

/// Size, number of components and the place of the first scan's marker, of a file whose
/// segments follow each other; what is between them is passed over.
fn plain(data: &[u8]) -> Option<(u32, u32, usize, usize)> {
    let mut frame = None;
    let mut at = 2;
    loop {
        while *data.get(at)? != 0xff || matches!(data.get(at + 1)?, 0x00 | 0xff) {
            at += 1;
        }
        let marker = data[at + 1];
        let number =
            |at: usize| Some(u32::from(*data.get(at)?) << 8 | u32::from(*data.get(at + 1)?));
        match marker {
            0xda => {
                let (width, height, components) = frame?;
                return Some((width, height, components, at + 1));
            }
            0x01 | 0xd0..=0xd9 => at += 2,
            _ => {
                if matches!(marker, 0xc0..=0xc2) {
                    frame = Some((number(at + 7)?, number(at + 5)?, (*data.get(at + 9)?).into()));
                }
                at += 2 + number(at + 2)? as usize;
            }
        }
    }
}

/// What is read is what stands there; nothing behind the first scan's header counts; an
/// error is at a place in the data.
pub fn check(data: &[u8]) {
    let found = read_header(data);
    match &found {
        Ok(header) => {
            let place = (header.width, header.height, header.components.len(), header.scan_offset);
            assert_eq!(Some(place), plain(data));
            let length = usize::from(data[header.scan_offset + 1]) << 8
                | usize::from(data[header.scan_offset + 2]);
            let end = header.scan_offset + 1 + length;
            assert_eq!(found, read_header(&data[..end]));
            assert!(header.orientation.is_none_or(|number| (1..=8).contains(&number)));
            assert!(header.components.iter().all(|component| {
                (1..=4).contains(&component.horizontal) && (1..=4).contains(&component.vertical)
            }));
        }
        Err(error) => assert!(error.offset().is_none_or(|offset| offset <= data.len())),
    }
}
