//! The Python module `textbook_fast._core`: conversion and error mapping only.
#![allow(missing_docs, reason = "documented for Python in python/textbook_fast/_core.pyi")]

mod archives;
mod batch;
mod check;
mod columns;
mod errors;
mod feed;
mod files;
mod images;
mod jpeg;
mod json;
mod pack;
mod passes;
mod pictures;
mod process;
mod record;
mod removal;
mod search;
mod tar;
mod transform;
mod unpack;
mod watch;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("MAX_THREADS", textbook_core::pool::MAX_THREADS)?;
    module.add_class::<check::Checker>()?;
    module.add_class::<feed::Feed>()?;
    module.add_class::<batch::Batch>()?;
    module.add_class::<files::Files>()?;
    module.add_class::<images::ImageStore>()?;
    module.add_class::<pack::ArchiveMembers>()?;
    module.add_class::<pack::PackWriter>()?;
    module.add_class::<removal::PartRemoval>()?;
    module.add_class::<pack::TarReader>()?;
    module.add_class::<record::Record>()?;
    module.add_class::<search::Search>()?;
    module.add_class::<unpack::TextPieces>()?;
    module.add_function(wrap_pyfunction!(batch::take_memory, module)?)?;
    module.add_function(wrap_pyfunction!(columns::check_column, module)?)?;
    module.add_function(wrap_pyfunction!(columns::read_columns, module)?)?;
    module.add_function(wrap_pyfunction!(feed::permute, module)?)?;
    module.add_class::<transform::Transform>()?;
    module.add_function(wrap_pyfunction!(archives::group_archives, module)?)?;
    module.add_function(wrap_pyfunction!(archives::index_archive, module)?)?;
    module.add_function(wrap_pyfunction!(images::image_root_of, module)?)?;
    module.add_function(wrap_pyfunction!(images::load_images, module)?)?;
    module.add_function(wrap_pyfunction!(images::read_images, module)?)?;
    module.add_function(wrap_pyfunction!(tar::audit_tar, module)?)?;
    module.add_function(wrap_pyfunction!(tar::audit_tar_gz, module)?)?;
    module.add_function(wrap_pyfunction!(tar::list_tar, module)?)?;
    module.add_function(wrap_pyfunction!(images::parse_keyframe_name, module)?)?;
    module.add_function(wrap_pyfunction!(jpeg::decode_jpeg, module)?)?;
    module.add_function(wrap_pyfunction!(jpeg::decode_jpegs, module)?)?;
    module.add_function(wrap_pyfunction!(jpeg::read_jpeg_header, module)?)?;
    module.add_function(wrap_pyfunction!(passes::count_samples, module)?)?;
    module.add_function(wrap_pyfunction!(passes::interleave_clips, module)?)?;
    module.add_function(wrap_pyfunction!(passes::rewrite_paths, module)?)?;
    module.add_function(wrap_pyfunction!(passes::samples_of_videos, module)?)?;
    module.add_function(wrap_pyfunction!(passes::simple_fields, module)?)?;
    module.add_function(wrap_pyfunction!(pictures::compare_images, module)?)?;
    module.add_function(wrap_pyfunction!(pictures::make_thumbnail, module)?)?;
    module.add_function(wrap_pyfunction!(pictures::measure_images, module)?)?;
    module.add_function(wrap_pyfunction!(pictures::ssim, module)?)?;
    module.add_function(wrap_pyfunction!(process::after_fork_in_child, module)?)?;
    module.add_function(wrap_pyfunction!(process::after_fork_in_parent, module)?)?;
    module.add_function(wrap_pyfunction!(process::available_threads, module)?)?;
    module.add_function(wrap_pyfunction!(process::before_fork, module)?)?;
    module.add_function(wrap_pyfunction!(process::free_kept, module)?)?;
    module.add_function(wrap_pyfunction!(process::kept_bytes, module)?)?;
    module.add_function(wrap_pyfunction!(process::sync_filesystem, module)?)?;
    module.add_function(wrap_pyfunction!(process::simd_level, module)?)
}
