//! Every kernel and any count of threads gives the same roots and pages.

use crate::twin;
use hn_crypto::kernel;
use hn_crypto::sm3::Lanes;
use hn_merkle::block_tree::{prove, root, root_by};
use hn_merkle::state_tree::value_hash;
use hn_merkle::{Hashing, StateTree};
use hn_primitives::{Hash32, ZERO_HASH};

/// All ways to hash on one thread.
fn each_kernel() -> Vec<Hashing> {
    let kernels = kernel::available();
    assert!(!kernels.is_empty());
    kernels
        .into_iter()
        .map(|kernel| Hashing::Here(Lanes::on(kernel).unwrap()))
        .collect()
}

fn in_pool<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(work)
}

#[test]
fn block_roots_depend_on_neither_kernel_nor_threads() {
    // Around the lengths of lanes, of runs and of what is left of a run.
    let counts = [
        1, 2, 15, 16, 17, 127, 128, 129, 255, 2047, 2048, 2049, 2176, 2177, 4095, 4096, 4097, 4225, 6143, 6145, 10_007,
    ];
    for count in counts {
        let hashes: Vec<Vec<u8>> = (0..count)
            .map(|i: usize| value_hash(&i.to_be_bytes()).to_vec())
            .collect();
        let mut mixed = hashes.clone();
        mixed.iter_mut().enumerate().for_each(|(i, leaf)| leaf.truncate(i % 41));
        mixed[count / 2].resize(300, 7);
        for leaves in [&hashes, &mixed] {
            let want = twin::block_root(leaves);
            for hashing in each_kernel() {
                assert_eq!(root_by(hashing, leaves), want, "{count} {hashing:?}");
            }
            for threads in [1, 2, 5] {
                assert_eq!(
                    in_pool(threads, || root(leaves)),
                    want,
                    "{count} leaves, {threads} threads"
                );
            }
            let indices = [0, count / 3, count / 2, count - 1];
            for (index, proof) in indices.iter().zip(in_pool(3, || prove(leaves, &indices)).unwrap()) {
                assert_eq!(proof, twin::block_proof(leaves, *index));
                assert!(proof.verify(&leaves[*index], &want));
            }
        }
    }
}

#[test]
fn state_trees_depend_on_neither_kernel_nor_threads() {
    let keys: Vec<Hash32> = (0..9_000u32).map(|i| value_hash(&i.to_be_bytes())).collect();
    let put = |keys: &[Hash32], seed: u8| -> Vec<_> { keys.iter().map(|key| (*key, Some([seed; 32]))).collect() };
    let mut batches = vec![put(&keys[..6_000], 1), put(&keys[3_000..], 2)];
    batches.push(keys.iter().step_by(3).map(|key| (*key, None)).collect());
    batches.push(put(&keys[..17], 3));
    let run = |hashing: Hashing| {
        let mut tree = StateTree::with_root(1 << 30, ZERO_HASH).hashed_by(hashing);
        let applied: Vec<_> = batches.iter().map(|batch| tree.apply(batch).unwrap()).collect();
        applied
    };
    let want = run(Hashing::Shared);
    for hashing in each_kernel() {
        assert!(run(hashing) == want, "{hashing:?}");
    }
    for threads in [1, 2, 5] {
        assert!(in_pool(threads, || run(Hashing::Shared)) == want, "{threads} threads");
    }
}
