//! The randomised batch: its verdicts are those of `verify_single`, whatever the hints, the mix, the size and the kernel.

use crate::bytes::{hex, seed};
use hn_crypto::CryptoError;
use hn_crypto::kernel::{self, Kernel};
use hn_crypto::sm2::{
    BatchItem, PublicKey, SecretKey, SignItem, VerifyStatus, generate_batch, sign_digests, verify_batch_hinted,
    verify_batch_hinted_with, verify_single, verify_with_hint,
};

const SIZES: [usize; 18] = [
    0, 1, 3, 7, 8, 9, 63, 64, 65, 127, 128, 255, 256, 257, 511, 512, 513, 1025,
];

const N: [u8; 32] = *b"\
    \xff\xff\xff\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\
    \x72\x03\xdf\x6b\x21\xc6\x05\x2b\x53\xbb\xf4\x09\x39\xd5\x41\x23";

#[derive(Clone)]
struct Signed {
    key: PublicKey,
    message: [u8; 32],
    signature: [u8; 64],
    hint: bool,
}

/// Sound signatures, of `keys` keys in turn.
fn signed(count: usize, keys: usize) -> Vec<Signed> {
    let seeds: Vec<[u8; 32]> = (0..keys as u64).map(|i| seed("hinted", i)).collect();
    let secrets: Vec<SecretKey> = generate_batch(&seeds);
    let messages: Vec<[u8; 32]> = (0..count as u64).map(|i| seed("hinted message", i)).collect();
    let jobs: Vec<SignItem<'_>> = messages
        .iter()
        .zip(secrets.iter().cycle())
        .map(|(message, key)| (key, key.public_key().digest(message)))
        .collect();
    let signatures = sign_digests(&jobs);
    let parts = messages.iter().zip(jobs).zip(signatures);
    parts
        .map(|((message, (key, _)), signature)| {
            let (status, hint) = verify_with_hint(key.public_key(), message, &signature);
            assert_eq!(status, VerifyStatus::Valid);
            Signed {
                key: key.public_key().clone(),
                message: *message,
                signature,
                hint,
            }
        })
        .collect()
}

/// Checks all kernels against the rule, which is given where it is known.
fn check(all: &[Signed], what: &str) -> Vec<VerifyStatus> {
    let items: Vec<BatchItem<'_>> = all
        .iter()
        .map(|one| (&one.key, &one.message[..], &one.signature))
        .collect();
    let hints: Vec<bool> = all.iter().map(|one| one.hint).collect();
    let want: Vec<VerifyStatus> = items.iter().map(|(pk, m, s)| verify_single(pk, m, s)).collect();
    check_sizes(&items, &hints, &want, &[all.len()], what);
    want
}

fn check_sizes(items: &[BatchItem<'_>], hints: &[bool], want: &[VerifyStatus], sizes: &[usize], what: &str) {
    for kernel in kernel::available() {
        for &size in sizes {
            let got = verify_batch_hinted_with(kernel, &items[..size], &hints[..size]);
            assert_eq!(
                got.as_deref(),
                Ok(&want[..size]),
                "{what}, size {size}, kernel {kernel}"
            );
        }
    }
}

fn add_one(number: &mut [u8]) {
    for byte in number.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte > 0 {
            return;
        }
    }
}

/// Every kind of defect, among as many sound signatures as `each` says.
fn spoil(all: &mut [Signed], each: usize) {
    let signatures: Vec<[u8; 64]> = all.iter().map(|one| one.signature).collect();
    for (at, one) in all.iter_mut().enumerate().filter(|(at, _)| at % each == each / 2) {
        match at / each % 10 {
            // Half of these have no point with the x that they ask for.
            0 => one.signature[at % 32] ^= 1 << (at % 7),
            1 => add_one(&mut one.signature[32..]),
            2 => one.signature[..32].copy_from_slice(&N),
            3 => one.signature[32..].fill(0),
            4 => one.signature = signatures[(at + 1) % signatures.len()],
            5 => one.message[at % 32] ^= 0x80,
            6 => {
                // r = e + 7: x may be 7 or 7 + n.
                let mut r = one.key.digest(&one.message);
                (0..7).for_each(|_| add_one(&mut r));
                one.signature[..32].copy_from_slice(&r);
            }
            // A hint that is wrong changes nothing.
            7 | 8 => one.hint = !one.hint,
            _ => {
                one.hint = !one.hint;
                one.signature[63] ^= 2;
            }
        }
    }
}

#[test]
fn every_size_agrees_with_single_verification() {
    for each in [2, 13, 400] {
        let mut all = signed(1025, 1025);
        spoil(&mut all, each);
        let items: Vec<BatchItem<'_>> = all
            .iter()
            .map(|one| (&one.key, &one.message[..], &one.signature))
            .collect();
        let hints: Vec<bool> = all.iter().map(|one| one.hint).collect();
        let want: Vec<VerifyStatus> = items.iter().map(|(pk, m, s)| verify_single(pk, m, s)).collect();
        assert!(want.contains(&VerifyStatus::Valid) && want.contains(&VerifyStatus::BadSignature));
        check_sizes(&items, &hints, &want, &SIZES, &format!("one of {each}"));
    }
}

#[test]
fn sound_batches_of_every_size() {
    let all = signed(1025, 1025);
    let items: Vec<BatchItem<'_>> = all
        .iter()
        .map(|one| (&one.key, &one.message[..], &one.signature))
        .collect();
    let hints: Vec<bool> = all.iter().map(|one| one.hint).collect();
    check_sizes(&items, &hints, &[VerifyStatus::Valid; 1025], &SIZES, "sound");
    let wrong: Vec<bool> = hints.iter().map(|hint| !hint).collect();
    check_sizes(
        &items,
        &wrong,
        &[VerifyStatus::Valid; 1025],
        &[64, 300],
        "all hints wrong",
    );
}

#[test]
fn one_fault_at_each_place_is_found() {
    let sound = signed(130, 130);
    for at in (0..130).step_by(9).chain([63, 64, 65, 129]) {
        let mut all = sound.clone();
        all[at].signature[40] ^= 1;
        let want: Vec<VerifyStatus> = (0..130)
            .map(|i| {
                if i == at {
                    VerifyStatus::BadSignature
                } else {
                    VerifyStatus::Valid
                }
            })
            .collect();
        let items: Vec<BatchItem<'_>> = all
            .iter()
            .map(|one| (&one.key, &one.message[..], &one.signature))
            .collect();
        let hints: Vec<bool> = all.iter().map(|one| one.hint).collect();
        assert_eq!(verify_batch_hinted(&items, &hints), Ok(want), "at {at}");
    }
}

#[test]
fn equal_keys_and_equal_signatures() {
    let one_key = signed(200, 1);
    assert!(
        check(&one_key, "one key")
            .iter()
            .all(|status| *status == VerifyStatus::Valid)
    );
    let few_keys = signed(200, 3);
    check(&few_keys, "few keys");
    let same = vec![few_keys[5].clone(); 150];
    check(&same, "one signature again and again");
    let mut contradicting = same.clone();
    contradicting.iter_mut().step_by(2).for_each(|one| one.hint = !one.hint);
    check(&contradicting, "one signature with both hints");
    let twice: Vec<Signed> = signed(100, 100)
        .into_iter()
        .flat_map(|one| [one.clone(), one])
        .collect();
    check(&twice, "each twice");
    let mut bad = twice;
    bad.iter_mut()
        .skip(10)
        .step_by(50)
        .for_each(|one| one.signature[45] ^= 4);
    check(&bad, "each twice, some bad");
}

/// Two signatures of one key, s + 1 and s − 1: the errors ±(G + P) cancel when both have the same coefficient.
#[test]
fn errors_that_cancel_are_found() {
    let mut all = signed(100, 1);
    add_one(&mut all[20].signature[32..]);
    for byte in all[70].signature[32..].iter_mut().rev() {
        *byte = byte.wrapping_sub(1);
        if *byte < u8::MAX {
            break;
        }
    }
    let verdicts = check(&all, "errors that cancel");
    for (at, verdict) in verdicts.into_iter().enumerate() {
        let forged = at == 20 || at == 70;
        assert_eq!(verdict == VerifyStatus::BadSignature, forged, "at {at}");
    }
}

#[test]
fn hints_are_one_an_item() {
    let all = signed(2, 1);
    let items: Vec<BatchItem<'_>> = all
        .iter()
        .map(|one| (&one.key, &one.message[..], &one.signature))
        .collect();
    for count in [0, 1, 3] {
        let got = verify_batch_hinted(&items, &vec![true; count]);
        assert!(matches!(got, Err(CryptoError::Length { want: 2, .. })), "{count} hints");
    }
    for kernel in Kernel::ALL.into_iter().filter(|kernel| !kernel.is_available()) {
        assert!(verify_batch_hinted_with(kernel, &items, &[true; 2]).is_err());
    }
}

#[test]
fn the_verdict_with_a_hint_is_the_rule() {
    let mut all = signed(120, 7);
    spoil(&mut all, 2);
    for one in &all {
        let (status, _) = verify_with_hint(&one.key, &one.message, &one.signature);
        assert_eq!(status, verify_single(&one.key, &one.message, &one.signature));
    }
}

/// The example of GB/T 32918.5 with the point that it computes: y1 is odd or not.
#[test]
fn the_hint_of_the_standard_example() {
    let key = PublicKey::from_bytes(&hex::<65>(
        "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
         ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13",
    ));
    let signature = hex::<64>(
        "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3\
         b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa",
    );
    let (status, odd) = verify_with_hint(&key.expect("a key on the curve"), b"message digest", &signature);
    // k·G for the nonce of the example has y = …4df0.
    assert_eq!((status, odd), (VerifyStatus::Valid, false));
}
