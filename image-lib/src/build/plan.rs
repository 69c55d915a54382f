//! Stages: which there are, which are needed, one after the other.

use oci_spec::image::{Arch, Os};
use serde_json::json;

use super::args::Args;
use super::context::Context;
use super::expand::Lexer;
use super::parse::{Copy, Dockerfile, Instruction, What};
use super::stage::Stage;
use super::state::State;
use super::{Host, Options};
use crate::error::{Error, Result};
use crate::image::host_platform;
use crate::snapshot::Committed;
use crate::store::Store;

/// A stage of the file.
pub struct Part<'a> {
    pub from: &'a Instruction,
    pub image: &'a str,
    platform: Option<&'a str>,
    pub name: Option<&'a str>,
    pub instructions: &'a [Instruction],
}

/// A build on its way.
pub struct Builder<'a> {
    pub store: &'a Store,
    pub context: &'a Context<'a>,
    pub options: &'a Options,
    pub host: &'a dyn Host,
    pub args: Args,
    pub escape: char,
    globals: &'a [Instruction],
    parts: Vec<Part<'a>>,
    /// What the stages became.
    done: Vec<Option<State>>,
    step: usize,
    total: usize,
}

impl<'a> Builder<'a> {
    /// Finds the stages.
    ///
    /// # Errors
    /// If there is none, or two of one name.
    pub fn new(
        store: &'a Store,
        file: &'a Dockerfile,
        context: &'a Context<'a>,
        options: &'a Options,
        host: &'a dyn Host,
    ) -> Result<Self> {
        let is_from = |instruction: &Instruction| matches!(instruction.what, What::From { .. });
        let first = file.instructions.iter().position(is_from).unwrap_or(file.instructions.len());
        let (globals, rest) = file.instructions.split_at(first);
        let mut parts: Vec<Part<'a>> = Vec::new();
        let mut rest = rest;
        while let Some((from, after)) = rest.split_first() {
            let What::From { image, platform, name } = &from.what else { break };
            let end = after.iter().position(is_from).unwrap_or(after.len());
            let (instructions, next) = after.split_at(end);
            let (platform, name) = (platform.as_deref(), name.as_deref());
            if parts.iter().any(|part| name.is_some() && part.name == name) {
                let problem = "the name of the stage is taken by another".to_owned();
                return Err(at(options, from, Error::Argument(problem)));
            }
            parts.push(Part { from, image, platform, name, instructions });
            rest = next;
        }
        if parts.is_empty() {
            return Err(Error::Argument(format!("{}: has no FROM", options.name)));
        }
        let (os, architecture) = host_platform();
        let build = (os.to_string(), architecture.to_string());
        let target = match &options.platform {
            Some(platform) => split_platform(platform)?,
            None => build.clone(),
        };
        let args = Args::new(options.args.clone(), (&target.0, &target.1), (&build.0, &build.1));
        Ok(Self {
            store,
            context,
            options,
            host,
            args,
            escape: file.escape,
            globals,
            done: parts.iter().map(|_| None).collect(),
            parts,
            step: 0,
            total: 0,
        })
    }

    /// Builds the stages that are needed, and writes the image.
    pub fn build(mut self) -> Result<Committed> {
        for instruction in self.globals {
            self.global(instruction).map_err(|e| at(self.options, instruction, e))?;
        }
        let target = self.target()?;
        let mut needed = vec![false; self.parts.len()];
        self.mark(target, &mut needed)?;
        let needed: Vec<_> = (0..needed.len()).filter(|number| needed[*number]).collect();
        let labels = usize::from(!self.options.labels.is_empty());
        let steps = |number: &usize| 1 + self.parts[*number].instructions.len();
        self.total = self.globals.len() + needed.iter().map(steps).sum::<usize>() + labels;
        for instruction in self.globals {
            self.announce(&instruction.text)?;
        }
        for number in needed {
            let state = self.stage(number, number == target)?;
            self.done[number] = Some(state);
        }
        for name in self.args.unused() {
            self.host.say(format_args!("[Warning] --build-arg {name}: nothing declares it"))?;
        }
        let state = self.done[target].take().ok_or_else(|| Error::Argument("no stage".into()))?;
        match state.base {
            // Nothing was done to it.
            Some(base) => Ok(Committed { descriptor: base.descriptor, id: base.id }),
            None => self.store.put_image(&state.config, state.layers),
        }
    }

    /// Tells which step is next.
    pub fn announce(&mut self, text: &str) -> Result<()> {
        if self.host.cancelled() {
            return Err(Error::Interrupted);
        }
        self.step += 1;
        self.host.say(format_args!("Step {}/{} : {text}", self.step, self.total))
    }

    fn global(&mut self, instruction: &Instruction) -> Result<()> {
        let What::Arg(list) = &instruction.what else {
            return Err(Error::Argument("is before FROM: only ARG can be".into()));
        };
        for (name, default) in list {
            let default = default.as_ref().map(|text| self.expand_global(text)).transpose()?;
            self.args.declare_global(name, default);
        }
        Ok(())
    }

    fn expand_global(&self, text: &str) -> Result<String> {
        let lookup = |name: &str| self.args.global(name);
        Lexer { escape: self.escape, lookup: &lookup }.word(text).map_err(Error::Argument)
    }

    fn target(&self) -> Result<usize> {
        let Some(target) = &self.options.target else { return Ok(self.parts.len() - 1) };
        self.find(target, self.parts.len())
            .ok_or_else(|| Error::Argument(format!("target {target:?}: there is no such stage")))
    }

    /// A stage before that one, by name or number.
    fn find(&self, name: &str, before: usize) -> Option<usize> {
        let name = name.to_ascii_lowercase();
        let parts = self.parts.get(..before)?;
        parts
            .iter()
            .position(|part| part.name == Some(&name))
            .or_else(|| name.parse().ok().filter(|number| *number < before))
    }

    /// `FROM` knows stages by name only: a number may be an image.
    fn base(&self, number: usize) -> Result<(String, Option<usize>)> {
        let part = &self.parts[number];
        let image = self.expand_global(part.image).map_err(|e| at(self.options, part.from, e))?;
        let lower = image.to_ascii_lowercase();
        let stage = self.parts[..number].iter().position(|part| part.name == Some(&lower));
        Ok((image, stage))
    }

    fn mark(&self, number: usize, needed: &mut [bool]) -> Result<()> {
        if std::mem::replace(&mut needed[number], true) {
            return Ok(());
        }
        if let (_, Some(base)) = self.base(number)? {
            self.mark(base, needed)?;
        }
        for instruction in self.parts[number].instructions {
            if let What::Copy(Copy { from: Some(from), .. }) = &instruction.what
                && let Some(stage) = self.find(from, number)
            {
                self.mark(stage, needed)?;
            }
        }
        Ok(())
    }

    fn stage(&mut self, number: usize, is_target: bool) -> Result<State> {
        let from = self.parts[number].from;
        self.announce(&from.text)?;
        let state = self.begin(number).map_err(|e| at(self.options, from, e))?;
        let mut stage = Stage::new(number, state);
        stage.begin(self).map_err(|e| at(self.options, from, e))?;
        for instruction in self.parts[number].instructions {
            self.announce(&instruction.text)?;
            stage.step(self, instruction).map_err(|e| at(self.options, instruction, e))?;
        }
        if is_target && !self.options.labels.is_empty() {
            let labels = &self.options.labels;
            let shown: Vec<_> =
                labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let shown = format!("LABEL {}", shown.join(" "));
            self.announce(&shown)?;
            stage.labels(self, labels, &shown)?;
        }
        Ok(stage.state)
    }

    /// What a stage begins with.
    fn begin(&self, number: usize) -> Result<State> {
        let (image, stage) = self.base(number)?;
        if let Some(stage) = stage {
            let state = self.done[stage].clone();
            return state
                .map(|state| State { has_command: false, ..state })
                .ok_or_else(|| Error::Argument(format!("stage {image} is not built")));
        }
        let platform = match self.parts[number].platform {
            Some(platform) => Some(self.expand_global(platform)?),
            None => self.options.platform.clone(),
        };
        if image.is_empty() {
            return Err(Error::Argument("the name of the image is empty".into()));
        }
        if image == "scratch" {
            let (os, architecture) = match &platform {
                Some(platform) => split_platform(platform)?,
                None => host_names(),
            };
            return Ok(State::scratch(&os, &architecture));
        }
        State::of(&self.host.image(&image, platform.as_deref())?)
    }

    /// For `--from`: a stage before this one, or an image. A number is always a stage.
    pub fn source(&self, number: usize, name: &str) -> Result<State> {
        if let Some(stage) = self.find(name, number) {
            return self.done[stage].clone().ok_or_else(|| {
                Error::Argument(format!("stage {name} is named in a trigger only: it is not built"))
            });
        }
        if let Ok(stage) = name.parse::<usize>() {
            let problem =
                if stage == number { "is this stage" } else { "is no stage before this one" };
            return Err(Error::Argument(format!("stage {stage} {problem}")));
        }
        State::of(&self.host.image(name, self.options.platform.as_deref())?)
    }
}

fn host_names() -> (String, String) {
    let (os, architecture): (Os, Arch) = host_platform();
    (os.to_string(), architecture.to_string())
}

fn split_platform(platform: &str) -> Result<(String, String)> {
    let wrong = || Error::Argument(format!("platform {platform:?}: has to be like linux/arm64"));
    let (os, architecture) = platform.split_once('/').ok_or_else(wrong)?;
    let architecture = architecture.split('/').next().unwrap_or(architecture);
    if os.is_empty() || architecture.is_empty() {
        return Err(wrong());
    }
    Ok((os.to_owned(), architecture.to_owned()))
}

/// Says where in the file.
fn at(options: &Options, instruction: &Instruction, error: Error) -> Error {
    const SHOWN: usize = 120;
    if matches!(error, Error::Interrupted) {
        return error;
    }
    let mut text: String = instruction.text.chars().take(SHOWN).collect();
    if text.len() < instruction.text.len() {
        text.push('…');
    }
    Error::Dockerfile {
        place: format!("{}:{}: {text}", options.name, instruction.line),
        error: Box::new(error),
    }
}

/// What a step is kept by if it is its text alone.
pub fn text_key(text: &str) -> serde_json::Value {
    json!([text])
}
