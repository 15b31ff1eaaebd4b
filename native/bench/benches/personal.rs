//! `cargo bench -p hn-bench --bench personal`: the door's look for numbers of people, in ns a payload of each kind, beside
//! a plain loop over all bytes with the same checks at every run of digits, and beside the decoding of its transaction with the id.

use hn_crypto::sm2::generate;
use hn_crypto::sm3::sm3;
use hn_pool::{PersonalScan, decode_txs, find_personal};
use hn_primitives::{Name, TxBody, account_of};
use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

const COUNT: usize = 2_000;
const ROUNDS: usize = 200;

/// Best of some rounds, in ns an item.
fn best(mut work: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best * 1e9 / COUNT as f64
}

/// Every byte once; runs of eleven digits and more are judged by themselves.
fn plain_loop(payload: &[u8]) -> bool {
    let mut start = None;
    for (at, byte) in payload.iter().chain(b"\"").enumerate() {
        match (byte.is_ascii_digit(), start) {
            (true, None) => start = Some(at),
            (false, Some(first)) => {
                if at - first >= 11 && payload.get(first..at).is_some_and(|run| find_personal(run).is_some()) {
                    return true;
                }
                start = None;
            }
            _ => {}
        }
    }
    false
}

fn hex(i: usize) -> String {
    sm3(&i.to_be_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

type Payload = fn(usize) -> String;

const KINDS: [(&str, Payload); 5] = [
    ("evidence, 273 bytes signed", |i| {
        format!(
            r#"{{"hash":"{}","algorithm":"sm3","size":{i},"name":"a document"}}"#,
            hex(i)
        )
    }),
    ("codes and times", |i| {
        let time = 1_763_800_000_000 + i;
        format!(
            r#"{{"batch":"HN-2026-{i:08}","code":"8385793{i:013}","from_ms":{time},"to_ms":{time},"gtin":"06904879000126"}}"#
        )
    }),
    ("Chinese text", |i| {
        format!(
            r#"{{"hash":"{}","algorithm":"sm3","name":"关于第 {i} 号合同，补充协议（二）：附件"}}"#,
            hex(i)
        )
    }),
    ("the same, escaped", |i| {
        let name = r"\u5173\u4e8e\u7b2c\u53f7\u5408\u540c\uff0c\u8865\u5145\u534f\u8bae";
        format!(r#"{{"hash":"{}","algorithm":"sm3","name":"{name} {i}"}}"#, hex(i))
    }),
    ("digits that are no number", |i| {
        let code = format!("{:019} ", 1_000_000_007 * i).repeat(10);
        format!(r#"{{"codes":"{code}"}}"#)
    }),
];

fn main() -> Result<(), Box<dyn Error>> {
    let scan = PersonalScan::default();
    let key = generate(&sm3(b"personal"));
    println!(
        "{:<30}{:>8}{:>10}{:>12}{:>16}",
        "ns a payload", "bytes", "scan", "plain loop", "decode and id"
    );
    for (kind, make) in KINDS {
        let payloads: Vec<Vec<u8>> = (0..COUNT).map(|i| make(i).into_bytes()).collect();
        let scanned = best(|| {
            for payload in &payloads {
                black_box(scan.find("evidence", "preserve", black_box(payload)));
            }
        });
        let looped = best(|| {
            for payload in &payloads {
                black_box(plain_loop(black_box(payload)));
            }
        });
        let (application, action) = (Name::new("evidence")?, Name::new("preserve")?);
        let txs: Vec<Vec<u8>> = payloads
            .iter()
            .map(|payload| {
                let body = TxBody {
                    chain_id: [7; 32],
                    sender: account_of(key.public_key()),
                    nonce: 0,
                    valid_until_height: 1,
                    application,
                    action,
                    payload: payload.clone(),
                };
                body.sign(&key).encode()
            })
            .collect();
        let items: Vec<&[u8]> = txs.iter().map(Vec::as_slice).collect();
        let decoded = best(|| {
            black_box(decode_txs(&[7; 32], black_box(&items)));
        });
        let bytes = payloads.iter().map(Vec::len).sum::<usize>() / COUNT;
        println!("{kind:<30}{bytes:>8}{scanned:>10.0}{looped:>12.0}{decoded:>16.0}");
    }
    Ok(())
}
