//! A resctrl filesystem that behaves as the kernel's where there is no hardware for one: groups come
//! with their files, tasks are in one group at a time, shares are checked, and a group goes with all
//! that is in it (fs/resctrl/rdtgroup.c and ctrlmondata.c of Linux 6.18). Processes that are cloned
//! later do not follow, since nobody tells it of them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, WriteFlags,
};

use crate::Bundle;

/// Shares of everything, in the form in which they are shown.
const ALL: &str = "    MB:0=100;1=100\n    L3:0=fffff;1=fffff\n";
/// So many groups, the default one included.
const GROUPS: usize = 3;
const NOW: Duration = Duration::ZERO;

/// The filesystem, mounted until it is dropped.
pub struct Resctrl {
    // Before the directory: one with a mount in it cannot be removed.
    _session: BackgroundSession,
    dir: tempfile::TempDir,
    tree: Arc<Mutex<Tree>>,
}

impl Resctrl {
    /// Mounts one, and lets the bundle's runtime find it in its mountinfo.
    pub fn for_bundle(bundle: &mut Bundle) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tree = Arc::new(Mutex::new(Tree::new()));
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("resctrl".into())];
        let at = dir.path().join("resctrl");
        std::fs::create_dir(&at).unwrap();
        let session = fuser::spawn_mount(Mounted(Arc::clone(&tree)), &at, &config).unwrap();
        let mountinfo = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let line = format!("9999 1 0:999 / {} rw - resctrl resctrl rw\n", at.display());
        let file = dir.path().join("mountinfo");
        std::fs::write(&file, mountinfo + &line).unwrap();
        bundle.cover(file, "/proc/thread-self/mountinfo");
        Self { _session: session, dir, tree }
    }

    /// A file or directory of it.
    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join("resctrl").join(below)
    }

    /// What is in a file; `None` if it is not there.
    pub fn read(&self, below: &str) -> Option<String> {
        lock(&self.tree).files.get(Path::new(below)).cloned()
    }

    /// Pids in a group.
    pub fn tasks(&self, group: &str) -> Vec<i32> {
        let file = Path::new(group).join("tasks");
        let text = self.read(file.to_str().unwrap()).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// The names of all groups but the default one.
    pub fn groups(&self) -> Vec<String> {
        let name = |dir: &Path| dir.to_str().map(str::to_owned);
        lock(&self.tree).groups().iter().filter_map(|dir| name(dir)).collect()
    }
}

impl std::fmt::Debug for Resctrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resctrl").field("dir", &self.dir).finish_non_exhaustive()
    }
}

fn lock(tree: &Mutex<Tree>) -> MutexGuard<'_, Tree> {
    tree.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Paths from the root, which is empty.
struct Tree {
    files: BTreeMap<PathBuf, String>,
    dirs: Vec<PathBuf>,
    /// A path's number is its place here.
    numbers: Vec<PathBuf>,
}

impl Tree {
    fn new() -> Self {
        let mut tree =
            Self { files: BTreeMap::new(), dirs: vec!["".into()], numbers: vec!["".into()] };
        for dir in ["info", "info/L3", "info/MB", "info/L3_MON"] {
            tree.dirs.push(dir.into());
        }
        for (file, text) in [
            ("info/last_cmd_status", "ok\n"),
            ("info/L3/cbm_mask", "fffff\n"),
            ("info/L3/min_cbm_bits", "1\n"),
            ("info/L3/num_closids", "3\n"),
            ("info/MB/bandwidth_gran", "10\n"),
            ("info/MB/delay_linear", "1\n"),
            ("info/MB/min_bandwidth", "10\n"),
            ("info/MB/num_closids", "3\n"),
            ("info/L3_MON/mon_features", "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n"),
        ] {
            tree.files.insert(file.into(), text.into());
        }
        tree.fill(Path::new(""), true);
        tree
    }

    /// A new group's own files.
    fn fill(&mut self, group: &Path, controls: bool) {
        self.files.insert(group.join("tasks"), String::new());
        self.dirs.push(group.join("mon_data"));
        for domain in ["mon_L3_00", "mon_L3_01"] {
            let dir = group.join("mon_data").join(domain);
            for (counter, number) in
                [("llc_occupancy", 4096), ("mbm_total_bytes", 200), ("mbm_local_bytes", 100)]
            {
                self.files.insert(dir.join(counter), format!("{number}\n"));
            }
            self.dirs.push(dir);
        }
        if controls {
            self.files.insert(group.join("schemata"), ALL.into());
            self.dirs.push(group.join("mon_groups"));
        }
    }

    fn groups(&self) -> Vec<PathBuf> {
        let own = ["info", "mon_data", "mon_groups"].map(Path::new);
        let named = |dir: &&PathBuf| dir.components().count() == 1 && !own.contains(&dir.as_path());
        self.dirs.iter().filter(named).cloned().collect()
    }

    fn number(&mut self, path: &Path) -> INodeNo {
        let at = self.numbers.iter().position(|known| known == path).unwrap_or_else(|| {
            self.numbers.push(path.to_owned());
            self.numbers.len() - 1
        });
        INodeNo(at as u64 + 1)
    }

    fn path(&self, number: INodeNo) -> PathBuf {
        self.numbers[usize::try_from(number.0).unwrap() - 1].clone()
    }

    fn attributes(&mut self, path: &Path) -> Result<FileAttr, Errno> {
        let (kind, size) = match self.files.get(path) {
            Some(text) => (FileType::RegularFile, text.len() as u64),
            None if self.dirs.iter().any(|dir| dir == path) => (FileType::Directory, 0),
            None => return Err(Errno::ENOENT),
        };
        let times = UNIX_EPOCH;
        Ok(FileAttr {
            ino: self.number(path),
            size,
            blocks: 0,
            atime: times,
            mtime: times,
            ctime: times,
            crtime: times,
            kind,
            perm: if kind == FileType::Directory { 0o755 } else { 0o644 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            flags: 0,
            blksize: 4096,
        })
    }

    fn say(&mut self, status: &str) {
        self.files.insert("info/last_cmd_status".into(), format!("{status}\n"));
    }

    /// Groups are made at the root, groups that only count in `mon_groups`.
    fn mkdir(&mut self, path: &Path) -> Result<(), Errno> {
        if self.dirs.iter().any(|dir| dir == path) || self.files.contains_key(path) {
            return Err(Errno::EEXIST);
        }
        let parent = path.parent().unwrap();
        let controls = parent == Path::new("");
        if !controls && !parent.ends_with("mon_groups") {
            return Err(Errno::EPERM);
        }
        if controls && self.groups().len() + 1 >= GROUPS {
            self.say("Out of CLOSIDs");
            return Err(Errno::ENOSPC);
        }
        self.say("ok");
        self.dirs.push(path.to_owned());
        self.fill(path, controls);
        Ok(())
    }

    /// The processes of a group go to the default one.
    fn rmdir(&mut self, path: &Path) -> Result<(), Errno> {
        let is_group = self.files.contains_key(&path.join("tasks")) && path != Path::new("");
        if !is_group {
            return Err(Errno::EPERM);
        }
        let tasks = self.files.remove(&path.join("tasks")).unwrap_or_default();
        if path.components().count() == 1 {
            self.files.get_mut(Path::new("tasks")).unwrap().push_str(&tasks);
        }
        self.dirs.retain(|dir| !dir.starts_with(path));
        self.files.retain(|file, _| !file.starts_with(path));
        Ok(())
    }

    fn write(&mut self, path: &Path, text: &str, writer: u32) -> Result<(), Errno> {
        match path.file_name().and_then(OsStr::to_str) {
            Some("tasks") => self.join(path.parent().unwrap(), text, writer),
            Some("schemata") => self.share(path, text),
            _ => Err(Errno::EACCES),
        }
    }

    fn join(&mut self, group: &Path, text: &str, writer: u32) -> Result<(), Errno> {
        let pid = match text.trim().parse::<u32>() {
            Ok(0) => writer,
            Ok(pid) => pid,
            Err(_) => return Err(Errno::EINVAL),
        };
        let line = format!("{pid}\n");
        let counts_only = group.parent().is_some_and(|parent| parent.ends_with("mon_groups"));
        let controlling = if counts_only { group.ancestors().nth(2).unwrap() } else { group };
        if counts_only && !self.files[&controlling.join("tasks")].contains(&line) {
            self.say("Can't move task to different control group");
            return Err(Errno::EINVAL);
        }
        for (file, tasks) in &mut self.files {
            let counts = file.iter().any(|part| part == "mon_groups");
            if file.ends_with("tasks") && counts == counts_only {
                *tasks = tasks.replace(&line, "");
            }
        }
        self.files.get_mut(&group.join("tasks")).unwrap().push_str(&line);
        Ok(())
    }

    fn share(&mut self, file: &Path, text: &str) -> Result<(), Errno> {
        let mut shares: Vec<(String, String, String)> = Vec::new();
        let refused = |tree: &mut Self, status: &str| {
            tree.say(status);
            Err(Errno::EINVAL)
        };
        let Some(lines) = text.strip_suffix('\n') else { return Err(Errno::EINVAL) };
        for line in lines.split('\n') {
            let Some((name, list)) = line.split_once(':') else {
                return refused(self, "Missing ':'");
            };
            let name = name.trim();
            for share in list.split(';') {
                let Some((domain, share)) = share.split_once('=') else {
                    return refused(self, "Missing domain");
                };
                let shown = match name {
                    "L3" => mask(share),
                    "MB" => bandwidth(share),
                    _ => {
                        return refused(
                            self,
                            &format!("Unknown or unsupported resource name '{name}'"),
                        );
                    }
                };
                let Some(shown) = shown else {
                    return refused(self, &format!("Value {share} out of range"));
                };
                if shares.iter().any(|(n, d, _)| n == name && d == domain) {
                    return refused(self, &format!("Duplicate domain {domain}"));
                }
                shares.push((name.to_owned(), domain.to_owned(), shown));
            }
        }
        for (name, domain, share) in shares {
            let text = self.files.get_mut(file).unwrap();
            *text = text.lines().map(|line| shared(line, &name, &domain, &share) + "\n").collect();
        }
        self.say("ok");
        Ok(())
    }
}

/// Who has ended is in no group.
fn living(tasks: &str) -> String {
    let lives = |pid: &&str| Path::new("/proc").join(pid).exists();
    tasks.lines().filter(lives).map(|pid| format!("{pid}\n")).collect()
}

/// One run of bits within the hardware's.
fn mask(text: &str) -> Option<String> {
    let bits = u32::from_str_radix(text.trim(), 16).ok()?;
    let run = bits.checked_shr(bits.trailing_zeros()).unwrap_or(0);
    (bits != 0 && bits <= 0xf_ffff && run & (run + 1) == 0).then(|| format!("{bits:05x}"))
}

/// Percent, in steps of ten.
fn bandwidth(text: &str) -> Option<String> {
    let percent: u32 = text.trim().parse().ok()?;
    (10..=100).contains(&percent).then(|| format!("{:3}", percent.next_multiple_of(10)))
}

/// A line of the file, with one share changed if it is the one.
fn shared(line: &str, name: &str, domain: &str, share: &str) -> String {
    let Some((head, list)) = line.split_once(':') else { return line.to_owned() };
    if head.trim() != name {
        return line.to_owned();
    }
    let change = |part: &str| match part.split_once('=') {
        Some((d, _)) if d == domain => format!("{d}={share}"),
        _ => part.to_owned(),
    };
    let list: Vec<_> = list.split(';').map(change).collect();
    format!("{head}:{}", list.join(";"))
}

/// The tree's face to FUSE.
struct Mounted(Arc<Mutex<Tree>>);

impl Filesystem for Mounted {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let mut tree = lock(&self.0);
        let path = tree.path(parent).join(name);
        match tree.attributes(&path) {
            Ok(attributes) => reply.entry(&NOW, &attributes, Generation(0)),
            Err(e) => reply.error(e),
        }
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let mut tree = lock(&self.0);
        let path = tree.path(number);
        match tree.attributes(&path) {
            Ok(attributes) => reply.attr(&NOW, &attributes),
            Err(e) => reply.error(e),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        let mut tree = lock(&self.0);
        let path = tree.path(parent).join(name);
        match tree.mkdir(&path).and_then(|()| tree.attributes(&path)) {
            Ok(attributes) => reply.entry(&NOW, &attributes, Generation(0)),
            Err(e) => reply.error(e),
        }
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let mut tree = lock(&self.0);
        let path = tree.path(parent).join(name);
        match tree.rmdir(&path) {
            Ok(()) => reply.ok(),
            Err(e) => reply.error(e),
        }
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let tree = lock(&self.0);
        let path = tree.path(number);
        let text = tree.files.get(&path).map_or("", String::as_str);
        let text = if path.ends_with("tasks") { &living(text) } else { text };
        let rest = text.as_bytes().get(usize::try_from(offset).unwrap()..).unwrap_or(&[]);
        reply.data(&rest[..rest.len().min(size as usize)]);
    }

    fn write(
        &self,
        request: &Request,
        number: INodeNo,
        _: FileHandle,
        _: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut tree = lock(&self.0);
        let path = tree.path(number);
        match tree.write(&path, &String::from_utf8_lossy(data), request.pid()) {
            Ok(()) => reply.written(u32::try_from(data.len()).unwrap()),
            Err(e) => reply.error(e),
        }
    }

    fn readdir(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let mut tree = lock(&self.0);
        let dir = tree.path(number);
        let all: Vec<_> = tree.dirs.iter().chain(tree.files.keys()).cloned().collect();
        let children = all.iter().filter(|path| path.parent() == Some(dir.as_path()));
        for (at, path) in children.enumerate().skip(usize::try_from(offset).unwrap()) {
            let kind = tree.attributes(path).map_or(FileType::RegularFile, |a| a.kind);
            let number = tree.number(path);
            if reply.add(number, at as u64 + 1, kind, path.file_name().unwrap()) {
                break;
            }
        }
        reply.ok();
    }
}
