//! Runs inside the container and prints what it sees.
//!
//! It is the only file in most test root filesystems, so it links statically and asks the kernel directly where it
//! can: everything that needs `/proc` is `null` when `/proc` is not there.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit, reason = "a command line tool")]

mod actions;
mod dev;
mod exe;
mod hold;
mod process;
mod procfs;
mod report;
mod roots;
mod scheduling;
mod syscall;
mod terminal;
mod xattr;

use std::process::ExitCode;

const USAGE: &str = "probe COMMAND
  report               one JSON object: what this process sees
  echo ARG...          print the arguments
  exit N               exit with status N
  env NAME             print an environment variable
  cat                  copy standard input to standard output
  fds                  JSON: the open descriptors
  streams              JSON: what fstat says of the standard streams
  read PATH            print a file
  write PATH TEXT      create or overwrite a file
  append PATH TEXT     write to an existing file without truncating it
  open PATH r|w|rw     open and close it
  mkdir PATH | unlink PATH | ls PATH
  stat PATH            JSON: what lstat says
  xattrs PATH          names of its extended attributes, sorted
  mknod PATH c|b MAJOR MINOR
  mount SOURCE TARGET TYPE
  umount PATH
  call native|x32|int80 NUMBER ARG...  a system call: its result or errno
  clocks               JSON: monotonic, boottime and /proc/uptime, in seconds
  scheduling           JSON: scheduling, I/O priority, affinity, memory policy and machine of this process
  terminal             JSON: the terminal of this process and its streams
  winch                print the size of the terminal, and again after every SIGWINCH
  notify LINE...       send the lines to $NOTIFY_SOCKET, each as a message
  count PATH           write a number of its own, a count that grows, and its pid to an open file, again and again
  hold lock PATH | connection | unlinked PATH OTHER | socket PATH
                       count in /count while it holds that, and it works
  sleep                wait for SIGTERM, then exit 0
  trap                 print the name of every signal received; SIGTERM exits 42
  trap-all             the number of every signal; SIGTERM exits 42
  kill-self SIGNAL     die of a signal
  orphan CMD...        die of SIGKILL while a forked CMD goes on
  spawn-children N     fork N sleepers, then sleep
  grandchild           leave a sleeper behind whose parent is gone, then sleep
  touch-memory MIB     allocate and touch memory, print how much
  spin MS              use a processor for so long, print the CPU time that was had
  fork-chain N LEN     N times: fork a child and exit, and so on for LEN generations; then sleep
  save-stdin FILE      write {stdin, args, cwd, env, ns} as JSON to FILE (for hooks)
  hunt-exe PATH        open every other process's executable until PATH runs, then try them all for writing
  subreaper CMD...     become a subreaper, run CMD, then sleep without reaping
  nested CMD...        run CMD as root of new user, mount and pid namespaces
  break-out DIR CMD... leave a chroot by another one in DIR, then run CMD
  on-ramdisk PROGRAM ARG...      (on the host) run a program as on a host that never left its initramfs
  in-chroot DIR PROGRAM ARG...   (on the host) run it in a chroot that looks like the host
  seq CMD... -- CMD... several commands in turn; the status is the first that is not 0";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    ExitCode::from(run(&words))
}

fn run(words: &[&str]) -> u8 {
    match words {
        ["seq", rest @ ..] => rest
            .split(|w| *w == "--")
            .map(run)
            .fold(0, |first, s| if first == 0 { s } else { first }),
        ["report"] => print(&report::report()),
        ["clocks"] => print(&procfs::clocks()),
        ["scheduling"] => print(&scheduling::report()),
        ["terminal"] => print(&terminal::report()),
        ["winch"] => terminal::winch(),
        ["fds"] => print(&procfs::fds()),
        ["streams"] => print(&dev::streams()),
        ["call", path, number, args @ ..] => {
            syscall::call(path, number, args).unwrap_or_else(|| usage("call"))
        }
        ["hunt-exe", last] => print(&exe::hunt(last)),
        ["hold", words @ ..] => hold::run(words).unwrap_or_else(|| usage("hold")),
        [command, rest @ ..] => actions::run(command, rest)
            .or_else(|| process::run(command, rest))
            .or_else(|| roots::run(command, rest))
            .unwrap_or_else(|| usage(command)),
        [] => usage(""),
    }
}

fn usage(command: &str) -> u8 {
    eprintln!("unknown or incomplete command {command:?}\n{USAGE}");
    64
}

fn print(value: &serde_json::Value) -> u8 {
    println!("{value}");
    0
}
