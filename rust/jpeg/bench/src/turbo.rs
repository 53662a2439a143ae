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

    /// Decodes at full size, a half, a quarter or an eighth (`denominator`), to RGB or gray, to rows of
    /// `row_bytes` without gaps.
    pub fn decode(
        &mut self,
        data: &[u8],
        denominator: usize,
        is_gray: bool,
        row_bytes: usize,
        out: &mut [u8],
    ) {
        let format =
            if is_gray { turbojpeg_sys::TJPF_TJPF_GRAY } else { turbojpeg_sys::TJPF_TJPF_RGB };
        let scale = turbojpeg_sys::tjscalingfactor { num: 1, denom: denominator as c_int };
        // SAFETY: the data is as long as said, and `out` has room for the pixels at this
        // scale, which the header of the data says and the assertion makes sure of.
        unsafe {
            let header =
                turbojpeg_sys::tj3DecompressHeader(self.0.cast(), data.as_ptr(), data.len() as _);
            let scaled = turbojpeg_sys::tj3SetScalingFactor(self.0.cast(), scale);
            let height = turbojpeg_sys::tj3Get(
                self.0.cast(),
                turbojpeg_sys::TJPARAM_TJPARAM_JPEGHEIGHT as c_int,
            );
            let rows = (height as usize).div_ceil(denominator);
            assert_eq!((header, scaled, out.len()), (0, 0, rows * row_bytes));
            let failed = turbojpeg_sys::tj3Decompress8(
                self.0.cast(),
                data.as_ptr(),
                data.len() as _,
                out.as_mut_ptr(),
                row_bytes as c_int,
                format as c_int,
            );
            assert_eq!(failed, 0, "libjpeg-turbo fails");
        }
    }
}

impl Drop for Turbo {
    fn drop(&mut self) {
        // SAFETY: the handle came from `tj3Init`, and nobody uses it after this.
        unsafe { turbojpeg_sys::tj3Destroy(self.0.cast()) };
    }
}
