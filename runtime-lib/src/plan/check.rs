//! Proves of a plan, before anything is done: every descriptor is there before it is used and
//! closed once, and the two lanes meet at the same points in the same order.

use super::op::{OnError, Op, Operand, Slot};
use super::{Plan, PlannedStep, RuntimeStep};
use crate::error::{Error, Result};

pub(super) fn check(plan: &Plan) -> Result<()> {
    slots(plan).and_then(|()| meetings(plan)).map_err(|problem| Error::Unsupported {
        field: "internal: the compiled plan is not sound".into(),
        reason: problem,
    })
}

fn slots(plan: &Plan) -> std::result::Result<(), String> {
    let mut open = vec![false; Slot::COUNT];
    for input in &plan.inputs {
        set(&mut open, input.slot, true).ok_or(format!("input {:?} is given twice", input.slot))?;
    }
    for (index, planned) in plan.steps.iter().enumerate() {
        let at = |what: &str| format!("step {index} ({}): {what}", planned.step.op.name());
        for slot in used(planned) {
            if !open.get(usize::from(slot.0)).copied().unwrap_or(false) {
                return Err(at(&format!("slot {} is empty", slot.0)));
            }
        }
        if let Some(problem) = misuse(&planned.step.op, plan) {
            return Err(at(problem));
        }
        if let Op::CloseRest { keep, second, third, .. } = planned.step.op {
            let kept = |slot: usize| [keep, second, third].iter().any(|k| usize::from(k.0) == slot);
            open.iter_mut().enumerate().for_each(|(slot, open)| *open &= kept(slot));
        }
        if let Some(slot) = closed(&planned.step.op) {
            set(&mut open, slot, false).ok_or(at("closes twice"))?;
        }
        if let Some(slot) = written(planned) {
            // Else the next one fills it.
            if planned.step.on_error.action == OnError::ELSE
                && plan.steps.get(index + 1).and_then(written) == Some(slot)
            {
                continue;
            }
            set(&mut open, slot, true).ok_or(at("overwrites an open slot"))?;
            if planned.step.on_error.action != OnError::FAIL {
                return Err(at("may leave its slot empty"));
            }
        }
    }
    Ok(())
}

/// What an op would do beyond its slots.
fn misuse(op: &Op, plan: &Plan) -> Option<&'static str> {
    const NEW_LISTENER: u32 = 8;
    match *op {
        // A step that fails after it would look like a successful exec.
        Op::Close { slot: Slot::CONTROL } => Some("closes the control socket"),
        Op::CloseRest { keep, second, third, .. }
            if ![keep, second, third].contains(&Slot::CONTROL) =>
        {
            Some("closes the control socket")
        }
        Op::Dup { to, .. } if to > 2 + plan.given => Some("may overwrite a slot's descriptor"),
        Op::OpenSource { number, .. } if usize::from(number) >= plan.sources.len() => {
            Some("asks for a source that is not there")
        }
        Op::CloseRest { from, .. } if from < 3 => Some("closes standard streams"),
        Op::Seccomp { out, flags, .. } if (out == Slot::NONE) != (flags & NEW_LISTENER == 0) => {
            Some("has a slot for a listener, or a listener, without the other")
        }
        _ => None,
    }
}

/// Changes a slot's state; `None` if it has that state already or does not exist.
fn set(open: &mut [bool], slot: Slot, to: bool) -> Option<()> {
    let state = open.get_mut(usize::from(slot.0))?;
    (*state != to).then(|| *state = to)
}

fn slot_operands(planned: &PlannedStep) -> Vec<(&'static str, Slot)> {
    let mut slots = Vec::new();
    planned.step.op.operands(&mut |name, operand| match operand {
        Operand::Slot(slot) if slot != Slot::NONE && slot != Slot::CWD => slots.push((name, slot)),
        _ => {}
    });
    slots
}

fn used(planned: &PlannedStep) -> Vec<Slot> {
    let slots = slot_operands(planned).into_iter();
    slots.filter(|(name, _)| *name != "out").map(|(_, slot)| slot).collect()
}

fn written(planned: &PlannedStep) -> Option<Slot> {
    let mut slots = slot_operands(planned).into_iter();
    slots.find(|(name, _)| *name == "out").map(|(_, slot)| slot)
}

/// The slot that an op closes besides its work.
fn closed(op: &Op) -> Option<Slot> {
    match *op {
        Op::Close { slot } => Some(slot),
        Op::AwaitStart { fifo } => Some(fifo),
        _ => None,
    }
}

fn meetings(plan: &Plan) -> std::result::Result<(), String> {
    let executor = plan.steps.iter().filter_map(|planned| match planned.step.op {
        Op::Signal { number } | Op::Offer { number, .. } | Op::HandOver { number, .. } => {
            Some(('s', number))
        }
        Op::Clone { .. } => Some(('s', super::op::signal::BORN)),
        Op::Wait { number } => Some(('w', number)),
        _ => None,
    });
    let runtime = plan.runtime.iter().filter_map(|step| match step {
        RuntimeStep::Await(number) => Some(('s', *number)),
        RuntimeStep::SendListener => Some(('s', super::op::signal::LISTENER)),
        RuntimeStep::MapIds { .. } => Some(('s', super::op::signal::IDS)),
        RuntimeStep::Answer(number) => Some(('w', *number)),
        _ => None,
    });
    let (executor, runtime): (Vec<_>, Vec<_>) = (executor.collect(), runtime.collect());
    if executor == runtime {
        Ok(())
    } else {
        Err(format!("the executor meets at {executor:?}, the runtime at {runtime:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::op::Text;
    use super::*;
    use crate::plan::Builder;

    fn problem(build: impl FnOnce(&mut Builder)) -> String {
        let mut builder = Builder::new();
        build(&mut builder);
        builder.finish().map_or_else(|e| e.to_string(), |_| "sound".into())
    }

    #[test]
    fn empty_slots_are_not_used() {
        assert!(problem(|b| b.push(Op::Close { slot: Slot(9) })).contains("is empty"));
    }

    #[test]
    fn slots_are_closed_once() {
        let twice = problem(|b| {
            let out = b.slot();
            b.push(Op::Fsopen { out, fstype: Text(0) });
            b.push(Op::Close { slot: out });
            b.push(Op::Close { slot: out });
        });
        assert!(twice.contains("is empty"), "{twice}");
    }

    #[test]
    fn open_slots_are_not_overwritten() {
        let twice = problem(|b| {
            let out = b.slot();
            b.push(Op::Fsopen { out, fstype: Text(0) });
            b.push(Op::Fsopen { out, fstype: Text(0) });
        });
        assert!(twice.contains("overwrites"), "{twice}");
    }

    #[test]
    fn the_way_to_tell_of_a_failure_stays_open() {
        let rest = |keep| Op::CloseRest { keep, second: Slot::NONE, third: Slot::NONE, from: 3 };
        for op in [Op::Close { slot: Slot::CONTROL }, rest(Slot::NONE)] {
            let problem = problem(|b| b.push(op));
            assert!(problem.contains("closes the control socket"), "{problem}");
        }
        assert_eq!(problem(|b| b.push(rest(Slot::CONTROL))), "sound");
    }

    #[test]
    fn descriptors_get_no_numbers_of_others() {
        let dup = |to| problem(|b| b.push(Op::Dup { slot: Slot::CONTROL, to }));
        assert_eq!(dup(2), "sound");
        assert!(dup(3).contains("may overwrite"));
        let given =
            problem(|b| b.given(1).into_iter().for_each(|(slot, to)| b.push(Op::Dup { slot, to })));
        assert_eq!(given, "sound");
        let program = super::super::op::Bytes { at: 0, len: 8 };
        let filter = |out, flags| problem(|b| b.push(Op::Seccomp { out, flags, program }));
        assert_eq!((filter(Slot::NONE, 4), filter(Slot(9), 12)), ("sound".into(), "sound".into()));
        assert!(filter(Slot::NONE, 8).contains("listener"));
        assert!(filter(Slot(9), 4).contains("listener"));
    }

    #[test]
    fn an_alternative_fills_the_same_slot() {
        let path = Text(0);
        let tree = |out| Op::OpenTree { dir: Slot::CWD, out, path, flags: 0 };
        let source = |out, number| Op::OpenSource { out, path, number, flags: 0 };
        let problem = |number, same| {
            problem(|b| {
                b.source(super::super::MountSource { path: "/a".into(), nofollow: false });
                let out = b.slot();
                b.push_or_else(tree(out), [13, 0, 0]);
                let other = if same { out } else { b.slot() };
                b.push(source(other, number));
                b.push(Op::Close { slot: out });
            })
        };
        assert_eq!(problem(0, true), "sound");
        assert!(problem(1, true).contains("not there"));
        assert!(problem(0, false).contains("may leave its slot empty"));
    }

    #[test]
    fn lanes_meet_in_the_same_order() {
        let lonely = problem(|b| b.push(Op::Wait { number: 2 }));
        assert!(lonely.contains("the executor meets at"), "{lonely}");
    }
}
