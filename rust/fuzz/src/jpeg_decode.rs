//! Pixels: every level alike, whatever was decoded before and whatever the memory held;
//! and, with the feature `turbo`, those of libjpeg-turbo.

use std::cell::RefCell;

use textbook_jpeg::{Decoder, JpegError, read_header};
use textbook_simd::Level;

/// Larger pictures are left out: they are slow, and show nothing new.
const MAX_PIXELS: usize = 1 << 16;

type Pixels = Result<(), JpegError>;

fn decode(decoder: &mut Decoder, data: &[u8], length: usize, fill: u8) -> (Pixels, Vec<u8>) {
    let mut out = vec![fill; length];
    (decoder.decode_rgb(data, &mut out), out)
}

thread_local! {
    /// Decoders that have seen everything before.
    static USED: RefCell<Vec<Decoder>> =
        RefCell::new(Level::available().map(Decoder::with_level).collect());
}

/// See above.
pub fn check(data: &[u8]) {
    let Ok(header) = read_header(data) else { return };
    let (width, height) = (header.width as usize, header.height as usize);
    if width * height > MAX_PIXELS {
        return;
    }
    let length = width * height * 3;
    let (expected, pixels) = decode(&mut Decoder::with_level(Level::Scalar), data, length, 0x00);
    let (again, others) = decode(&mut Decoder::with_level(Level::Scalar), data, length, 0xff);
    assert_eq!(again, expected);
    // After an error a byte is as it was, or it comes from the data.
    for (&a, &b) in pixels.iter().zip(&others) {
        let is_untouched = a == 0x00 && b == 0xff;
        assert!(a == b || (expected.is_err() && is_untouched), "memory shows through");
    }
    if let Err(error) = &expected {
        assert!(error.offset().is_none_or(|offset| offset <= data.len()));
    }
    USED.with_borrow_mut(|decoders| {
        for decoder in decoders {
            let (found, other) = decode(decoder, data, length, 0x00);
            assert_eq!(found, expected, "{decoder:?}");
            assert!(found.is_err() || other == pixels, "{decoder:?}");
        }
    });
    #[cfg(feature = "turbo")]
    crate::turbo::compare(data, &header, expected.map(|()| pixels));
}
