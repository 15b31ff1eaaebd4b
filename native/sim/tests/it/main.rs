//! Seeds that must hold, planted bugs that must be found, named regressions.

mod mutations;
mod regressions;
mod seeds;
