//! The verbs, one file each.

mod build;
mod bundle;
mod commit;
mod containers;
mod diff;
mod export;
mod gc;
mod history;
mod images;
mod import;
mod inspect;
mod load;
mod login;
mod options;
mod pull;
mod push;
mod registry;
mod rm;
mod rmi;
mod run;
mod save;
mod search;
mod tag;

use std::path::PathBuf;

use clap::Subcommand;
use libteu_image::{Container, Store};

use crate::failure::Failure;

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Verb {
    Build(build::Build),
    Bundle(bundle::Bundle),
    Commit(commit::Commit),
    Diff(diff::Diff),
    Export(export::Export),
    Gc(gc::Gc),
    History(history::History),
    Images(images::Images),
    Import(import::Import),
    Inspect(inspect::Inspect),
    Load(load::Load),
    Login(login::Login),
    Logout(login::Logout),
    Ps(containers::Ps),
    Pull(pull::Pull),
    Push(push::Push),
    Rm(rm::Rm),
    Rmi(rmi::Rmi),
    Run(Box<run::Run>),
    Save(save::Save),
    Search(search::Search),
    Tag(tag::Tag),
}

/// What every verb may need.
pub struct Context {
    /// Where the store is.
    pub store: PathBuf,
    /// Where the states of running containers are.
    pub state: PathBuf,
    /// An ordinary user's, in a user and mount namespace that end with this process.
    pub rootless: bool,
}

impl Context {
    fn open(&self) -> Result<Store, Failure> {
        Ok(Store::open(&self.store)?)
    }
}

/// Carries out a verb; the number is the status to exit with.
pub fn run(verb: Verb, context: &Context) -> Result<u8, Failure> {
    match verb {
        Verb::Build(args) => build::run(args, context)?,
        Verb::Bundle(args) => bundle::run(args, context)?,
        Verb::Commit(args) => commit::run(args, context)?,
        Verb::Diff(args) => diff::run(&args, context)?,
        Verb::Export(args) => export::run(&args, context)?,
        Verb::Gc(args) => gc::run(&args, context)?,
        Verb::History(args) => history::run(&args, context)?,
        Verb::Images(args) => images::run(&args, context)?,
        Verb::Import(args) => import::run(args, context)?,
        Verb::Inspect(args) => inspect::run(&args, context)?,
        Verb::Load(args) => load::run(&args, context)?,
        Verb::Login(args) => login::run(args)?,
        Verb::Logout(args) => login::forget(&args)?,
        Verb::Pull(args) => pull::run(args, context)?,
        Verb::Push(args) => push::run(args, context)?,
        Verb::Search(args) => search::run(args)?,
        Verb::Ps(args) => containers::run(&args, context)?,
        Verb::Rm(args) => rm::run(&args, context)?,
        Verb::Rmi(args) => rmi::run(&args, context)?,
        Verb::Run(args) => return run::run(*args, context),
        Verb::Save(args) => save::run(&args, context)?,
        Verb::Tag(args) => tag::run(&args, context)?,
    }
    Ok(0)
}

/// teu's own, so that `teu list` and `teu exec` know the containers.
pub fn state_root() -> Result<PathBuf, Failure> {
    if rustix::process::geteuid().is_root() {
        return Ok("/run/teu".into());
    }
    let dir = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
    Ok(dir.map_or_else(std::env::temp_dir, PathBuf::from).join("teu"))
}

/// A container by its name, or by the directory of its bundle.
fn container<'a>(store: &'a Store, name: &str) -> Result<Container<'a>, Failure> {
    let by_name = if name.contains('/') { None } else { Some(store.container(name)) };
    if by_name.as_ref().is_none_or(Result::is_err) && std::path::Path::new(name).is_dir() {
        let path = std::fs::canonicalize(name).map_err(Failure::io(format!("open {name}")))?;
        let rootfs = path.join("rootfs");
        let records = store.container_records()?;
        let found = records.into_iter().find(|record| record.rootfs == rootfs);
        let record =
            found.ok_or_else(|| Failure::Argument(format!("{name} is no bundle of this store")))?;
        return Ok(store.container(&record.name)?);
    }
    match by_name {
        Some(found) => Ok(found?),
        None => Err(Failure::Argument(format!("no such directory: {name}"))),
    }
}

/// A name for a container that got none.
fn generated_name() -> Result<String, Failure> {
    use std::io::Read;
    let mut random = [0; 6];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut random))
        .map_err(Failure::io("read /dev/urandom"))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
