//! Compile time, length, install time and cost per call of our filters beside libseccomp's:
//! `cargo run --release --manifest-path seccomp-oracle/Cargo.toml`. Prints a table in Markdown.

#[allow(dead_code, reason = "the tests check programs, too")]
#[path = "../../runtime-lib/tests/seccomp/interpreter.rs"]
mod interpreter;
mod kernel;

use std::hint::black_box;
use std::time::{Duration, Instant};

use libteu::seccomp::{Arch, Filter, Instruction};
use oci_spec::runtime::LinuxSeccomp;
use seccomp_oracle::{Order, export, filter};
use serde_json::json;

/// A compiler, and what it makes of a profile.
type Compiler = (&'static str, fn(&LinuxSeccomp) -> Vec<Instruction>);

const COMPILERS: [Compiler; 3] = [
    ("teu", |profile| Filter::compile_for(profile, Arch::X86_64).unwrap().instructions().to_vec()),
    ("libseccomp, its default order", |profile| {
        export(&filter(profile, Order::Linear).unwrap()).unwrap()
    }),
    ("libseccomp, tree (runc's choice)", |profile| {
        export(&filter(profile, Order::Tree).unwrap()).unwrap()
    }),
];

fn main() {
    println!(
        "| profile | compiler | compile | instructions | walked, mean | install | getppid | personality | unknown call |"
    );
    println!("|---|---|--:|--:|--:|--:|--:|--:|--:|");
    let free = kernel::cost(&[]);
    println!("| none | | | | | | {} ns | {} ns | {} ns |", free[0], free[1], free[2]);
    for (name, profile) in profiles() {
        for (compiler, compile) in COMPILERS {
            row(name, compiler, &profile, compile);
        }
    }
}

fn row(
    name: &str,
    compiler: &str,
    profile: &LinuxSeccomp,
    compile: fn(&LinuxSeccomp) -> Vec<Instruction>,
) {
    let program = compile(profile);
    let once = || {
        let begin = Instant::now();
        black_box(compile(black_box(profile)));
        begin.elapsed()
    };
    // Libseccomp takes a second for large ones.
    let samples = if once() < Duration::from_millis(5) { 200 } else { 7 };
    let time = median(samples, once);
    let install = median(60, || kernel::install_time(&program));
    let calls = kernel::cost(&program);
    println!(
        "| {name} | {compiler} | {} | {} | {} | {} | {} ns | {} ns | {} ns |",
        micros(time),
        program.len(),
        walked(&program),
        micros(install),
        calls[0],
        calls[1],
        calls[2],
    );
}

fn profiles() -> Vec<(&'static str, LinuxSeccomp)> {
    let read = |json: &str| serde_json::from_str(json).expect("a profile");
    vec![
        ("Docker 20.10", read(include_str!("../../runtime-lib/tests/seccomp/docker.json"))),
        ("Podman 4.3", read(include_str!("../../runtime-lib/tests/seccomp/podman.json"))),
        ("1,000 rules", large()),
    ]
}

/// 1,000 rules: values of the last argument, of which every second one differs in its action. None of
/// them is met while this program measures.
fn large() -> LinuxSeccomp {
    let names: Vec<&str> = (0..400).filter_map(|number| Arch::X86_64.call_name(number)).collect();
    let entries: Vec<_> = (0..1000usize)
        .map(|n| {
            let action = if n % 2 == 0 { "SCMP_ACT_ERRNO" } else { "SCMP_ACT_LOG" };
            json!({"names": [names[n % names.len()]], "action": action, "args": [
                {"index": 5, "op": "SCMP_CMP_EQ", "value": 1_000_000 + n}]})
        })
        .collect();
    let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": entries});
    serde_json::from_value(profile).expect("a profile")
}

/// Instructions per lookup, over all of x86_64's numbers.
fn walked(program: &[Instruction]) -> usize {
    let steps = |number| {
        let data = interpreter::Data { number, arch: Arch::X86_64.audit(), args: [0; 6] };
        interpreter::run(program, &data).1
    };
    (0..470).map(steps).sum::<usize>() / 470
}

fn median(samples: usize, mut take: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..samples).map(|_| take()).collect();
    times.sort();
    times[samples / 2]
}

fn micros(time: Duration) -> String {
    format!("{:.0} µs", time.as_secs_f64() * 1e6)
}
