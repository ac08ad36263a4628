// SPDX-License-Identifier: MIT
//! What Rust's crates read and write, as `bench_json.cpp` calls it: the same
//! texts and numbers as every other contestant. Each reader fills `values` and
//! returns how many numbers it found; each writer puts them with a comma each
//! into one slice again and again and returns the bytes.
use serde::Deserialize;
use std::slice::from_raw_parts;

const SLICE_BYTES: usize = 64 * 1024;

#[derive(Deserialize)]
struct Document {
    logits: Vec<Vec<f32>>,
}

/// The elements of the document's rows, one after another.
unsafe fn spread(document: Document, values: *mut f32) -> usize {
    let mut count = 0;
    for row in document.logits {
        std::ptr::copy_nonoverlapping(row.as_ptr(), values.add(count), row.len());
        count += row.len();
    }
    count
}

/// # Safety
/// `text` has `bytes` bytes, `values` room for every number of it.
#[no_mangle]
pub unsafe extern "C" fn read_sonic_rs(text: *const u8, bytes: usize, values: *mut f32) -> usize {
    match sonic_rs::from_slice::<Document>(from_raw_parts(text, bytes)) {
        Ok(document) => spread(document, values),
        Err(_) => 0,
    }
}

/// # Safety
/// As `read_sonic_rs`. The crate writes into its text, so that a copy is read.
#[no_mangle]
pub unsafe extern "C" fn read_simd_json(text: *const u8, bytes: usize, values: *mut f32) -> usize {
    let mut copy = from_raw_parts(text, bytes).to_vec();
    match simd_json::serde::from_slice::<Document>(&mut copy) {
        Ok(document) => spread(document, values),
        Err(_) => 0,
    }
}

/// Every number of a text, found by its first character, as strtof's loop does.
unsafe fn read_each(
    text: *const u8,
    bytes: usize,
    values: *mut f32,
    parse: impl Fn(&[u8]) -> Option<(f32, usize)>,
) -> usize {
    let text = from_raw_parts(text, bytes);
    let (mut at, mut count) = (0, 0);
    while at < bytes {
        if text[at].is_ascii_digit() || text[at] == b'-' {
            let Some((value, length)) = parse(&text[at..]) else {
                return 0;
            };
            *values.add(count) = value;
            count += 1;
            at += length;
        } else {
            at += 1;
        }
    }
    count
}

/// # Safety
/// As `read_sonic_rs`.
#[no_mangle]
pub unsafe extern "C" fn read_fast_float2(text: *const u8, bytes: usize, values: *mut f32) -> usize {
    read_each(text, bytes, values, |rest| fast_float2::parse_partial(rest).ok())
}

/// # Safety
/// As `read_sonic_rs`.
#[no_mangle]
pub unsafe extern "C" fn read_lexical(text: *const u8, bytes: usize, values: *mut f32) -> usize {
    read_each(text, bytes, values, |rest| lexical_core::parse_partial(rest).ok())
}

fn write_each<T: Copy>(values: &[T], put: impl Fn(T, &mut [u8]) -> usize) -> usize {
    let mut slice = vec![0u8; SLICE_BYTES];
    let (mut at, mut total) = (0, 0);
    for &value in values {
        if SLICE_BYTES - at < 64 {
            std::hint::black_box(&slice);
            total += at;
            at = 0;
        }
        at += put(value, &mut slice[at..]);
        slice[at] = b',';
        at += 1;
    }
    std::hint::black_box(&slice);
    total + at
}

macro_rules! writer {
    ($name:ident, $number:ty, $put:expr) => {
        /// # Safety
        /// `values` has `count` numbers.
        #[no_mangle]
        pub unsafe extern "C" fn $name(values: *const $number, count: usize) -> usize {
            write_each(from_raw_parts(values, count), $put)
        }
    };
}

fn copied(text: &str, out: &mut [u8]) -> usize {
    out[..text.len()].copy_from_slice(text.as_bytes());
    text.len()
}

writer!(write_zmij_float, f32, |x, out| copied(zmij::Buffer::new().format_finite(x), out));
writer!(write_zmij_double, f64, |x, out| copied(zmij::Buffer::new().format_finite(x), out));
writer!(write_ryu_float, f32, |x, out| copied(ryu::Buffer::new().format_finite(x), out));
writer!(write_ryu_double, f64, |x, out| copied(ryu::Buffer::new().format_finite(x), out));
writer!(write_lexical_float, f32, |x, out| lexical_core::write(x, out).len());
writer!(write_lexical_double, f64, |x, out| lexical_core::write(x, out).len());
