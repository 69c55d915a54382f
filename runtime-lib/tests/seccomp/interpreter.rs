//! Classic BPF as the kernel runs it for seccomp, and the checks it makes before it takes a program.

use libteu::seccomp::Instruction;

/// What a filter sees of a call: struct seccomp_data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data {
    pub number: u32,
    pub arch: u32,
    pub args: [u64; 6],
}

impl Data {
    /// A word at an offset, in the little-endian layout.
    fn word(&self, offset: u32) -> u32 {
        let half =
            |value: u64, upper: bool| if upper { (value >> 32) as u32 } else { value as u32 };
        match offset {
            0 => self.number,
            4 => self.arch,
            8 | 12 => 0, // the instruction pointer: no profile asks for it
            _ => half(self.args[(offset as usize - 16) / 8], offset % 8 == 4),
        }
    }
}

/// The return value, and how many instructions it took.
pub fn run(program: &[Instruction], data: &Data) -> (u32, usize) {
    let (mut accumulator, mut at, mut steps) = (0u32, 0usize, 0);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        steps += 1;
        at += 1;
        let holds = match code {
            0x20 => {
                accumulator = data.word(k);
                continue;
            }
            0x54 => {
                accumulator &= k;
                continue;
            }
            0x05 => {
                at += k as usize;
                continue;
            }
            0x06 => return (k, steps),
            0x15 => accumulator == k,
            0x25 => accumulator > k,
            0x35 => accumulator >= k,
            0x45 => accumulator & k != 0,
            _ => panic!("opcode {code:#x}"),
        };
        at += usize::from(if holds { jt } else { jf });
    }
}

/// `bpf_check_classic` (net/core/filter.c) and `seccomp_check_filter` (kernel/seccomp.c).
pub fn check(program: &[Instruction]) -> Result<(), String> {
    if program.is_empty() || program.len() > 4096 {
        return Err(format!("{} instructions", program.len()));
    }
    for (at, Instruction { code, jt, jf, k }) in program.iter().enumerate() {
        let left = program.len() - at - 1;
        let reaches = |far: usize| far < left;
        let sound = match code {
            0x20 => *k < 64 && k % 4 == 0,
            0x54 | 0x06 => true,
            0x05 => reaches(*k as usize),
            0x15 | 0x25 | 0x35 | 0x45 => reaches(usize::from(*jt)) && reaches(usize::from(*jf)),
            _ => false,
        };
        if !sound {
            return Err(format!("instruction {at} of {}: {}", program.len(), program[at]));
        }
    }
    match program.last() {
        Some(Instruction { code: 0x06, .. }) => Ok(()),
        _ => Err("does not end with a return".into()),
    }
}
