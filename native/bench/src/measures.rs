//! The fields by name, and those of SM3 and SM4.

use crate::clock::Clock;
use crate::{Plan, signatures, trees};
use hn_crypto::kernel;
use hn_crypto::sm3::{TaggedHasher, sm3, sm3_fixed, sm3_many};
use hn_crypto::sm4::{ctr_with, gcm_seal_in_place};
use rayon::prelude::*;
use std::hint::black_box;

/// Measures one field.
pub(crate) type Measure = fn(&Clock, &Plan) -> f64;

/// All fields, in the order of reports.
pub(crate) const MEASURES: [(&str, Measure); 19] = [
    ("sm2_verify_known_per_s", signatures::verify_known_per_s),
    ("sm2_verify_unknown_per_s", signatures::verify_unknown_per_s),
    ("sm2_verify_batch_unknown_per_s", signatures::verify_batch_unknown_per_s),
    ("sm2_verify_single_us", signatures::verify_single_us),
    ("sm2_sign_per_s", signatures::sign_per_s),
    ("sm2_sign_single_us", signatures::sign_single_us),
    ("sm2_keygen_per_s", signatures::keygen_per_s),
    ("sm2_table_build_us", signatures::table_build_us),
    ("sm2_g_tables_ms", signatures::g_tables_ms),
    ("sm3_64B_per_s", sm3_64b_per_s),
    ("sm3_node_per_s", sm3_node_per_s),
    ("sm3_stream_MBps", sm3_stream_mbps),
    ("sm3_multi_MBps", sm3_multi_mbps),
    ("merkle_1M_leaves_ms", trees::merkle_1m_leaves_ms),
    ("state_tree_1M_updates_per_s", trees::state_tree_1m_updates_per_s),
    ("state_tree_updates_per_s", trees::state_tree_updates_per_s),
    ("sm4_gcm_MBps", sm4_gcm_mbps),
    ("sm4_gcm_256B_per_s", sm4_gcm_256b_per_s),
    ("sm4_ctr_MBps", sm4_ctr_mbps),
];

/// Messages of a hash batch.
const MESSAGES: usize = 8_192;
/// Long messages: how many, and bytes of each.
const STREAMS: (usize, usize) = (64, 64 << 10);
/// Bytes of the single long message.
const STREAM_BYTES: usize = 1 << 20;
/// Short payloads sealed in one run, so that reading the clock costs nothing beside them.
const SHORT_RECORDS: usize = 1_024;
/// Bytes of a sealed record, as in the largest column of `openssl speed`.
const RECORD_BYTES: usize = 16 << 10;

fn sm3_64b_per_s(clock: &Clock, _: &Plan) -> f64 {
    let messages = vec![[0x5a; 64]; MESSAGES];
    let mut digests = vec![[0; 32]; MESSAGES];
    clock.per_s(MESSAGES, || sm3_fixed(black_box(&messages), black_box(&mut digests)))
}

/// Inner nodes of a tree under a tag: two compressions, the second constant.
fn sm3_node_per_s(clock: &Clock, _: &Plan) -> f64 {
    let hasher = TaggedHasher::new("hn/node/v1");
    let level = vec![[0x5a; 32]; 2 * MESSAGES];
    let mut above = Vec::with_capacity(MESSAGES);
    clock.per_s(MESSAGES, || {
        above.clear();
        hasher.hash_pairs(black_box(&level), &mut above);
        black_box(&above);
    })
}

fn sm3_stream_mbps(clock: &Clock, _: &Plan) -> f64 {
    let data = vec![0x5a; STREAM_BYTES];
    clock.mb_per_s(STREAM_BYTES, || {
        black_box(sm3(black_box(&data)));
    })
}

fn sm3_multi_mbps(clock: &Clock, _: &Plan) -> f64 {
    let (count, bytes) = STREAMS;
    let data = vec![0x5a; count * bytes];
    let messages: Vec<&[u8]> = data.chunks(bytes).collect();
    let mut digests = vec![[0; 32]; count];
    clock.mb_per_s(data.len(), || sm3_many(black_box(&messages), black_box(&mut digests)))
}

/// One record a thread after the other, key schedule and tag included.
fn sm4_gcm_mbps(clock: &Clock, _: &Plan) -> f64 {
    let threads = rayon::current_num_threads();
    let mut records = vec![vec![0x5a; RECORD_BYTES]; 16 * threads];
    clock.mb_per_s(records.len() * RECORD_BYTES, || {
        records.par_iter_mut().with_min_len(8).for_each(|record| {
            black_box(gcm_seal_in_place(
                kernel::selected(),
                &[7; 16],
                &[8; 12],
                b"",
                black_box(record),
            ));
        });
    })
}

/// Short payloads on one thread: what keys and tags cost.
fn sm4_gcm_256b_per_s(clock: &Clock, _: &Plan) -> f64 {
    let mut record = [0x5a; 256];
    clock.per_s(SHORT_RECORDS, || {
        for _ in 0..SHORT_RECORDS {
            black_box(gcm_seal_in_place(
                kernel::selected(),
                &[7; 16],
                &[8; 12],
                b"",
                black_box(&mut record),
            ));
        }
    })
}

fn sm4_ctr_mbps(clock: &Clock, _: &Plan) -> f64 {
    let mut data = vec![0x5a; STREAM_BYTES / 4];
    clock.mb_per_s(data.len(), || {
        ctr_with(kernel::selected(), &[7; 16], &[9; 16], black_box(&mut data))
    })
}
