//! `teu-image build`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use clap::Args;
use libteu::{CreateOptions, Process, Runtime, RuntimeOptions, Signal, Stdio};
use libteu_image::bundle::Network;
use libteu_image::{Error, Image, Reference, Store, build, registry};
use teu_foreground::{Forwarder, Target};

use super::Context;
use crate::failure::Failure;
use crate::{output, progress};

/// build an image from a Dockerfile
#[derive(Debug, Args)]
pub struct Build {
    /// The Dockerfile; - for standard input [default: Dockerfile in the context]
    #[arg(short, long, value_name = "path")]
    file: Option<String>,

    /// Name of the image
    #[arg(short, long, value_name = "name[:tag]")]
    tag: Vec<Reference>,

    /// Value for an ARG; without one, take the variable's here
    #[arg(long, value_name = "NAME[=VALUE]")]
    build_arg: Vec<String>,

    /// Build up to this stage, by name or number
    #[arg(long, value_name = "stage")]
    target: Option<String>,

    /// Do all steps anew
    #[arg(long)]
    no_cache: bool,

    /// A further label of the image
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,

    /// Write the image's id to a file
    #[arg(long, value_name = "file")]
    iidfile: Option<PathBuf>,

    /// Print nothing but the id; what commands print, if one fails
    #[arg(short, long)]
    quiet: bool,

    /// Get base images anew
    #[arg(long)]
    pull: bool,

    /// Network of RUN: none of the host's, or all of it
    #[arg(long, value_name = "none|host", default_value = "host")]
    network: String,

    /// Whose images to build on: linux/arm64 [default: this host's]
    #[arg(long, value_name = "os/arch")]
    platform: Option<String>,

    /// Directory with the files; - for an archive or a Dockerfile on standard input
    #[arg(value_name = "directory|-")]
    context: String,
}

/// Builds, names what was built, and tells.
pub fn run(args: Build, context: &Context) -> Result<(), Failure> {
    let options = options(&args)?;
    let store = context.open()?;
    // Before anything is made: from here on, signals end the build, not the program.
    let forwarder = Forwarder::new()?;
    let (files, dockerfile) = input(&args, &store)?;
    let output = args.quiet.then(spool).transpose()?;
    let host = Host {
        store: &store,
        context,
        forwarder,
        pull: args.pull,
        output,
        cancelled: Cell::new(false),
        failure: RefCell::new(None),
    };
    let built = match build::build(&store, &dockerfile, &files, &options, &host) {
        Ok(built) => built,
        Err(e) => {
            host.show_output()?;
            return Err(host.failure.take().unwrap_or_else(|| e.into()));
        }
    };
    for name in &args.tag {
        store.tag(&built.descriptor, name)?;
    }
    if args.tag.is_empty() {
        store.add_nameless(&built.descriptor)?;
    }
    if let Some(path) = &args.iidfile {
        std::fs::write(path, built.id.to_string())
            .map_err(Failure::io(format!("write {}", path.display())))?;
    }
    if args.quiet {
        return output::line(&built.id);
    }
    output::line(format_args!("Successfully built {}", short(&built.id)))?;
    args.tag
        .iter()
        .try_for_each(|name| output::line(format_args!("Successfully tagged {}", name.familiar())))
}

fn options(args: &Build) -> Result<build::Options, Failure> {
    let given = args.build_arg.iter().filter_map(|text| match text.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => Some((text.clone(), std::env::var(text).ok()?)),
    });
    let label = |text: &String| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        (name.to_owned(), value.to_owned())
    };
    let network = match args.network.as_str() {
        "host" | "default" => Network::Host,
        "none" => Network::None,
        other => {
            let problem = format!("network {other:?}: there are none and host");
            return Err(Failure::Argument(problem));
        }
    };
    let name = args.file.as_deref().filter(|name| *name != "-").unwrap_or(DOCKERFILE);
    Ok(build::Options {
        name: name.to_owned(),
        target: args.target.clone(),
        args: given.collect::<BTreeMap<_, _>>(),
        labels: args.label.iter().map(label).collect(),
        no_cache: args.no_cache,
        network,
        platform: args.platform.clone(),
        epoch: super::commit::epoch()?,
    })
}

const DOCKERFILE: &str = "Dockerfile";

/// The context, and the Dockerfile's text.
fn input<'a>(args: &Build, store: &'a Store) -> Result<(build::Context<'a>, String), Failure> {
    let file = args.file.as_deref();
    if args.context != "-" {
        let path = Path::new(&args.context);
        let mut files = build::Context::directory(path)?;
        let text = match file {
            // By the rules of a context: a link in it does not lead out of it.
            None => files.read(DOCKERFILE)?,
            Some("-") => Some(text_of_stdin()?),
            Some(file) => {
                let opened = File::open(file).map_err(Failure::io(format!("open {file}")))?;
                Some(build::text(opened, file)?)
            }
        };
        // Beside a Dockerfile of the context there may be a list of its own.
        let within = |file: &str| {
            let (file, root) = (Path::new(file).canonicalize().ok()?, path.canonicalize().ok()?);
            Some(file.strip_prefix(root).ok()?.to_str()?.to_owned())
        };
        let own = file.map_or(Some(DOCKERFILE.to_owned()), within);
        files.ignore(own.as_deref())?;
        let missing = || Failure::Argument(format!("{}: has no {DOCKERFILE}", args.context));
        return Ok((files, text.ok_or_else(missing)?));
    }
    if file == Some("-") {
        let problem = "context and Dockerfile cannot both be standard input";
        return Err(Failure::Argument(problem.into()));
    }
    let mut begin = Vec::new();
    let mut stdin = io::stdin().lock();
    // Somebody may be typing it.
    Forwarder::released(|| stdin.by_ref().take(512).read_to_end(&mut begin))?
        .map_err(Failure::io("read standard input"))?;
    let is_archive = build::is_archive(&begin);
    let source = io::Cursor::new(begin).chain(stdin);
    if !is_archive {
        return Ok((build::Context::none(), text_of(source)?));
    }
    let mut files = build::Context::archive(store, source)?;
    let name = file.unwrap_or(DOCKERFILE);
    let missing = || Failure::Argument(format!("the archive has no {name}"));
    let text = files.read(name)?.ok_or_else(missing)?;
    files.ignore(Some(name))?;
    Ok((files, text))
}

fn text_of_stdin() -> Result<String, Failure> {
    text_of(io::stdin())
}

fn text_of(source: impl Read) -> Result<String, Failure> {
    const LARGEST: u64 = 4 << 20;
    let mut text = String::new();
    Forwarder::released(|| source.take(LARGEST + 1).read_to_string(&mut text))?
        .map_err(Failure::io("read the Dockerfile from standard input"))?;
    if text.len() as u64 > LARGEST {
        return Err(Failure::Argument("standard input: is larger than 4 MiB".into()));
    }
    Ok(text)
}

/// A file without a name for what commands print.
fn spool() -> Result<File, Failure> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let dir = std::env::temp_dir();
    let opened = open(&dir, flags, Mode::RUSR | Mode::WUSR);
    opened
        .map(File::from)
        .map_err(|e| Failure::io(format!("open a file in {}", dir.display()))(e.into()))
}

fn short(digest: impl fmt::Display) -> String {
    let text = digest.to_string();
    let hex = text.split_once(':').map_or(text.as_str(), |(_, hex)| hex);
    hex.chars().take(12).collect()
}

/// What the library leaves to us.
struct Host<'a> {
    store: &'a Store,
    context: &'a Context,
    forwarder: Forwarder,
    pull: bool,
    /// Where commands print to, if not to our own output.
    output: Option<File>,
    cancelled: Cell<bool>,
    /// What is no error of the library's.
    failure: RefCell<Option<Failure>>,
}

impl build::Host for Host<'_> {
    fn image(&self, name: &str, platform: Option<&str>) -> Result<Image, Error> {
        if !self.pull {
            match self.store.image(name) {
                Ok(image) if platform.is_none_or(|platform| is_of(&image, platform)) => {
                    return Ok(image);
                }
                Ok(_) | Err(Error::NoSuchImage(_)) => {}
                Err(e) => return Err(e),
            }
        }
        let reference = name.parse()?;
        let display = progress::Display::new(self.output.is_some());
        let tell = |told| display.tell(told);
        let access = registry::Access::default();
        // Nothing is there yet that would have to be removed: a signal ends us, as it ends pull.
        let pulled = Forwarder::released(|| {
            registry::pull(self.store, &reference, platform, &access, &tell)
        });
        let pulled = pulled.map_err(|e| self.note(e.into()))??;
        output::skipped(&pulled.skipped);
        Ok(pulled.image)
    }

    fn run(&self, container: &str, bundle: &Path) -> Result<u8, Error> {
        self.foreground(container, bundle).map_err(|e| self.note(e))
    }

    fn say(&self, line: fmt::Arguments<'_>) -> Result<(), Error> {
        if self.output.is_some() {
            return Ok(());
        }
        output::line(line).map_err(|e| self.note(e))
    }

    fn cancelled(&self) -> bool {
        if !self.cancelled.get() && self.forwarder.told_to_end().unwrap_or(true) {
            self.cancelled.set(true);
        }
        self.cancelled.get()
    }
}

impl Host<'_> {
    /// For the library an error of ours is just one. That nobody reads is none of the Dockerfile's, and
    /// the image is not made: not the success that it is for what only prints.
    fn note(&self, failure: Failure) -> Error {
        if let Failure::Output(e) = failure {
            self.failure.replace(Some(Failure::io("write standard output")(e)));
            return Error::Interrupted;
        }
        Error::Stream { action: "run".into(), problem: failure.to_string() }
    }

    fn foreground(&self, name: &str, bundle: &Path) -> Result<u8, Failure> {
        let mut settings = RuntimeOptions::default();
        settings.warn = Some(Box::new(|message| output::complain(&message)));
        let runtime = Runtime::new(&self.context.state, settings);
        let mut options = CreateOptions::default();
        options.stdio = self.stdio()?;
        teu_foreground::adopt_orphans()?;
        let (container, process) = runtime.run(&name.parse()?, bundle, options)?;
        let killed = Killed { process, cancelled: &self.cancelled };
        let status = self.forwarder.wait(&killed, None, &super::run::Complaints);
        if status.is_err() {
            let _ = killed.process.kill(Signal::KILL);
        }
        container.delete(true)?;
        Ok(status?)
    }

    fn stdio(&self) -> Result<Stdio, Failure> {
        let Some(spool) = &self.output else { return super::run::stdio(false) };
        let null = File::open("/dev/null").map_err(Failure::io("open /dev/null"))?;
        let own = || spool.try_clone().map_err(Failure::io("duplicate a file"));
        Ok(Stdio::Fds([null.into(), own()?.into(), own()?.into()]))
    }

    /// What commands printed, since one has failed.
    fn show_output(&self) -> Result<(), Failure> {
        let Some(mut spool) = self.output.as_ref() else { return Ok(()) };
        spool
            .rewind()
            .and_then(|()| io::copy(&mut spool, &mut io::stderr()))
            .and_then(|_| io::stderr().flush())
            .map_err(Failure::io("show what was printed"))
    }
}

/// Whether an image is that platform's.
fn is_of(image: &Image, platform: &str) -> bool {
    let mut parts = platform.split('/');
    let (os, architecture) = (image.config.os(), image.config.architecture());
    parts.next() == Some(&os.to_string()) && parts.next() == Some(&architecture.to_string())
}

/// The first process of a container takes no signal that it does not expect (pid_namespaces(7)): one that
/// tells us to end, ends it by force.
struct Killed<'a> {
    process: Process,
    cancelled: &'a Cell<bool>,
}

impl AsFd for Killed<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.process.as_fd()
    }
}

impl Target for Killed<'_> {
    fn pid(&self) -> i32 {
        self.process.pid()
    }

    fn kill(&self, signal: Signal) -> libteu::Result<()> {
        if !teu_foreground::ends(signal) {
            return self.process.kill(signal);
        }
        self.cancelled.set(true);
        self.process.kill(Signal::KILL)
    }

    fn wait(&self) -> libteu::Result<ExitStatus> {
        self.process.wait()
    }
}
