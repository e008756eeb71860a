//! Files that are there whole or not at all: written beside and moved, so that a reader, and whoever is interrupted, finds the old one or
//! the new one and never a part.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// What the name of a file that is being written ends with.
const DRAFT: &str = "new";

/// Writes a file that anybody may read.
///
/// # Errors
/// Those of the disk, with the old file in place.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    replace(path, bytes, options.write(true).create_new(true))
}

/// Writes a file that only its owner may read.
///
/// # Errors
/// Those of the disk, with the old file in place.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, private_options().create_new(true))
}

/// Options for writing by which nobody but the owner reads a file that is new.
pub(crate) fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn replace(path: &Path, bytes: &[u8], options: &OpenOptions) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".");
    draft.push(DRAFT);
    let draft = Path::new(&draft);
    // What a process that was killed has left may have other permissions.
    match fs::remove_file(draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = options.open(draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(draft, path)?;
    // The parent of a bare name is no name at all.
    path.parent().map_or(Ok(()), |folder| sync_folder(if folder == Path::new("") { Path::new(".") } else { folder }))
}

/// Makes sure that a folder's names are on the disk. Other systems than Unix keep no such promise to be asked for.
///
/// # Errors
/// Those of the disk.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_no_draft_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("name.ext");
        fs::write(folder.path().join("name.ext.new"), "half of a fi").unwrap();
        write_whole(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_private_is_read_by_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        // A draft of wider permissions, as somebody might have put it there.
        fs::write(folder.path().join("key.new"), "").unwrap();
        write_private(&path, b"secret").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
