//! Patterns of names, as Go's `filepath.Match` has them, and as `.dockerignore` does.

/// A pattern. Matching takes time in the product of the lengths at most: patterns may be hostile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Token>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`
    AnyChar,
    /// `*`
    Star,
    /// `**` and a slash: any directories, or none. Followed by [`Token::Directories`].
    MayBegin,
    Directories,
    /// `**` at the end.
    Rest,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// `*`, `?`, `[…]` and backslashes; none but the last match a slash.
    ///
    /// # Errors
    /// If a class is not closed, or a backslash is the last.
    pub fn new(text: &str) -> Result<Self, String> {
        Self::parse(text, false)
    }

    /// With `**`, too.
    ///
    /// # Errors
    /// As of [`Pattern::new`].
    pub fn with_directories(text: &str) -> Result<Self, String> {
        Self::parse(text, true)
    }

    fn parse(text: &str, directories: bool) -> Result<Self, String> {
        let mut tokens = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '*' if directories && chars.next_if_eq(&'*').is_some() => {
                    while chars.next_if_eq(&'/').is_some() {}
                    if chars.peek().is_none() {
                        tokens.push(Token::Rest);
                    } else {
                        tokens.extend([Token::MayBegin, Token::Directories]);
                    }
                }
                '*' => tokens.push(Token::Star),
                '?' => tokens.push(Token::AnyChar),
                '[' => tokens.push(class(&mut chars).ok_or("a class is not closed")?),
                '\\' => tokens.push(Token::Char(chars.next().ok_or("a backslash is the last")?)),
                c => tokens.push(Token::Char(c)),
            }
        }
        Ok(Self(tokens))
    }

    /// Whether all of a path is what the pattern says.
    pub fn matches(&self, path: &str) -> bool {
        let mut states = vec![false; self.0.len() + 1];
        self.enter(&mut states, 0);
        for c in path.chars() {
            let mut next = vec![false; states.len()];
            for (at, token) in self.0.iter().enumerate() {
                if states.get(at) == Some(&true) {
                    self.step(&mut next, at, token, c);
                }
            }
            states = next;
        }
        states.last() == Some(&true)
    }

    /// Whether there is anything in it that is no plain character.
    pub fn is_plain(&self) -> bool {
        self.0.iter().all(|token| matches!(token, Token::Char(_)))
    }

    /// The text of a plain one.
    pub fn plain(&self) -> String {
        let plain = |token: &Token| match token {
            Token::Char(c) => Some(*c),
            _ => None,
        };
        self.0.iter().filter_map(plain).collect()
    }

    fn step(&self, next: &mut [bool], at: usize, token: &Token, c: char) {
        let (stays, goes_on) = match token {
            Token::Char(own) => (false, *own == c),
            Token::AnyChar => (false, c != '/'),
            Token::Class { negated, ranges } => {
                let inside = ranges.iter().any(|(low, high)| (*low..=*high).contains(&c));
                (false, c != '/' && inside != *negated)
            }
            Token::Star => (c != '/', false),
            Token::Rest => (true, false),
            Token::Directories => (true, c == '/'),
            Token::MayBegin => (false, false),
        };
        if stays {
            self.enter(next, at);
        }
        if goes_on {
            self.enter(next, at + 1);
        }
    }

    /// With all that is reached from there without a character.
    fn enter(&self, states: &mut [bool], at: usize) {
        let mut at = at;
        while let Some(state) = states.get_mut(at)
            && !std::mem::replace(state, true)
        {
            match self.0.get(at) {
                Some(Token::Star | Token::Rest) => at += 1,
                Some(Token::MayBegin) => {
                    if let Some(directories) = states.get_mut(at + 1) {
                        *directories = true;
                    }
                    at += 2;
                }
                _ => return,
            }
        }
    }
}

/// `[a-z]`, `[^a-z]`; a backslash takes a character's meaning.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = chars.next_if(|c| *c == '^' || *c == '!').is_some();
    let mut ranges = Vec::new();
    loop {
        let low = match chars.next()? {
            ']' if !ranges.is_empty() => return Some(Token::Class { negated, ranges }),
            '\\' => chars.next()?,
            c => c,
        };
        let mut high = low;
        if chars.next_if_eq(&'-').is_some() {
            high = match chars.next()? {
                '\\' => chars.next()?,
                c => c,
            };
        }
        ranges.push((low, high));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_match_as_gos() {
        let matches = |pattern, path| Pattern::new(pattern).unwrap().matches(path);
        for (pattern, path) in [
            ("a*c", "abbc"),
            ("*", ""),
            ("a?c", "aéc"),
            ("[a-c]x", "bx"),
            ("[^a]", "b"),
            (r"a\*", "a*"),
            ("a**", "ab"),
            ("*/b", "a/b"),
            (r"[\-a]", "-"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in
            [("*", "a/b"), ("a?b", "a/b"), ("[^a]", "/"), ("a", "ab"), ("ab", "a"), ("**", "a/b")]
        {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
        for pattern in ["[", "[a", "[]", "a\\", "[a-"] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn two_stars_match_directories() {
        let matches = |pattern, path| Pattern::with_directories(pattern).unwrap().matches(path);
        for (pattern, path) in [
            ("**/b", "b"),
            ("**/b", "x/y/b"),
            ("**", "x/y"),
            ("a/**", "a/x/y"),
            ("a/**/b", "a/b"),
            ("a/**/b", "a/x/y/b"),
            ("**/*.go", "x/y.go"),
            ("**b", "x/b"),
            ("a/**/**/b", "a/b"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in
            [("**/b", "xb"), ("a/**", "a"), ("a/**/b", "a/xb"), ("**/*.go", "x/y.rs")]
        {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn hostile_patterns_cost_little() {
        let pattern = Pattern::with_directories(&"**/*a".repeat(500)).unwrap();
        assert!(!pattern.matches(&"a/".repeat(500)));
    }

    proptest! {
        #[test]
        fn no_pattern_is_a_panic(pattern in "[*?a/\\[\\]^\\\\-]{0,20}", path in "[a/b]{0,20}") {
            let _ = Pattern::with_directories(&pattern).map(|pattern| pattern.matches(&path));
        }

        #[test]
        fn plain_patterns_match_themselves(path in "[a-z/. ]{0,20}", other in "[a-z/. ]{0,20}") {
            let pattern = Pattern::new(&path).unwrap();
            prop_assert!(pattern.is_plain() && pattern.matches(&path));
            prop_assert_eq!(pattern.matches(&other), path == other);
        }
    }
}
