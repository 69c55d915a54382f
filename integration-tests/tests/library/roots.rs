//! Several runtimes in one program.

use integration_tests::{Bundle, require};
use libteu::{ErrorKind, Runtime, RuntimeOptions, Status};

use crate::alone::alone;
use crate::drive::{bundle, exec, id, null, started, with_stdio};
use crate::traces::Traces;

fn second(bundle: &Bundle) -> Runtime {
    Runtime::new(bundle.scratch("state/second"), RuntimeOptions::default())
}

#[test]
fn the_same_id_under_two_roots_is_two_containers_if_their_cgroups_differ() {
    require!("root");
    alone(|| {
        let (one, mut two) = (bundle(&["sleep"]), Bundle::probe(&["sleep"]));
        let id = id(&one, "");
        two.set("/linux/cgroupsPath", format!("/{}-elsewhere", two.id())).write();
        let before = Traces::now();
        let (first, first_init) = started(&one, &id);
        let other = crate::drive::runtime(&two);
        let (second, second_init) = other.create(&id, &two.path(), with_stdio(null())).unwrap();
        second.start().unwrap();
        assert_ne!(first.state().unwrap().pid, second.state().unwrap().pid);
        assert_eq!(
            (exec(&first, &["exit", "1"]), exec(&second, &["exit", "2"])),
            (Some(1), Some(2))
        );
        first.delete(true).unwrap();
        assert!(!first_init.wait().unwrap().success());
        assert_eq!(second.state().unwrap().status, Status::Running);
        assert_eq!(exec(&second, &["exit", "3"]), Some(3));
        second.delete(true).unwrap();
        second_init.wait().unwrap();
        drop((first_init, second_init));
        before.assert_unchanged(&[&one, &two]);
    });
}

#[test]
fn a_container_in_the_cgroup_of_another_root_is_refused_and_the_other_not_harmed() {
    require!("root");
    alone(|| {
        let one = bundle(&["sleep"]);
        let id = id(&one, "");
        let before = Traces::now();
        let (first, init) = started(&one, &id);
        let other = second(&one);
        let e = other.create(&id, &one.path(), with_stdio(null())).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::WrongStatus);
        assert!(e.to_string().contains("cgroup is not empty"), "{e}");
        assert_eq!(other.container(&id).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(first.state().unwrap().status, Status::Running);
        assert_eq!(exec(&first, &["exit", "4"]), Some(4));
        std::fs::remove_dir(other.root()).unwrap();
        first.delete(true).unwrap();
        init.wait().unwrap();
        drop(init);
        before.assert_unchanged(&[&one]);
    });
}
