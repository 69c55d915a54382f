//! `teu-image run`.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use clap::Args;
use libteu::{Console, CreateOptions, Runtime, RuntimeOptions, Stdio};
use libteu_image::RootFs;
use teu_foreground::Forwarder;

use super::options::Flags;
use super::{Context, generated_name};
use crate::failure::Failure;
use crate::output;

/// run a command in a new container
// As docker's, -h is the host's name.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct Run {
    #[command(flatten)]
    flags: Flags,

    /// Name of the container
    #[arg(long, value_name = "name")]
    name: Option<String>,

    /// Remove the container when its process has ended
    #[arg(long)]
    rm: bool,

    /// Pass standard input on
    #[arg(short, long)]
    interactive: bool,

    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,

    /// Image, by name or id
    #[arg(value_name = "image")]
    image: String,

    /// Command and arguments [default: the image's]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "command")]
    command: Vec<String>,
}

/// Makes a container, stays until its process has ended, and exits with its status. What keeps it from
/// that is told apart from what the container's process could exit with, as docker does.
pub fn run(args: Run, context: &Context) -> Result<u8, Failure> {
    start(args, context).map_err(|e| Failure::OfRun(Box::new(e)))
}

fn start(args: Run, context: &Context) -> Result<u8, Failure> {
    let name = args.name.map_or_else(generated_name, Ok)?;
    let options = args.flags.options(args.command, args.tty)?;
    let bundle = {
        let store = context.open()?;
        let image = super::pull::wanted(&store, &args.image)?;
        let container = store.create_container(&image, &name, &RootFs::default())?;
        let bundle = container.path().to_owned();
        if let Err(e) = container.write_bundle(&bundle, &options) {
            container.remove()?;
            return Err(e.into());
        }
        super::bundle::tell_kind(&container);
        // The store is let go: others may clean up while the container runs.
        bundle
    };
    let status = foreground(&name, &bundle, context, args.interactive);
    if args.rm || status.is_err() {
        let removed = context.open()?.container(&name).and_then(libteu_image::Container::remove);
        if let Err(e) = removed {
            output::complain(&e);
        }
    }
    status
}

fn foreground(name: &str, bundle: &Path, context: &Context, input: bool) -> Result<u8, Failure> {
    let mut settings = RuntimeOptions::default();
    settings.warn = Some(Box::new(|message| output::complain(&message)));
    let runtime = Runtime::new(&context.state, settings);
    let mut options = CreateOptions::default();
    options.console = Console::Keep { size: teu_foreground::Console::size };
    options.stdio = stdio(input)?;
    let id = name.parse()?;
    teu_foreground::adopt_orphans()?;
    let forwarder = Forwarder::new()?;
    let (container, mut process) = runtime.run(&id, bundle, options)?;
    let console = process.take_console().map(teu_foreground::Console::new).transpose();
    let status = console.and_then(|console| forwarder.wait(&process, console, &Complaints));
    if status.is_err() {
        let _ = process.kill(libteu::Signal::KILL);
    }
    if let Err(e) = container.delete(true) {
        output::complain(&e);
    }
    Ok(status?)
}

/// Without `-i` there is nothing to read.
pub fn stdio(input: bool) -> Result<Stdio, Failure> {
    if input {
        return Ok(Stdio::Inherit);
    }
    let null = File::open("/dev/null").map_err(Failure::io("open /dev/null"))?;
    let own = |fd: std::os::fd::BorrowedFd<'_>| {
        fd.try_clone_to_owned().map_err(Failure::io("duplicate a standard stream"))
    };
    let (out, err) = (std::io::stdout(), std::io::stderr());
    Ok(Stdio::Fds([null.into(), own(out.as_fd())?, own(err.as_fd())?]))
}

/// What goes wrong beside the container's process.
pub struct Complaints;

impl teu_foreground::Log for Complaints {
    fn debug(&self, _: std::fmt::Arguments<'_>) {}

    fn warn(&self, message: &dyn std::fmt::Display) {
        output::complain(message);
    }
}
