//! `backends LAYER.tar.gz`: processor time of the decompressors and hashes that libteu-image could use, as medians of
//! interleaved rounds. See docs/images.md.

use std::hint::black_box;
use std::io::Read;

use nix::time::{ClockId, clock_gettime};
use sha2::Digest as _;

const ROUNDS: usize = 9;
/// As large as libteu-image's.
const CHUNK: usize = 256 << 10;
const ZLIB: &str = if cfg!(feature = "zlib-ng") { "zlib-ng" } else { "zlib-rs" };

fn zlib(gz: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::bufread::MultiGzDecoder::new(gz).read_to_end(&mut plain).expect("gzip");
    plain
}

fn chunks(mut source: impl Read) {
    let mut chunk = vec![0; CHUNK];
    while source.read(&mut chunk).expect("gzip") > 0 {
        black_box(&chunk);
    }
}

/// For a header without any optional field, or with a name only.
fn header_length(gz: &[u8]) -> usize {
    let name = gz[10..].iter().position(|&byte| byte == 0).map_or(0, |end| end + 1);
    if gz[3] & 8 == 0 { 10 } else { 10 + name }
}

fn miniz(mut gz: &[u8]) {
    use miniz_oxide::inflate::stream::{InflateState, inflate};
    use miniz_oxide::{DataFormat, MZFlush, MZStatus};
    let mut state = InflateState::new_boxed(DataFormat::Raw);
    let mut chunk = vec![0; CHUNK];
    loop {
        let done = inflate(&mut state, gz, &mut chunk, MZFlush::None);
        gz = &gz[done.bytes_consumed..];
        if done.status.expect("deflate") == MZStatus::StreamEnd {
            return;
        }
    }
}

fn millis() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("clock");
    time.tv_sec() as f64 * 1e3 + time.tv_nsec() as f64 / 1e6
}

fn main() {
    let gz = std::fs::read(std::env::args().nth(1).expect("usage: backends LAYER.tar.gz"))
        .expect("read");
    let plain = zlib(&gz);
    let mut whole = vec![0; plain.len()];
    let deflate = &gz[header_length(&gz)..];
    let mut subjects: Vec<(&str, Box<dyn FnMut() + '_>)> = vec![
        (ZLIB, Box::new(|| chunks(flate2::bufread::MultiGzDecoder::new(&gz[..])))),
        ("miniz_oxide", Box::new(|| miniz(deflate))),
        (
            "libdeflate, all in memory",
            Box::new(|| {
                libdeflater::Decompressor::new().gzip_decompress(&gz, &mut whole).expect("gzip");
            }),
        ),
        (
            "sha256 of sha2",
            Box::new(|| {
                let mut hash = sha2::Sha256::new();
                plain.chunks(CHUNK).for_each(|chunk| hash.update(chunk));
                black_box(hash.finalize());
            }),
        ),
        (
            "sha256 of ring",
            Box::new(|| {
                let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
                plain.chunks(CHUNK).for_each(|chunk| hash.update(chunk));
                black_box(hash.finish());
            }),
        ),
        (
            "sha256 of aws-lc-rs",
            Box::new(|| {
                let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
                plain.chunks(CHUNK).for_each(|chunk| hash.update(chunk));
                black_box(hash.finish());
            }),
        ),
    ];
    let mut times = vec![Vec::new(); subjects.len()];
    for _ in 0..ROUNDS {
        for ((_, run), times) in subjects.iter_mut().zip(&mut times) {
            let begin = millis();
            run();
            times.push(millis() - begin);
        }
    }
    for ((name, _), mut times) in subjects.iter().zip(times) {
        times.sort_by(f64::total_cmp);
        let median = times[ROUNDS / 2];
        println!("{name:26} {median:7.0} ms {:6.0} MB/s", plain.len() as f64 / median / 1e3);
    }
}
