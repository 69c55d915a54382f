//! Ranges to a classic BPF program.
//!
//! The program is written from its end: jumps go forward only, so a jump's targets are there before
//! it. A conditional jump reaches 255 instructions; what is further away gets a copy (a return) or
//! an unconditional jump in between.
//!
//! Instructions are kept to those that the kernel can evaluate beforehand (`seccomp_is_const_allow`
//! in kernel/seccomp.c: loads of number and architecture, comparisons with constants): a call that is
//! allowed whatever its arguments then costs a bit test, and the program is not run for it.

use super::action::Action;
use super::condition::{Condition, Test};
use super::ranges::{Outcome, Range, Ranges};
use super::rules::Rule;
use super::{Instruction, Problem, field};

/// BPF_MAXINSNS.
const MAX_LEN: usize = 4096;
/// What a conditional jump can pass over.
const REACH: usize = 255;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const IF_GREATER: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
const IF_GREATER_EQUAL: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

/// struct seccomp_data: number, architecture, instruction pointer, arguments.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

/// Distance of an instruction from the end of the program.
type Label = usize;

/// A program in the making, last instruction first.
#[derive(Default)]
struct Assembler {
    reversed: Vec<Instruction>,
    /// The nearest return of each action so far.
    returns: Vec<(Action, Label)>,
}

/// Emits the program: by architecture, then by number, then by arguments.
pub(super) fn emit(
    ranges: &[(u32, Ranges<'_>)],
    default: Action,
    wide: impl Fn(u32, u32) -> bool,
) -> Result<Vec<Instruction>, Problem> {
    let mut program = Assembler::default();
    let mut next = program.action(Action::FOREIGN);
    for (audit, ranges) in ranges.iter().rev() {
        let wide = |number| wide(*audit, number);
        let calls = Tree { default, wide: &wide, seen: Vec::new() }.emit(&mut program, &ranges.0);
        next = program.branch(IF_EQUAL, *audit, calls, next);
    }
    program.load(ARCH, next);
    let mut instructions = program.reversed;
    instructions.reverse();
    if instructions.len() > MAX_LEN {
        let problem = format!("needs {} instructions, the kernel takes 4096", instructions.len());
        return Err(Problem::new(field("syscalls"), problem));
    }
    Ok(instructions)
}

/// A binary search over ranges.
struct Tree<'a, 'r> {
    default: Action,
    /// Whether the arguments of a call have 64 bits.
    wide: &'a dyn Fn(u32) -> bool,
    seen: Vec<(Outcome<'r>, bool, Label)>,
}

impl<'r> Tree<'_, 'r> {
    fn emit(mut self, program: &mut Assembler, ranges: &[Range<'r>]) -> Label {
        let root = self.node(program, ranges);
        if ranges.len() > 1 { program.load(NUMBER, root) } else { root }
    }

    fn node(&mut self, program: &mut Assembler, ranges: &[Range<'r>]) -> Label {
        match ranges {
            [] => program.action(self.default),
            [only] => self.leaf(program, only),
            // A single call among others: one comparison where the search would take two.
            [before, one, after]
                if before.outcome == after.outcome && one.start + 1 == after.start =>
            {
                let others = self.leaf(program, before);
                let one_label = self.leaf(program, one);
                program.branch(IF_EQUAL, one.start, one_label, others)
            }
            _ => {
                let (low, high) = ranges.split_at(ranges.len() / 2);
                let start = high.first().map_or(0, |range| range.start);
                let high = self.node(program, high);
                let low = self.node(program, low);
                program.branch(IF_GREATER_EQUAL, start, high, low)
            }
        }
    }

    fn leaf(&mut self, program: &mut Assembler, range: &Range<'r>) -> Label {
        let rules = match range.outcome {
            Outcome::Always(action) => return program.action(action),
            Outcome::Depends(rules) => rules,
        };
        let wide = (self.wide)(range.start);
        let same = |(outcome, width, _): &&(Outcome<'r>, bool, Label)| {
            *width == wide && *outcome == range.outcome
        };
        if let Some((_, _, label)) = self.seen.iter().find(same) {
            return *label;
        }
        let label = program.rules(rules, self.default, wide);
        self.seen.push((range.outcome, wide, label));
        label
    }
}

impl Assembler {
    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) -> Label {
        self.reversed.push(Instruction { code, jt, jf, k });
        self.reversed.len() - 1
    }

    /// Loads a word of seccomp_data and goes on there.
    fn load(&mut self, offset: u32, then: Label) -> Label {
        self.fall_through(then);
        self.push(LOAD, 0, 0, offset)
    }

    /// Makes sure that what is pushed next goes on there.
    fn fall_through(&mut self, then: Label) {
        if then + 1 != self.reversed.len() {
            self.nearer(then);
        }
    }

    fn action(&mut self, action: Action) -> Label {
        let here = self.reversed.len();
        match self.returns.iter_mut().find(|(known, _)| *known == action) {
            // Half of the reach is left for what will stand between here and the jump.
            Some((_, label)) if here - *label < REACH / 2 => return *label,
            Some((_, label)) => *label = here,
            None => self.returns.push((action, here)),
        }
        self.push(RETURN, 0, 0, action.value())
    }

    /// `if A <code> k goto yes else goto no`.
    fn branch(&mut self, code: u16, k: u32, mut yes: Label, mut no: Label) -> Label {
        if yes == no {
            return yes;
        }
        // Bringing one nearer puts an instruction between here and the other.
        loop {
            match (self.distance(yes), self.distance(no)) {
                (Some(jt), Some(jf)) => return self.push(code, jt, jf, k),
                (None, _) => yes = self.nearer(yes),
                (_, None) => no = self.nearer(no),
            }
        }
    }

    /// Instructions between the next one to be pushed and the label, if a jump reaches it.
    fn distance(&self, label: Label) -> Option<u8> {
        u8::try_from(self.reversed.len() - label - 1).ok()
    }

    fn nearer(&mut self, label: Label) -> Label {
        match self.reversed.get(label) {
            Some(Instruction { code: RETURN, k, .. }) => self.push(RETURN, 0, 0, *k),
            _ => {
                let between = self.reversed.len() - label - 1;
                self.push(JUMP, 0, 0, u32::try_from(between).unwrap_or(u32::MAX))
            }
        }
    }

    /// Rule after rule, in the end the default.
    fn rules(&mut self, rules: &[Rule], default: Action, wide: bool) -> Label {
        let mut next = self.action(default);
        let mut rest = rules;
        while let Some(group) = last_group(rest, wide) {
            rest = rest.get(..rest.len() - group.len()).unwrap_or_default();
            next = match group {
                [rule] => self.rule(rule, next, wide),
                group => self.equalities(group, next, wide),
            };
        }
        next
    }

    fn rule(&mut self, rule: &Rule, otherwise: Label, wide: bool) -> Label {
        let action = self.action(rule.action);
        let conditions = rule.conditions.iter().rev();
        conditions.fold(action, |then, condition| self.test(condition, then, otherwise, wide))
    }

    /// Equalities of one argument that share its upper half: it is loaded once.
    fn equalities(&mut self, rules: &[Rule], otherwise: Label, wide: bool) -> Label {
        let mut next = otherwise;
        let mut at = (0, 0);
        for rule in rules.iter().rev() {
            if let [Condition { argument, test: Test::Equal(value) }] = *rule.conditions {
                let then = self.action(rule.action);
                next = self.branch(IF_EQUAL, low(value), then, next);
                at = (argument, high(value));
            }
        }
        let (argument, upper) = at;
        let lower = self.load_half(argument, Half::Low, next);
        if !wide {
            return lower;
        }
        let both = self.branch(IF_EQUAL, upper, lower, otherwise);
        self.load_half(argument, Half::High, both)
    }

    fn test(&mut self, condition: &Condition, yes: Label, no: Label, wide: bool) -> Label {
        let argument = condition.argument;
        match condition.test {
            Test::Masked { mask, value } => self.masked(argument, mask, value, (yes, no), wide),
            Test::Equal(value) => self.masked(argument, u64::MAX, value, (yes, no), wide),
            Test::NotEqual(value) => self.masked(argument, u64::MAX, value, (no, yes), wide),
            Test::Greater(value) => self.ordered(IF_GREATER, argument, value, (yes, no), wide),
            Test::LessEqual(value) => self.ordered(IF_GREATER, argument, value, (no, yes), wide),
            Test::GreaterEqual(value) => {
                self.ordered(IF_GREATER_EQUAL, argument, value, (yes, no), wide)
            }
            Test::Less(value) => self.ordered(IF_GREATER_EQUAL, argument, value, (no, yes), wide),
        }
    }

    fn masked(
        &mut self,
        argument: u8,
        mask: u64,
        value: u64,
        (yes, no): (Label, Label),
        wide: bool,
    ) -> Label {
        let mut then = yes;
        for half in [Half::Low, Half::High] {
            let (mask, value) = (half.of(mask), half.of(value));
            if mask == 0 || (half == Half::High && !wide) {
                continue;
            }
            then = self.branch(IF_EQUAL, value, then, no);
            if mask != u32::MAX {
                self.fall_through(then);
                then = self.push(AND, 0, 0, mask);
            }
            then = self.load_half(argument, half, then);
        }
        then
    }

    /// `argument <code> value`, code being > or >=.
    fn ordered(
        &mut self,
        code: u16,
        argument: u8,
        value: u64,
        (yes, no): (Label, Label),
        wide: bool,
    ) -> Label {
        let lower = self.branch(code, low(value), yes, no);
        let lower = self.load_half(argument, Half::Low, lower);
        if !wide {
            return lower;
        }
        let equal = self.branch(IF_EQUAL, high(value), lower, no);
        let upper = self.branch(IF_GREATER, high(value), yes, equal);
        self.load_half(argument, Half::High, upper)
    }

    fn load_half(&mut self, argument: u8, half: Half, then: Label) -> Label {
        self.load(ARGUMENTS + 8 * u32::from(argument) + half.offset(), then)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Low,
    High,
}

impl Half {
    fn of(self, value: u64) -> u32 {
        match self {
            Self::Low => low(value),
            Self::High => high(value),
        }
    }

    /// In the little-endian layout that all supported architectures have.
    fn offset(self) -> u32 {
        match self {
            Self::Low => 0,
            Self::High => 4,
        }
    }
}

#[allow(clippy::cast_possible_truncation)] // what it is for
fn low(value: u64) -> u32 {
    value as u32
}

fn high(value: u64) -> u32 {
    low(value >> 32)
}

/// The last rules that are one equality of the same argument and share its upper half; if that is
/// none, the last rule.
fn last_group(rules: &[Rule], wide: bool) -> Option<&[Rule]> {
    let shared = |rule: &Rule| match *rule.conditions {
        [Condition { argument, test: Test::Equal(value) }] => {
            Some((argument, if wide { high(value) } else { 0 }))
        }
        _ => None,
    };
    let last = shared(rules.last()?);
    let len = rules.iter().rev().take_while(|rule| last.is_some() && shared(rule) == last).count();
    rules.get(rules.len() - len.max(1)..)
}
