//! Receipts of blocks with several batches, packed and back.
#![allow(missing_docs, clippy::unwrap_used)]

use hn_packing::{GROUP_TXS, pack_receipts, unpack_batch, unpack_receipt, unpack_receipts};
use hn_primitives::{Batch, Event, Hash32, Name, Receipt, Text8, Text16, TxBody};
use proptest::prelude::*;

const CHAIN: Hash32 = [7; 32];

fn batch(seq: u64, tx_count: usize) -> Batch {
    let txs: Vec<Vec<u8>> = (0..tx_count as u64)
        .map(|nonce| {
            let payload = format!(
                "{{\"hash\":\"{:064x}\",\"size\":{nonce}}}",
                nonce.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            );
            let body = TxBody {
                chain_id: CHAIN,
                sender: [3; 20],
                nonce: seq << 32 | nonce,
                valid_until_height: 9,
                application: Name::new("evidence").unwrap(),
                action: Name::new("preserve").unwrap(),
                payload: payload.into_bytes(),
            };
            [body.encode(), vec![nonce as u8; 64]].concat()
        })
        .collect();
    Batch::build(CHAIN, [9; 20], seq, &txs, |_| [1; 32], |_| [2; 64]).unwrap()
}

fn receipt(batch: &Batch, index: usize, kind: u8) -> Vec<u8> {
    let tx = &batch.txs[index];
    let failed = kind % 3 == 1;
    let events = (0..usize::from(kind % 3)).map(|_| Event {
        name: Text8::new("evidence.preserved".to_owned()).unwrap(),
        entity: Text16::new("某".to_owned()).unwrap(),
        data: tx.payload.of(&batch.bytes).to_vec(),
    });
    Receipt {
        tx_id: tx.tx_id,
        code: u32::from(failed),
        rule: Text8::new(if failed { "coldchain.not_released" } else { "" }.to_owned()).unwrap(),
        steps: u64::from(kind),
        write_set_digest: [kind; 32],
        events: events.collect(),
    }
    .encode()
}

fn row(receipts: &[Vec<u8>]) -> Vec<u8> {
    let mut row = (receipts.len() as u32).to_be_bytes().to_vec();
    let mut end = 0;
    for receipt in receipts {
        end += receipt.len() as u32;
        row.extend(end.to_be_bytes());
    }
    row.extend(receipts.concat());
    row
}

fn block(sizes: &[usize], kind: u8) -> (Vec<Batch>, Vec<Vec<u8>>) {
    let batches: Vec<Batch> = sizes.iter().zip(1..).map(|(size, seq)| batch(seq, *size)).collect();
    let receipts = batches.iter().flat_map(|batch| {
        (0..batch.txs.len()).map(|index| receipt(batch, index, kind.wrapping_mul(index as u8).wrapping_add(kind)))
    });
    let receipts = receipts.collect();
    (batches, receipts)
}

#[test]
fn test_ids_and_what_events_repeat_of_the_transactions_are_left_out() {
    let (batches, receipts) = block(&[300], 2);
    let plain = row(&receipts);
    let packed = pack_receipts(&plain, &[&batches[0]]).unwrap();
    assert_eq!(packed[0], 1);
    assert!(packed.len() < 300 * 48, "{} bytes of {}", packed.len(), plain.len());
    assert_eq!(unpack_receipts(&packed, &[&batches[0].bytes]).unwrap(), plain);
}

#[test]
fn test_receipts_that_do_not_fit_the_batches_are_kept_as_they_are() {
    let (batches, receipts) = block(&[2, 1], 2);
    let batches: Vec<&Batch> = batches.iter().collect();
    let mut other_id = receipts.clone();
    other_id[1][5] ^= 1;
    let mut short = receipts.clone();
    short[2].truncate(60);
    let few = receipts[..2].to_vec();
    let odd = vec![b"no receipt".to_vec(); 3];
    for receipts in [other_id, short, few, odd] {
        let plain = row(&receipts);
        let packed = pack_receipts(&plain, &batches).unwrap();
        assert_eq!(packed, [b"\0".as_slice(), &plain].concat());
        assert_eq!(unpack_receipts(&packed, &[]).unwrap(), plain);
        for (index, receipt) in receipts.iter().enumerate() {
            assert_eq!(
                unpack_receipt(&packed, &[index], &[], 0).unwrap().as_ref(),
                Some(receipt)
            );
            assert_eq!(
                unpack_receipt(&packed, &[], &[], index).unwrap().as_ref(),
                Some(receipt)
            );
        }
        assert_eq!(unpack_receipt(&packed, &[], &[], receipts.len()).unwrap(), None);
    }
    assert_eq!(pack_receipts(b"no row", &batches).unwrap(), b"\0no row");
}

#[test]
fn test_an_empty_block_has_an_empty_row() {
    let plain = row(&[]);
    let packed = pack_receipts(&plain, &[]).unwrap();
    assert_eq!(unpack_receipts(&packed, &[]).unwrap(), plain);
}

#[test]
fn test_damage_and_other_batches_are_told_or_show() {
    let (batches, receipts) = block(&[GROUP_TXS + 2], 2);
    let plain = row(&receipts);
    let packed = pack_receipts(&plain, &[&batches[0]]).unwrap();
    let own = &*batches[0].bytes;
    for end in 0..packed.len() {
        assert!(unpack_receipts(&packed[..end], &[own]).is_err(), "cut at {end}");
    }
    for wrong in [&[][..], &[own, own], &[&own[..own.len() - 1]]] {
        assert!(unpack_receipts(&packed, wrong).is_err());
    }
    let less = batch(1, GROUP_TXS + 1);
    assert!(unpack_receipts(&packed, &[&less.bytes]).is_err());
    assert!(unpack_receipts(&[3], &[own]).is_err());
    assert!(unpack_receipt(&packed, &[1000], own, 0).is_err());
    assert_eq!(unpack_batch(own).unwrap(), batches[0].bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn prop_every_receipt_comes_back_alone_and_together(
        sizes in proptest::collection::vec(1usize..300, 0..4), kind in any::<u8>()
    ) {
        let (batches, receipts) = block(&sizes, kind);
        let plain = row(&receipts);
        let packed = pack_receipts(&plain, &batches.iter().collect::<Vec<_>>()).unwrap();
        let bytes: Vec<&[u8]> = batches.iter().map(|batch| &*batch.bytes).collect();
        prop_assert_eq!(unpack_receipts(&packed, &bytes).unwrap(), plain);
        let mut first = 0;
        for (at, size) in sizes.iter().enumerate() {
            for index in [0, GROUP_TXS - 1, GROUP_TXS, size - 1, *size] {
                let want = (index < *size).then(|| receipts[first + index].clone());
                prop_assert_eq!(unpack_receipt(&packed, &sizes[..at], bytes[at], index).unwrap(), want);
            }
            first += size;
        }
    }

    #[test]
    fn prop_any_bytes_are_refused_or_unpacked(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let batch = batch(1, 2);
        let _ = unpack_receipts(&bytes, &[&batch.bytes]);
        let _ = unpack_receipt(&bytes, &[], &batch.bytes, 1);
        let _ = unpack_receipts(&[&[1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 64], bytes.as_slice()].concat(), &[&batch.bytes]);
    }
}
