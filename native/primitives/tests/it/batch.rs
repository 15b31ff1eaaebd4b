//! Batches: what decoding finds, and what it refuses.

use crate::fixture::{KEYS, batch, signed_tx};
use hn_primitives::*;
use proptest::prelude::*;

const FRONT: usize = BATCH_HEADER_BYTES + 64;

/// The batch's header with one change, put before the same body.
fn with_header(batch: &Batch, change: impl FnOnce(&mut BatchHeader)) -> Vec<u8> {
    let mut header = batch.header;
    change(&mut header);
    let mut bytes = batch.bytes.to_vec();
    bytes[..BATCH_HEADER_BYTES].copy_from_slice(&header.encode());
    bytes
}

fn fault(bytes: Vec<u8>) -> Fault {
    let error = decode_batch(bytes).unwrap_err();
    assert_eq!(error.code(), codes::BATCH_MALFORMED);
    error.fault
}

#[test]
fn entries_name_the_parts_of_their_txs() {
    let txs: Vec<_> = (0..5)
        .map(|nonce| signed_tx(nonce, &vec![nonce as u8; nonce as usize]))
        .collect();
    let built = batch(&txs);
    let decoded = decode_batch(built.bytes.clone()).unwrap();
    assert_eq!(decoded, built);
    assert_eq!(decoded.digest, decoded.header.digest());
    for (index, (entry, tx)) in decoded.txs.iter().zip(&txs).enumerate() {
        let view = decoded.tx(index).unwrap();
        assert_eq!(entry.span().of(&decoded.bytes), &tx[..]);
        assert_eq!(entry.application.of(&decoded.bytes), view.application().as_bytes());
        assert_eq!(entry.action.of(&decoded.bytes), view.action().as_bytes());
        assert_eq!(entry.payload.of(&decoded.bytes), view.payload());
        assert_eq!(entry.signature().of(&decoded.bytes), view.signature());
        assert_eq!(
            (entry.tx_id, entry.sender, entry.nonce),
            (view.tx_id(), *view.sender(), view.nonce())
        );
        assert!(entry.same_chain);
        assert_eq!(entry.valid_until_height, 100);
    }
    assert!(decoded.tx(5).is_none());
}

#[test]
fn a_digest_names_one_byte_string() {
    let mut tx = signed_tx(1, b"{}");
    let built = batch(std::slice::from_ref(&tx));
    let last = tx.len() - 1;
    tx[last] ^= 1;
    // Same id, other signature: the digest must differ, and the old header must not fit.
    let other = batch(&[tx]);
    assert_eq!(built.txs[0].tx_id, other.txs[0].tx_id);
    assert_ne!(built.digest, other.digest);
    let mixed = [&built.bytes[..FRONT], &other.bytes[FRONT..]].concat();
    assert_eq!(fault(mixed), Fault::Mismatch("signatures_hash"));
}

#[test]
fn headers_must_fit_their_body() {
    let built = batch(&[signed_tx(1, b"{}"), signed_tx(2, b"{}")]);
    assert_eq!(
        fault(with_header(&built, |h| h.tx_count = 0)),
        Fault::Range {
            field: "tx_count",
            got: 0
        }
    );
    assert_eq!(
        fault(with_header(&built, |h| h.tx_count = 4097)),
        Fault::Range {
            field: "tx_count",
            got: 4097
        }
    );
    assert_eq!(
        fault(with_header(&built, |h| h.tx_count = 4096)),
        Fault::Mismatch("tx_count")
    );
    assert!(matches!(
        fault(with_header(&built, |h| h.tx_count = 1)),
        Fault::Trailing(_)
    ));
    assert!(matches!(
        fault(with_header(&built, |h| h.tx_count = 3)),
        Fault::Mismatch(_) | Fault::Truncated { .. }
    ));
    assert_eq!(
        fault(with_header(&built, |h| h.body_bytes -= 1)),
        Fault::Mismatch("body_bytes")
    );
    let huge = (1 << 20) + 1;
    assert!(matches!(
        fault(with_header(&built, |h| h.body_bytes = huge)),
        Fault::Range { .. }
    ));
    assert_eq!(
        fault(with_header(&built, |h| h.signatures_hash[0] ^= 1)),
        Fault::Mismatch("signatures_hash")
    );
    let mut bad_tx = built.bytes.to_vec();
    bad_tx[FRONT + 4] = 9;
    assert_eq!(fault(bad_tx), Fault::Version(9));
}

#[test]
fn building_keeps_the_limits() {
    let build = |txs: &[Vec<u8>]| Batch::build([7; 32], [9; 20], 1, txs, |_| ZERO_HASH, |d| KEYS[0].sign(d));
    assert!(build(&[]).is_err());
    assert!(build(&[vec![1; 200]]).is_err(), "malformed tx");
    let big = signed_tx(1, &vec![0; PAYLOAD_BYTES_MAX]);
    assert!(build(&vec![big.clone(); 15]).is_ok());
    assert!(build(&vec![big; 16]).is_err());
    let small = signed_tx(1, b"");
    let full = build(&vec![small.clone(); BATCH_TX_COUNT_MAX]).unwrap();
    assert_eq!(decode_batch(full.bytes.clone()), Ok(full));
    assert!(build(&vec![small; BATCH_TX_COUNT_MAX + 1]).is_err());
}

/// Bytes of batches of many sizes, good ones and some that break a rule each.
fn mixture(sizes: &[u8], broken: u8) -> Vec<Vec<u8>> {
    let batch_of = |(at, size): (usize, &u8)| {
        let payload = |i: u8| vec![i; usize::from(i) * 7 % 300];
        let txs: Vec<_> = (0..*size)
            .map(|i| signed_tx(at as u64 * 256 + u64::from(i), &payload(i)))
            .collect();
        let built = batch(&txs);
        match (at as u8 ^ broken) % 5 {
            0 => with_header(&built, |h| h.signatures_hash[3] ^= 1),
            1 => built.bytes[..built.bytes.len() - 1].to_vec(),
            _ => built.bytes.to_vec(),
        }
    };
    sizes.iter().enumerate().map(batch_of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn prop_batches_decoded_together_equal_those_decoded_alone(sizes in proptest::collection::vec(1u8..40, 0..7), broken: u8) {
        let encoded = mixture(&sizes, broken);
        let together = decode_batches(encoded.iter().map(|bytes| bytes.as_slice().into()));
        let alone: Vec<_> = encoded.iter().map(|bytes| decode_batch(bytes.as_slice())).collect();
        prop_assert_eq!(&together, &alone);
        for (bytes, decoded) in encoded.iter().zip(alone) {
            let Ok(decoded) = decoded else { continue };
            // The naive way: one transaction after the other, one stream over the signatures.
            let views: Vec<_> = (0..decoded.txs.len()).map(|i| decoded.tx(i).unwrap()).collect();
            prop_assert!(views.iter().map(TxView::tx_id).eq(decoded.txs.iter().map(|tx| tx.tx_id)));
            let signatures: Vec<&[u8]> = views.iter().map(|view| view.signature().as_slice()).collect();
            prop_assert_eq!(tag::SIGNATURES.hash(&signatures), decoded.header.signatures_hash);
            let signed: Vec<&[u8]> = decoded.txs.iter().map(|tx| tx.span().of(bytes)).collect();
            let ids: Vec<_> = views.iter().map(TxView::tx_id).collect();
            let root = |entries: &[TxEntry]| entries.last().map_or(ZERO_HASH, |entry| entry.tx_id);
            let (chain, author) = (decoded.header.chain_id, decoded.header.author);
            let sign = |digest: &Hash32| KEYS[1].sign(digest);
            let rebuilt = Batch::build_identified(chain, author, 5, (&ids, &signed), root, sign);
            prop_assert_eq!(rebuilt, Ok(decoded.clone()));
            prop_assert!(Batch::build_identified(chain, author, 5, (&ids[1..], &signed), root, sign).is_err());
        }
    }
}
