//! The one error type of the crate. A bad signature is no error but a [`crate::sm2::VerifyStatus`].

/// Why bytes were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// A byte string has the wrong length.
    #[error("{what}: got {got} bytes, want {want}")]
    Length {
        /// What was being read.
        what: &'static str,
        /// Bytes received.
        got: usize,
        /// Bytes expected.
        want: usize,
    },
    /// A secret key is outside [1, n−2].
    #[error("secret key: got a value outside [1, n-2], want one inside")]
    SecretKeyRange,
    /// A public key is in a form, range or place (off the curve) that is refused.
    #[error("public key: {0}")]
    PublicKey(&'static str),
    /// Strict DER was violated, or the structure is not the expected one.
    #[error("der: {0}")]
    Der(&'static str),
    /// The armour of a PEM text is broken, or its label is not the expected one.
    #[error("pem: {0}")]
    Pem(&'static str),
    /// The key file names an algorithm or parameter that is not supported.
    #[error("key file: unsupported {0}")]
    Unsupported(&'static str),
    /// Decryption failed: wrong key or pass phrase, or altered data. Deliberately without detail.
    #[error("decryption failed: wrong key or altered data")]
    Decrypt,
    /// The asked kernel cannot be used in this process.
    #[error("kernel: {0}")]
    Kernel(&'static str),
    /// A parameter is outside its bounds.
    #[error("{what}: got {got}, want {min}..={max}")]
    Bounds {
        /// Name of the parameter.
        what: &'static str,
        /// Value received.
        got: u64,
        /// Smallest allowed value.
        min: u64,
        /// Largest allowed value.
        max: u64,
    },
}
