//! `RUN` and `WORKDIR`: a container over the image as it is, whose changes become a layer.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use super::cache::MadeLayer;
use super::copy::{Copier, Manner};
use super::lines::raw_words;
use super::parse::{Command, Run};
use super::plan::Builder;
use super::settings;
use super::stage::Stage;
use super::state::State;
use crate::bundle::{self, Bind, Network};
use crate::dir::Dir;
use crate::error::{Error, Result};
use crate::snapshot::{Container, MountPoints};

/// Always the same, so that nothing of it is another in another build.
const HOSTNAME: &str = "build";
/// Where scripts of here-documents are seen, as with BuildKit.
const SCRIPTS: &str = "/dev/pipes";

/// A container that goes when dropped, whatever happened.
pub struct Scratch<'a> {
    /// Open files keep it mounted: this one goes first.
    rootfs: Option<Dir>,
    container: Option<Container<'a>>,
}

impl<'a> Scratch<'a> {
    /// Makes one of an image that is in memory only.
    pub fn new(builder: &Builder<'a>, state: &State, points: MountPoints) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let now = std::time::UNIX_EPOCH.elapsed().map_or(0, |passed| passed.as_nanos());
        let name = format!("build-{}-{number}-{now:x}", std::process::id());
        let container = builder.store.container_of(&state.image()?, &name, points)?;
        let mut scratch = Self { rootfs: None, container: Some(container) };
        scratch.rootfs = Some(Dir::open(&scratch.container()?.record().rootfs)?);
        Ok(scratch)
    }

    pub fn container(&self) -> Result<&Container<'a>> {
        self.container.as_ref().ok_or_else(gone)
    }

    /// Its root file system.
    pub fn rootfs(&self) -> Result<&Dir> {
        self.rootfs.as_ref().ok_or_else(gone)
    }

    /// What was written in it.
    pub fn layer(&self, builder: &Builder<'_>) -> Result<MadeLayer> {
        let container = self.container()?;
        let epoch = builder.options.epoch;
        let layer = builder.store.pack_layer(epoch, |packer| container.pack(packer))?;
        Ok(MadeLayer { descriptor: layer.descriptor, diff_id: layer.diff_id })
    }

    /// Removes it, and tells if that is not possible.
    pub fn remove(mut self) -> Result<()> {
        self.rootfs.take();
        self.container.take().map_or(Ok(()), Container::remove)
    }
}

fn gone() -> Error {
    Error::Argument("the container is gone".into())
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        self.rootfs.take();
        if let Some(container) = self.container.take() {
            let _ = container.remove();
        }
    }
}

/// What a command is run as.
struct Program {
    words: Vec<String>,
    /// The content of a file that is run, instead of a line for a shell.
    script: Option<String>,
}

impl Stage {
    /// Runs a command.
    pub fn run(&mut self, builder: &Builder<'_>, run: &Run) -> Result<()> {
        let network = match run.network.as_deref() {
            None | Some("default") => builder.options.network,
            Some("none") => Network::None,
            Some("host") => Network::Host,
            Some(other) => {
                let problem = format!("--network={other}: there are none, host and default");
                return Err(Error::Argument(problem));
            }
        };
        let program = program(&self.state, run);
        let args = self.args_for_commands();
        let shown = program.words.join(" ");
        let told = match args.len() {
            0 => format!("RUN {shown}"),
            count => {
                let args: Vec<_> =
                    args.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("RUN |{count} {} {shown}", args.join(" "))
            }
        };
        let isolated = network == Network::None;
        let by = json!(["RUN", program.words, program.script, args, isolated]);
        self.layered(builder, &by, &told, |stage| {
            stage.execute(builder, &program, network).map(Some)
        })
    }

    fn execute(
        &self,
        builder: &Builder<'_>,
        program: &Program,
        network: Network,
    ) -> Result<MadeLayer> {
        // Of the config, what a command depends on: volumes would take what it writes away.
        let mut state = self.state.clone();
        state.section().retain(|key, _| ["Env", "User", "WorkingDir"].contains(&key.as_str()));
        let scratch = Scratch::new(builder, &state, MountPoints::Made)?;
        let container = scratch.container()?;
        let name = container.record().name.clone();
        let args = builder.args.proxies().into_iter().chain(self.args_for_commands());
        let mut options = bundle::Options {
            entrypoint: Some(program.words.clone()),
            env: args.map(|(name, value)| format!("{name}={value}")).collect(),
            hostname: Some(HOSTNAME.to_owned()),
            network,
            ..bundle::Options::default()
        };
        if let (Some(script), Some(target)) = (&program.script, program.words.first()) {
            options.binds.push(write_script(container, script, target)?);
        }
        container.write_bundle_of(&state.image()?, container.path(), &options)?;
        builder.host.say(format_args!(" ---> Running in {name}"))?;
        let status = builder.host.run(&name, container.path())?;
        if builder.host.cancelled() {
            return Err(Error::Interrupted);
        }
        if status != 0 {
            return Err(Error::Command { command: program.words.join(" "), status });
        }
        let layer = scratch.layer(builder)?;
        scratch.remove()?;
        Ok(layer)
    }

    /// Makes the directory, if the image does not have it, as root's.
    pub fn workdir(&mut self, builder: &Builder<'_>, path: &str) -> Result<()> {
        let path = self.expand(builder, path)?;
        let before = self.state.text("WorkingDir");
        let path = settings::workdir(&before, &path).map_err(Error::Argument)?;
        let told = format!("WORKDIR {path}");
        self.layered(builder, &json!(["WORKDIR", path]), &told, |stage| {
            let scratch = Scratch::new(builder, &stage.state, MountPoints::Left)?;
            let rootfs = scratch.rootfs()?;
            let squash = builder.store.unpack_options().squash;
            let manner = Manner { owner: Some((0, 0)), mode: None, attributes: false, squash };
            Copier { rootfs, manner, cancelled: &|| false }.directory(&path)?;
            let changed = !scratch.container()?.diff()?.is_empty();
            let layer = if changed { Some(scratch.layer(builder)?) } else { None };
            scratch.remove()?;
            Ok(layer)
        })?;
        self.state.section().insert("WorkingDir".into(), json!(path));
        Ok(())
    }
}

/// Here-documents go to the shell with the line, or are the command themselves.
fn program(state: &State, run: &Run) -> Program {
    let plain = |words| Program { words, script: None };
    let (Command::Shell(line), Some(first)) = (&run.command, run.heredocs.first()) else {
        return plain(settings::command_words(state, &run.command));
    };
    let of_shell = |text: String| plain([state.shell(), vec![text]].concat());
    if run.heredocs.len() > 1 || raw_words(line, '\\').len() > 1 {
        let mut text = line.clone();
        for heredoc in &run.heredocs {
            text.push_str(&format!("\n{}{}", heredoc.content, heredoc.name));
        }
        return of_shell(text);
    }
    if !first.content.starts_with("#!") {
        return of_shell(first.content.clone());
    }
    let words = vec![format!("{SCRIPTS}/{}", first.name.replace('/', "_"))];
    Program { words, script: Some(first.content.clone()) }
}

fn write_script(container: &Container<'_>, script: &str, target: &str) -> Result<Bind> {
    use std::io::Write as _;
    let dir = container.dir();
    let name = "script";
    let mut file = dir.create(name)?;
    file.write_all(script.as_bytes())
        .and_then(|()| file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755)))
        .map_err(|e| Error::io("write", dir.path().join(name).display(), &e))?;
    Ok(Bind { source: dir.path().join(name), target: target.into(), read_only: true })
}
