//! Builds a plan: hands out slots, collects strings, remembers which config field a step is for.

use std::collections::HashMap;

use super::op::{Bytes, List, OnError, Op, Slot, Step, Text};
use super::record::Header;
use super::{Input, MountSource, Plan, PlannedStep, RuntimeStep, Source};
use crate::error::{Error, Result};

/// No honest config comes near; env and args are limited by the kernel to a few MiB anyway.
const LARGEST: usize = 64 << 20;

/// A plan in the making.
#[derive(Debug)]
pub(crate) struct Builder {
    plan: Plan,
    origin: String,
    texts: HashMap<Vec<u8>, Text>,
    free: Vec<Slot>,
    next: u16,
    /// Descriptors that are done with and left to the one `CloseRest`.
    left_open: usize,
}

/// So many descriptors are left open until `CloseRest`, which closes all of them with two or three
/// calls. More would come near to what RLIMIT_NOFILE commonly allows.
const LEFT_OPEN: usize = 200;

impl Builder {
    pub fn new() -> Self {
        let mut plan = Plan::default();
        plan.arena.resize(Header::SIZE, 0);
        let mut builder = Self {
            plan,
            origin: String::new(),
            texts: HashMap::new(),
            free: Vec::new(),
            next: Slot::CONTROL.0 + 1,
            left_open: 0,
        };
        builder.input_in(Slot::CONTROL, Source::Control);
        builder
    }

    /// The config field the following steps and inputs are for.
    pub fn origin(&mut self, origin: impl Into<String>) -> &mut Self {
        self.origin = origin.into();
        self
    }

    pub fn push(&mut self, op: Op) {
        self.push_with(op, OnError::fail());
    }

    /// A step whose failure with one of `errnos` does no harm.
    pub fn push_or_skip(&mut self, op: Op, errnos: [u8; 3]) {
        self.push_with(op, OnError { action: OnError::SKIP, errnos });
    }

    /// A step instead of which, if it fails with one of `errnos`, the next one is done.
    pub fn push_or_else(&mut self, op: Op, errnos: [u8; 3]) {
        self.push_with(op, OnError { action: OnError::ELSE, errnos });
    }

    /// A step with what its failure means.
    pub fn push_with(&mut self, op: Op, on_error: OnError) {
        let step = Step { op, on_error };
        self.plan.steps.push(PlannedStep { step, origin: self.origin.clone() });
    }

    /// The next step of the runtime's own lane.
    pub fn runtime(&mut self, step: RuntimeStep) {
        self.plan.runtime.push(step);
    }

    /// A meeting point: the executor waits there while the runtime takes these steps.
    pub fn meet(&mut self, number: u16, steps: impl IntoIterator<Item = RuntimeStep>) {
        self.push(Op::Signal { number });
        self.push(Op::Wait { number });
        self.runtime(RuntimeStep::Await(number));
        self.plan.runtime.extend(steps);
        self.runtime(RuntimeStep::Answer(number));
    }

    /// A slot that is free from here on.
    pub fn slot(&mut self) -> Slot {
        self.free.pop().unwrap_or_else(|| self.fresh())
    }

    fn fresh(&mut self) -> Slot {
        let slot = Slot(self.next);
        self.next = self.next.saturating_add(1);
        slot
    }

    /// Says that no further step uses the slot.
    pub fn done(&mut self, slot: Slot) {
        if self.left_open < LEFT_OPEN {
            self.left_open += 1;
        } else {
            self.push(Op::Close { slot });
            self.free.push(slot);
        }
    }

    /// A slot that `prepare` fills. All of them are full from the first step on, so none can be one
    /// that an earlier step has used.
    pub fn input(&mut self, source: Source) -> Slot {
        let slot = self.fresh();
        self.input_in(slot, source);
        slot
    }

    fn input_in(&mut self, slot: Slot, source: Source) {
        self.plan.inputs.push(Input { slot, source, origin: self.origin.clone() });
    }

    /// A number under which the executor can ask for it. `finish` refuses one that there is no room for.
    pub fn source(&mut self, source: MountSource) -> u16 {
        self.plan.sources.push(source);
        u16::try_from(self.plan.sources.len() - 1).unwrap_or(u16::MAX)
    }

    /// The config field that the next steps are for.
    pub fn current_origin(&self) -> &str {
        &self.origin
    }

    /// A NUL-terminated string; equal ones are kept once. `validate` has refused NULs in all that
    /// comes from a config; should one get here it ends the string for us as for the kernel.
    pub fn text(&mut self, text: impl AsRef<[u8]>) -> Text {
        let text = text.as_ref();
        if let Some(known) = self.texts.get(text) {
            return *known;
        }
        let at = Text(self.position());
        self.plan.arena.extend_from_slice(text);
        self.plan.arena.push(0);
        self.texts.insert(text.to_vec(), at);
        at
    }

    pub fn bytes(&mut self, bytes: impl AsRef<[u8]>) -> Bytes {
        let at = self.position();
        self.plan.arena.extend_from_slice(bytes.as_ref());
        Bytes { at, len: self.position() - at }
    }

    /// A string of the form `NAME=` with `room` bytes behind it for the executor to fill.
    pub fn text_with_room(&mut self, prefix: &str, room: usize) -> (Text, Bytes) {
        let text = Text(self.position());
        self.plan.arena.extend_from_slice(prefix.as_bytes());
        let room = self.bytes(vec![0; room]);
        (text, room)
    }

    /// An array of strings, ready to become argv or envp.
    pub fn texts(&mut self, texts: &[Text]) -> List {
        self.words(texts.iter().map(|text| u64::from(text.0)))
    }

    /// An array of numbers.
    pub fn words(&mut self, words: impl IntoIterator<Item = u64>) -> List {
        let aligned = self.plan.arena.len().next_multiple_of(8);
        self.plan.arena.resize(aligned, 0);
        let at = self.position();
        let mut len = 0;
        for word in words {
            self.plan.arena.extend_from_slice(&word.to_ne_bytes());
            len += 1;
        }
        self.plan.arena.extend_from_slice(&[0; 8]);
        List { at, len }
    }

    /// Offsets are 32 bits wide; `finish` refuses a plan that is larger than they can tell.
    #[allow(clippy::cast_possible_truncation)]
    fn position(&self) -> u32 {
        self.plan.arena.len() as u32
    }

    /// Descriptors from 3 on that stay open.
    pub fn preserve_fds(&mut self, count: u32) {
        self.plan.preserve_fds = count;
    }

    /// Inputs that the program gets as its descriptors from 3 on: slots and numbers.
    pub fn given(&mut self, count: u32) -> Vec<(Slot, u32)> {
        self.plan.given = count;
        (0..count).map(|n| (self.input(Source::Given(n as usize)), 3 + n)).collect()
    }

    /// The finished, checked plan.
    pub fn finish(self) -> Result<Plan> {
        if usize::from(self.next) > Slot::COUNT {
            return Err(Error::unsupported("mounts", "more than a thousand mount sources at once"));
        }
        if self.plan.arena.len() > LARGEST {
            return Err(Error::unsupported(
                "config.json",
                "compiles to a plan of more than 64 MiB",
            ));
        }
        super::check::check(&self.plan)?;
        Ok(self.plan)
    }
}
