//! The containers' programs: static ELF files of a few instructions, so that what is timed is the
//! runtime and not a libc's start.

use std::fs::{Permissions, write};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const BASE: u64 = 0x40_0000;
const HEADERS: u16 = 64 + 56;

#[cfg(target_arch = "x86_64")]
mod code {
    pub const MACHINE: u16 = 62;
    /// exit(0)
    pub const TRUE: &[u8] = &[0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];
    /// for (;;) pause()
    pub const SLEEP: &[u8] = &[0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7];
}

#[cfg(target_arch = "aarch64")]
mod code {
    pub const MACHINE: u16 = 183;
    /// exit(0): mov x0, 0; mov x8, 93; svc 0
    pub const TRUE: &[u8] = &[0, 0, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 1, 0, 0, 0xd4];
    /// for (;;) ppoll(0, 0, 0, 0): x0 to x3 are 0 at the start and x0 again on return
    pub const SLEEP: &[u8] = &[
        0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x80, 0xd2, 0x02, 0x00, 0x80, 0xd2, 0x03, 0x00, 0x80,
        0xd2, 0x28, 0x09, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, 0xfa, 0xff, 0xff, 0x17,
    ];
}

/// Writes `true` and `sleep` into the directory.
pub fn write_programs(dir: &Path) -> io::Result<()> {
    for (name, code) in [("true", code::TRUE), ("sleep", code::SLEEP)] {
        let path = dir.join(name);
        write(&path, program(code))?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// An ELF header, one program header that maps the whole file, and the code.
fn program(code: &[u8]) -> Vec<u8> {
    let size = u64::from(HEADERS) + code.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let half = |file: &mut Vec<u8>, n: u16| file.extend(n.to_le_bytes());
    let word = |file: &mut Vec<u8>, n: u32| file.extend(n.to_le_bytes());
    let long = |file: &mut Vec<u8>, n: u64| file.extend(n.to_le_bytes());
    half(&mut file, 2); // ET_EXEC
    half(&mut file, code::MACHINE);
    word(&mut file, 1);
    [BASE + u64::from(HEADERS), 64, 0].into_iter().for_each(|n| long(&mut file, n)); // entry, phoff, shoff
    word(&mut file, 0);
    [64, 56, 1, 64, 0, 0].into_iter().for_each(|n| half(&mut file, n)); // ehsize, phentsize, phnum, no sections
    word(&mut file, 1); // PT_LOAD
    word(&mut file, 5); // R, X
    [0, BASE, BASE, size, size, 0x1000].into_iter().for_each(|n| long(&mut file, n));
    file.extend(code);
    file
}
