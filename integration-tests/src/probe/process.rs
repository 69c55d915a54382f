//! Commands about signals, children and memory.
#![allow(unsafe_code, reason = "fork has no safe wrapper")]

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{SigHandler, SigSet, Signal, kill, raise, signal};
use nix::sys::time::TimeVal;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};

use crate::procfs::signal_name;

/// Runs a process command, if it is one.
pub fn run(command: &str, args: &[&str]) -> Option<u8> {
    Some(match (command, args) {
        ("sleep", []) => sleep(),
        ("trap", []) => trap(),
        ("trap-all", []) => trap_all(),
        ("count", [path]) => count(path),
        ("kill-self", [name]) => kill_self(name),
        ("orphan", words) if !words.is_empty() => orphan(words),
        ("grandchild", []) => grandchild(),
        ("spawn-children", [n]) => spawn_children(n.parse().unwrap_or(1)),
        ("touch-memory", [mib]) => touch_memory(mib.parse().unwrap_or(1)),
        ("spin", [ms]) => spin(ms.parse().unwrap_or(1)),
        ("fork-chain", [n, len]) => fork_chains(n.parse().unwrap_or(1), len.parse().unwrap_or(1)),
        ("subreaper", [program, rest @ ..]) => subreaper(program, rest),
        _ => return None,
    })
}

/// Waits for SIGTERM. As pid 1 a signal without a handler would not reach it; the handler also tells the harness,
/// by `SigCgt` in `/proc`, that it is ready (a signal that is waited for with sigwait shows nowhere).
fn sleep() -> u8 {
    extern "C" fn leave(_: libc::c_int) {
        // SAFETY: _exit may be called in a signal handler.
        unsafe { libc::_exit(0) }
    }
    // SAFETY: the handler calls nothing but _exit.
    if unsafe { signal(Signal::SIGTERM, SigHandler::Handler(leave)) }.is_err() {
        return 1;
    }
    loop {
        nix::unistd::pause();
    }
}

fn trap() -> u8 {
    let mut set = SigSet::empty();
    for number in [1, 2, 3, 10, 12, 14, 15, 23, 28] {
        if let Ok(signal) = Signal::try_from(number) {
            set.add(signal);
        }
    }
    if set.thread_block().is_err() {
        return 1;
    }
    println!("ready");
    loop {
        if let Ok(signal) = set.wait() {
            println!("{signal}");
            if signal == Signal::SIGTERM {
                return 42;
            }
        }
    }
}

/// With numbers for names, since realtime signals have none. Those that cannot be caught end it.
fn trap_all() -> u8 {
    let set = SigSet::all();
    if set.thread_block().is_err() {
        return 1;
    }
    println!("ready");
    loop {
        let mut number = 0;
        // SAFETY: reads a set, writes a number.
        if unsafe { libc::sigwait(set.as_ref(), &raw mut number) } == 0 {
            println!("{number}");
            if number == libc::SIGTERM {
                return 42;
            }
        }
    }
}

fn count(path: &str) -> u8 {
    count_while(path, || true)
}

/// Through one descriptor: only who has kept memory and files goes on with the same number.
pub fn count_while(path: &str, mut goes_on: impl FnMut() -> bool) -> u8 {
    let Ok(file) = std::fs::File::create(path) else { return 1 };
    let since = std::time::UNIX_EPOCH.elapsed().map_or(0, |age| age.as_nanos());
    for n in 0u64.. {
        let line = format!("{since} {n:020} {}\n", std::process::id());
        let written = std::os::unix::fs::FileExt::write_all_at(&file, line.as_bytes(), 0);
        if written.is_err() || !goes_on() {
            return 1;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    0
}

fn kill_self(name: &str) -> u8 {
    let Ok(wanted) = name.parse::<Signal>() else { return 64 };
    // SAFETY: only the default disposition is installed, no handler code can run.
    let reset = unsafe { signal(wanted, SigHandler::SigDfl) };
    if reset.is_err() && wanted != Signal::SIGKILL {
        return 1;
    }
    match raise(wanted) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

fn orphan(words: &[&str]) -> u8 {
    // SAFETY: this program has one thread, so the child may go on as if nothing had happened.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => crate::run(words),
        Ok(ForkResult::Parent { .. }) => kill_self("SIGKILL"),
        Err(_) => 1,
    }
}

fn grandchild() -> u8 {
    // SAFETY: as in `orphan`.
    match unsafe { fork() } {
        // SAFETY: as in `orphan`.
        Ok(ForkResult::Child) => match unsafe { fork() } {
            Ok(ForkResult::Child) => sleep(),
            _ => 0,
        },
        Ok(ForkResult::Parent { child }) => {
            let _ = waitpid(child, None);
            println!("ready");
            sleep()
        }
        Err(_) => 1,
    }
}

/// If one cannot be forked, those that could are ended.
fn spawn_children(count: usize) -> u8 {
    let mut children = Vec::new();
    for _ in 0..count {
        // SAFETY: as in `orphan`.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => return sleep(),
            Ok(ForkResult::Parent { child }) => children.push(child),
            Err(error) => {
                println!("{error:?}");
                for child in children {
                    let _ = kill(child, Signal::SIGKILL).map(|()| waitpid(child, None));
                }
                return 1;
            }
        }
    }
    println!("ready");
    sleep()
}

/// What the process used before its exec was the runtime's.
fn spin(ms: u64) -> u8 {
    let before = cpu_time();
    let end = std::time::Instant::now() + std::time::Duration::from_millis(ms);
    while std::time::Instant::now() < end {
        std::hint::spin_loop();
    }
    println!("{}", cpu_time() - before);
    0
}

/// Processes that are gone before anybody who has listed them can signal them. It ends by itself.
fn fork_chains(count: usize, generations: usize) -> u8 {
    // SAFETY: nothing is called on SIGCHLD; children need no wait. This process adopts them all.
    let ignored = unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) };
    if ignored.is_err() || nix::sys::prctl::set_child_subreaper(true).is_err() {
        return 1;
    }
    for _ in 0..count {
        // SAFETY: as in `orphan`.
        if let Ok(ForkResult::Child) = unsafe { fork() } {
            return fork_on(generations);
        }
    }
    println!("ready");
    sleep()
}

fn fork_on(generations: usize) -> u8 {
    for _ in 0..generations {
        // SAFETY: as in `orphan`.
        if !matches!(unsafe { fork() }, Ok(ForkResult::Child)) {
            break;
        }
    }
    0
}

fn touch_memory(mib: usize) -> u8 {
    let mut block = vec![0u8; mib << 20];
    for page in block.chunks_mut(4096) {
        page.fill(1);
    }
    println!("touched {} MiB", block.iter().filter(|b| **b == 1).count() >> 20);
    0
}

fn cpu_time() -> i64 {
    let milliseconds = |t: TimeVal| t.tv_sec() * 1000 + t.tv_usec() / 1000;
    let usage = getrusage(UsageWho::RUSAGE_SELF);
    usage.map_or(0, |u| milliseconds(u.user_time()) + milliseconds(u.system_time()))
}

fn subreaper(program: &str, rest: &[&str]) -> u8 {
    if nix::sys::prctl::set_child_subreaper(true).is_err() {
        return 1;
    }
    match Command::new(program).args(rest).process_group(0).status() {
        Ok(status) => match status.signal() {
            Some(number) => println!("signal {}", signal_name(number)),
            None => println!("exit {}", status.code().unwrap_or(-1)),
        },
        Err(error) => return crate::actions::fail(&error),
    }
    sleep()
}
