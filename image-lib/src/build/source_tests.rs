use std::fs;
use std::os::unix::fs::symlink;

use super::*;

struct Place {
    temporary: tempfile::TempDir,
    ignore: Ignore,
}

impl Place {
    fn new(ignore: &str) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().join("root");
        fs::create_dir_all(root.join("dir/sub")).unwrap();
        for name in ["a.txt", "b.txt", "dir/c.txt", "dir/sub/d.txt"] {
            fs::write(root.join(name), name).unwrap();
        }
        fs::write(temporary.path().join("secret"), "").unwrap();
        Self { temporary, ignore: Ignore::parse(ignore).unwrap() }
    }

    fn link(&self, target: &str, name: &str) {
        symlink(target, self.temporary.path().join("root").join(name)).unwrap();
    }

    fn root(&self) -> Dir {
        Dir::open(&self.temporary.path().join("root")).unwrap()
    }

    fn find(&self, source: &str) -> Result<Vec<(String, String)>> {
        let root = self.root();
        let files = Files { root: &root, ignore: &self.ignore, called: "the build context" };
        let text = |text: &OsStr| text.to_str().unwrap().to_owned();
        let found = files.find(source)?.into_iter();
        Ok(found.map(|f| (text(f.path.display().as_os_str()), text(&f.name))).collect())
    }

    fn paths(&self, source: &str) -> Vec<String> {
        self.find(source).unwrap().into_iter().map(|(path, _)| path).collect()
    }
}

#[test]
fn patterns_name_files_in_order() {
    let place = Place::new("");
    assert_eq!(place.paths("*.txt"), ["a.txt", "b.txt"]);
    assert_eq!(place.paths("/*/c.txt"), ["dir/c.txt"]);
    assert_eq!(place.paths("d*/s*"), ["dir/sub"]);
    assert_eq!(place.paths("."), [""]);
    assert_eq!(place.paths("dir/../a.txt"), ["a.txt"]);
    for source in ["none", "*.md", "a.txt/x", "[", "../secret", "/../secret", "dir/../../secret"] {
        assert!(place.find(source).is_err(), "{source}");
    }
}

#[test]
fn links_lead_where_they_lead_within_the_root() {
    let place = Place::new("");
    let outside = place.temporary.path().join("secret");
    place.link("dir", "to-dir");
    place.link("/a.txt", "absolute");
    place.link("../../../b.txt", "dir/up");
    place.link("../secret", "out");
    place.link(outside.to_str().unwrap(), "far");
    place.link("loop", "loop");
    assert_eq!(place.find("to-dir/c.txt").unwrap(), [("dir/c.txt".into(), "c.txt".into())]);
    assert_eq!(place.find("absolute").unwrap(), [("a.txt".into(), "absolute".into())]);
    assert_eq!(place.paths("to-dir/up"), ["b.txt"]);
    for source in ["out", "far", "loop"] {
        assert!(place.find(source).is_err(), "{source}");
    }
}

#[test]
fn hidden_files_are_not_reached_by_other_names() {
    let place = Place::new("a.txt\ndir\n!dir/sub\nhidden-link");
    place.link("a.txt", "link");
    place.link("b.txt", "hidden-link");
    place.link("dir", "to-dir");
    for source in ["a.txt", "link", "hidden-link", "dir/c.txt", "to-dir/c.txt"] {
        assert!(place.find(source).is_err(), "{source}");
    }
    assert_eq!(place.paths("dir/sub/d.txt"), ["dir/sub/d.txt"]);
    assert_eq!(place.paths("dir"), ["dir"]);
    let root = place.root();
    let files = Files { root: &root, ignore: &place.ignore, called: "" };
    let names = |path: &str| -> Vec<_> {
        let path = Inside::parse(path.as_bytes()).unwrap();
        let dir = open_dir(&root, &path).unwrap();
        files.list(&dir, &path).unwrap().into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(""), ["b.txt", "dir", "link", "to-dir"]);
    assert_eq!(names("dir"), ["sub"]);
}

#[test]
fn what_is_missing_could_be_there() {
    let place = Place::new("");
    place.link("/new/../other", "link");
    let resolved = |path: &str| match resolve(&place.root(), path.as_bytes()) {
        Ok(Resolved::Missing(path)) => path.display().to_str().unwrap().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(resolved("link/x"), "other/x");
    assert_eq!(resolved("../../x/y"), "x/y");
    assert!(resolve(&place.root(), b"a.txt/x").is_err());
}
