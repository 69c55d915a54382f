//! The directories of a checkpoint, and what stands in them beside CRIU's images.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::Mode;
use nix::unistd::geteuid;

use super::CriuOptions;
use crate::criu::rpc::Opts;
use crate::error::{Error, Result};

/// What the standard streams were, as `/proc/PID/fd` shows it: runc's file, with runc's content.
const DESCRIPTORS: &str = "descriptors.json";

/// Both directories, open: CRIU opens them by way of our descriptors.
#[derive(Debug)]
pub(super) struct Images {
    path: PathBuf,
    dir: File,
    work: Option<(PathBuf, File)>,
}

impl Images {
    /// For a checkpoint: made if they are missing.
    pub fn make(options: &CriuOptions) -> Result<Self> {
        make(given(options)?)?;
        Self::open(options)
    }

    /// For a restore: the images have to be there.
    pub fn open(options: &CriuOptions) -> Result<Self> {
        let path = given(options)?.to_owned();
        let dir = open(&path)?;
        refuse_foreign(&dir, &path)?;
        let work = match &options.work_path {
            Some(work) => {
                make(work)?;
                let opened = open(work)?;
                refuse_foreign(&opened, work)?;
                Some((work.clone(), opened))
            }
            None => None,
        };
        Ok(Self { path, dir, work })
    }

    /// The same as a process sees them that has a mount namespace of its own: CRIU makes mounts there,
    /// which is refused on what belongs to another namespace.
    pub fn seen_by(&self, pid: i32) -> Result<Self> {
        let root = open(Path::new(&format!("/proc/{pid}/root")))?;
        let work = |(path, dir): &(PathBuf, File)| Ok((path.clone(), again(&root, path, dir)?));
        let work = self.work.as_ref().map(work).transpose()?;
        Ok(Self { path: self.path.clone(), dir: again(&root, &self.path, &self.dir)?, work })
    }

    /// Tells CRIU where to find them.
    pub fn tell(&self, opts: &mut Opts) {
        opts.images_dir_fd = self.dir.as_raw_fd();
        opts.work_dir_fd = self.work.as_ref().map(|(_, work)| work.as_raw_fd());
    }

    /// Where CRIU puts a log of that name.
    pub fn log(&self, name: &str) -> PathBuf {
        self.work.as_ref().map_or(&self.path, |(path, _)| path).join(name)
    }

    /// `parent`, relative to the images, has to be a directory. The words are runc's.
    pub fn check_parent(&self, parent: &Path) -> Result<()> {
        let refused = |reason: String| Err(Error::unsupported("--parent-path", reason));
        if parent.is_absolute() {
            return refused("--parent-path must be relative".into());
        }
        let place = self.path.join(parent);
        match fs::metadata(&place) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => refused(format!("invalid --parent-path: {} is no directory", place.display())),
            Err(e) => Err(Error::io("stat", &place, &e).with_hint("invalid --parent-path")),
        }
    }

    /// Writes down what the streams were.
    pub fn write_streams(&self, streams: &[String]) -> Result<()> {
        let path = self.path.join(DESCRIPTORS);
        let flags = OFlag::O_WRONLY
            | OFlag::O_CREAT
            | OFlag::O_TRUNC
            | OFlag::O_NOFOLLOW
            | OFlag::O_CLOEXEC;
        let write = || {
            let file = openat(&self.dir, DESCRIPTORS, flags, Mode::S_IRUSR | Mode::S_IWUSR)?;
            serde_json::to_writer(File::from(file), streams).map_err(io::Error::from)
        };
        write().map_err(|e| Error::io("write", &path, &e))
    }

    /// What they were. Images may have come in an archive: a link in them leads to no other file, and what has no
    /// end is not read to it (CVE-2026-53489).
    pub fn read_streams(&self) -> Result<Vec<String>> {
        const LARGEST: u64 = 1 << 20;
        let path = self.path.join(DESCRIPTORS);
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let damaged = |problem: String| Error::State { file: path.clone(), problem };
        let read = || {
            let file = File::from(openat(&self.dir, DESCRIPTORS, flags, Mode::empty())?);
            let regular = file.metadata()?.is_file();
            regular.then(|| io::read_to_string(file.take(LARGEST))).transpose()
        };
        let text = read().map_err(|e: io::Error| {
            Error::io("read", &path, &e).with_hint("is this the directory of a checkpoint?")
        })?;
        let text = text.ok_or_else(|| damaged("is not a regular file".into()))?;
        serde_json::from_str(&text).map_err(|e| damaged(e.to_string()))
    }
}

fn given(options: &CriuOptions) -> Result<&Path> {
    let path = options.image_path.as_path();
    let missing = || Err(Error::unsupported("--image-path", "is not set"));
    if path.as_os_str().is_empty() { missing() } else { Ok(path) }
}

/// A process's memory is in it: for its owner alone.
fn make(path: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|e| Error::io("mkdir", path, &e))
}

/// Who may write there writes for root: the files that a checkpoint makes, and the processes that a restore
/// makes of them.
fn refuse_foreign(dir: &File, path: &Path) -> Result<()> {
    let found = dir.metadata().map_err(|e| Error::io("stat", path, &e))?;
    let problem = if found.uid() != geteuid().as_raw() {
        format!("belongs to uid {}", found.uid())
    } else if found.mode() & 0o022 != 0 {
        "may be written to by others".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::State { file: path.to_owned(), problem })
}

/// The same directory below another root. Symlinks on the way lead there as well, and it has to be what was
/// found before.
fn again(root: &File, path: &Path, known: &File) -> Result<File> {
    let failed = |e| Error::io("open", path, &e);
    let absolute = std::path::absolute(path).map_err(|e| Error::io("resolve", path, &e))?;
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let found = openat2(root, &absolute, how).map_err(|e| failed(e.into()))?;
    let identity = |dir: &File| dir.metadata().map(|m| (m.dev(), m.ino())).map_err(failed);
    let found = File::from(found);
    if identity(&found)? == identity(known)? {
        return Ok(found);
    }
    let problem = "is another directory in the container's mount namespace".to_owned();
    Err(Error::State { file: path.to_owned(), problem })
}

fn open(path: &Path) -> Result<File> {
    let mut options = File::options();
    let dir = options.read(true).custom_flags(libc::O_DIRECTORY).open(path);
    dir.map_err(|e| Error::io("open", path, &e))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn options(path: PathBuf, work_path: Option<PathBuf>) -> CriuOptions {
        CriuOptions { image_path: path, work_path, ..CriuOptions::default() }
    }

    #[test]
    fn a_checkpoint_makes_its_directories_and_a_restore_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let (images, work) = (dir.path().join("a/images"), dir.path().join("work"));
        assert!(Images::open(&options(images.clone(), None)).is_err());
        assert!(!images.exists());
        let made = Images::make(&options(images.clone(), Some(work.clone()))).unwrap();
        assert_eq!(made.log("dump.log"), work.join("dump.log"));
        let again = Images::make(&options(images.clone(), None)).unwrap();
        assert_eq!(again.log("dump.log"), images.join("dump.log"));
        assert!(Images::make(&CriuOptions::default()).is_err());
    }

    #[test]
    fn another_root_is_not_left_by_an_absolute_link() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        let images = dir.path().join("images");
        fs::create_dir_all(&images).unwrap();
        let same = root.join(images.strip_prefix("/").unwrap());
        fs::create_dir_all(&same).unwrap();
        std::os::unix::fs::symlink(&images, dir.path().join("link")).unwrap();
        std::os::unix::fs::symlink(&images, same.with_file_name("link")).unwrap();
        let (root, here) = (open(&root).unwrap(), open(&images).unwrap());
        let link = dir.path().join("link");
        let told = again(&root, &link, &here).unwrap_err().to_string();
        assert!(told.contains("is another directory"), "{told}");
        let there = again(&root, &link, &open(&same).unwrap()).unwrap().metadata().unwrap().ino();
        assert_eq!(there, fs::metadata(&same).unwrap().ino());
    }

    #[test]
    fn a_parent_is_a_directory_beside() {
        let dir = tempfile::tempdir().unwrap();
        let images = Images::make(&options(dir.path().join("images"), None)).unwrap();
        fs::create_dir(dir.path().join("parent")).unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(images.check_parent(Path::new("../parent")).is_ok());
        for wrong in [dir.path().join("parent"), "../file".into(), "../none".into()] {
            let told = images.check_parent(&wrong).unwrap_err().to_string();
            assert!(told.contains("--parent-path"), "{told}");
        }
    }

    #[test]
    fn directories_of_others_are_refused_and_links_in_them_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path().into(), None);
        let permit =
            |mode| fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        permit(0o777);
        let told = Images::make(&options).unwrap_err().to_string();
        assert!(told.contains("may be written to by others"), "{told}");
        permit(0o755);
        let images = Images::make(&options).unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "whole").unwrap();
        std::os::unix::fs::symlink(&victim, dir.path().join(DESCRIPTORS)).unwrap();
        assert!(images.write_streams(&[]).is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "whole");
    }

    #[test]
    fn cve_2026_53489_no_other_file_is_read_in_the_place_of_an_image() {
        let dir = tempfile::tempdir().unwrap();
        let images = Images::make(&options(dir.path().into(), None)).unwrap();
        let (name, other) = (dir.path().join(DESCRIPTORS), dir.path().join("other"));
        fs::write(&other, r#"["secret"]"#).unwrap();
        for target in [other.as_path(), Path::new("/dev/zero")] {
            std::os::unix::fs::symlink(target, &name).unwrap();
            assert!(images.read_streams().is_err());
            fs::remove_file(&name).unwrap();
        }
        nix::unistd::mkfifo(&name, Mode::S_IRWXU).unwrap();
        assert!(images.read_streams().unwrap_err().to_string().contains("is not a regular file"));
    }

    #[test]
    fn streams_are_written_down_in_runcs_form() {
        let dir = tempfile::tempdir().unwrap();
        let images = Images::make(&options(dir.path().into(), None)).unwrap();
        assert!(images.read_streams().unwrap_err().to_string().contains("checkpoint?"));
        let streams = ["/dev/null", "pipe:[7]", "pipe:[8]"].map(str::to_owned).to_vec();
        images.write_streams(&streams).unwrap();
        let text = fs::read_to_string(dir.path().join("descriptors.json")).unwrap();
        assert_eq!(text, r#"["/dev/null","pipe:[7]","pipe:[8]"]"#);
        assert_eq!(images.read_streams().unwrap(), streams);
    }
}
