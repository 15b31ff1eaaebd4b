//! SM4 placeholder
