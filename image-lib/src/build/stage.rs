//! The steps of one stage.

use serde_json::{Value, json};

use super::cache::{self, Key, Made, MadeLayer};
use super::expand::Lexer;
use super::parse::{self, Instruction, What};
use super::plan::{Builder, text_key};
use super::settings;
use super::state::State;
use crate::changes::set_env;
use crate::error::{Error, Result};
use crate::time;

/// Where programs are looked for if the base image does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A stage on its way.
pub struct Stage {
    pub number: usize,
    pub state: State,
    /// `ARG` of this stage, in their order.
    args: Vec<(String, Option<String>)>,
}

impl Stage {
    pub fn new(number: usize, state: State) -> Self {
        Self { number, state, args: Vec::new() }
    }

    /// What the base image wants done first.
    pub fn begin(&mut self, builder: &mut Builder<'_>) -> Result<()> {
        // Nothing that is told in history: every step after it has it.
        if self.state.env("PATH").is_none() {
            set_env(self.state.section(), "PATH", PATH);
            self.state.base = None;
        }
        self.tell(builder)?;
        let triggers = self.state.section().remove("OnBuild").unwrap_or(Value::Null);
        let triggers: Vec<String> = serde_json::from_value(triggers).unwrap_or_default();
        if triggers.is_empty() {
            return Ok(());
        }
        let plural = if triggers.len() == 1 { "" } else { "s" };
        builder.host.say(format_args!("# Executing {} build trigger{plural}", triggers.len()))?;
        for text in triggers {
            let shown = text.lines().next().unwrap_or_default();
            let wrong = |error: Error| match error {
                Error::Interrupted => error,
                error => Error::Dockerfile {
                    place: format!("trigger {shown:?}"),
                    error: Box::new(error),
                },
            };
            let parsed = parse::trigger(&text).map_err(Error::Argument);
            let instruction = parsed.map_err(wrong)?;
            self.step(builder, &instruction).map_err(wrong)?;
        }
        Ok(())
    }

    /// Does one instruction.
    pub fn step(&mut self, builder: &mut Builder<'_>, instruction: &Instruction) -> Result<()> {
        match &instruction.what {
            What::Arg(list) => self.declare(builder, list)?,
            What::Run(run) => self.run(builder, run)?,
            What::Copy(copy) => self.copy(builder, copy)?,
            What::Workdir(path) => self.workdir(builder, path)?,
            what => {
                let mut next = self.state.clone();
                let lookup = |name: &str| self.lookup(name);
                let lexer = Lexer { escape: builder.escape, lookup: &lookup };
                let told = settings::apply(&mut next, what, &lexer).map_err(Error::Argument)?;
                self.setting(builder, next, &told)?;
            }
        }
        self.tell(builder)
    }

    /// Labels of the command line, which have no variables.
    pub fn labels(
        &mut self,
        builder: &Builder<'_>,
        labels: &[(String, String)],
        told: &str,
    ) -> Result<()> {
        let mut next = self.state.clone();
        let map = next.section().entry("Labels").or_insert(Value::Null);
        if !map.is_object() {
            *map = json!({});
        }
        for (key, value) in labels {
            map[key] = json!(value);
        }
        self.setting(builder, next, told)?;
        self.tell(builder)
    }

    fn tell(&self, builder: &Builder<'_>) -> Result<()> {
        let id = self.state.id()?;
        let short: String = id.digest().chars().take(12).collect();
        builder.host.say(format_args!(" ---> {short}"))
    }

    /// The value of a variable: the image's go before `ARG`s.
    pub fn lookup(&self, name: &str) -> Option<String> {
        let args = || self.args.iter().rfind(|(arg, _)| arg == name)?.1.clone();
        self.state.env(name).or_else(args)
    }

    pub fn expand(&self, builder: &Builder<'_>, text: &str) -> Result<String> {
        let lookup = |name: &str| self.lookup(name);
        Lexer { escape: builder.escape, lookup: &lookup }.word(text).map_err(Error::Argument)
    }

    /// `ARG`s that commands have in their environment.
    pub fn args_for_commands(&self) -> Vec<(String, String)> {
        let mut args: Vec<(String, String)> = Vec::new();
        for (name, value) in &self.args {
            args.retain(|(known, _)| known != name);
            if let Some(value) = value
                && self.state.env(name).is_none()
            {
                args.push((name.clone(), value.clone()));
            }
        }
        args.sort();
        args
    }

    fn declare(&mut self, builder: &Builder<'_>, list: &[(String, Option<String>)]) -> Result<()> {
        let mut told = Vec::new();
        for (name, default) in list {
            let default = default.as_ref().map(|text| self.expand(builder, text)).transpose()?;
            let value = builder.args.value(name, default);
            told.push(match &value {
                Some(value) => format!("{name}={value}"),
                None => name.clone(),
            });
            self.args.push((name.clone(), value));
        }
        let told = format!("ARG {}", told.join(" "));
        self.setting(builder, self.state.clone(), &told)
    }

    /// A step that made no layer.
    fn setting(&mut self, builder: &Builder<'_>, next: State, told: &str) -> Result<()> {
        let made = self.kept(builder, &text_key(told), |_| Ok(None))?;
        self.state = next;
        self.state.record(&made.created, told, None);
        Ok(())
    }

    /// A step that may make a layer. `by` is all that the layer depends on besides the image.
    pub fn layered(
        &mut self,
        builder: &Builder<'_>,
        by: &Value,
        told: &str,
        make: impl FnOnce(&Self) -> Result<Option<MadeLayer>>,
    ) -> Result<()> {
        let made = self.kept(builder, by, make)?;
        self.state.record(&made.created, told, made.layer.as_ref());
        Ok(())
    }

    fn kept(
        &self,
        builder: &Builder<'_>,
        by: &Value,
        make: impl FnOnce(&Self) -> Result<Option<MadeLayer>>,
    ) -> Result<Made> {
        let epoch = builder.options.epoch;
        let key = Key::new(&self.state, epoch, by)?;
        if !builder.options.no_cache
            && let Some(made) = cache::find(builder.store, &key)?
        {
            builder.host.say(format_args!(" ---> Using cache"))?;
            return Ok(made);
        }
        let layer = make(self)?;
        let of_layer = layer.as_ref().map(|layer| layer.descriptor.digest().clone());
        let top = of_layer.or_else(|| self.state.top());
        let made = Made { created: time::rfc3339(epoch), layer, top };
        cache::keep(builder.store, &key, &made)?;
        Ok(made)
    }
}
