//! `teu-image bundle`.

use std::path::{Path, PathBuf};

use clap::Args;
use libteu_image::{Container, Kind, RootFs};

use super::options::Flags;
use super::{Context, generated_name};
use crate::failure::Failure;
use crate::output;

/// make a bundle of an image, for `teu run -b`
// As docker's, -h is the host's name.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct Bundle {
    #[command(flatten)]
    flags: Flags,

    /// Name of the container in the store
    #[arg(long, value_name = "name")]
    name: Option<String>,

    /// Copy the files rather than mount overlayfs over them; always so for ordinary users
    #[arg(long)]
    copy: bool,

    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,

    /// Image, by name or id
    #[arg(value_name = "image")]
    image: String,

    /// Directory to be made
    #[arg(value_name = "bundle")]
    bundle: PathBuf,

    /// Command and arguments [default: the image's]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "command")]
    command: Vec<String>,
}

/// Makes the directory; `teu-image rm DIRECTORY` takes it away again.
pub fn run(args: Bundle, context: &Context) -> Result<(), Failure> {
    let name = args.name.map_or_else(generated_name, Ok)?;
    let mut options = args.flags.options(args.command, args.tty)?;
    options.user_namespace = context.rootless;
    let store = context.open()?;
    let image = super::pull::wanted(&store, &args.image)?;
    let rootfs = args.bundle.join("rootfs");
    let config = args.bundle.join(libteu_image::bundle::CONFIG);
    if config.exists() {
        let problem = format!("{}: is a bundle already", args.bundle.display());
        return Err(Failure::Argument(problem));
    }
    std::fs::create_dir_all(&rootfs).map_err(Failure::io(format!("mkdir {}", rootfs.display())))?;
    // What an ordinary user mounts ends with the namespace of this process.
    let copy = args.copy || context.rootless;
    let place = RootFs { at: Some(rootfs), copy };
    let container =
        store.create_container(&image, &name, &place).inspect_err(|_| clear(&args.bundle))?;
    if let Err(e) = container.write_bundle(&args.bundle, &options) {
        container.remove()?;
        clear(&args.bundle);
        return Err(e.into());
    }
    if !copy {
        tell_kind(&container);
    }
    output::line(name)
}

/// Copies cost time and space: nobody should have to wonder.
pub fn tell_kind(container: &Container<'_>) {
    if container.record().kind == Kind::Copy {
        output::complain(&"overlayfs cannot be used here: the files were copied");
    }
}

/// Takes away directories that there is nothing in.
pub fn clear(bundle: &Path) {
    let _ = std::fs::remove_dir(bundle.join("rootfs"));
    let _ = std::fs::remove_dir(bundle);
}
