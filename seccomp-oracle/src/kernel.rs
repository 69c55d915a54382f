//! Filters in the kernel, each in a child of its own: a filter cannot be taken off again.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use libteu::seccomp::Instruction;

const SPEC_ALLOW: u64 = 4;
const CALLS: u32 = 20_000;
/// The shortest of these counts: what else the machine does only adds.
const ROUNDS: usize = 15;

/// How long seccomp(2) takes to install the program.
pub fn install_time(program: &[Instruction]) -> Duration {
    Duration::from_nanos(in_child(|| [install(program).as_nanos() as u64, 0, 0])[0])
}

/// Nanoseconds for each of getppid, personality(-1) and a call that does not exist, with the program
/// installed (or none).
pub fn cost(program: &[Instruction]) -> [u64; 3] {
    in_child(|| {
        if !program.is_empty() {
            install(program);
        }
        let calls = [(libc::SYS_getppid, 0), (libc::SYS_personality, 0xffff_ffffi64), (1000, 0)];
        calls.map(|(number, arg)| {
            let round = |_| {
                let begin = Instant::now();
                for _ in 0..CALLS {
                    // SAFETY: these calls take no pointer.
                    unsafe { libc::syscall(number, arg) };
                }
                begin.elapsed().as_nanos() as u64 / u64::from(CALLS)
            };
            (0..ROUNDS).map(round).min().unwrap_or(0)
        })
    })
}

fn install(program: &[Instruction]) -> Duration {
    let filter: Vec<libc::sock_filter> = program
        .iter()
        .map(|i| libc::sock_filter { code: i.code, jt: i.jt, jf: i.jf, k: i.k })
        .collect();
    let mut fprog =
        libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: prctl takes numbers; seccomp reads `fprog` and `filter`, which live until it returns.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let begin = Instant::now();
        let set = libc::SECCOMP_SET_MODE_FILTER;
        let done = libc::syscall(libc::SYS_seccomp, set, SPEC_ALLOW, &raw mut fprog);
        let time = begin.elapsed();
        assert_eq!(done, 0, "seccomp: {}", std::io::Error::last_os_error());
        time
    }
}

fn in_child(measure: impl FnOnce() -> [u64; 3]) -> [u64; 3] {
    let (mut reader, mut writer) = std::io::pipe().expect("pipe");
    // SAFETY: this program has one thread, so the child may go on as if nothing had happened.
    match unsafe { libc::fork() } {
        0 => {
            let numbers = measure();
            let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_ne_bytes()).collect();
            let status = i32::from(writer.write_all(&bytes).is_err());
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(status) }
        }
        pid => {
            drop(writer);
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).expect("read");
            // SAFETY: waits for the child; the status is not asked for.
            unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
            let number = |i: usize| u64::from_ne_bytes(bytes[8 * i..8 * i + 8].try_into().unwrap());
            assert_eq!(bytes.len(), 24, "the child could not measure");
            [number(0), number(1), number(2)]
        }
    }
}
