//! What is compared: the runtimes, the floor, and the start of a program with nothing else.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::config::Config;
use crate::site::Site;

/// One row of the tables.
#[derive(Debug, Clone)]
pub struct Subject {
    /// In tables, paths and ids.
    pub name: &'static str,
    /// What it says of itself.
    pub version: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// posix_spawn of the container's program on the host.
    Spawn,
    Floor,
    Runtime(PathBuf),
}

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// `run` of a program that ends at once.
    Run,
    /// The three verbs together.
    Lifecycle,
    /// `create`.
    Create,
    /// `start`.
    Start,
    /// `delete --force`.
    Delete,
    /// `exec` of a program that ends at once in a running container.
    Exec,
}

impl Measure {
    /// In the order of the tables.
    pub const ALL: [Self; 6] =
        [Self::Run, Self::Lifecycle, Self::Create, Self::Start, Self::Delete, Self::Exec];
    /// Those that are one command line.
    pub const VERBS: [Self; 3] = [Self::Create, Self::Start, Self::Delete];

    /// For tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Lifecycle => "create + start + delete",
            Self::Create => "create",
            Self::Start => "start",
            Self::Delete => "delete",
            Self::Exec => "exec",
        }
    }
}

impl Subject {
    /// Those that were not left out by name; the absent ones are named on standard error.
    pub fn all(only: &[String], teu: &Path) -> Vec<Self> {
        let wanted = |name: &str| only.is_empty() || only.iter().any(|o| o == name);
        let own = |name, kind| Self { name, version: String::new(), kind };
        let mut subjects = vec![own("spawn", Kind::Spawn), own("floor", Kind::Floor)];
        for (name, path) in [("teu", teu), ("crun", "crun".as_ref()), ("runc", "runc".as_ref())] {
            if !wanted(name) {
                continue;
            }
            match version(path) {
                Some(version) => {
                    subjects.push(Self { name, version, kind: Kind::Runtime(path.to_owned()) });
                }
                None => eprintln!("bench: {name}: absent ({} does not run)", path.display()),
            }
        }
        subjects.retain(|subject| subject.is_runtime() || only.is_empty() || wanted(subject.name));
        subjects
    }

    /// Not one of the floors.
    pub fn is_runtime(&self) -> bool {
        matches!(self.kind, Kind::Runtime(_))
    }

    /// Whether there is something to time.
    pub fn has(&self, measure: Measure) -> bool {
        match self.kind {
            Kind::Spawn => measure == Measure::Run,
            Kind::Floor => matches!(measure, Measure::Run | Measure::Exec),
            Kind::Runtime(_) => true,
        }
    }

    /// The command line for one verb; for a lifecycle, that of its first verb.
    pub fn words(&self, site: &Site, config: Config, measure: Measure) -> Vec<String> {
        let program = match &self.kind {
            Kind::Spawn => return vec![text(&site.bundle(self, config).join("rootfs/bin/true"))],
            Kind::Floor => return site.floor(self, config, measure),
            Kind::Runtime(program) => text(program),
        };
        let bundle = text(&site.bundle(self, config));
        let id = format!("{}-{}", self.name, config.name());
        let verb: &[&str] = match measure {
            Measure::Run => &["run", "--bundle", &bundle, &id],
            Measure::Create | Measure::Lifecycle => &["create", "--bundle", &bundle, &id],
            Measure::Start => &["start", &id],
            Measure::Delete => &["delete", "--force", &id],
            Measure::Exec => &["exec", &format!("{id}-sleep"), "/bin/true"],
        };
        let mut words = vec![program, "--root".to_owned(), text(&site.state(self))];
        words.extend(verb.iter().map(|word| (*word).to_owned()));
        words
    }

    /// Starts the container that `exec` enters.
    pub fn run_sleeper(&self, site: &Site, config: Config) -> Option<Vec<String>> {
        let Kind::Runtime(program) = &self.kind else { return None };
        let (bundle, id) = (site.sleeper(self, config), self.sleeper_id(config));
        let root = text(&site.state(self));
        let words =
            [&text(program), "--root", &root, "run", "--detach", "--bundle", &text(&bundle)];
        Some(words.into_iter().chain([id.as_str()]).map(str::to_owned).collect())
    }

    /// Ends everything this runtime may have left running.
    pub fn force_delete(&self, site: &Site) {
        let Kind::Runtime(program) = &self.kind else { return };
        for config in Config::ALL {
            for id in [format!("{}-{}", self.name, config.name()), self.sleeper_id(config)] {
                let mut command = Command::new(program);
                command.arg("--root").arg(site.state(self)).args(["delete", "--force", &id]);
                let _ = command.output();
            }
        }
    }

    fn sleeper_id(&self, config: Config) -> String {
        format!("{}-{}-sleep", self.name, config.name())
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The first line of `--version`, without the name.
fn version(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().next()?;
    output.status.success().then(|| line.rsplit(' ').next().unwrap_or(line).to_owned())
}
