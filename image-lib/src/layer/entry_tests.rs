use std::io::Read as _;

use proptest::prelude::*;

use super::super::testing::Archive;
use super::*;

fn all(bytes: &[u8]) -> io::Result<Vec<(Entry, Vec<u8>)>> {
    let mut entries = Entries::new(bytes);
    let mut found = Vec::new();
    while let Some(entry) = entries.next()? {
        let mut data = Vec::new();
        entries.data().read_to_end(&mut data)?;
        found.push((entry, data));
    }
    Ok(found)
}

fn error(bytes: &[u8]) -> String {
    all(bytes).unwrap_err().to_string()
}

#[test]
fn entries_come_with_their_data() {
    let archive = Archive::default().dir("d/").file("d/f", "text").symlink("l", "d/f").end();
    let found = all(&archive).unwrap();
    assert_eq!(found[0].0.kind, Kind::Directory);
    assert_eq!((&found[1].0.path[..], &found[1].1[..]), (&b"d/f"[..], &b"text"[..]));
    assert_eq!(found[2].0.kind, Kind::Symlink(b"d/f".to_vec()));
    assert_eq!(found[1].0.mtime, (1_600_000_000, 0));
}

#[test]
fn data_that_nobody_reads_is_passed_over() {
    let archive = Archive::default().file("a", &"x".repeat(2000)).file("b", "y").end();
    let mut entries = Entries::new(&archive[..]);
    assert_eq!(entries.next().unwrap().unwrap().path, b"a");
    assert_eq!(entries.next().unwrap().unwrap().path, b"b");
    assert!(entries.next().unwrap().is_none());
}

#[test]
fn extended_headers_override() {
    let long = "n/".repeat(200) + "f";
    let archive = Archive::default()
        .pax(&[
            (b"path", long.as_bytes()),
            (b"size", b"3"),
            (b"uid", b"70000"),
            (b"mtime", b"1.5"),
            (b"SCHILY.xattr.user.x", b"a\nb"),
        ])
        // The header's own size is wrong: Go goes by the extended one, and so does what follows.
        .raw(Archive::header(EntryType::Regular, 0), b"short", b"abc")
        .file("next", "")
        .end();
    let found = all(&archive).unwrap();
    let (entry, data) = &found[0];
    assert_eq!((entry.path.as_slice(), data.as_slice()), (long.as_bytes(), &b"abc"[..]));
    assert_eq!((entry.uid, entry.mtime), (70000, (1, 500_000_000)));
    assert_eq!(entry.xattrs, [(b"user.x".to_vec(), b"a\nb".to_vec())]);
    assert_eq!(found[1].0.path, b"next");
}

#[test]
fn gnu_long_names_are_read() {
    let long = "n".repeat(300);
    let data = [long.as_bytes(), b"\0"].concat();
    let archive = Archive::default()
        .raw(Archive::header(EntryType::GNULongLink, data.len()), b"x", &data)
        .raw(Archive::header(EntryType::GNULongName, data.len()), b"x", &data)
        .symlink("short", "short")
        .end();
    let found = all(&archive).unwrap();
    assert_eq!(found[0].0.path, long.as_bytes());
    assert_eq!(found[0].0.kind, Kind::Symlink(long.into_bytes()));
}

#[test]
fn entries_without_data_have_none_whatever_their_size_says() {
    let archive = Archive::default()
        .raw(Archive::header(EntryType::Directory, 512), b"d/", &[])
        .file("f", "x")
        .end();
    assert_eq!(all(&archive).unwrap()[1].0.path, b"f");
}

#[test]
fn fields_without_digits_are_zero() {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Char);
    let old = header.as_old_mut();
    (old.uid, old.gid, old.mtime, old.size) = ([0; 8], [b' '; 8], [0; 12], [0; 12]);
    let archive = Archive::default().raw(header, b"null", &[]).end();
    let entry = &all(&archive).unwrap()[0].0;
    assert_eq!((entry.uid, entry.gid, entry.mtime, entry.mode), (0, 0, (0, 0), 0));
    assert_eq!(entry.kind, Kind::Char(0, 0));
}

#[test]
fn all_sparse_formats_are_read() {
    let pieces = vec![Piece { offset: 512, length: 3 }, Piece { offset: 2000, length: 2 }];
    let file = || Archive::header(EntryType::Regular, 5);
    let common: [(&[u8], &[u8]); 2] =
        [(b"GNU.sparse.name", b"f"), (b"GNU.sparse.realsize", b"4096")];
    let v0: [(&[u8], &[u8]); 6] = [
        (b"GNU.sparse.size", b"4096"),
        (b"GNU.sparse.numblocks", b"2"),
        (b"GNU.sparse.offset", b"512"),
        (b"GNU.sparse.numbytes", b"3"),
        (b"GNU.sparse.offset", b"2000"),
        (b"GNU.sparse.numbytes", b"2"),
    ];
    let v01: [(&[u8], &[u8]); 2] =
        [(b"GNU.sparse.size", b"4096"), (b"GNU.sparse.map", b"512,3,2000,2")];
    let mut old = Archive::header(EntryType::GNUSparse, 5);
    let gnu = old.as_gnu_mut().unwrap();
    gnu.set_real_size(4096);
    for (header, piece) in gnu.sparse.iter_mut().zip(&pieces) {
        header.set_offset(piece.offset);
        header.set_length(piece.length);
    }
    let mut map = b"2\n512\n3\n2000\n2\n".to_vec();
    map.resize(512, 0);
    map.extend_from_slice(b"abcde");
    let v1 = [&common[..], &[(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0")]].concat();
    let archive = Archive::default()
        .pax(&v0)
        .raw(file(), b"f", b"abcde")
        .pax(&[&common[..], &v01].concat())
        .raw(file(), b"x", b"abcde")
        .raw(old, b"f", b"abcde")
        .pax(&v1)
        .raw(Archive::header(EntryType::Regular, map.len()), b"x", &map)
        .end();
    let found = all(&archive).unwrap();
    assert_eq!(found.len(), 4);
    for (entry, data) in found {
        assert_eq!(entry.path, b"f");
        assert_eq!(entry.kind, Kind::Sparse(4096, pieces.clone()));
        assert_eq!(data, b"abcde");
    }
}

#[test]
fn hostile_sparse_maps_are_refused() {
    for map in ["512,3,100,2", "4095,5", "0,9", "18446744073709551615,5", "1", "0,-1"] {
        let archive = Archive::default()
            .pax(&[(b"GNU.sparse.size", b"4096"), (b"GNU.sparse.map", map.as_bytes())])
            .raw(Archive::header(EntryType::Regular, 5), b"f", b"abcde")
            .end();
        assert!(error(&archive).contains("sparse"), "{map}");
    }
}

#[test]
fn what_is_cut_short_is_an_error() {
    let whole = Archive::default().file("a", &"x".repeat(600)).cut();
    for length in [1, 511, 512 + 100, 512 + 599] {
        assert!(all(&whole[..length]).is_err(), "{length}");
    }
    // Between entries it is an end, if not one by the book: docker says so, too.
    assert_eq!(all(&whole).unwrap().len(), 1);
}

#[test]
fn what_is_no_archive_is_refused() {
    assert!(error(&[b'x'; 1024]).contains("no tar archive"));
    let unknown = Archive::default().raw(Archive::header(EntryType::new(b'M'), 0), b"x", &[]).end();
    assert!(error(&unknown).contains("'M'"));
    let huge =
        Archive::default().raw(Archive::header(EntryType::XHeader, 2 << 20), b"x", &[0; 512]).end();
    assert!(error(&huge).contains("1 MiB"));
    let lonely = Archive::default().pax(&[(b"path", b"x")]).end();
    assert!(error(&lonely).contains("without an entry"));
    let nul = Archive::default().pax(&[(b"path", b"a\0b")]).file("f", "").end();
    assert!(error(&nul).contains("NUL"));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        let _ = all(&bytes);
    }

    /// Headers with a right checksum and anything else in them.
    #[test]
    fn any_headers_are_read_or_refused(
        mut block in prop::array::uniform32(any::<[u8; 16]>()),
        flag in prop::sample::select(&b"\x000123456SLKxg"[..]),
        data in prop::collection::vec(any::<u8>(), 0..1536),
    ) {
        block[9][12] = flag;
        let mut header = Header::new_old();
        header.as_mut_bytes().copy_from_slice(&block.concat());
        header.set_cksum();
        let _ = all(&[&header.as_bytes()[..], &data].concat());
    }
}
