//! `COPY` and `ADD` as steps: what their words mean, and what they are found again by.

use std::fs::File;
use std::io::Read as _;

use rustix::fs::{FileType, OFlags};
use serde_json::json;

use super::cache::MadeLayer;
use super::content::Summer;
use super::context::{is_tar, unpack};
use super::copy::{Copier, Manner, Target};
use super::expand::Lexer;
use super::ignore::Ignore;
use super::lines::Heredoc;
use super::parse::{Copy, Source};
use super::plan::Builder;
use super::run::Scratch;
use super::settings;
use super::source::{Files, Found, open};
use super::stage::Stage;
use crate::bundle::find_user;
use crate::dir::Dir;
use crate::error::{Error, Result};
use crate::layer::Decompressor;
use crate::snapshot::MountPoints;

/// A step with its variables expanded.
struct Transfer {
    add: bool,
    sources: Vec<String>,
    inline: Vec<Heredoc>,
    target: Target,
    owner: Option<String>,
    mode: Option<u32>,
    /// Owners and attributes are the files' own: they come from an image.
    keep: bool,
}

impl Stage {
    /// Copies files into the image.
    pub fn copy(&mut self, builder: &Builder<'_>, copy: &Copy) -> Result<()> {
        let transfer = self.transfer(builder, copy)?;
        let told = transfer.told(copy);
        let scratch = match &copy.from {
            Some(from) => {
                let state = builder.source(self.number, &self.expand(builder, from)?)?;
                Some(Scratch::new(builder, &state, MountPoints::Left)?)
            }
            None => None,
        };
        let rootfs = scratch.as_ref().map(Scratch::rootfs).transpose()?;
        let nothing = Ignore::default();
        let files = match rootfs {
            Some(root) => Some(Files { root, ignore: &nothing, called: "the image" }),
            None if transfer.sources.is_empty() => None,
            None => Some(builder.context.files()?),
        };
        let mut found = Vec::new();
        for source in &transfer.sources {
            found.extend(files.map_or(Ok(Vec::new()), |files| files.find(source))?);
        }
        if found.len() + transfer.inline.len() > 1 && !transfer.target.is_dir {
            let problem = "several files need a directory as target, with a slash at its end";
            return Err(Error::Argument(problem.into()));
        }
        let cancelled = || builder.host.cancelled();
        let digest = match files {
            Some(files) => {
                let summer = Summer { files, owners: transfer.keep, cancelled: &cancelled };
                summer.digest(&found)?.to_string()
            }
            None => String::new(),
        };
        let by = transfer.key(&digest);
        self.layered(builder, &by, &told, |stage| {
            transfer.make(builder, stage, files.as_ref(), &found).map(Some)
        })?;
        scratch.map_or(Ok(()), Scratch::remove)
    }

    fn transfer(&self, builder: &Builder<'_>, copy: &Copy) -> Result<Transfer> {
        let expand = |text: &String| self.expand(builder, text);
        let (mut sources, mut inline) = (Vec::new(), Vec::new());
        for source in &copy.sources {
            match source {
                Source::Path(path) => sources.push(expand(path)?),
                Source::Inline(heredoc) => inline.push(self.inline(builder, heredoc)?),
            }
        }
        if let Some(url) = sources.iter().find(|source| copy.add && is_url(source)) {
            let problem = format!("{url}: URLs are not fetched: RUN can, or get it beforehand");
            return Err(Error::Argument(problem));
        }
        let target = expand(&copy.target)?;
        if target.is_empty() {
            return Err(Error::Argument("the target is empty".into()));
        }
        let names_dir = [".", ".."].contains(&target.as_str());
        let is_dir = names_dir || ["/", "/.", "/.."].iter().any(|end| target.ends_with(end));
        let workdir = self.state.text("WorkingDir");
        let path = settings::absolute(&workdir, &target).map_err(Error::Argument)?;
        let mode = copy.mode.as_ref().map(expand).transpose()?;
        Ok(Transfer {
            add: copy.add,
            sources,
            inline,
            target: Target { path, is_dir },
            owner: copy.owner.as_ref().map(expand).transpose()?,
            mode: mode.map(|mode| octal(&mode)).transpose()?,
            keep: copy.from.is_some(),
        })
    }

    fn inline(&self, builder: &Builder<'_>, heredoc: &Heredoc) -> Result<Heredoc> {
        let mut heredoc = heredoc.clone();
        if heredoc.expand {
            let lookup = |name: &str| self.lookup(name);
            let lexer = Lexer { escape: builder.escape, lookup: &lookup };
            heredoc.content = lexer.text(&heredoc.content).map_err(Error::Argument)?;
        }
        Ok(heredoc)
    }
}

impl Transfer {
    /// What history says of it.
    fn told(&self, copy: &Copy) -> String {
        let mut words = vec![if self.add { "ADD" } else { "COPY" }.to_owned()];
        words.extend(copy.from.iter().map(|from| format!("--from={from}")));
        words.extend(self.owner.iter().map(|owner| format!("--chown={owner}")));
        words.extend(self.mode.iter().map(|mode| format!("--chmod={mode:o}")));
        words.extend(self.sources.iter().cloned());
        words.extend(self.inline.iter().map(|heredoc| format!("<<{}", heredoc.name)));
        words.push(self.target.path.clone());
        words.join(" ")
    }

    fn key(&self, digest: &str) -> serde_json::Value {
        let inline: Vec<_> =
            self.inline.iter().map(|heredoc| (&heredoc.name, &heredoc.content)).collect();
        json!([
            if self.add { "ADD" } else { "COPY" },
            digest,
            inline,
            self.target.path,
            self.target.is_dir,
            self.owner,
            self.mode,
            self.keep,
        ])
    }

    fn make(
        &self,
        builder: &Builder<'_>,
        stage: &Stage,
        files: Option<&Files<'_>>,
        found: &[Found],
    ) -> Result<MadeLayer> {
        let scratch = Scratch::new(builder, &stage.state, MountPoints::Left)?;
        let rootfs = scratch.rootfs()?;
        let given = self.owner.as_ref().map(|owner| owner_of(rootfs, owner)).transpose()?;
        let owner = given.or((!self.keep).then_some((0, 0)));
        let squash = builder.store.unpack_options().squash;
        let manner = Manner { owner, mode: self.mode, attributes: self.keep, squash };
        let cancelled = || builder.host.cancelled();
        let copier = |manner| Copier { rootfs, manner, cancelled: &cancelled };
        for (files, found) in files.iter().flat_map(|files| found.iter().map(move |f| (files, f))) {
            let archive = if self.add { archive(files, found)? } else { None };
            let Some(archive) = archive else {
                copier(manner).found(files, found, &self.target)?;
                continue;
            };
            let unpacked = unpack(builder.store, archive, &found.name.to_string_lossy())?;
            let nothing = Ignore::default();
            let files = Files { root: unpacked.files(), ignore: &nothing, called: "the archive" };
            let manner = Manner { owner: given, attributes: true, ..manner };
            copier(manner).all(&files, &self.target)?;
        }
        for heredoc in &self.inline {
            copier(manner).inline(&heredoc.content, &heredoc.name, &self.target)?;
        }
        let layer = scratch.layer(builder)?;
        scratch.remove()?;
        Ok(layer)
    }
}

fn is_url(source: &str) -> bool {
    ["http://", "https://", "ftp://", "git://", "git@", "ssh://"]
        .iter()
        .any(|scheme| source.to_ascii_lowercase().starts_with(scheme))
}

fn octal(mode: &str) -> Result<u32> {
    u32::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o7777).ok_or_else(|| {
        Error::Argument(format!("--chmod={mode}: has to be an octal number like 755"))
    })
}

/// `USER[:GROUP]`, by name or number. Without a group it is that of the user's name or number, as
/// docker has it, else the user's own.
fn owner_of(rootfs: &Dir, owner: &str) -> Result<(u32, u32)> {
    let (user, group) = match owner.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (owner, None),
    };
    let user_found = find_user(rootfs, user)?;
    let gid = match group {
        Some(group) => find_user(rootfs, &format!("0:{group}"))?.gid,
        None => find_user(rootfs, &format!("0:{user}")).map_or(user_found.gid, |found| found.gid),
    };
    Ok((user_found.uid, gid))
}

/// The file, if it is an archive that `ADD` unpacks.
fn archive(files: &Files<'_>, found: &Found) -> Result<Option<File>> {
    if FileType::from_raw_mode(found.stat.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    let shown = found.path.display();
    let open = || -> Result<File> {
        open(files.root, &found.path, OFlags::RDONLY | OFlags::NONBLOCK)
            .map(File::from)
            .map_err(Error::at("open", files.root.path(), &shown))
    };
    let mut begin = Vec::new();
    let file = open()?.take(6);
    { file }.read_to_end(&mut begin).map_err(|e| Error::io("read", shown.display(), &e))?;
    if begin.starts_with(b"\xfd7zXZ") || begin.starts_with(b"BZh") {
        let problem = "is compressed by xz or bzip2, which ADD does not unpack here: use gzip or zstd, or RUN";
        return Err(Error::Argument(format!("{}: {problem}", shown.display())));
    }
    let mut block = Vec::new();
    // What cannot be decompressed is a file like any other.
    let read =
        Decompressor::new(open()?).and_then(|source| source.take(512).read_to_end(&mut block));
    Ok(if read.is_ok() && is_tar(&block) { Some(open()?) } else { None })
}
