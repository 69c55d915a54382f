//! `mounts[].options`: names to effects, for the calls of the new mount API.
//!
//! mount(2) has one set of flags; the new API has three places. What belongs to the mount goes to
//! `mount_setattr` (plain or recursive), what belongs to the superblock goes to `fsconfig` as a flag,
//! everything unknown is the filesystem's own and goes to `fsconfig` as key and value. `ro` is both
//! of the first two, as it was with mount(2).

use libc::{
    MOUNT_ATTR__ATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV, MOUNT_ATTR_NODIRATIME,
    MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOSYMFOLLOW, MOUNT_ATTR_RDONLY,
    MOUNT_ATTR_RELATIME, MOUNT_ATTR_STRICTATIME, MS_PRIVATE, MS_SHARED, MS_SLAVE, MS_UNBINDABLE,
};

/// Attributes that a user namespace cannot clear on mounts that are not its own, but for access times.
const LOCKABLE: u64 = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

mod data;
mod idmap;

pub(crate) use idmap::{IdmapOption, OptionRange, OptionRanges};

/// What a list of options asks for. Of contradicting options the last one holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MountOptions {
    /// `MOUNT_ATTR_*` to set on the mount.
    pub attr_set: u64,
    /// `MOUNT_ATTR_*` to clear on the mount; all of `MOUNT_ATTR__ATIME` if any access time option
    /// was given (the kernel wants it so). Wins over the locked flags of a bind mount's source.
    pub attr_clear: u64,
    /// An option asks for a way of keeping access times, rather than taking one back.
    pub sets_atime: bool,
    /// As `attr_set`, for the whole mount tree (`AT_RECURSIVE`).
    pub rec_set: u64,
    /// As `attr_clear`, for the whole mount tree.
    pub rec_clear: u64,
    /// `MS_SHARED`, `MS_PRIVATE`, `MS_SLAVE` or `MS_UNBINDABLE`.
    pub propagation: Option<u64>,
    /// The propagation is for the whole mount tree.
    pub propagation_recursive: bool,
    /// `bind` or `rbind`.
    pub bind: bool,
    /// `rbind`.
    pub bind_recursive: bool,
    /// `remount`.
    pub remount: bool,
    /// Superblock flags to set, by their `fsconfig` names, in order. Meaningless for bind mounts.
    pub super_flags: Vec<&'static str>,
    /// Superblock flags to clear, by their `fsconfig` names: only a remount can need them.
    pub super_cleared: Vec<&'static str>,
    /// `silent` or `loud`: whether a legacy filesystem may complain in the kernel log.
    pub silent: Option<bool>,
    /// `iversion` or `noiversion`: no generic flag of `fsconfig`, filesystems name it differently.
    pub iversion: Option<bool>,
    /// What only the filesystem knows: keys and values for `fsconfig` (which takes at most 255 bytes
    /// of each).
    pub data: Vec<(String, Option<String>)>,
    /// `idmap` or `ridmap`.
    pub idmap: Option<IdmapOption>,
    /// `tmpcopyup`: the tmpfs begins with what it covers.
    pub copy_up: bool,
    /// What becomes of symlinks at the ends of a bind mount.
    pub links: Links,
    /// Known options that nothing implements yet, by name.
    pub not_yet: Vec<&'static str>,
}

/// crun's options for bind mounts whose source or destination may be a symlink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Links {
    /// `copy-symlink`: a source that is a symlink is made anew, not mounted.
    pub copy: bool,
    /// `src-nofollow`: a source that is a symlink is itself mounted.
    pub keep_source: bool,
    /// `dest-nofollow`: a destination that is a symlink is itself mounted over.
    pub keep_destination: bool,
}

/// An option that cannot be passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OptionError {
    /// Its position in the list.
    pub index: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// What one option does. `true` is the option that asks for something, `false` its opposite.
#[derive(Debug, Clone, Copy)]
enum Effect {
    Nothing,
    Bind,
    BindRecursive,
    Remount,
    Attr(u64, bool),
    RecAttr(u64, bool),
    Atime(u64, bool),
    RecAtime(u64, bool),
    ReadOnly(bool),
    Super(&'static str, &'static str),
    Silent(bool),
    Iversion(bool),
    Propagate(u64),
    RecPropagate(u64),
    /// Its value, if any, is read apart.
    Idmap,
    CopyUp,
    Link(fn(&mut Links) -> &mut bool),
    NotYet(&'static str, bool),
}

use Effect::{
    Atime, Attr, Bind, BindRecursive, CopyUp, Idmap, Iversion, Link, NotYet, Nothing, Propagate,
    ReadOnly, RecAtime, RecAttr, RecPropagate, Remount, Silent, Super,
};

/// The specification's table ("Linux mount options"), then what crun adds to it.
const OPTIONS: &[(&str, Effect)] = &[
    ("async", Super("async", "sync")),
    ("atime", Atime(MOUNT_ATTR_NOATIME, false)),
    ("bind", Bind),
    ("defaults", Nothing),
    ("dev", Attr(MOUNT_ATTR_NODEV, false)),
    ("diratime", Attr(MOUNT_ATTR_NODIRATIME, false)),
    ("dirsync", Super("dirsync", "")),
    ("exec", Attr(MOUNT_ATTR_NOEXEC, false)),
    ("iversion", Iversion(true)),
    ("lazytime", Super("lazytime", "nolazytime")),
    ("loud", Silent(false)),
    // Gone from the kernel in 5.15, where it would be taken and ignored.
    ("mand", NotYet("mand", true)),
    ("noatime", Atime(MOUNT_ATTR_NOATIME, true)),
    ("nodev", Attr(MOUNT_ATTR_NODEV, true)),
    ("nodiratime", Attr(MOUNT_ATTR_NODIRATIME, true)),
    ("noexec", Attr(MOUNT_ATTR_NOEXEC, true)),
    ("noiversion", Iversion(false)),
    ("nolazytime", Super("nolazytime", "lazytime")),
    ("nomand", NotYet("mand", false)),
    ("norelatime", Atime(MOUNT_ATTR_RELATIME, false)),
    ("nostrictatime", Atime(MOUNT_ATTR_STRICTATIME, false)),
    ("nosuid", Attr(MOUNT_ATTR_NOSUID, true)),
    ("nosymfollow", Attr(MOUNT_ATTR_NOSYMFOLLOW, true)),
    ("private", Propagate(MS_PRIVATE)),
    ("ratime", RecAtime(MOUNT_ATTR_NOATIME, false)),
    ("rbind", BindRecursive),
    ("rdev", RecAttr(MOUNT_ATTR_NODEV, false)),
    ("rdiratime", RecAttr(MOUNT_ATTR_NODIRATIME, false)),
    ("relatime", Atime(MOUNT_ATTR_RELATIME, true)),
    ("remount", Remount),
    ("rexec", RecAttr(MOUNT_ATTR_NOEXEC, false)),
    ("rnoatime", RecAtime(MOUNT_ATTR_NOATIME, true)),
    ("rnodev", RecAttr(MOUNT_ATTR_NODEV, true)),
    ("rnodiratime", RecAttr(MOUNT_ATTR_NODIRATIME, true)),
    ("rnoexec", RecAttr(MOUNT_ATTR_NOEXEC, true)),
    ("rnorelatime", RecAtime(MOUNT_ATTR_RELATIME, false)),
    ("rnostrictatime", RecAtime(MOUNT_ATTR_STRICTATIME, false)),
    ("rnosuid", RecAttr(MOUNT_ATTR_NOSUID, true)),
    ("rnosymfollow", RecAttr(MOUNT_ATTR_NOSYMFOLLOW, true)),
    ("ro", ReadOnly(true)),
    ("rprivate", RecPropagate(MS_PRIVATE)),
    ("rrelatime", RecAtime(MOUNT_ATTR_RELATIME, true)),
    ("rro", RecAttr(MOUNT_ATTR_RDONLY, true)),
    ("rrw", RecAttr(MOUNT_ATTR_RDONLY, false)),
    ("rshared", RecPropagate(MS_SHARED)),
    ("rslave", RecPropagate(MS_SLAVE)),
    ("rstrictatime", RecAtime(MOUNT_ATTR_STRICTATIME, true)),
    ("rsuid", RecAttr(MOUNT_ATTR_NOSUID, false)),
    ("rsymfollow", RecAttr(MOUNT_ATTR_NOSYMFOLLOW, false)),
    ("runbindable", RecPropagate(MS_UNBINDABLE)),
    ("rw", ReadOnly(false)),
    ("shared", Propagate(MS_SHARED)),
    ("silent", Silent(true)),
    ("slave", Propagate(MS_SLAVE)),
    ("strictatime", Atime(MOUNT_ATTR_STRICTATIME, true)),
    ("suid", Attr(MOUNT_ATTR_NOSUID, false)),
    ("symfollow", Attr(MOUNT_ATTR_NOSYMFOLLOW, false)),
    ("sync", Super("sync", "async")),
    ("tmpcopyup", CopyUp),
    ("unbindable", Propagate(MS_UNBINDABLE)),
    ("idmap", Idmap),
    ("ridmap", Idmap),
    ("copy-symlink", Link(|links| &mut links.copy)),
    ("dest-nofollow", Link(|links| &mut links.keep_destination)),
    ("src-nofollow", Link(|links| &mut links.keep_source)),
];

/// Options of mounts that are understood and carried out, and not passed on to the filesystem.
pub fn mount_options() -> Vec<&'static str> {
    let done = OPTIONS.iter().filter(|(_, effect)| !matches!(effect, NotYet(_, true)));
    let mut names: Vec<_> = done.map(|(name, _)| *name).collect();
    names.sort_unstable();
    names
}

impl MountOptions {
    /// Reads a mount's options.
    pub(crate) fn parse(options: &[String]) -> Result<Self, OptionError> {
        let mut parsed = Self::default();
        for (index, option) in options.iter().enumerate() {
            if option.contains('\0') {
                return Err(OptionError { index, problem: "contains a NUL byte" });
            }
            if let Some(idmap) = idmap::parse(option) {
                parsed.idmap = Some(idmap.map_err(|problem| OptionError { index, problem })?);
                continue;
            }
            match OPTIONS.iter().find(|(name, _)| name == option) {
                Some((_, effect)) => parsed.apply(*effect),
                None => data::split(option, &mut parsed.data)
                    .map_err(|problem| OptionError { index, problem })?,
            }
        }
        Ok(parsed)
    }

    fn apply(&mut self, effect: Effect) {
        match effect {
            Nothing | Idmap => {}
            Bind => self.bind = true,
            BindRecursive => (self.bind, self.bind_recursive) = (true, true),
            Remount => self.remount = true,
            Attr(flag, on) => change(&mut self.attr_set, &mut self.attr_clear, flag, on),
            RecAttr(flag, on) => change(&mut self.rec_set, &mut self.rec_clear, flag, on),
            Atime(mode, on) => {
                self.sets_atime |= on;
                change_atime(&mut self.attr_set, &mut self.attr_clear, mode, on);
            }
            RecAtime(mode, on) => change_atime(&mut self.rec_set, &mut self.rec_clear, mode, on),
            ReadOnly(on) => {
                change(&mut self.attr_set, &mut self.attr_clear, MOUNT_ATTR_RDONLY, on);
                if on { self.super_flag("ro", "rw") } else { self.super_flag("rw", "ro") }
            }
            Super(name, opposite) => self.super_flag(name, opposite),
            Silent(on) => self.silent = Some(on),
            Iversion(on) => self.iversion = Some(on),
            Propagate(flag) => self.propagate(flag, false),
            RecPropagate(flag) => self.propagate(flag, true),
            CopyUp => self.copy_up = true,
            Link(field) => *field(&mut self.links) = true,
            NotYet(name, on) => {
                self.not_yet.retain(|other| *other != name);
                self.not_yet.extend(on.then_some(name));
            }
        }
    }

    /// What becomes of a bind mount's attributes: those to set and those to clear. Once an option names
    /// any attribute, all that are not named are cleared, but for access times, which stay unless an
    /// option asks for others: the behaviour of mount(8) as runc keeps it (tests in its
    /// mounts_sshfs.bats).
    pub(crate) fn of_bind(&self) -> [u64; 2] {
        let [set, clear] = self.of_locked_bind();
        if self.attr_set | self.attr_clear == 0 { [0, 0] } else { [set, clear | LOCKABLE & !set] }
    }

    /// As [`Self::of_bind`] where the source's flags are locked, since its mount belongs to an outer
    /// user namespace (mount_namespaces(7)): what is not named stays as it is.
    pub(crate) fn of_locked_bind(&self) -> [u64; 2] {
        const TIMES: u64 = MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME;
        let (set, clear) = (self.attr_set, self.attr_clear);
        if set | clear == 0 {
            return [0, 0];
        }
        let clear = clear | MOUNT_ATTR_NOSYMFOLLOW & !set;
        if self.sets_atime || set & MOUNT_ATTR_NODIRATIME != 0 {
            let clear = clear | MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME & !set;
            let relative = if self.sets_atime { 0 } else { MOUNT_ATTR__ATIME };
            [set & !relative, clear]
        } else {
            [set & !TIMES, clear & !TIMES]
        }
    }

    fn super_flag(&mut self, name: &'static str, opposite: &'static str) {
        for list in [&mut self.super_flags, &mut self.super_cleared] {
            list.retain(|other| *other != name && *other != opposite);
        }
        let clears = matches!(name, "rw" | "async" | "nolazytime");
        if clears { self.super_cleared.push(name) } else { self.super_flags.push(name) }
    }

    fn propagate(&mut self, flag: u64, recursive: bool) {
        self.propagation = Some(flag);
        self.propagation_recursive = recursive;
    }
}

fn change(set: &mut u64, clear: &mut u64, flag: u64, on: bool) {
    let (add, remove) = if on { (set, clear) } else { (clear, set) };
    *add |= flag;
    *remove &= !flag;
}

/// Access time is a choice of three, not three flags, and `relatime` is 0. Taking back the mode in
/// force (or an unknown one) means the kernel's default, which is `relatime`; taking back another
/// mode changes nothing.
fn change_atime(set: &mut u64, clear: &mut u64, mode: u64, on: bool) {
    let current = (*clear & MOUNT_ATTR__ATIME != 0).then_some(*set & MOUNT_ATTR__ATIME);
    let new = match current {
        _ if on => mode,
        Some(other) if other != mode => other,
        _ => MOUNT_ATTR_RELATIME,
    };
    *set = *set & !MOUNT_ATTR__ATIME | new;
    *clear |= MOUNT_ATTR__ATIME;
}

#[cfg(test)]
mod tests;
