//! Keys in bulk: the same keys as one by one, with multiples of G and hashes in lanes and one inversion for all.

use super::key::SecretKey;
use super::sign::part_count;
use crate::kernel::{self, Kernel};
use crate::sm3::Lanes;
use rayon::prelude::*;
#[cfg(target_arch = "x86_64")]
use {
    super::field::Fe,
    super::ifma::secret::multiples_of_g,
    super::key::{KEYGEN_LABEL, PublicKey},
    super::point::Affine,
    super::scalar::Scalar,
    super::sign_rows::Rows,
    zeroize::Zeroizing,
};

/// The keys that [`super::generate`] derives from each seed, in their order; large batches use the rayon pool.
pub fn generate_batch(seeds: &[[u8; 32]]) -> Vec<SecretKey> {
    generate_batch_with(kernel::selected(), seeds)
}

/// [`generate_batch`] by a given kernel: the widest form that it allows and the processor has.
pub fn generate_batch_with(kernel: Kernel, seeds: &[[u8; 32]]) -> Vec<SecretKey> {
    let part = part_count(seeds.len());
    if seeds.len() <= part {
        return generate_part(kernel, seeds);
    }
    seeds
        .par_chunks(part)
        .flat_map_iter(|seeds| generate_part(kernel, seeds))
        .collect()
}

fn generate_part(kernel: Kernel, seeds: &[[u8; 32]]) -> Vec<SecretKey> {
    match (kernel, Lanes::on(kernel)) {
        #[cfg(target_arch = "x86_64")]
        (Kernel::Ifma, Ok(lanes)) => generate_lanes(lanes, seeds),
        _ => seeds.iter().map(super::generate).collect(),
    }
}

/// `lanes` must be those of the IFMA kernel.
#[cfg(target_arch = "x86_64")]
fn generate_lanes(lanes: Lanes, seeds: &[[u8; 32]]) -> Vec<SecretKey> {
    // The counter behind the label is 0.
    let mut message = [0; KEYGEN_LABEL.len() + 8];
    message[..KEYGEN_LABEL.len()].copy_from_slice(KEYGEN_LABEL);
    let mut candidates = Rows::zeros(seeds.len());
    lanes.hmac_fixed(seeds, &vec![message; seeds.len()], &mut candidates.0);
    // A refused candidate (probability 2^−32) is replaced by 1, and its result is not used.
    let mut secrets = Zeroizing::new(Vec::with_capacity(seeds.len()));
    secrets.extend(candidates.0.iter().map(|bytes| {
        Scalar::from_bytes(bytes)
            .filter(|d| !d.is_zero() && !d.add(&Scalar::ONE).is_zero())
            .unwrap_or(Scalar::ONE)
    }));
    // SAFETY: lanes of the IFMA kernel exist only where its instructions do.
    let points = unsafe { multiples_of_g(&secrets) };
    let affine: Vec<Affine> = points
        .iter()
        .map(|point| match point {
            Some(point) => Affine {
                x: Fe::from_words(&point.x),
                y: Fe::from_words(&point.y),
            },
            None => super::point::G,
        })
        .collect();
    let publics = PublicKey::from_points(lanes, &affine);
    let factors = factors(&secrets);
    let parts = secrets.iter().zip(factors.iter()).zip(publics).zip(&points);
    parts
        .zip(seeds)
        .map(|((((d, factor), public), point), seed)| match public {
            Some(public) if point.is_some() && *d != Scalar::ONE => SecretKey::from_parts(*d, *factor, public),
            _ => super::generate(seed),
        })
        .collect()
}

/// (1 + d)⁻¹ mod n of each, with one inversion; none of the sums is 0. Constant time.
#[cfg(target_arch = "x86_64")]
fn factors(secrets: &[Scalar]) -> Zeroizing<Vec<Scalar>> {
    let mut product = Zeroizing::new(Scalar::ONE);
    let mut out = Zeroizing::new(Vec::with_capacity(secrets.len()));
    for d in secrets {
        out.push(*product);
        *product = product.mul(&d.add(&Scalar::ONE));
    }
    let mut inverse = Zeroizing::new(product.invert());
    for (factor, d) in out.iter_mut().zip(secrets).rev() {
        *factor = inverse.mul(factor);
        *inverse = inverse.mul(&d.add(&Scalar::ONE));
    }
    out
}
