use crate::fixture::{CHAIN, HEIGHT, accounts, body, key, limits, spoiled};
use hn_pool::{DecodedTxs, HASH_DIGITS, Personal, PersonalScan, Pool, decode_groups, find_in_text};
use hn_primitives::{SignedTx, codes};
use proptest::prelude::*;

fn tx(nonce: u64, payload: &str) -> SignedTx {
    let mut body = body(0, nonce, HEIGHT + 9, 0);
    body.payload = payload.as_bytes().to_vec();
    body.sign(&key(0))
}

fn decode(scan: Option<&PersonalScan>, txs: &[Vec<u8>]) -> DecodedTxs {
    let items: Vec<&[u8]> = txs.iter().map(Vec::as_slice).collect();
    decode_groups(&CHAIN, [items.as_slice()], scan)
}

#[test]
fn test_only_a_door_that_looks_refuses_and_it_refuses_first() {
    let (pool, accounts) = (Pool::new(limits()).unwrap(), accounts());
    let (mobile, scan) = (r#"{"name":"13812345678"}"#, PersonalScan::default());
    let stranger = {
        let mut body = body(9, 3, HEIGHT, 0);
        body.payload = mobile.as_bytes().to_vec();
        body.sign(&key(9))
    };
    let txs = [
        tx(1, mobile),
        tx(2, r#"{"name":"13812"}"#),
        stranger,
        spoiled(&tx(4, mobile)),
    ];
    let txs: Vec<Vec<u8>> = txs.iter().map(SignedTx::encode).collect();
    let looked = decode(Some(&scan), &txs);
    let personal = codes::PERSONAL_DATA;
    assert_eq!(
        pool.admit(&looked, &accounts, &[], HEIGHT),
        [personal, 0, personal, personal]
    );
    assert_eq!(pool.count(), 1);
    let places: Vec<usize> = looked.hits().iter().map(|(place, _)| *place).collect();
    assert_eq!(places, [0, 2, 3]);
    let both = DecodedTxs::concat(&[&looked, &looked]);
    assert_eq!(
        both.hits().last().map(|(place, hit)| (*place, hit.field.as_str())),
        Some((7, "name"))
    );
    assert!(decode(None, &txs).hits().is_empty());
    assert_eq!(
        pool.admit(&decode(None, &txs), &accounts, &[], HEIGHT).first(),
        Some(&0)
    );
}

#[test]
fn test_of_many_refused_the_first_are_told() {
    let txs: Vec<Vec<u8>> = (0..300).map(|i| tx(i, "13812345678").encode()).collect();
    let looked = decode(Some(&PersonalScan::default()), &txs);
    assert!(looked.items().iter().all(|item| item.is_ok_and(|tx| tx.is_personal)));
    assert_eq!(looked.hits().len(), 256);
}

#[test]
fn test_kinds_in_text() {
    let cases = [
        ("11010519491231002X", Some(Personal::CitizenNumber)),
        ("18001231 110105180012310014", None),
        ("TEL 138-1234-5678.", Some(Personal::Mobile)),
        ("3782 822463 10005", Some(Personal::BankCard)),
        ("6222021234567890128", Some(Personal::BankCard)),
        ("１３８１２３４５６７８", Some(Personal::Mobile)),
        ("1381234567", None),
    ];
    for (text, want) in cases {
        assert_eq!(find_in_text(text.as_bytes()), want, "{text}");
    }
}

proptest! {
    #[test]
    fn test_a_long_run_of_hexadecimal_is_nobody(head in "[g-zG-Z ]{0,9}", hash in "[0-9a-fA-F]{32,80}", tail in "[g-zG-W ]{0,9}") {
        prop_assert_eq!(HASH_DIGITS, 32);
        prop_assert_eq!(find_in_text(format!("{head}{hash}{tail}").as_bytes()), None);
    }

    #[test]
    fn test_any_bytes_are_looked_through(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let scan = PersonalScan::default();
        let object = [b"{".as_slice(), &bytes].concat();
        prop_assert_eq!(scan.find("a", "b", &bytes).is_some(), scan.find("c", "d", &bytes).is_some());
        scan.find("a", "b", &object);
    }
}
