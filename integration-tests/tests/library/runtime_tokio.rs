//! The way an asynchronous program uses the library: blocking calls on a pool, ends by the pidfd.
#![allow(unsafe_code, reason = "AsyncFd wants a promise about the descriptor")]

use std::sync::Arc;

use integration_tests::{Bundle, require};
use libteu::{ContainerId, KillTarget, Process, Signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::{JoinSet, spawn_blocking};

use crate::alone::alone;
use crate::drive::{bundle, id, null, probe, started};
use crate::hammer::Hammer;
use crate::traces::Traces;

#[test]
fn sixteen_tasks_create_exec_and_wait_without_blocking_the_runtime() {
    require!("root");
    alone(|| {
        let sleeper = Arc::new(bundle(&["sleep"]));
        let before = Traces::now();
        let hammer = Hammer::start();
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(4).enable_io().build().unwrap();
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for task in 0..16 {
                let id = id(&sleeper, &format!("-{task}"));
                tasks.spawn(lives(sleeper.clone(), id));
            }
            while let Some(done) = tasks.join_next().await {
                done.unwrap();
            }
        });
        drop((runtime, hammer));
        before.assert_unchanged(&[&sleeper]);
    });
}

async fn lives(bundle: Arc<Bundle>, id: ContainerId) {
    for round in 0..6 {
        let (bundle, id) = (bundle.clone(), id.clone());
        let (container, init) = spawn_blocking(move || started(&bundle, &id)).await.unwrap();
        let inside = container.clone();
        let code = (round + 20).to_string();
        let start = move || inside.exec(probe(&["exit", &code], null())).unwrap();
        let exec = spawn_blocking(start).await.unwrap();
        assert_eq!(end(exec).await.code(), Some(round + 20));
        container.kill(Signal::KILL, KillTarget::Init).unwrap();
        assert!(!end(init).await.success());
        spawn_blocking(move || container.delete(false)).await.unwrap().unwrap();
    }
}

async fn end(process: Process) -> std::process::ExitStatus {
    // SAFETY: the pidfd stays open as long as the process, which is moved in, and is always the same.
    let pidfd = unsafe { AsyncFd::register_with_interest(process, Interest::READABLE) }.unwrap();
    let _ready = pidfd.readable().await.unwrap();
    pidfd.get_ref().wait().unwrap()
}
