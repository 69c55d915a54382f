//! A `criu swrk`: started, asked one thing, and waited for.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;

use crate::compile::{self, CriuRequest, Restoring};
use crate::criu::rpc::{Features, Kind, Request, Response};
use crate::criu::{Answer, Connection, Listener, MINIMUM, Version, errors};
use crate::error::{Error, Result};
use crate::launch::{Child, End, Lane, NoLane, launch, wait_and_leave};
use crate::lifecycle::{files, hooks::environment};
use crate::prepare::{Prepare, memory_file, prepare};
use crate::timings::Timer;

/// A CRIU that waits for its request.
pub(super) struct Service {
    child: Child,
    connection: Connection,
    /// What it prints, which is little: before it has a log.
    output: Option<File>,
}

/// What a service is started with, beyond the program itself.
pub(super) struct Setting<'a> {
    pub restore: Option<Restoring<'a>>,
    /// Descriptors from 4 on.
    pub given: Vec<OwnedFd>,
    /// `from` and `lane` of the launch; `from.stdio` only if the streams are not the caller's.
    pub from: Prepare<'a>,
    pub own_stdio: bool,
}

impl Service {
    /// One that has nothing to do with any container's streams or cgroup.
    pub fn plain() -> Result<Self> {
        let output = File::from(memory_file("teu-criu-output", false)?);
        let [stdin, stdout, _] = files::nowhere()?;
        let stderr = output.try_clone().map_err(|e| Error::io("dup", "memfd", &e))?;
        let stdio = Some([stdin, stdout, stderr.into()]);
        let from = Prepare { stdio, ..Prepare::default() };
        let setting = Setting { restore: None, given: Vec::new(), from, own_stdio: true };
        Ok(Self { output: Some(output), ..Self::start(setting, &mut NoLane)? })
    }

    pub fn start(setting: Setting<'_>, lane: &mut dyn Lane) -> Result<Self> {
        let (connection, theirs) = Connection::pair()?;
        let mut given = vec![theirs];
        given.extend(setting.given);
        let env: Vec<OsString> = environment();
        let plan = compile::criu(&CriuRequest {
            env: &env,
            own_stdio: setting.own_stdio,
            given: u32::try_from(given.len()).unwrap_or(u32::MAX),
            restore: setting.restore,
        })?;
        let prepared = prepare(&plan, Prepare { given, ..setting.from })?;
        let child = launch(&plan, prepared, lane, &mut Timer::off()).map_err(program_problem)?;
        Ok(Self { child, connection, output: None })
    }

    pub fn pid(&self) -> i32 {
        self.child.pid
    }

    /// Asks for one thing. Whether it was done or not, CRIU has ended when this returns: it takes back
    /// what it has begun, which it must not be killed in the middle of.
    pub fn ask(
        self,
        request: &Request,
        listener: &mut dyn Listener,
        log: Option<&Path>,
    ) -> Result<Response> {
        let Self { child, connection, output } = self;
        let answer = connection.ask(request, listener);
        drop(connection);
        let end = child.pidfd().map(wait_and_leave);
        let why = |response: Option<Response>| Error::Criu {
            what: verdict(request.kind(), response.as_ref(), end),
            problem: problem(response, log, output.as_ref()),
            log: log.filter(|log| log.exists()).map(Path::to_owned),
        };
        match answer? {
            Answer::Done(response) => Ok(response),
            Answer::Refused(response) => Err(why(Some(response))),
            Answer::Gone => Err(why(None)),
        }
    }
}

/// The words are runc's.
fn verdict(asked: Kind, response: Option<&Response>, end: Option<Result<End, Errno>>) -> String {
    match (response, end) {
        (Some(response), _) => {
            let errno = response.cr_errno.unwrap_or(0);
            format!("type {} errno {errno}", response.kind().name())
        }
        (None, Some(Ok(End::Killed(signal)))) => {
            format!("type {} killed by signal {signal}", asked.name())
        }
        (None, _) => format!("type {} unexpected EOF", asked.name()),
    }
}

/// What went wrong first, from the best source that there is.
fn problem(response: Option<Response>, log: Option<&Path>, output: Option<&File>) -> String {
    let told = response.and_then(|response| response.cr_errmsg).filter(|text| !text.is_empty());
    let logged = || log.and_then(errors);
    let printed = || {
        let text = read_all(output?)?;
        text.lines().find(|line| line.contains("Error")).map(str::to_owned)
    };
    let text = logged().or(told).or_else(printed);
    crate::spec::one_line(text.unwrap_or_else(|| "it gives no reason".into()).trim())
}

fn read_all(mut file: &File) -> Option<String> {
    use std::io::{Read, Seek};
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok().map(|_| text)
}

/// What is said of a container's process is said of CRIU here.
fn program_problem(e: Error) -> Error {
    match e {
        Error::Step { field, errno: Errno::ENOENT, .. } if field == "criu" => Error::unsupported(
            "criu",
            "is not in $PATH; checkpoint and restore need it (in most distributions, package criu)",
        ),
        Error::Step { what, errno, .. } => Error::Step { field: "criu".into(), what, errno },
        other => other,
    }
}

/// The installed CRIU's version, unless it is too old for `wanted`.
pub(super) fn require_version(wanted: Version, by: &str) -> Result<Version> {
    let response = Service::plain()?.ask(&Request::new(Kind::Version), &mut (), None)?;
    let version = response.version.map(|told| Version::of(&told));
    match version {
        Some(version) if version >= wanted.max(MINIMUM) => Ok(version),
        Some(version) => {
            let reason = format!("version {version} is too old: {by} needs {wanted} or newer");
            Err(Error::unsupported("criu", reason))
        }
        None => Err(Error::unsupported("criu", "does not tell its version")),
    }
}

/// Refuses if this CRIU on this kernel cannot do what the flag needs.
pub(super) fn require_feature(flag: &str, wanted: Features) -> Result<()> {
    let mut request = Request::new(Kind::FeatureCheck);
    request.features = Some(wanted);
    let has = Service::plain()?.ask(&request, &mut (), None)?.features.unwrap_or_default();
    let lacks = |wanted: Option<bool>, has: Option<bool>| wanted == Some(true) && has != Some(true);
    if lacks(wanted.mem_track, has.mem_track) {
        return Err(Error::unsupported(
            flag,
            "criu is missing features: MemTrack (the kernel tells nobody which memory has changed)",
        ));
    }
    if lacks(wanted.lazy_pages, has.lazy_pages) {
        return Err(Error::unsupported(flag, "criu is missing features: LazyPages (userfaultfd)"));
    }
    Ok(())
}
