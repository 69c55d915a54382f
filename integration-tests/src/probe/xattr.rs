//! Extended attributes: std and nix do not have them.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;

/// Names, sorted, one space between them.
pub fn names(path: &str) -> io::Result<String> {
    let path = CString::new(path)?;
    let mut buffer = [0u8; 4096];
    // SAFETY: path ends with a NUL; the kernel writes at most as many bytes as the buffer has.
    let len = unsafe { libc::llistxattr(path.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) };
    let len = usize::try_from(len).map_err(|_| io::Error::last_os_error())?;
    let list = String::from_utf8_lossy(buffer.get(..len).unwrap_or_default()).into_owned();
    let mut names: Vec<&str> = list.split('\0').filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    Ok(names.join(" "))
}
