//! Filesystem-specific options: the string of mount(2)'s last argument, split as the kernel would.

/// Options whose values the LSM unquotes; only their quotes hide a comma.
const QUOTED: [&str; 4] = ["context", "fscontext", "defcontext", "rootcontext"];

/// Splits one list entry at its commas and adds the pieces.
///
/// With mount(2) all entries are joined with commas, so an entry may hold several options. A quote is
/// special to the kernel only in SELinux contexts, where it is removed; a backslash before a comma
/// only to overlayfs, which unescapes its values itself. `=x` has no key: the kernel skips it.
pub(super) fn split(
    entry: &str,
    data: &mut Vec<(String, Option<String>)>,
) -> Result<(), &'static str> {
    let mut rest = entry;
    while !rest.is_empty() {
        let (key, value, tail) = next(rest)?;
        if !key.is_empty() {
            data.push((key.to_owned(), value));
        }
        rest = tail;
    }
    Ok(())
}

/// The first option, and what follows its comma.
fn next(text: &str) -> Result<(&str, Option<String>, &str), &'static str> {
    let key_end = text.find(['=', ',']).unwrap_or(text.len());
    let (key, after) = text.split_at(key_end);
    let Some(value) = after.strip_prefix('=') else {
        return Ok((key, None, after.strip_prefix(',').unwrap_or_default()));
    };
    let quoted = QUOTED.contains(&key);
    let end = value_end(value, quoted)?;
    let (value, tail) = value.split_at(end);
    let value = if quoted { value.replace('"', "") } else { value.to_owned() };
    Ok((key, Some(value), tail.strip_prefix(',').unwrap_or_default()))
}

fn value_end(value: &str, quoted: bool) -> Result<usize, &'static str> {
    let (mut inside, mut escaped) = (false, false);
    for (at, c) in value.char_indices() {
        match c {
            '"' if quoted => inside = !inside,
            ',' if !inside && !escaped => return Ok(at),
            _ => {}
        }
        escaped = c == '\\' && !escaped && !quoted;
    }
    if inside { Err("has a quote that is not closed") } else { Ok(value.len()) }
}
