//! The text of a Dockerfile as logical lines: parser directives, comments, continuations and
//! here-documents are dealt with here, in the order in which docker's parser does
//! (<https://docs.docker.com/reference/dockerfile/#format>).

use std::iter::Peekable;
use std::str::Lines;

/// What is wrong, and in which line of the file, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub line: usize,
    pub text: String,
}

impl Problem {
    pub fn new(line: usize, text: impl Into<String>) -> Self {
        Self { line, text: text.into() }
    }
}

/// A file taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Text {
    /// Ends a line that goes on, and takes a character's meaning: `\` or a backtick.
    pub escape: char,
    pub lines: Vec<Line>,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where it begins, counted from 1.
    pub number: usize,
    /// All of it, joined.
    pub text: String,
    pub heredocs: Vec<Heredoc>,
}

/// Text that follows an instruction, up to a line with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    pub name: String,
    /// Whether variables in it mean something: its name is not quoted.
    pub expand: bool,
    pub content: String,
}

/// Instructions that can be followed by here-documents.
const WITH_HEREDOCS: [&str; 3] = ["RUN", "COPY", "ADD"];

/// Takes a file apart.
pub fn split(text: &str) -> Result<Text, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let escape = directives(text)?;
    let mut source = Source { lines: text.lines().peekable(), number: 0 };
    let mut lines = Vec::new();
    while let Some(first) = source.next() {
        let number = source.number;
        if is_comment(first) || first.trim().is_empty() {
            continue;
        }
        let text = source.join(first, escape);
        let text = text.trim().to_owned();
        if text.is_empty() {
            continue;
        }
        let mut heredocs = heredocs_of(&text, escape);
        for (heredoc, strip_tabs) in &mut heredocs {
            heredoc.content = source.heredoc(&heredoc.name, *strip_tabs).ok_or_else(|| {
                Problem::new(number, format!("here-document {:?} does not end", heredoc.name))
            })?;
        }
        let heredocs = heredocs.into_iter().map(|(heredoc, _)| heredoc).collect();
        lines.push(Line { number, text, heredocs });
    }
    Ok(Text { escape, lines })
}

/// `# escape=` of the lines at the top. The first line that is no directive ends them.
fn directives(text: &str) -> Result<char, Problem> {
    let mut escape = None;
    for (index, line) in text.lines().enumerate() {
        let Some(directive) = line.trim().strip_prefix('#') else { break };
        let Some((key, value)) = directive.split_once('=') else { break };
        let wrong = |text: String| Err(Problem::new(index + 1, text));
        match (key.trim().to_ascii_lowercase().as_str(), value.trim()) {
            ("escape", _) if escape.is_some() => {
                return wrong("only one escape directive can be used".into());
            }
            ("escape", "\\") => escape = Some('\\'),
            ("escape", "`") => escape = Some('`'),
            ("escape", other) => {
                return wrong(format!("escape {other:?}: there are ` and \\"));
            }
            ("syntax" | "check", _) => {}
            _ => break,
        }
    }
    Ok(escape.unwrap_or('\\'))
}

struct Source<'a> {
    lines: Peekable<Lines<'a>>,
    number: usize,
}

impl<'a> Source<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let line = self.lines.next()?;
        self.number += 1;
        Some(line)
    }

    /// A line with all that it goes on with. Comments and empty lines in between are passed over.
    fn join(&mut self, first: &str, escape: char) -> String {
        let (part, mut goes_on) = continued(first, escape);
        let mut text = part.to_owned();
        while goes_on && let Some(line) = self.next() {
            if is_comment(line) || line.trim().is_empty() {
                continue;
            }
            let (part, more) = continued(line, escape);
            text.push_str(part);
            goes_on = more;
        }
        text
    }

    /// What comes before the line with that name; `None` if there is no such line.
    fn heredoc(&mut self, name: &str, strip_tabs: bool) -> Option<String> {
        let mut content = String::new();
        loop {
            let line = self.next()?;
            let line = if strip_tabs { line.trim_start_matches('\t') } else { line };
            if line == name {
                return Some(content);
            }
            content.push_str(line);
            content.push('\n');
        }
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// Without the escape at its end, and whether there was one. Two of them are none.
fn continued(line: &str, escape: char) -> (&str, bool) {
    match line.trim_end_matches([' ', '\t', '\r']).strip_suffix(escape) {
        Some(rest) if !rest.ends_with(escape) => (rest, true),
        _ => (line, false),
    }
}

/// Those that a line announces: `<<NAME`, `<<-NAME`, `<<"NAME"`, with a number before it or not; the
/// second of each is whether tabs before its lines are left out.
fn heredocs_of(text: &str, escape: char) -> Vec<(Heredoc, bool)> {
    let mut words = text.split_whitespace();
    let mut word = words.next().unwrap_or_default().to_ascii_uppercase();
    if word == "ONBUILD" {
        word = words.next().unwrap_or_default().to_ascii_uppercase();
    }
    if !WITH_HEREDOCS.contains(&word.as_str()) {
        return Vec::new();
    }
    raw_words(text, escape).iter().filter_map(|word| heredoc(word)).collect()
}

fn heredoc(word: &str) -> Option<(Heredoc, bool)> {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
    let (rest, strip_tabs) = match rest.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let end = rest.find(['<', '>', '|', ';', '&', '(', ')']).unwrap_or(rest.len());
    let (quoted, after) = rest.split_at(end);
    let name = quoted.replace(['"', '\'', '\\'], "");
    // `<<<` is something else.
    if name.is_empty() || after.starts_with('<') {
        return None;
    }
    Some((Heredoc { expand: name == quoted, name, content: String::new() }, strip_tabs))
}

/// Words with their quotes and escapes as they are: blanks in them do not part them.
pub fn raw_words(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some((word, after)) = raw_word(rest, escape) {
        words.push(word.to_owned());
        rest = after;
    }
    words
}

/// The first of them, and what follows it.
pub fn raw_word(text: &str, escape: char) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let mut quote = None;
    let mut escaped = false;
    let ends = |(_, c): &(usize, char)| {
        if std::mem::take(&mut escaped) {
            return false;
        }
        match (quote, *c) {
            (None, c) if c.is_whitespace() => return true,
            (None, '\'' | '"') => quote = Some(*c),
            (Some(open), c) if c == open => quote = None,
            // Nothing can be escaped within single quotes.
            (open, c) if c == escape && open != Some('\'') => escaped = true,
            _ => {}
        }
        false
    };
    let end = text.char_indices().find(ends).map_or(text.len(), |(at, _)| at);
    (!text.is_empty()).then(|| text.split_at(end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(text: &str) -> Vec<(usize, String)> {
        split(text).unwrap().lines.into_iter().map(|line| (line.number, line.text)).collect()
    }

    fn line(number: usize, text: &str) -> (usize, String) {
        (number, text.to_owned())
    }

    #[test]
    fn lines_go_on_over_comments_and_blank_lines() {
        let text = "\u{feff}# c\n\nFROM a\nRUN one \\\n  # no\n\n  two \\  \n\tthree\nRUN x\\\\\n  CMD y\\";
        assert_eq!(
            lines(text),
            [
                line(3, "FROM a"),
                line(4, "RUN one   two \tthree"),
                line(9, "RUN x\\\\"),
                line(10, "CMD y")
            ]
        );
    }

    #[test]
    fn the_escape_can_be_another() {
        let text = split("# syntax=docker/dockerfile:1\n# Escape = `\nRUN a `\n b\\\n").unwrap();
        assert_eq!(text.escape, '`');
        assert_eq!(text.lines[0].text, "RUN a  b\\");
        assert_eq!(split("# comment\n# escape=`\nRUN a").unwrap().escape, '\\');
        assert_eq!(split("\n# escape=x\n").unwrap().escape, '\\');
        assert_eq!(split("# escape=x\n").unwrap_err().line, 1);
        assert_eq!(split("# escape=`\n#escape=`\n").unwrap_err().line, 2);
    }

    #[test]
    fn here_documents_follow_their_line() {
        let text =
            "RUN cat <<A - 3<<-'B' > /f\n# kept\\\nA\n\t$x\n\tB\nCMD <<A\nCOPY <<\"E\" /x\nE\n";
        let split = split(text).unwrap();
        let found = &split.lines[0].heredocs;
        let heredoc = |name: &str, expand, content: &str| Heredoc {
            name: name.into(),
            expand,
            content: content.into(),
        };
        assert_eq!(*found, [heredoc("A", true, "# kept\\\n"), heredoc("B", false, "$x\n")]);
        assert_eq!(split.lines[1].text, "CMD <<A");
        assert_eq!(split.lines[2].heredocs, [heredoc("E", false, "")]);
        assert_eq!(split.lines[2].number, 7);
        let unclosed = super::split("FROM a\nRUN <<A\nB\n").unwrap_err();
        assert_eq!(unclosed.line, 2);
        assert!(lines("RUN a <<<b\n").len() == 1 && lines("RUN a << b\n").len() == 1);
    }

    #[test]
    fn words_keep_their_quotes() {
        let words = raw_words(r#"a="b c" d\ e 'f\' g"#, '\\');
        assert_eq!(words, [r#"a="b c""#, r"d\ e", r"'f\'", "g"]);
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in "(?s)[ \t\nA-C#\\\\`'\"<\\-=ä]{0,60}|(RUN|COPY|#escape=|<<A|\\n| |\\\\){0,20}") {
            let _ = split(&text);
        }

        #[test]
        fn plain_lines_are_told_apart(lines in prop::collection::vec("[A-Z]{1,5} [a-z0-9 ]{0,10}[a-z]", 0..9)) {
            let split = split(&lines.join("\n")).unwrap();
            let texts: Vec<_> = split.lines.iter().map(|line| line.text.clone()).collect();
            prop_assert_eq!(texts, lines);
        }
    }
}
