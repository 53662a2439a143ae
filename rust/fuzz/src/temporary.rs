//! Files for parsers that open them: one folder a process, in memory where there is some.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The path of a file of this name with this content.
pub fn file(name: &str, content: &[u8]) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = base.join(format!("textbook_fuzz_{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    });
    let path = folder.join(name);
    std::fs::write(&path, content).expect("written");
    path
}
