//! Public and secret keys, ZA and the message digest e (GB/T 32918.2 §5.5, §6.1).

use super::comb::sign_table;
use super::field::Fe;
use super::point::{Affine, curve_rhs};
use super::scalar::Scalar;
use crate::CryptoError;
use crate::sm3::{HmacSm3, Sm3, sm3_batch};
#[cfg(target_arch = "x86_64")]
use crate::sm3::{Lanes, Midstate};
use std::fmt;
use std::hash::{Hash, Hasher};
use zeroize::{Zeroize, Zeroizing};

/// The one distinguishing ID of everything on chain.
pub const ID_DEFAULT: &[u8] = b"1234567812345678";
/// Longest ID: ENTL counts its bits in 16 bits.
pub const ID_BYTES_MAX: usize = 8191;
/// Bytes of a public key.
pub const PUBLIC_KEY_BYTES: usize = 65;

/// a ‖ b ‖ xG ‖ yG, the part of ZA that is the curve.
const CURVE_BYTES: [u8; 128] = *b"\
    \xff\xff\xff\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\
    \xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xfc\
    \x28\xe9\xfa\x9e\x9d\x9f\x5e\x34\x4d\x5a\x9e\x4b\xcf\x65\x09\xa7\
    \xf3\x97\x89\xf5\x15\xab\x8f\x92\xdd\xbc\xbd\x41\x4d\x94\x0e\x93\
    \x32\xc4\xae\x2c\x1f\x19\x81\x19\x5f\x99\x04\x46\x6a\x39\xc9\x94\
    \x8f\xe3\x0b\xbf\xf2\x66\x0b\xe1\x71\x5a\x45\x89\x33\x4c\x74\xc7\
    \xbc\x37\x36\xa2\xf4\xf6\x77\x9c\x59\xbd\xce\xe3\x6b\x69\x21\x53\
    \xd0\xa9\x87\x7c\xc6\x2a\x47\x40\x02\xdf\x32\xe5\x21\x39\xf0\xa0";

/// A point on the curve that is not infinity, with its ZA. Checked once, here; every holder may rely on it.
#[derive(Clone)]
pub struct PublicKey {
    point: Affine,
    bytes: [u8; PUBLIC_KEY_BYTES],
    za: [u8; 32],
}

impl PublicKey {
    /// From 0x04 ‖ x ‖ y, the only form on chain. Cost: about 5 compressions and 3 field products.
    ///
    /// # Errors
    /// `Length`; `PublicKey` for another prefix (hybrid 06/07 and infinity included), a coordinate not below p, or a
    /// point off the curve.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CryptoError> {
        let bytes: &[u8; PUBLIC_KEY_BYTES] = bytes.try_into().map_err(|_| CryptoError::Length {
            what: "public key",
            got: bytes.len(),
            want: PUBLIC_KEY_BYTES,
        })?;
        let [0x04, coordinates @ ..] = bytes else {
            return Err(CryptoError::PublicKey("prefix is not 0x04 (uncompressed)"));
        };
        let ([x, y], _) = coordinates.as_chunks::<32>() else {
            return Err(CryptoError::PublicKey("coordinates are not 64 bytes"));
        };
        let (Some(x), Some(y)) = (Fe::from_bytes(x), Fe::from_bytes(y)) else {
            return Err(CryptoError::PublicKey("coordinate is not below p"));
        };
        Self::from_point(Affine { x, y }).ok_or(CryptoError::PublicKey("point is not on the curve"))
    }

    /// From 0x02 or 0x03 ‖ x, accepted at import only.
    ///
    /// # Errors
    /// `Length`; `PublicKey` for another prefix, x not below p, or no point with this x.
    pub fn from_compressed(bytes: &[u8]) -> Result<Self, CryptoError> {
        let bytes: &[u8; 33] = bytes.try_into().map_err(|_| CryptoError::Length {
            what: "compressed public key",
            got: bytes.len(),
            want: 33,
        })?;
        let [prefix @ (0x02 | 0x03), x @ ..] = bytes else {
            return Err(CryptoError::PublicKey("prefix is not 0x02 or 0x03 (compressed)"));
        };
        let x = Fe::from_bytes(x).ok_or(CryptoError::PublicKey("coordinate is not below p"))?;
        let root = curve_rhs(&x)
            .sqrt()
            .ok_or(CryptoError::PublicKey("no point has this x"))?;
        let odd = root.to_words()[0] & 1;
        let y = if odd == u64::from(prefix & 1) { root } else { root.neg() };
        Self::from_point(Affine { x, y }).ok_or(CryptoError::PublicKey("point is not on the curve"))
    }

    /// `None` when the point is off the curve.
    pub(crate) fn from_point(point: Affine) -> Option<Self> {
        let bytes = encode(&point);
        let za = za_of(&bytes, ID_DEFAULT);
        point.is_on_curve().then_some(Self { point, bytes, za })
    }

    /// [`PublicKey::from_point`] of many, hashed in lanes.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn from_points(lanes: Lanes, points: &[Affine]) -> Vec<Option<Self>> {
        let encoded: Vec<[u8; PUBLIC_KEY_BYTES]> = points.iter().map(encode).collect();
        let (start, head) = za_start();
        let messages: Vec<[u8; ZA_TAIL_BYTES]> = encoded
            .iter()
            .map(|bytes| {
                let mut message = [0; ZA_TAIL_BYTES];
                message[..head.len()].copy_from_slice(&head);
                message[head.len()..].copy_from_slice(&bytes[1..]);
                message
            })
            .collect();
        let mut digests = vec![[0; 32]; points.len()];
        lanes.hash_fixed(&start, &messages, &mut digests);
        let parts = points.iter().zip(encoded).zip(digests);
        parts
            .map(|((point, bytes), za)| {
                point.is_on_curve().then_some(Self {
                    point: *point,
                    bytes,
                    za,
                })
            })
            .collect()
    }

    /// 0x04 ‖ x ‖ y.
    pub fn to_bytes(&self) -> [u8; PUBLIC_KEY_BYTES] {
        self.bytes
    }

    /// 0x04 ‖ x ‖ y, borrowed.
    pub fn as_bytes(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.bytes
    }

    /// ZA for [`ID_DEFAULT`], computed when the key was read.
    pub fn za(&self) -> &[u8; 32] {
        &self.za
    }

    /// ZA for another ID (certificates, TLS).
    ///
    /// # Errors
    /// `Bounds` when the ID is longer than 8,191 bytes.
    pub fn za_for_id(&self, id: &[u8]) -> Result<[u8; 32], CryptoError> {
        if id.len() > ID_BYTES_MAX {
            return Err(CryptoError::Bounds {
                what: "sm2 id bytes",
                got: id.len() as u64,
                min: 0,
                max: ID_BYTES_MAX as u64,
            });
        }
        Ok(za_of(&self.bytes, id))
    }

    /// e = SM3(ZA ‖ message) for [`ID_DEFAULT`].
    pub fn digest(&self, message: &[u8]) -> [u8; 32] {
        message_digest(&self.za, message)
    }

    /// [`PublicKey::digest`] of each message, hashed in lanes.
    pub(super) fn digests(&self, messages: &[&[u8]]) -> Vec<[u8; 32]> {
        let joined: Vec<Vec<u8>> = messages
            .iter()
            .map(|message| [&self.za[..], message].concat())
            .collect();
        let slices: Vec<&[u8]> = joined.iter().map(Vec::as_slice).collect();
        sm3_batch(&slices)
    }

    /// The point.
    pub(crate) fn point(&self) -> &Affine {
        &self.point
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for PublicKey {}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        for byte in self.bytes {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

/// 0x04 ‖ x ‖ y.
fn encode(point: &Affine) -> [u8; PUBLIC_KEY_BYTES] {
    let mut bytes = [0x04; PUBLIC_KEY_BYTES];
    bytes[1..33].copy_from_slice(&point.x.to_bytes());
    bytes[33..].copy_from_slice(&point.y.to_bytes());
    bytes
}

/// Bytes of ZA's input for [`ID_DEFAULT`] behind the two blocks that all keys share.
#[cfg(target_arch = "x86_64")]
const ZA_TAIL_BYTES: usize = 2 + ID_DEFAULT.len() + CURVE_BYTES.len() + 64 - 128;

/// ZA's input for [`ID_DEFAULT`] up to the key: two blocks, and the bytes after them.
#[cfg(target_arch = "x86_64")]
fn za_start() -> (Midstate, [u8; ZA_TAIL_BYTES - 64]) {
    let mut shared = [0; ZA_TAIL_BYTES + 64];
    shared[..2].copy_from_slice(&((ID_DEFAULT.len() * 8) as u16).to_be_bytes());
    shared[2..2 + ID_DEFAULT.len()].copy_from_slice(ID_DEFAULT);
    shared[2 + ID_DEFAULT.len()..].copy_from_slice(&CURVE_BYTES);
    let (blocks, rest) = shared.as_chunks::<64>();
    let start = blocks.iter().fold(Midstate::START, |state, block| state.after(block));
    let mut head = [0; ZA_TAIL_BYTES - 64];
    head.copy_from_slice(rest);
    (start, head)
}

/// ZA = SM3(ENTL ‖ ID ‖ a ‖ b ‖ xG ‖ yG ‖ xA ‖ yA); the ID's length is checked by the callers.
fn za_of(bytes: &[u8; PUBLIC_KEY_BYTES], id: &[u8]) -> [u8; 32] {
    let mut hasher = Sm3::new();
    hasher.update(&((id.len() * 8) as u16).to_be_bytes());
    hasher.update(id);
    hasher.update(&CURVE_BYTES);
    hasher.update(&bytes[1..]);
    hasher.finalize()
}

/// e = SM3(ZA ‖ message).
pub fn message_digest(za: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mut hasher = Sm3::new();
    hasher.update(za);
    hasher.update(message);
    hasher.finalize()
}

/// A secret key d in [1, n−2] with (1+d)⁻¹ and its public key. Zeroised on drop; neither `Clone` nor `Debug`.
pub struct SecretKey {
    d: Scalar,
    /// (1 + d)⁻¹ mod n, the factor of every signature.
    factor: Scalar,
    public: PublicKey,
}

impl SecretKey {
    /// From 32 big-endian bytes. Cost: one constant-time multiple of G and two inversions.
    ///
    /// # Errors
    /// `SecretKeyRange` when the value is outside [1, n−2].
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, CryptoError> {
        let d = Zeroizing::new(Scalar::from_bytes(bytes).ok_or(CryptoError::SecretKeyRange)?);
        let next = Zeroizing::new(d.add(&Scalar::ONE));
        if d.is_zero() || next.is_zero() {
            return Err(CryptoError::SecretKeyRange);
        }
        let point = sign_table().multiply_secret(&d).to_affine();
        let public = PublicKey::from_point(point).ok_or(CryptoError::SecretKeyRange)?;
        Ok(Self {
            factor: next.invert(),
            d: *d,
            public,
        })
    }

    /// The 32 big-endian bytes of d.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.d.to_bytes())
    }

    /// The public key d·G.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// From d in [1, n−2], (1 + d)⁻¹ mod n and d·G.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn from_parts(d: Scalar, factor: Scalar, public: PublicKey) -> Self {
        Self { d, factor, public }
    }

    /// d.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn secret(&self) -> &Scalar {
        &self.d
    }

    /// (1 + d)⁻¹ mod n.
    pub(crate) fn factor(&self) -> &Scalar {
        &self.factor
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.d.zeroize();
        self.factor.zeroize();
    }
}

/// What the key derivation hashes in front of its counter.
pub(super) const KEYGEN_LABEL: &[u8; 12] = b"hn/keygen/v1";

/// Derives a key from 32 random bytes of the caller: HMAC-SM3(seed, "hn/keygen/v1" ‖ counter), the first value in
/// [1, n−2]. The same seed gives the same key.
///
/// # Panics
/// When 64 counters give no key: each fails with probability 2^−32, so only broken hardware gets there.
pub fn generate(seed32: &[u8; 32]) -> SecretKey {
    let mac = HmacSm3::new(seed32);
    for counter in 0..64u64 {
        let candidate = Zeroizing::new(mac.tag(&[KEYGEN_LABEL, &counter.to_be_bytes()]));
        if let Ok(key) = SecretKey::from_bytes(&candidate) {
            return key;
        }
    }
    unreachable!("sm2 key generation: got 64 values without a key, want one")
}
