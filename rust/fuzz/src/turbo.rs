//! libjpeg-turbo 3.1.0 through its C interface, and when it has to agree.

use std::ffi::{c_int, c_void};

use textbook_jpeg::{ColorSpace, Header, JpegError};

/// What libjpeg-turbo makes of a stream.
enum Outcome {
    Clean,
    Warned,
    Refused,
}

struct Handle(*mut c_void);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle was made by tj3Init and is destroyed once.
        unsafe { turbojpeg_sys::tj3Destroy(self.0.cast()) }
    }
}

fn decode(data: &[u8], header: &Header, out: &mut [u8]) -> Outcome {
    let pitch = header.width as usize * 3;
    assert_eq!(out.len(), pitch * header.height as usize);
    // SAFETY: takes no memory of ours.
    let handle = Handle(
        unsafe { turbojpeg_sys::tj3Init(turbojpeg_sys::TJINIT_TJINIT_DECOMPRESS as c_int) }.cast(),
    );
    assert!(!handle.0.is_null());
    let tj = handle.0.cast();
    // SAFETY: the data is as long as said; sizes are only read from it.
    let (failed, width, height) = unsafe {
        let failed = turbojpeg_sys::tj3DecompressHeader(tj, data.as_ptr(), data.len() as _);
        let width = turbojpeg_sys::tj3Get(tj, turbojpeg_sys::TJPARAM_TJPARAM_JPEGWIDTH as c_int);
        let height = turbojpeg_sys::tj3Get(tj, turbojpeg_sys::TJPARAM_TJPARAM_JPEGHEIGHT as c_int);
        (failed, width, height)
    };
    let is_warning =
        // SAFETY: reads the handle's last error.
        || unsafe { turbojpeg_sys::tj3GetErrorCode(tj) } == turbojpeg_sys::TJERR_TJERR_WARNING as c_int;
    // It may warn first and refuse then: without a size there is no header.
    if failed != 0 && (width < 0 || !is_warning()) {
        return Outcome::Refused;
    }
    assert_eq!((width, height), (header.width as c_int, header.height as c_int), "another size");
    // SAFETY: `out` has room for width x height RGB pixels without gaps: both agree on them.
    let failed_too = unsafe {
        turbojpeg_sys::tj3Decompress8(
            tj,
            data.as_ptr(),
            data.len() as _,
            out.as_mut_ptr(),
            pitch as c_int,
            turbojpeg_sys::TJPF_TJPF_RGB as c_int,
        )
    };
    match failed_too {
        0 if failed == 0 => Outcome::Clean,
        0 => Outcome::Warned,
        _ if is_warning() => Outcome::Warned,
        _ => Outcome::Refused,
    }
}

/// What is refused although libjpeg-turbo takes it (docs/exactness.md).
const STRICTER: [&str; 7] = [
    "a run of zeros leads out of its block",
    "goes on after the last block",
    "no code of the Huffman table",
    "a component comes in a second scan",
    "a component has no scan",
    "fill bytes before a stuffed zero",
    "arithmetic coding",
];

/// Equal pixels, or a reason why not.
pub fn compare(data: &[u8], header: &Header, ours: Result<Vec<u8>, JpegError>) {
    if matches!(header.color_space(), ColorSpace::Cmyk | ColorSpace::Ycck) {
        return; // its interface makes no RGB of them
    }
    let mut out = vec![0; header.width as usize * header.height as usize * 3];
    match (decode(data, header, &mut out), ours) {
        (Outcome::Clean | Outcome::Warned, Ok(ours)) => assert!(ours == out, "other pixels"),
        (Outcome::Clean, Err(error)) => {
            let text = error.to_string();
            assert!(
                STRICTER.iter().any(|reason| text.contains(reason)),
                "it has no objection: {text}"
            );
        }
        (Outcome::Refused, Ok(_)) => {
            let has_dac = data.windows(2).any(|pair| pair == [0xff, 0xcc]);
            assert!(has_dac, "libjpeg-turbo refuses it");
        }
        (Outcome::Warned | Outcome::Refused, Err(_)) => {}
    }
}
