//! A container of an engine with docker's verbs.

use crate::cgroup::Cgroup;
use crate::command::{Cmd, wait_until};
use crate::outcome::Outcome;

/// An engine that is asked by a command line like docker's.
pub trait Client {
    /// How a container is removed by force, with its volumes.
    const REMOVE: [&str; 2];

    /// A command of it.
    fn command(&self, words: &[&str]) -> Cmd;
}

/// A container; removed by force when dropped, with its volumes.
#[derive(Debug)]
pub struct Started<'a, E: Client> {
    engine: &'a E,
    id: String,
}

impl<'a, E: Client> Started<'a, E> {
    /// One that is there, by id or name.
    pub fn known(engine: &'a E, id: &str) -> Self {
        Self { engine, id: id.to_owned() }
    }

    /// Its full id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A verb on it: `docker VERB FLAGS ID`.
    pub fn verb(&self, verb: &str, flags: &[&str]) -> Outcome {
        self.engine.command(&[verb]).args(flags).arg(&self.id).run()
    }

    /// `docker exec`.
    pub fn exec(&self, words: &[&str]) -> Outcome {
        self.exec_with(&[], words)
    }

    /// `docker exec` with flags.
    pub fn exec_with(&self, flags: &[&str], words: &[&str]) -> Outcome {
        self.exec_cmd(flags, words).run()
    }

    /// The same, to be started.
    pub fn exec_cmd(&self, flags: &[&str], words: &[&str]) -> Cmd {
        self.engine.command(&["exec"]).args(flags).arg(&self.id).args(words)
    }

    /// What `docker inspect` has for a template, less the `{{.` and `}}`.
    #[track_caller]
    pub fn inspect(&self, field: &str) -> String {
        let format = format!("--format={{{{.{field}}}}}");
        self.verb("inspect", &[&format]).ok().out().to_owned()
    }

    /// `State.Status`.
    #[track_caller]
    pub fn status(&self) -> String {
        self.inspect("State.Status")
    }

    /// Waits for a status.
    #[track_caller]
    pub fn wait_status(&self, status: &str) {
        wait_until(&format!("status {status}"), || self.status() == status);
    }

    /// Waits for its end, and returns its exit status.
    #[track_caller]
    pub fn wait(&self) -> i32 {
        self.verb("wait", &[]).ok().out().parse().unwrap()
    }

    /// Its first process.
    #[track_caller]
    pub fn pid(&self) -> i32 {
        self.inspect("State.Pid").parse().unwrap()
    }

    /// Its cgroup.
    #[track_caller]
    pub fn cgroup(&self) -> Cgroup {
        Cgroup::of(self.pid())
    }

    /// What it has printed.
    #[track_caller]
    pub fn logs(&self) -> Outcome {
        self.verb("logs", &[]).ok()
    }

    /// Waits until it has printed something.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        wait_until(&format!("{text:?} in the logs"), || self.logs().stdout.contains(text));
    }
}

impl<E: Client> Drop for Started<'_, E> {
    fn drop(&mut self) {
        self.verb(E::REMOVE[0], &E::REMOVE[1..]);
    }
}
