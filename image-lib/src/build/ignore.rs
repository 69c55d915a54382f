//! `.dockerignore`: which files of the context are not to be seen
//! (<https://docs.docker.com/build/concepts/context/#dockerignore-files>).

use std::path::Path;

use super::glob::Pattern;
use crate::layer::Inside;

/// Its lines, in their order.
#[derive(Debug, Default)]
pub struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    /// `!`: what it matches is seen after all.
    exception: bool,
}

impl Ignore {
    /// Reads the file.
    ///
    /// # Errors
    /// The number of a line, from 1, and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rules = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (text, exception) = match line.strip_prefix('!') {
                Some(rest) => (rest.trim(), true),
                None => (line, false),
            };
            let wrong = |problem: String| (index + 1, format!("{line:?}: {problem}"));
            if text.is_empty() {
                return Err(wrong("is an exception of nothing".into()));
            }
            // A pattern that leads out of the context matches nothing in it.
            let Some(clean) = Inside::parse(text.as_bytes()) else { continue };
            let clean = clean.display();
            let pattern = Pattern::with_directories(&clean.to_string_lossy()).map_err(wrong)?;
            // The whole context: docker passes over it, too.
            if !clean.as_os_str().is_empty() {
                rules.push(Rule { pattern, exception });
            }
        }
        Ok(Self { rules })
    }

    /// Whether a path is not to be seen: the last rule that matches it, or a directory that it is in,
    /// decides.
    pub fn hides(&self, path: &Path) -> bool {
        let names: Vec<_> = path
            .ancestors()
            .filter(|path| !path.as_os_str().is_empty())
            .map(Path::to_string_lossy)
            .collect();
        let matches = |rule: &&Rule| names.iter().any(|name| rule.pattern.matches(name));
        self.rules.iter().rfind(matches).is_some_and(|rule| !rule.exception)
    }

    /// Whether something in a hidden directory may be seen.
    pub fn has_exceptions(&self) -> bool {
        self.rules.iter().any(|rule| rule.exception)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(rules: &str, paths: &[&str]) -> Vec<bool> {
        let ignore = Ignore::parse(rules).unwrap();
        paths.iter().map(|path| ignore.hides(Path::new(path))).collect()
    }

    #[test]
    fn the_examples_of_dockers_documentation_hold() {
        let paths = ["temp", "a/temp1", "a/b/temp2", "tempa", "x.md", "README.md", "a/temp1/x"];
        assert_eq!(
            hidden("# c\n\n*/temp*\n */*/temp* \ntemp?\n", &paths),
            [false, true, true, true, false, false, true]
        );
        assert_eq!(hidden("*.md\n!README.md", &["x.md", "README.md"]), [true, false]);
        let rules = "*.md\n!README*.md\nREADME-secret.md";
        assert_eq!(hidden(rules, &["README-secret.md", "README-x.md"]), [true, false]);
        let rules = "*.md\nREADME-secret.md\n!README*.md";
        assert_eq!(hidden(rules, &["README-secret.md"]), [false]);
    }

    #[test]
    fn rules_hold_below_directories() {
        let paths = ["a", "a/b", "a/b/c", "b"];
        assert_eq!(hidden("/a/", &paths), [true, true, true, false]);
        assert_eq!(hidden("*\n!a/b", &paths), [true, false, false, true]);
        assert_eq!(hidden("**/b", &paths), [false, true, true, true]);
        assert_eq!(hidden(".", &paths), [false; 4]);
        assert_eq!(hidden("./x/../b\n../a", &paths), [false, false, false, true]);
    }

    #[test]
    fn what_is_no_pattern_is_told_with_its_line() {
        assert_eq!(Ignore::parse("a\n!").unwrap_err().0, 2);
        assert_eq!(Ignore::parse("a\n\n[").unwrap_err().0, 3);
    }
}
