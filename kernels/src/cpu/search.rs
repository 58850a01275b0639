//! Every row of a database against every query; the database is read once.
//!
//! ```text
//! shards of rows, side by side ──▶ pieces that fit a cache ──▶ each query over the piece ──▶ its least k ──▶ merged
//! ```

use multiversion::multiversion;
use rayon::prelude::*;

use super::dot::dot;
use crate::keys::{Least, dot_from_key, hamming_from_key, key_from_distance, key_from_score};
use crate::{Codes, DotNeighbour, HammingNeighbour, Vectors};

/// Rows per task: enough to outweigh handing it over.
const SHARD_ROWS: usize = 1 << 16;
/// Bytes of the database that stay in the first cache while the queries pass over them.
const PIECE_BYTES: usize = 16 << 10;

/// The contract's `nearest_hamming`.
pub fn nearest_hamming(codes: Codes<'_>, queries: Codes<'_>, k: usize) -> Vec<Vec<HammingNeighbour>> {
    let width = codes.words_per_code();
    let best = nearest(codes.words(), width, queries.words(), k, |query, piece, first, least| {
        let limit = (least.limit() >> 32) as u32;
        near_codes(query, piece, first, limit, least);
    });
    best.into_iter().map(|keys| keys.into_iter().map(hamming_from_key).collect()).collect()
}

/// The contract's `nearest_dot`.
pub fn nearest_dot(vectors: Vectors<'_>, queries: Vectors<'_>, k: usize) -> Vec<Vec<DotNeighbour>> {
    let width = vectors.dimensions();
    let best = nearest(vectors.values(), width, queries.values(), k, near_vectors);
    best.into_iter().map(|keys| keys.into_iter().map(dot_from_key).collect()).collect()
}

/// The least `k` keys per query; `scan` offers those of a piece of rows, the first of which has the number given.
fn nearest<T: Sync>(
    rows: &[T],
    width: usize,
    queries: &[T],
    k: usize,
    scan: impl Fn(&[T], &[T], u32, &mut Least) + Sync,
) -> Vec<Vec<u64>> {
    let piece_rows = (PIECE_BYTES / (width * size_of::<T>())).max(1);
    let none = || vec![Least::new(k); queries.len() / width];
    let shard = |(number, shard): (usize, &[T])| {
        let mut best = none();
        for (piece_number, piece) in shard.chunks(piece_rows * width).enumerate() {
            let first = (number * SHARD_ROWS + piece_number * piece_rows) as u32;
            for (query, least) in queries.chunks_exact(width).zip(&mut best) {
                scan(query, piece, first, least);
            }
        }
        best
    };
    let merge = |a: Vec<Least>, b: Vec<Least>| a.into_iter().zip(b).map(|(a, b)| a.merge(b)).collect();
    let best = rows.par_chunks(SHARD_ROWS * width).enumerate().map(shard).reduce(none, merge);
    best.into_iter().map(Least::into_keys).collect()
}

/// Offers the codes that differ in at most `limit` bits.
#[multiversion(targets("x86_64+avx2+fma+popcnt", "aarch64+neon"))]
fn near_codes(query: &[u64], piece: &[u64], first: u32, limit: u32, least: &mut Least) {
    // Four words (256 bits) are the usual code; a fixed width keeps the query in registers.
    if let Ok(query) = <&[u64; 4]>::try_from(query) {
        let (codes, _) = piece.as_chunks::<4>();
        for (row, code) in codes.iter().enumerate() {
            let distance: u32 = (0..4).map(|word| (code[word] ^ query[word]).count_ones()).sum();
            if distance <= limit {
                least.offer(key_from_distance(distance, first + row as u32));
            }
        }
        return;
    }
    for (row, code) in piece.chunks_exact(query.len()).enumerate() {
        let distance: u32 = code.iter().zip(query).map(|(code, query)| (code ^ query).count_ones()).sum();
        if distance <= limit {
            least.offer(key_from_distance(distance, first + row as u32));
        }
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn near_vectors(query: &[f32], piece: &[f32], first: u32, least: &mut Least) {
    for (row, vector) in piece.chunks_exact(query.len()).enumerate() {
        if let Some(key) = key_from_score(dot(vector, query), first + row as u32) {
            least.offer(key);
        }
    }
}
