use proptest::prelude::*;

use super::*;

fn one(text: &str) -> What {
    trigger(text).unwrap().what
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect()
}

#[test]
fn commands_have_two_forms() {
    assert_eq!(one("CMD [\"a\", \"b c\"]"), What::Cmd(Command::Exec(words(&["a", "b c"]))));
    assert_eq!(one("cmd [ a ]"), What::Cmd(Command::Shell("[ a ]".into())));
    assert_eq!(one("CMD [1]"), What::Cmd(Command::Shell("[1]".into())));
    assert_eq!(one("ENTRYPOINT []"), What::Entrypoint(Command::Exec(Vec::new())));
    assert_eq!(one("SHELL [\"a\"]"), What::Shell(words(&["a"])));
    let What::Run(run) = one("RUN --network=none a \\\n  b") else { panic!() };
    assert_eq!(run.network.as_deref(), Some("none"));
    assert_eq!(run.command, Command::Shell("a   b".into()));
}

#[test]
fn stages_have_names_and_platforms() {
    let from = |image: &str, platform: Option<&str>, name: Option<&str>| What::From {
        image: image.into(),
        platform: platform.map(Into::into),
        name: name.map(Into::into),
    };
    assert_eq!(one("FROM a:b"), from("a:b", None, None));
    assert_eq!(one("from --platform=$P a as B-1"), from("a", Some("$P"), Some("b-1")));
    for text in ["FROM a b", "FROM a AS", "FROM a AS 1", "FROM a AS b/c", "FROM --x a", "FROM"] {
        assert!(trigger(text).is_err(), "{text}");
    }
}

#[test]
fn pairs_have_two_forms() {
    let env = pairs(&[("A", "1"), ("B", "\"x y\""), ("C", "d\\ e")]);
    assert_eq!(one("ENV A=1 B=\"x y\" \\\n C=d\\ e"), What::Env(env));
    assert_eq!(one("ENV A some  words=1"), What::Env(pairs(&[("A", "some  words=1")])));
    assert_eq!(one("LABEL \"a b\"=c"), What::Label(pairs(&[("\"a b\"", "c")])));
    let arg = vec![("A".to_owned(), None), ("B".to_owned(), Some("\"1 2\"".to_owned()))];
    assert_eq!(one("ARG A B=\"1 2\""), What::Arg(arg));
    for text in ["ENV A", "ENV A=1 B", "ENV =1", "LABEL", "ARG =1"] {
        assert!(trigger(text).is_err(), "{text}");
    }
}

#[test]
fn copies_have_flags_and_sources() {
    let What::Copy(copy) = one("COPY --from=x --chown=a:b --chmod=755 --link a b /c/") else {
        panic!()
    };
    let plain = |copy: &Option<String>| copy.clone().unwrap_or_default();
    assert_eq!([plain(&copy.from), plain(&copy.owner), plain(&copy.mode)], ["x", "a:b", "755"]);
    let path = |path: &str| Source::Path(path.into());
    assert_eq!((copy.sources, copy.target.as_str()), (vec![path("a"), path("b")], "/c/"));
    let What::Copy(copy) = one("ADD [\"a b\", \"c d\"]") else { panic!() };
    assert_eq!((copy.sources, copy.target.as_str()), (vec![path("a b")], "c d"));
    let What::Copy(copy) = one("COPY <<A x <<'B' /d/\n$a\nA\nb\nB") else { panic!() };
    let inline = |name: &str, expand, content: &str| {
        Source::Inline(Heredoc { name: name.into(), expand, content: content.into() })
    };
    let expected = [inline("A", true, "$a\n"), path("x"), inline("B", false, "b\n")];
    assert_eq!(copy.sources, expected);
    for text in ["COPY a", "COPY --parents a b", "ADD --from=x a b", "COPY --from= a b"] {
        assert!(trigger(text).is_err(), "{text}");
    }
}

#[test]
fn checks_of_health_are_read() {
    let What::Healthcheck(check) =
        one("HEALTHCHECK --interval=5s --retries=2 --start-period=1m CMD curl x")
    else {
        panic!()
    };
    assert_eq!(
        check.to_json(),
        serde_json::json!({
            "Test": ["CMD-SHELL", "curl x"], "Interval": 5_000_000_000_u64,
            "StartPeriod": 60_000_000_000_u64, "Retries": 2,
        })
    );
    let What::Healthcheck(check) = one("HEALTHCHECK cmd [\"a\"]") else { panic!() };
    assert_eq!(check.test, words(&["CMD", "a"]));
    assert!(trigger("HEALTHCHECK NONE x").is_err() && trigger("HEALTHCHECK CMD").is_err());
}

#[test]
fn triggers_are_checked_and_kept_whole() {
    assert_eq!(one("ONBUILD copy . /x"), What::Onbuild("COPY . /x".into()));
    let kept = "RUN <<A\necho 1\nA";
    assert_eq!(one(&format!("ONBUILD {kept}")), What::Onbuild(kept.into()));
    let What::Run(run) = one(kept) else { panic!() };
    assert_eq!(run.heredocs[0].content, "echo 1\n");
    for text in ["ONBUILD ONBUILD RUN a", "ONBUILD FROM a", "ONBUILD NONSENSE", "ONBUILD"] {
        assert!(trigger(text).is_err(), "{text}");
    }
}

#[test]
fn errors_name_line_and_instruction() {
    let problem = parse("FROM a\n\nNONSENSE x\\\n y").unwrap_err();
    assert_eq!((problem.line, problem.text.as_str()), (3, "NONSENSE x y: is no instruction"));
    let problem = parse("FROM a\nRUN --mount=type=cache,target=/x make").unwrap_err();
    assert!(problem.text.contains("--mount is not supported"), "{problem:?}");
}

proptest! {
    #[test]
    fn no_file_is_a_panic(text in "((FROM|RUN|COPY|ADD|ENV|ARG|HEALTHCHECK|ONBUILD|CMD|#)|[ \n=\\[\\]\"'<$a-]|--|\\\\\n|AS){0,30}") {
        let _ = parse(&text);
    }
}
