//! Reading a bundle from disk: bounded, and without hanging on what is not a plain file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use oci_spec::runtime::{LinuxResources, LinuxSeccomp, Process, Spec};

use super::parse::{Parsed, parse_document};
use super::{Bundle, config_error, root_path};
use crate::error::{ErrnoText, Result};

/// The largest file that is read. Real configs have some ten kilobytes.
const MAX_SIZE: u64 = 16 << 20;

/// Reads `config.json` of a bundle and finds its root filesystem.
pub(crate) fn load(bundle_dir: &Path) -> Result<Bundle> {
    let dir = absolute(bundle_dir)?;
    let file = dir.join("config.json");
    let raw = read(&file, false)?;
    let Parsed { value: mut spec, warnings } = parse_document(&raw, &file)?;
    let rootfs = find_rootfs(&spec, &dir, &file)?;
    inside(&rootfs, &mut spec);
    Ok(Bundle { spec, raw, dir, rootfs, warnings })
}

/// Reads `linux.seccomp` of a bundle's `config.json`, `None` if it is unset.
///
/// # Errors
/// [`Error::Config`](crate::Error::Config) naming the file and the field.
pub fn load_profile(bundle: &Path) -> Result<Option<LinuxSeccomp>> {
    let file = absolute(bundle)?.join("config.json");
    let Parsed { value: spec, .. } = parse_document::<Spec>(&read(&file, false)?, &file)?;
    Ok(spec.linux().as_ref().and_then(|linux| linux.seccomp().clone()))
}

/// Reads the process object of `exec --process`, which may be a pipe, with sentences for the log.
///
/// # Errors
/// [`Error::Config`](crate::Error::Config) naming the file and the field.
pub fn load_process(path: &Path) -> Result<(Process, Vec<String>)> {
    parse_document(&read(path, true)?, path).map(|parsed| (parsed.value, parsed.warnings))
}

/// Reads the resources of an update, in the form of `linux.resources`, from a file or a pipe; `name` is
/// what it is called in errors.
///
/// # Errors
/// [`Error::Config`](crate::Error::Config) naming the field.
pub fn read_resources(input: impl Read, name: &Path) -> Result<LinuxResources> {
    let mut raw = Vec::new();
    let read = input.take(MAX_SIZE + 1).read_to_end(&mut raw);
    read.map_err(|e| config_error(name, "", &format!("cannot be read: {}", io_text(&e))))?;
    if raw.len() as u64 > MAX_SIZE {
        return Err(config_error(name, "", "larger than 16 MiB"));
    }
    parse_document(&raw, name).map(|parsed| parsed.value)
}

/// Some callers give destinations as the host sees them; runc takes the path of the rootfs off as well.
/// For [`load`] and whoever reads the same config again later.
pub(crate) fn inside(rootfs: &Path, spec: &mut Spec) {
    for mount in spec.mounts_mut().iter_mut().flatten() {
        if let Ok(rest) = mount.destination().strip_prefix(rootfs)
            && rootfs != Path::new("/")
        {
            let rest = Path::new("/").join(rest);
            mount.set_destination(rest);
        }
    }
}

fn absolute(dir: &Path) -> Result<PathBuf> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    std::path::absolute(dir).map_err(|e| config_error(dir, "", &io_text(&e)))
}

/// The rootfs is a path of the host, written by the caller: symlinks in it are the caller's to use
/// (runc refuses them, engines never rely on that).
fn find_rootfs(spec: &Spec, dir: &Path, file: &Path) -> Result<PathBuf> {
    let refuse = |problem: String| config_error(file, "root.path", &problem);
    let path = dir.join(root_path(spec).map_err(|(f, p)| config_error(file, f, p))?);
    let stat =
        |e: io::Error| refuse(format!("invalid rootfs: stat {}: {}", path.display(), io_text(&e)));
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(&path);
    let rootfs = opened.map_err(|e| match e.kind() {
        io::ErrorKind::NotADirectory => {
            refuse(format!("invalid rootfs: {} is not a directory", path.display()))
        }
        _ => stat(e),
    })?;
    // The kernel has walked the path already and tells the result.
    fs::read_link(format!("/proc/thread-self/fd/{}", rootfs.as_raw_fd())).map_err(stat)
}

fn read(path: &Path, or_pipe: bool) -> Result<Vec<u8>> {
    let refuse = |problem: &str| config_error(path, "", problem);
    let failed = |e: io::Error| refuse(&format!("cannot be read: {}", io_text(&e)));
    let file = open(path).map_err(|e| refuse(&open_problem(path, &e)))?;
    let metadata = file.metadata().map_err(failed)?;
    if or_pipe && metadata.file_type().is_fifo() {
        wait_for_writer(&file).map_err(|e| failed(e.into()))?;
    } else if !metadata.is_file() {
        return Err(refuse("not a regular file"));
    }
    let mut raw =
        Vec::with_capacity(usize::try_from(metadata.len().min(MAX_SIZE)).unwrap_or(0) + 1);
    file.take(MAX_SIZE + 1).read_to_end(&mut raw).map_err(failed)?;
    if raw.len() as u64 > MAX_SIZE {
        return Err(refuse("larger than 16 MiB"));
    }
    Ok(raw)
}

/// A FIFO that was opened without waiting reads as empty until somebody opens it for writing. That one who has
/// come and gone is noticed, too (poll(2), POLLHUP; the kernel counts writers from when it was opened).
fn wait_for_writer(pipe: &File) -> nix::Result<()> {
    fcntl(pipe, FcntlArg::F_SETFL(OFlag::empty()))?;
    loop {
        match poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            other => return other.map(drop),
        }
    }
}

/// `O_NONBLOCK`: opening a FIFO must not wait for a writer; it has no meaning for regular files.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

fn open_problem(path: &Path, e: &io::Error) -> String {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    if e.kind() != io::ErrorKind::NotFound {
        return format!("cannot be opened: {}", io_text(e));
    }
    if !parent.is_dir() {
        return format!("chdir {}: no such file or directory", parent.display());
    }
    let name = path.file_name().unwrap_or(path.as_os_str());
    format!("JSON specification file {} not found", name.display())
}

fn io_text(e: &io::Error) -> String {
    e.raw_os_error().map_or_else(|| e.to_string(), |n| ErrnoText(Errno::from_raw(n)).to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;

    use super::*;

    const CONFIG: &str = r#"{"ociVersion": "1.0.0", "root": {"path": "rootfs"}}"#;

    fn bundle(config: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("config.json"), config).unwrap();
        fs::create_dir(dir.path().join("rootfs")).unwrap();
        dir
    }

    fn error(dir: &Path) -> String {
        load(dir).unwrap_err().to_string()
    }

    #[test]
    fn a_bundle_keeps_its_bytes_and_resolves_its_rootfs() {
        let dir = bundle(CONFIG);
        fs::rename(dir.path().join("rootfs"), dir.path().join("real")).unwrap();
        symlink("real", dir.path().join("rootfs")).unwrap();
        let bundle = load(dir.path()).unwrap();
        assert_eq!(bundle.raw, CONFIG.as_bytes());
        assert_eq!(bundle.dir, dir.path());
        assert_eq!(bundle.rootfs, dir.path().canonicalize().unwrap().join("real"));
    }

    #[test]
    fn missing_files_are_named_as_runc_does() {
        let dir = tempfile::tempdir().unwrap();
        assert!(error(dir.path()).ends_with(": JSON specification file config.json not found"));
        let gone = dir.path().join("gone");
        assert!(error(&gone).contains("chdir"), "{}", error(&gone));
        assert!(error(&gone).ends_with("no such file or directory"));
    }

    #[test]
    fn a_fifo_or_directory_is_refused_without_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config.json");
        nix::unistd::mkfifo(&config, Mode::S_IRWXU).unwrap();
        assert!(error(dir.path()).ends_with("not a regular file"));
        fs::remove_file(&config).unwrap();
        fs::create_dir(&config).unwrap();
        assert!(error(dir.path()).ends_with("not a regular file"));
    }

    #[test]
    fn size_is_limited() {
        let dir = bundle("");
        let file = File::create(dir.path().join("config.json")).unwrap();
        file.set_len(MAX_SIZE + 1).unwrap();
        assert!(error(dir.path()).ends_with("larger than 16 MiB"));
        file.set_len(MAX_SIZE).unwrap();
        assert!(error(dir.path()).contains("not valid JSON"));
    }

    #[test]
    fn rootfs_must_be_a_named_directory() {
        for (config, end) in [
            (r#"{"root": {"path": "gone"}}"#, "no such file or directory"),
            (r#"{"root": {"path": "config.json"}}"#, "is not a directory"),
            (r#"{"root": {"path": ""}}"#, "root.path: must not be empty"),
            (r#"{"root": {"path": "a\u0000b"}}"#, "root.path: contains a NUL byte"),
            ("{}", "root: root must be specified"),
        ] {
            let dir = bundle(config);
            assert!(error(dir.path()).ends_with(end), "{}", error(dir.path()));
        }
    }

    #[test]
    fn process_files_are_read_the_same_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.json");
        let text = load_process(&path).unwrap_err().to_string();
        assert!(text.ends_with("JSON specification file p.json not found"), "{text}");
        fs::write(&path, r#"{"cwd": "/", "capabilities": {"bounding": ["CAP_NEW"]}}"#).unwrap();
        let (process, warnings) = load_process(&path).unwrap();
        assert_eq!((process.cwd().as_path(), warnings.len()), (Path::new("/"), 1));
        fs::write(&path, r#"{"cwd": 5}"#).unwrap();
        assert!(load_process(&path).unwrap_err().to_string().contains("p.json: cwd: invalid type"));
    }

    #[test]
    fn a_process_comes_out_of_a_fifo_as_soon_as_somebody_writes_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.json");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| load_process(&path));
            std::thread::sleep(std::time::Duration::from_millis(50));
            let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(50));
            io::Write::write_all(&mut writer, br#"{"cwd": "/x"}"#).unwrap();
            drop(writer);
            assert_eq!(reader.join().unwrap().unwrap().0.cwd().as_path(), Path::new("/x"));
        });
    }
}
