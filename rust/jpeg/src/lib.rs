//! JPEG bytes to pixels. Knows no files, no datasets and no threads.
