//! Keys that the state tree shows to be absent: nobody has to read them from the database.

use hn_primitives::{Hash32, tag};

use crate::block::BlockExecution;
use crate::check::Stage;
use crate::error::ExecutionError;

impl BlockExecution {
    /// Leaves out of [`BlockExecution::native_keys`] what the tree, which must stand at the block before, shows to be absent.
    /// A key that is written for the first time is one, and pages on its path are needed in any case to write it. `look` tells
    /// of key hashes which are surely absent, see `hn_merkle::StateTree::surely_absent`.
    /// Cost: the hash of each key, which the end of the block needs for those that are written, and one way down the tree.
    ///
    /// # Errors
    /// Before [`BlockExecution::set_committed`], or after [`BlockExecution::supply`].
    pub fn prove_absent(&mut self, mut look: impl FnMut(&[Hash32]) -> Vec<bool>) -> Result<(), ExecutionError> {
        self.expect(Stage::Checked, "prove_absent comes between set_committed and supply")?;
        for namespace in &mut self.namespaces {
            let overlay = &mut namespace.overlay;
            let rows: Vec<&[u8]> = overlay.rows().collect();
            let hashes = tag::hash_many(&tag::STATE_KEY, &rows);
            let absent = look(&hashes);
            overlay.learn(hashes, absent);
        }
        Ok(())
    }
}
