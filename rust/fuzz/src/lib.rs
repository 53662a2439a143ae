//! What the fuzz targets check: each module has one `check`, which panics where something
//! is wrong with what a parser makes of the bytes. Each compares with something plain.

pub mod inflate;
pub mod jpeg_decode;
pub mod jpeg_header;
pub mod json_index;
pub mod keyframe_name;
mod plain_json;
pub mod record;
pub mod sidecar;
pub mod tar_gz;
mod temporary;
#[cfg(test)]
mod tests;
pub mod text_stream;
#[cfg(feature = "turbo")]
mod turbo;
