//! One configuration and one verb: tries points one after the other, and says what was wrong.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use integration_tests::{Bundle, Outcome, Value, json, patience};
use nix::sys::signal::Signal;

use super::calls;
use super::point::{Fault, Point};
use super::scene;
use super::spawn::spawn;
use super::tracer::{End, Trace, trace};
use super::traces::{Traces, hierarchies, wait_until_as_before};

/// A bundle and what it is like undisturbed.
pub struct Site {
    bundle: Bundle,
    user: Option<u32>,
    verb: String,
    parent: String,
    before: Traces,
    report: Option<Value>,
    /// So many first calls are those of the C library and the language.
    start_up: usize,
    /// How many calls each process makes.
    lengths: Vec<usize>,
}

/// What a disturbed verb did.
struct Done {
    point: Option<Point>,
    trace: Trace,
    stdout: String,
    stderr: String,
}

impl Site {
    /// Prepares the bundle, and goes through the verb undisturbed: the second value is its calls. An error if it fails
    /// here even so.
    pub fn new(config: &str, verb: &str) -> Result<(Self, Vec<Vec<i64>>), String> {
        let parent = format!("teu-faults-{}", std::process::id());
        let bundle = scene::bundle(config, &parent);
        let user = (config == "rootless").then(integration_tests::ordinary_user);
        let before = Traces::of(&bundle, &parent);
        let mut site = Self {
            bundle,
            user,
            verb: verb.to_owned(),
            parent,
            before,
            report: None,
            start_up: 0,
            lengths: Vec::new(),
        };
        site.cycle()?;
        site.before = Traces::of(&site.bundle, &site.parent);
        site.set_up()?;
        let done = site.disturb(None);
        if done.trace.end != Some(End::Exited(0)) {
            return Err(format!("fails undisturbed: {:?} {}", done.trace.end, done.stderr));
        }
        site.report = site.effect(&done)?;
        site.clean_up()?;
        let bare = site.traced(vec![site.words("state").swap_remove(0), "--version".into()], None);
        let both = bare.trace.calls[0].iter().zip(&done.trace.calls[0]);
        site.start_up = both.take_while(|(a, b)| a == b).count();
        site.lengths = done.trace.calls.iter().map(Vec::len).collect();
        Ok((site, done.trace.calls))
    }

    /// Whether the call is the last of an executor.
    fn is_last(&self, point: Point) -> bool {
        point.process > 0 && self.lengths.get(point.process) == Some(&(point.index + 1))
    }

    /// Whether the call at this index is made before `main`. The C library and the language end the process by
    /// themselves, and in their own ways, if one fails.
    pub fn is_start_up(&self, process: usize, index: usize) -> bool {
        process == 0 && index < self.start_up
    }

    /// One point: the call that was struck (`None` if it was never reached), and what was wrong.
    pub fn attempt(&self, point: Point) -> (Option<i64>, Result<(), String>) {
        if let Err(e) = self.set_up() {
            return (None, Err(format!("before the verb: {e}")));
        }
        let done = self.disturb(Some(point));
        let result = self.judge(point, &done).map_err(|e| {
            let text = |text: &str| text.chars().take(600).collect::<String>();
            format!("{e}; {:?}, stderr {:?}", done.trace.end, text(&done.stderr))
        });
        let cleaned = self.clean_up();
        (done.trace.hit, result.and(cleaned))
    }

    fn judge(&self, point: Point, done: &Done) -> Result<(), String> {
        let (end, hit) = (done.trace.end, done.trace.hit);
        match end {
            None => Err(format!("hangs: {}", done.trace.stuck.join("; "))),
            Some(End::Killed(Signal::SIGKILL)) if point.fault == Fault::KillTeu => Ok(()),
            Some(End::Killed(Signal::SIGKILL))
                if point.process == 0 && point.fault == Fault::Kill =>
            {
                Ok(())
            }
            Some(End::Killed(Signal::SIGABRT)) if out_of_memory(hit, &done.stderr) => Ok(()),
            Some(End::Killed(signal)) => Err(format!("died of {signal}")),
            Some(End::Exited(0)) => {
                self.effect(done).and_then(|report| match report == self.report {
                    true => Ok(()),
                    false => Err(difference(self.report.as_ref(), report.as_ref())),
                })
            }
            Some(End::Exited(_)) => self.is_an_answer(done),
        }
    }

    /// One line of error, and a failed create has left nothing.
    fn is_an_answer(&self, done: &Done) -> Result<(), String> {
        let text = done.stderr.trim_end();
        if text.is_empty() || text.contains("panicked") {
            return Err("no error is told".into());
        }
        if text.lines().count() > 2 {
            return Err("the error is of several lines".into());
        }
        let made =
            matches!(self.verb.as_str(), "create" | "run") && scene::normal(&done.stdout).is_none();
        if made {
            wait_until_as_before(&self.bundle, &self.parent, &self.before)
                .map_err(|e| format!("a failed {} leaves something: {e}", self.verb))?;
        }
        Ok(())
    }

    /// What the verb has achieved, after it has succeeded.
    fn effect(&self, done: &Done) -> Result<Option<Value>, String> {
        let said = |text: &str| scene::normal(text).ok_or(format!("no report: {text:?}"));
        match self.verb.as_str() {
            "run" | "exec" => said(&done.stdout).map(Some),
            "create" => {
                let started = self.untraced("start")?;
                // The init was struck as it waited for this, when `create` had ended well.
                if done.point.is_some_and(|point| self.is_last(point))
                    && started.stderr.contains("container that has stopped")
                {
                    return Ok(self.report.clone());
                }
                ok(started)?;
                self.wait_for_status("stopped")?;
                said(&self.printed()).map(Some)
            }
            "start" => {
                self.wait_for_status("stopped")?;
                said(&self.printed()).map(Some)
            }
            "kill" => self.wait_for_status("stopped").map(|()| None),
            "pause" => self.wait_for_status("paused").map(|()| None),
            "resume" => self.wait_for_status("running").map(|()| None),
            "update" => Ok(Some(json!(self.pids_limits()))),
            "state" => {
                let state: Value = serde_json::from_str(&done.stdout).map_err(|e| e.to_string())?;
                Ok(Some(state["status"].clone()))
            }
            _ => wait_until_as_before(&self.bundle, &self.parent, &self.before).map(|()| None),
        }
    }

    fn pids_limits(&self) -> Vec<String> {
        let own = format!("{}/{}/pids.max", self.parent, self.bundle.id());
        let read = |dir: std::path::PathBuf| std::fs::read_to_string(dir.join(&own)).ok();
        hierarchies().into_iter().filter_map(read).collect()
    }

    /// What the container's process, made by an earlier `create`, has printed.
    fn printed(&self) -> String {
        std::fs::read_to_string(self.bundle.scratch("out")).unwrap_or_default()
    }

    // ---- the way there and back --------------------------------------------------------------------------------

    fn set_up(&self) -> Result<(), String> {
        if matches!(self.verb.as_str(), "create" | "run") {
            return Ok(());
        }
        self.untraced("create").and_then(ok)?;
        if self.verb != "start" {
            self.untraced("start").and_then(ok)?;
        }
        if self.verb == "resume" { self.untraced("pause").and_then(ok) } else { Ok(()) }
    }

    /// `delete --force`, and once through all with the same id; other verbs than these begin the next point with that.
    fn clean_up(&self) -> Result<(), String> {
        self.untraced("delete").and_then(ok).map_err(|e| format!("delete --force: {e}"))?;
        let clean = || wait_until_as_before(&self.bundle, &self.parent, &self.before);
        clean().map_err(|e| format!("after delete --force: {e}"))?;
        if !matches!(self.verb.as_str(), "create" | "run") {
            return Ok(());
        }
        self.cycle().map_err(|e| format!("the id cannot be used again: {e}"))?;
        clean().map_err(|e| format!("after using the id again: {e}"))
    }

    fn cycle(&self) -> Result<(), String> {
        ["create", "start", "delete"]
            .into_iter()
            .try_for_each(|verb| self.untraced(verb).and_then(ok))
    }

    fn wait_for_status(&self, status: &str) -> Result<(), String> {
        let end = Instant::now() + patience(Duration::from_secs(10));
        loop {
            let state = self.untraced("state")?;
            let now: Value = serde_json::from_str(&state.stdout).unwrap_or_default();
            if now["status"] == status {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(format!("the status is not {status}: {state:?}"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn disturb(&self, point: Option<Point>) -> Done {
        self.traced(self.words(&self.verb), point)
    }

    fn traced(&self, words: Vec<OsString>, point: Option<Point>) -> Done {
        let (out, err) = (self.stream("traced-out"), self.stream("traced-err"));
        let (pid, gate) = spawn(words, self.user, &out.0, &err.0);
        if self.verb == "create" {
            // The container's process goes on printing there.
            let _ = std::fs::remove_file(self.bundle.scratch("out"));
            std::fs::hard_link(&out.1, self.bundle.scratch("out")).unwrap();
        }
        let trace = trace(pid, gate, point);
        let read = |path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        Done { point, trace, stdout: read(&out.1), stderr: read(&err.1) }
    }

    fn stream(&self, name: &str) -> (File, std::path::PathBuf) {
        let path = self.bundle.scratch(name);
        let _ = std::fs::remove_file(&path);
        (File::create(&path).unwrap(), path)
    }

    fn words(&self, verb: &str) -> Vec<OsString> {
        let mut words = self.bundle.verb(verb).words();
        words.extend(scene::words(&self.bundle, verb).into_iter().map(OsString::from));
        words
    }

    fn untraced(&self, verb: &str) -> Result<Outcome, String> {
        if verb == "create" {
            let sleeps = scene::sleeps(&self.verb);
            self.bundle.write_with_args(if sleeps { &["sleep"] } else { &["report"] });
        }
        let cmd = self.bundle.verb(verb).args(scene::words(&self.bundle, verb));
        let cmd = cmd.limit(patience(Duration::from_secs(30)));
        // A container goes on using those of its create.
        let names = if verb == "create" { ["out", "err"] } else { ["verb-out", "verb-err"] };
        let [out, err] = names.map(|name| self.stream(name).0);
        let ended = std::panic::catch_unwind(|| {
            cmd.spawn_into(out.as_fd().try_clone_to_owned().unwrap().into(), err).wait()
        });
        ended.map_err(|_| format!("{verb} hangs"))
    }
}

fn ok(outcome: Outcome) -> Result<(), String> {
    match outcome.status {
        0 => Ok(()),
        _ => Err(format!("{outcome:?}")),
    }
}

/// Where the allocator gets no memory, a program of Rust ends by itself.
fn out_of_memory(hit: Option<i64>, stderr: &str) -> bool {
    hit.is_some_and(calls::is_the_allocators) && stderr.contains("memory allocation")
}

fn difference(expected: Option<&Value>, found: Option<&Value>) -> String {
    let (Some(expected), Some(found)) = (expected, found) else {
        return format!("succeeds with {found:?} instead of {expected:?}");
    };
    let Some(keys) = expected.as_object() else {
        return format!("succeeds with {found} instead of {expected}");
    };
    let differ: Vec<String> = keys
        .iter()
        .filter(|(key, value)| found[*key] != **value)
        .map(|(key, value)| format!("{key}: {} instead of {value}", found[key]))
        .collect();
    format!("succeeds with {}", differ.join(", "))
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.bundle.verb("delete").args(["--force", self.bundle.id()]).run();
        for hierarchy in hierarchies() {
            let parent = hierarchy.join(&self.parent);
            let _ = std::fs::remove_dir(parent.join(self.bundle.id()));
            let _ = std::fs::remove_dir(parent);
        }
    }
}
