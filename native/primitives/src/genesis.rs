//! The genesis of a chain (formats §9).

use crate::codec::{CodecError, Fault, Object, Reader, put_name};
use crate::text::Name;
use crate::{Hash32, tag};

/// The place of a chain among its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ChainRole {
    /// The main chain.
    Main = 1,
    /// The relay chain.
    Relay = 2,
    /// A city's chain.
    City = 3,
}

impl TryFrom<u8> for ChainRole {
    type Error = Fault;

    fn try_from(number: u8) -> Result<Self, Fault> {
        match number {
            1 => Ok(Self::Main),
            2 => Ok(Self::Relay),
            3 => Ok(Self::City),
            other => Err(Fault::Range {
                field: "role",
                got: other.into(),
            }),
        }
    }
}

/// The facts that fix a chain; their tagged hash is the chain id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// Readable name.
    pub chain_name: Name,
    /// Main, relay or city.
    pub role: ChainRole,
    /// Unix milliseconds; block 1 is later.
    pub time_ms: u64,
    /// Set of height 1.
    pub validators_hash: Hash32,
    /// Plugin set at the start.
    pub plugins_hash: Hash32,
    /// State tree over the registered accounts.
    pub state_root: Hash32,
    /// Bytes of batches in a block.
    pub block_bytes_max: u32,
    /// Transactions in a block.
    pub block_tx_count_max: u32,
    /// How far ahead `valid_until_height` may lie.
    pub valid_blocks_max: u64,
}

impl Genesis {
    /// The bytes under the chain id.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        out.push(1);
        put_name(&mut out, &self.chain_name);
        out.push(self.role as u8);
        out.extend_from_slice(&self.time_ms.to_be_bytes());
        out.extend_from_slice(&self.validators_hash);
        out.extend_from_slice(&self.plugins_hash);
        out.extend_from_slice(&self.state_root);
        out.extend_from_slice(&self.block_bytes_max.to_be_bytes());
        out.extend_from_slice(&self.block_tx_count_max.to_be_bytes());
        out.extend_from_slice(&self.valid_blocks_max.to_be_bytes());
        out
    }

    /// Reads a genesis.
    ///
    /// # Errors
    /// Any broken rule of formats §1 and §9, code `GENESIS_INVALID`.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(Object::Genesis, bytes);
        reader.version()?;
        let chain_name = reader.name("chain_name")?;
        let role = ChainRole::try_from(reader.u8("role")?).map_err(|fault| reader.fail(fault))?;
        let genesis = Self {
            chain_name,
            role,
            time_ms: reader.u64("time_ms")?,
            validators_hash: reader.array("validators_hash")?,
            plugins_hash: reader.array("plugins_hash")?,
            state_root: reader.array("state_root")?,
            block_bytes_max: reader.u32("block_bytes_max")?,
            block_tx_count_max: reader.u32("block_tx_count_max")?,
            valid_blocks_max: reader.u64("valid_blocks_max")?,
        };
        reader.finish()?;
        Ok(genesis)
    }

    /// The id that every signed object of the chain carries.
    pub fn chain_id(&self) -> Hash32 {
        tag::GENESIS.hash(&[&self.encode()])
    }
}
