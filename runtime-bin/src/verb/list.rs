//! `teu list`.

use libteu::State;

use crate::cli::format::Format;
use crate::cli::list::List;
use crate::failure::Failure;
use crate::output;
use crate::verb::Context;

/// Prints all containers under the state root.
pub fn run(args: &List, context: &Context<'_>) -> Result<(), Failure> {
    let runtime = context.runtime()?;
    if let Some(root) = &context.global.root {
        // A default root appears with the first container; one that was named is to be there.
        std::fs::metadata(root).map_err(|e| Failure::file("open", root, &e))?;
    }
    let states = runtime.list()?;
    match args.format {
        _ if args.quiet => output::text(&ids(&states)),
        Format::Table => output::text(&table(&states)),
        // runc's answer for no containers is null, which its callers take for an empty list.
        Format::Json => output::json_line(&(!states.is_empty()).then_some(states)),
    }
}

fn ids(states: &[State]) -> String {
    states.iter().flat_map(|state| [state.id.as_str(), "\n"]).collect()
}

fn table(states: &[State]) -> String {
    let header = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(header).chain(states.iter().map(row)).collect();
    output::table(&rows)
}

fn row(state: &State) -> [String; 6] {
    [
        state.id.clone(),
        state.pid.to_string(),
        format!("{:?}", state.status).to_lowercase(),
        state.bundle.display().to_string(),
        state.created.clone(),
        state.owner.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use libteu::Status;

    use super::*;

    fn state(id: &str) -> State {
        State {
            oci_version: "1.0.2".to_owned(),
            id: id.to_owned(),
            pid: 42,
            status: Status::Running,
            bundle: "/b".into(),
            rootfs: "/b/rootfs".into(),
            created: "2026-01-02T03:04:05.000000006Z".to_owned(),
            annotations: BTreeMap::new(),
            owner: "root".to_owned(),
        }
    }

    #[test]
    fn a_row_is_what_runc_prints() {
        assert_eq!(
            table(&[state("c1")]),
            "ID          PID         STATUS      BUNDLE      CREATED                          OWNER\n\
             c1          42          running     /b          2026-01-02T03:04:05.000000006Z   root\n"
        );
    }

    #[test]
    fn quiet_prints_ids() {
        assert_eq!(ids(&[state("a"), state("b")]), "a\nb\n");
        assert_eq!(ids(&[]), "");
    }
}
