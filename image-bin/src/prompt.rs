//! Questions to whoever sits at the terminal.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use rustix::termios::{tcgetattr, tcsetattr};

use crate::failure::Failure;

/// Longer answers are none.
const LONGEST: usize = 64 << 10;
/// What Ctrl-C is to a terminal that makes no signal of it.
const CTRL_C: u8 = 3;

/// Asks for a line.
pub fn line(question: &str) -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        let problem = "Cannot perform an interactive login from a non TTY device";
        return Err(Failure::Argument(problem.into()));
    }
    let mut stderr = io::stderr();
    let answer = write!(stderr, "{question}")
        .and_then(|()| stderr.flush())
        .and_then(|()| read())
        .map_err(Failure::io("read the terminal"))?;
    Ok(answer.trim_end_matches(['\r', '\n']).to_owned())
}

/// Until the line ends, with Enter or Ctrl-C.
fn read() -> io::Result<String> {
    let mut stdin = io::stdin().lock();
    let mut answer = Vec::new();
    while answer.len() < LONGEST && !answer.ends_with(b"\n") && !answer.ends_with(&[CTRL_C]) {
        let typed = stdin.fill_buf()?;
        let count = typed.len();
        if count == 0 {
            break;
        }
        answer.extend_from_slice(typed);
        stdin.consume(count);
    }
    String::from_utf8(answer).map_err(io::Error::other)
}

/// Asks for a line that nobody is to see.
pub fn secret(question: &str) -> Result<String, Failure> {
    let hidden = Hidden::new()?;
    let answer = line(question);
    drop(hidden);
    let _ = writeln!(io::stderr());
    match answer? {
        answer if answer.bytes().any(|byte| byte == CTRL_C) => {
            Err(libteu_image::Error::Interrupted.into())
        }
        answer => Ok(answer),
    }
}

/// A terminal that does not show what is typed, and is as it was afterwards. So Ctrl-C must not kill us:
/// it ends the line instead.
struct Hidden(Option<Termios>);

impl Hidden {
    fn new() -> Result<Self, Failure> {
        let failed = |e: rustix::io::Errno| Failure::io("set up the terminal")(e.into());
        let Ok(before) = tcgetattr(io::stdin()) else { return Ok(Self(None)) };
        let mut hiding = before.clone();
        hiding.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        hiding.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
        tcsetattr(io::stdin(), OptionalActions::Flush, &hiding).map_err(failed)?;
        Ok(Self(Some(before)))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(io::stdin(), OptionalActions::Flush, before);
        }
    }
}
