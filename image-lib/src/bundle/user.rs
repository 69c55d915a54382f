//! `User` of an image's config, looked up in the image's own `/etc/passwd` and `/etc/group`: by
//! descriptor, since they are the image's to make of what it likes.

use std::io::Read;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;

use crate::dir::Dir;
use crate::error::{Error, Result};

/// Larger files are no list of users.
const MAX_FILE: u64 = 4 << 20;

/// Whom a container's process runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups, the first among them.
    pub groups: Vec<u32>,
    /// Home directory.
    pub home: String,
}

/// Finds `USER`, `UID`, and either with `:GROUP` or `:GID`. Without any it is root.
///
/// # Errors
/// If the image does not know a name.
pub fn find(rootfs: &Dir, wanted: &str) -> Result<User> {
    let (passwd, group) = (read(rootfs, "etc/passwd")?, read(rootfs, "etc/group")?);
    resolve(&passwd, &group, wanted).map_err(Error::Argument)
}

fn resolve(passwd: &str, group: &str, wanted: &str) -> Result<User, String> {
    let (user, wanted_group) = match wanted.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (wanted, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let number = number(user)?;
    let account = accounts(passwd).find(|account| match number {
        Some(uid) => account.uid == uid,
        None => account.name == user,
    });
    let uid = number.or(account.as_ref().map(|account| account.uid));
    let uid = uid.ok_or_else(|| format!("user {user:?} is not in the image's /etc/passwd"))?;
    let mut groups = Vec::new();
    let gid = match wanted_group {
        Some(name) => find_group(group, name)?,
        None => account.as_ref().map_or(0, |account| account.gid),
    };
    groups.push(gid);
    if let (None, Some(account)) = (wanted_group, &account) {
        groups.extend(members(group, account.name).filter(|other| *other != gid));
    }
    let home = account.map(|account| account.home).filter(|home| !home.is_empty());
    Ok(User { uid, gid, groups, home: home.unwrap_or("/").to_owned() })
}

/// The id, if the text is a number. A number is never looked up as a name, be it one that no id can have: an image could
/// call its root 1000 (CVE-2016-3697) or 4294967296 (CVE-2026-46680). The highest stands for "no change" in the kernel.
fn number(text: &str) -> Result<Option<u32>, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let id = if digits == text { text.parse().ok() } else { None };
    let id = id.filter(|id| *id != u32::MAX);
    id.map(Some).ok_or_else(|| format!("{text:?} is no user or group id"))
}

struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

/// Lines that are none are passed over, as the C library does.
fn accounts(passwd: &str) -> impl Iterator<Item = Account<'_>> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(Account { name, uid, gid, home: fields.nth(1).unwrap_or_default() })
    })
}

fn find_group(group: &str, wanted: &str) -> Result<u32, String> {
    if let Some(gid) = number(wanted)? {
        return Ok(gid);
    }
    let named = groups(group).find(|(name, ..)| *name == wanted).map(|(_, gid, _)| gid);
    named.ok_or_else(|| format!("group {wanted:?} is not in the image's /etc/group"))
}

fn members<'a>(group: &'a str, user: &'a str) -> impl Iterator<Item = u32> + 'a {
    groups(group)
        .filter(move |(.., list)| list.split(',').any(|name| name == user))
        .map(|(_, gid, _)| gid)
}

fn groups(group: &str) -> impl Iterator<Item = (&str, u32, &str)> {
    group.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let gid = fields.nth(1)?.parse().ok()?;
        Some((name, gid, fields.next().unwrap_or_default()))
    })
}

/// A text file of the image; one that is not there is empty. Links are the image's own, and a pipe or
/// device there is nothing to read from.
fn read(rootfs: &Dir, path: &str) -> Result<String> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let failed = |action, e| Error::at(action, rootfs.path(), path)(e);
    let file = match openat2(rootfs, path, flags, Mode::empty(), resolve) {
        Ok(fd) => std::fs::File::from(fd),
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(String::new()),
        Err(e) => return Err(failed("open", e)),
    };
    let stat = fstat(&file).map_err(|e| failed("stat", e))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Error::Argument(format!("the image's /{path} is no file")));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(|e| Error::io("read", path, &e))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\n# no line\nweb:x:33:34::/srv:/bin/sh\n7:x:70:7::/:\n";
    const GROUP: &str = "root:x:0:\nweb:x:34:\nlog:x:40:web,other\nnet:x:41:other\n";

    fn found(wanted: &str) -> (u32, u32, Vec<u32>, String) {
        let user = resolve(PASSWD, GROUP, wanted).unwrap();
        (user.uid, user.gid, user.groups, user.home)
    }

    #[test]
    fn names_and_numbers_are_found() {
        assert_eq!(found(""), (0, 0, vec![0], "/root".into()));
        assert_eq!(found("web"), (33, 34, vec![34, 40], "/srv".into()));
        assert_eq!(found("33"), (33, 34, vec![34, 40], "/srv".into()));
        assert_eq!(found("web:net"), (33, 41, vec![41], "/srv".into()));
        assert_eq!(found("1000"), (1000, 0, vec![0], "/".into()));
        assert_eq!(found("1000:50"), (1000, 50, vec![50], "/".into()));
        assert_eq!(found("7"), (7, 0, vec![0], "/".into()));
    }

    #[test]
    fn cve_2016_3697_and_cve_2026_46680_a_number_is_never_a_name() {
        let passwd =
            "1000:x:0:0::/:\n4294967296:x:0:0::/:\n-1:x:0:0::/:\n+1:x:0:0::/:\nroot:x:0:0::/:\n";
        let group = "1000:x:0:root\n4294967296:x:0:\n";
        let ids = |wanted| resolve(passwd, group, wanted).map(|user| (user.uid, user.gid));
        assert_eq!(ids("1000"), Ok((1000, 0)));
        assert_eq!(ids("root:1000"), Ok((0, 1000)));
        assert_eq!(ids("4294967294"), Ok((4_294_967_294, 0)));
        for wanted in
            ["4294967295", "4294967296", "99999999999999999999", "-1", "+1", "1:4294967296", "1:-1"]
        {
            assert!(ids(wanted).unwrap_err().contains("no user or group id"), "{wanted}");
        }
    }

    #[test]
    fn unknown_names_are_errors() {
        assert!(resolve(PASSWD, GROUP, "nobody").unwrap_err().contains("/etc/passwd"));
        assert!(resolve(PASSWD, GROUP, "web:nogroup").unwrap_err().contains("/etc/group"));
        assert!(resolve(PASSWD, GROUP, "-1").is_err());
    }

    #[test]
    fn files_are_the_images_own() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("root/etc")).unwrap();
        std::fs::write(dir.path().join("passwd"), "evil:x:9:9::/:\n").unwrap();
        let link = dir.path().join("root/etc/passwd");
        std::os::unix::fs::symlink("../../passwd", &link).unwrap();
        let rootfs = Dir::open(&dir.path().join("root")).unwrap();
        assert!(find(&rootfs, "evil").is_err());
        assert_eq!(find(&rootfs, "5").unwrap().uid, 5);
        std::fs::remove_file(&link).unwrap();
        rustix::fs::mknodat(&rootfs, "etc/passwd", FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(find(&rootfs, "0").unwrap_err().to_string().contains("no file"));
    }
}
