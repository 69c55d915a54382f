use super::super::parse::trigger;
use super::*;

fn applied(instructions: &[&str]) -> Value {
    let mut state = State::scratch("linux", "amd64");
    for text in instructions {
        let before = state.clone();
        let lookup = |name: &str| before.env(name);
        let lexer = Lexer { escape: '\\', lookup: &lookup };
        apply(&mut state, &trigger(text).unwrap().what, &lexer).unwrap();
    }
    state.config["config"].take()
}

fn refused(text: &str) -> String {
    let lexer = Lexer { escape: '\\', lookup: &|_| None };
    let what = trigger(text).unwrap().what;
    apply(&mut State::scratch("linux", "amd64"), &what, &lexer).unwrap_err()
}

#[test]
fn commands_are_the_shells_or_their_own() {
    let config = applied(&["CMD a b", "SHELL [\"x\", \"-y\"]", "ENTRYPOINT c"]);
    assert_eq!(config["Cmd"], json!(["/bin/sh", "-c", "a b"]));
    assert_eq!(config["Entrypoint"], json!(["x", "-y", "c"]));
    assert_eq!(config["Shell"], json!(["x", "-y"]));
    assert_eq!(applied(&["ENTRYPOINT [\"a\"]", "ENTRYPOINT []"]), json!({}));
}

#[test]
fn an_entrypoint_takes_the_bases_command_away() {
    let mut state = State::scratch("linux", "amd64");
    state.section().insert("Cmd".into(), json!(["old"]));
    let lexer = Lexer { escape: '\\', lookup: &|_| None };
    for (text, command) in [("ENTRYPOINT [\"a\"]", Value::Null), ("CMD [\"b\"]", json!(["b"]))] {
        apply(&mut state, &trigger(text).unwrap().what, &lexer).unwrap();
        assert_eq!(state.config["config"]["Cmd"], command);
    }
    apply(&mut state, &trigger("ENTRYPOINT [\"c\"]").unwrap().what, &lexer).unwrap();
    assert_eq!(state.config["config"]["Cmd"], json!(["b"]));
}

#[test]
fn variables_have_the_values_from_before_the_instruction() {
    let config = applied(&["ENV A=1 B=x", "ENV A=2 B=$A C='$A'", "LABEL l.$A=\"$B $C\" z=${N:-n}"]);
    assert_eq!(config["Env"], json!(["A=2", "B=1", "C=$A"]));
    assert_eq!(config["Labels"], json!({ "l.2": "1 $A", "z": "n" }));
}

#[test]
fn the_rest_goes_where_docker_puts_it() {
    let config = applied(&[
        "ENV P=53/udp",
        "EXPOSE 80 $P 90-91",
        "VOLUME /a /b",
        "VOLUME [\"/c d\"]",
        "USER web:$N",
        "STOPSIGNAL SIGRTMIN+3",
        "HEALTHCHECK NONE",
        "ONBUILD RUN true",
        "ONBUILD COPY . /",
    ]);
    let ports = json!({"80/tcp": {}, "53/udp": {}, "90/tcp": {}, "91/tcp": {}});
    assert_eq!(config["ExposedPorts"], ports);
    assert_eq!(config["Volumes"], json!({"/a": {}, "/b": {}, "/c d": {}}));
    assert_eq!((&config["User"], &config["StopSignal"]), (&json!("web:"), &json!("SIGRTMIN+3")));
    assert_eq!(config["Healthcheck"], json!({"Test": ["NONE"]}));
    assert_eq!(config["OnBuild"], json!(["RUN true", "COPY . /"]));
}

#[test]
fn nonsense_is_refused() {
    for text in [
        "EXPOSE x",
        "EXPOSE 99999",
        "EXPOSE 2-1",
        "EXPOSE 1/x",
        "STOPSIGNAL 99",
        "STOPSIGNAL a b",
        "VOLUME [\"\"]",
        "LABEL $N=1",
        "ENV A=${B:?no}",
    ] {
        refused(text);
    }
}

#[test]
fn working_directories_go_on() {
    for (before, path, expected) in [
        ("", "a", "/a"),
        ("/a", "b", "/a/b"),
        ("/a", "/b/", "/b"),
        ("/a", "../../x/./y", "/x/y"),
        ("/a", "..", "/"),
    ] {
        assert_eq!(workdir(before, path).as_deref(), Ok(expected));
    }
    assert!(workdir("/", "").is_err());
    assert_eq!(absolute("/w", "x/").as_deref(), Ok("/w/x/"));
    assert_eq!(absolute("", "x").as_deref(), Ok("/x"));
    assert!(absolute("/w", "../../x").is_err());
}
