//! libjpeg-turbo through its own C interface, one handle for all pictures.

use std::ffi::{c_int, c_void};

/// A decompressor.
pub struct Turbo(*mut c_void);

impl Turbo {
    pub fn new() -> Turbo {
        // SAFETY: takes no memory of ours.
        let handle =
            unsafe { turbojpeg_sys::tj3Init(turbojpeg_sys::TJINIT_TJINIT_DECOMPRESS as c_int) };
        assert!(!handle.is_null());
        Turbo(handle.cast())
    }

    pub fn decode(&mut self, data: &[u8], width: u32, height: u32, out: &mut [u8]) {
        assert_eq!(out.len(), width as usize * height as usize * 3);
        // SAFETY: the data is as long as said, and `out` has room for width x height RGB
        // pixels without gaps, which the header of the data says.
        let failed = unsafe {
            turbojpeg_sys::tj3DecompressHeader(self.0.cast(), data.as_ptr(), data.len() as _)
                | turbojpeg_sys::tj3Decompress8(
                    self.0.cast(),
                    data.as_ptr(),
                    data.len() as _,
                    out.as_mut_ptr(),
                    (width * 3) as c_int,
                    turbojpeg_sys::TJPF_TJPF_RGB as c_int,
                )
        };
        assert_eq!(failed, 0, "libjpeg-turbo fails");
    }
}
