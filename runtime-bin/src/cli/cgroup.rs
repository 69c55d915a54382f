//! `exec --cgroup`: `PATH`, or `CONTROLLER[,CONTROLLER...]:PATH` as often as there are controllers.

use libteu::SubCgroup;

/// Reads all that were given. The words are runc's.
pub fn sub_cgroups(given: &[String]) -> Result<Vec<SubCgroup>, String> {
    let wrong = |text: &str, why: &str| format!("invalid --cgroup argument: {text} ({why})");
    let mut subs: Vec<SubCgroup> = Vec::new();
    for text in given {
        let Some((names, path)) = text.split_once(':') else {
            if given.len() > 1 {
                return Err(wrong(text, "missing <controller>: prefix"));
            }
            return Ok(vec![SubCgroup { controllers: Vec::new(), path: text.into() }]);
        };
        let controllers: Vec<String> = names.split(',').map(str::to_owned).collect();
        if controllers.iter().any(String::is_empty) {
            return Err(wrong(text, "empty <controller> prefix"));
        }
        let known = |name: &&String| subs.iter().any(|sub| sub.controllers.contains(name));
        let twice = controllers.iter().find(known).or_else(|| repeated(&controllers));
        if let Some(name) = twice {
            let why = format!("controller {name} specified multiple times");
            return Err(format!("invalid --cgroup argument(s): {why}"));
        }
        subs.push(SubCgroup { controllers, path: path.into() });
    }
    Ok(subs)
}

fn repeated(names: &[String]) -> Option<&String> {
    let seen_before =
        |(index, name): &(usize, &String)| names.iter().take(*index).any(|n| n == *name);
    names.iter().enumerate().find(seen_before).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &[&str]) -> Result<Vec<SubCgroup>, String> {
        sub_cgroups(&given.iter().map(|&text| text.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_path_alone_or_one_for_each_controller() {
        assert_eq!(read(&[]), Ok(Vec::new()));
        let alone = SubCgroup { controllers: Vec::new(), path: "/a".into() };
        assert_eq!(read(&["/a"]), Ok(vec![alone]));
        let both = read(&["cpu,cpuacct:a", "pids:b"]).unwrap();
        assert_eq!(both[0].controllers, ["cpu", "cpuacct"]);
        assert_eq!((both[1].path.to_str(), both.len()), (Some("b"), 2));
    }

    #[test]
    fn mistakes_are_told_as_runc_tells_them() {
        for (given, words) in [
            (&["a", "b"][..], "missing <controller>: prefix"),
            (&[":a"], "empty <controller> prefix"),
            (&["cpu,:a"], "empty <controller> prefix"),
            (&["cpu:a", "cpu:b"], "controller cpu specified multiple times"),
            (&["cpu,cpu:a"], "controller cpu specified multiple times"),
        ] {
            let text = read(given).unwrap_err();
            assert!(text.contains(words), "{text}");
        }
    }
}
