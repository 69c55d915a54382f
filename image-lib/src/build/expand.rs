//! Variables, quotes and escapes in the words of a Dockerfile
//! (<https://docs.docker.com/reference/dockerfile/#environment-replacement>).

use std::iter::Peekable;
use std::str::Chars;

/// `${a:-${b:-…}}` is looked into no deeper: a file must not overflow the stack.
const MAX_DEPTH: usize = 64;

/// Expands words.
pub struct Lexer<'a> {
    /// Takes the next character's meaning.
    pub escape: char,
    /// The value of a variable.
    pub lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl Lexer<'_> {
    /// All of a text as one word.
    ///
    /// # Errors
    /// If a quote or brace is not closed, or a variable that has to be set is not.
    pub fn word(&self, text: &str) -> Result<String, String> {
        let mut out = Out { words: vec![String::new()], split: false, fresh: false };
        self.run(text, &mut out)?;
        Ok(out.words.pop().unwrap_or_default())
    }

    /// The same parted at blanks, those in the values of variables, too, unless they are quoted.
    ///
    /// # Errors
    /// As of [`Lexer::word`].
    pub fn words(&self, text: &str) -> Result<Vec<String>, String> {
        let mut out = Out { words: Vec::new(), split: true, fresh: true };
        self.run(text, &mut out)?;
        Ok(out.words)
    }

    /// A text in which quotes and blanks are as they are, as in a shell's here-document.
    ///
    /// # Errors
    /// As of [`Lexer::word`].
    pub fn text(&self, text: &str) -> Result<String, String> {
        let mut scan = Scan { lexer: self, rest: text.chars().peekable(), depth: 0 };
        let mut out = String::new();
        while let Some(c) = scan.rest.next() {
            match c {
                '$' => out.push_str(&scan.dollar()?),
                c if c == self.escape => {
                    let next = scan.rest.next_if(|next| ['$', self.escape].contains(next));
                    out.push(next.unwrap_or(c));
                }
                c => out.push(c),
            }
        }
        Ok(out)
    }

    fn run(&self, text: &str, out: &mut Out) -> Result<(), String> {
        Scan { lexer: self, rest: text.chars().peekable(), depth: 0 }.until(None, out)
    }
}

/// What becomes of the text.
struct Out {
    words: Vec<String>,
    split: bool,
    /// The next character begins a word.
    fresh: bool,
}

impl Out {
    fn open(&mut self) -> &mut String {
        if std::mem::take(&mut self.fresh) || self.words.is_empty() {
            self.words.push(String::new());
        }
        let last = self.words.len() - 1;
        &mut self.words[last]
    }

    fn quoted(&mut self, text: &str) {
        self.open().push_str(text);
    }

    fn plain(&mut self, text: &str) {
        for c in text.chars() {
            if self.split && c.is_whitespace() {
                self.fresh = true;
            } else {
                self.open().push(c);
            }
        }
    }
}

struct Scan<'a, 'b> {
    lexer: &'a Lexer<'a>,
    rest: Peekable<Chars<'b>>,
    depth: usize,
}

impl Scan<'_, '_> {
    /// Up to a character that ends it, which is taken, or to the end.
    fn until(&mut self, end: Option<char>, out: &mut Out) -> Result<(), String> {
        while let Some(c) = self.rest.next() {
            match c {
                c if Some(c) == end => return Ok(()),
                '\'' => self.single(out)?,
                '"' => self.double(out)?,
                '$' => {
                    let value = self.dollar()?;
                    out.plain(&value);
                }
                c if c == self.lexer.escape => {
                    if let Some(next) = self.rest.next() {
                        out.quoted(next.encode_utf8(&mut [0; 4]));
                    }
                }
                c => out.plain(c.encode_utf8(&mut [0; 4])),
            }
        }
        end.map_or(Ok(()), |end| Err(format!("{end:?} is missing")))
    }

    fn single(&mut self, out: &mut Out) -> Result<(), String> {
        out.quoted("");
        loop {
            match self.rest.next() {
                Some('\'') => return Ok(()),
                Some(c) => out.quoted(c.encode_utf8(&mut [0; 4])),
                None => return Err("a single quote is not closed".into()),
            }
        }
    }

    fn double(&mut self, out: &mut Out) -> Result<(), String> {
        out.quoted("");
        let escape = self.lexer.escape;
        loop {
            match self.rest.next() {
                Some('"') => return Ok(()),
                Some('$') => {
                    let value = self.dollar()?;
                    out.quoted(&value);
                }
                Some(c) if c == escape => {
                    let next = self.rest.next_if(|c| ['"', '$', escape].contains(c));
                    out.quoted(next.unwrap_or(escape).encode_utf8(&mut [0; 4]));
                }
                Some(c) => out.quoted(c.encode_utf8(&mut [0; 4])),
                None => return Err("a double quote is not closed".into()),
            }
        }
    }

    /// What a dollar sign stands for.
    fn dollar(&mut self) -> Result<String, String> {
        if self.rest.next_if_eq(&'{').is_none() {
            let name = self.name();
            return Ok(if name.is_empty() { "$".to_owned() } else { self.value(&name) });
        }
        let name = self.name();
        if name.is_empty() {
            return Err("${ is followed by no name".into());
        }
        match self.rest.next() {
            Some('}') => Ok(self.value(&name)),
            Some(':') => {
                let operator = self.rest.next();
                self.alternative(&name, operator, true)
            }
            operator => self.alternative(&name, operator, false),
        }
    }

    /// `${name-word}` and the like; with a colon an empty value is none.
    fn alternative(
        &mut self,
        name: &str,
        operator: Option<char>,
        colon: bool,
    ) -> Result<String, String> {
        let Some(operator @ ('-' | '+' | '?')) = operator else {
            let shown = operator.map_or("nothing".to_owned(), |c| format!("{c:?}"));
            return Err(format!("${{{name}}}: {shown} is none of - + ? as modifier"));
        };
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("variables are nested too deeply".into());
        }
        let mut out = Out { words: vec![String::new()], split: false, fresh: false };
        self.until(Some('}'), &mut out)?;
        self.depth -= 1;
        let word = out.words.pop().unwrap_or_default();
        let value = (self.lexer.lookup)(name).filter(|value| !(colon && value.is_empty()));
        match (operator, value) {
            ('-', value) => Ok(value.unwrap_or(word)),
            ('+', Some(_)) => Ok(word),
            ('+', None) => Ok(String::new()),
            (_, Some(value)) => Ok(value),
            (_, None) if word.is_empty() => Err(format!("{name} is not set")),
            (_, None) => Err(format!("{name}: {word}")),
        }
    }

    /// A name, or one of the shell's own of one character, which have no value here.
    fn name(&mut self) -> String {
        let special = |c: &char| c.is_ascii_digit() || "@*#?-$!".contains(*c);
        if let Some(c) = self.rest.next_if(special) {
            return c.to_string();
        }
        let mut name = String::new();
        while let Some(c) = self.rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
        }
        name
    }

    fn value(&self, name: &str) -> String {
        (self.lexer.lookup)(name).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lookup(name: &str) -> Option<String> {
        let value = match name {
            "A" => "a",
            "TWO" => "x y",
            "EMPTY" => "",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn word(text: &str) -> Result<String, String> {
        Lexer { escape: '\\', lookup: &lookup }.word(text)
    }

    /// Docker's own documentation and the table of its tests say the same.
    #[test]
    fn words_expand_as_dockers() {
        for (text, expected) in [
            ("$A/${A}b", "a/ab"),
            ("$AB.$A", ".a"),
            (r"\$A \${A}", "$A ${A}"),
            ("'$A' \"$A\"", "$A a"),
            (r#""\$A\"\\\n""#, r#"$A"\\n"#),
            (r"a\ b\", "a b"),
            ("'it'\"'\"'s'", "it's"),
            ("${A:-x}${N:-x}${EMPTY:-x}${EMPTY-x}", "axx"),
            ("${A:+x}${N:+x}${EMPTY:+x}${EMPTY+x}", "xx"),
            ("${N:-$A${N-'}'}}", "a}"),
            ("${A?no}$N", "a"),
            ("$ $! a$", "$  a$"),
            ("$1${2}é", "é"),
        ] {
            assert_eq!(word(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in ["'a", "\"a", "${A", "${", "${}", "${A:}", "${A:=b}", "${A%b}", "${N:?}"] {
            assert!(word(text).is_err(), "{text}");
        }
        assert_eq!(word("${N:?is needed}").unwrap_err(), "N: is needed");
        assert!(word(&"${N:-".repeat(10_000)).is_err());
    }

    #[test]
    fn values_are_parted_unless_quoted() {
        let lexer = Lexer { escape: '`', lookup: &lookup };
        let words = lexer.words("a  $TWO \"$TWO\" '' b` c $N").unwrap();
        assert_eq!(words, ["a", "x", "y", "x y", "", "b c"]);
    }

    #[test]
    fn texts_keep_their_quotes() {
        let lexer = Lexer { escape: '\\', lookup: &lookup };
        let text = "'$A' \"${TWO}\" \\$A \\\\ \\n\n";
        assert_eq!(lexer.text(text).unwrap(), "'a' \"x y\" $A \\ \\n\n");
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in "[$A{}:\\-+?'\"\\\\ é]{0,40}") {
            let _ = word(&text);
        }

        #[test]
        fn plain_text_stays(text in "[a-z0-9 =/.:,é-]{0,40}") {
            prop_assert_eq!(word(&text).unwrap(), text);
        }
    }
}
