//! Products of the field by a given kernel, for code that is compiled once for each.

use super::field::Fe;

/// How field elements are multiplied. All implementations give the same words.
pub(crate) trait Products: Copy {
    /// a·b.
    fn mul(self, a: &Fe, b: &Fe) -> Fe;
    /// a².
    fn square(self, a: &Fe) -> Fe;
}

/// The products that every processor has.
#[derive(Clone, Copy)]
pub(crate) struct Baseline;

impl Products for Baseline {
    #[inline(always)]
    fn mul(self, a: &Fe, b: &Fe) -> Fe {
        a.mul(b)
    }

    #[inline(always)]
    fn square(self, a: &Fe) -> Fe {
        a.square()
    }
}
