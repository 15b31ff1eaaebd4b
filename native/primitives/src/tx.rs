//! Transactions (formats §2).

use crate::codec::{CodecError, Fault, Object, Reader, put_bytes32, put_name};
use crate::limits::{PAYLOAD_BYTES_MAX, TX_BYTES_MAX};
use crate::text::Name;
use crate::{Account, Hash32, Sig64, ZERO_HASH, tag};
use hn_crypto::sm2::SecretKey;
use hn_crypto::sm3::Lanes;

/// What a sender asks for; its tagged hash is the `tx_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxBody {
    /// The chain the transaction is meant for.
    pub chain_id: Hash32,
    /// A registered account.
    pub sender: Account,
    /// Any value; makes the id unique.
    pub nonce: u64,
    /// Last height at which the transaction may be included.
    pub valid_until_height: u64,
    /// The application that is called.
    pub application: Name,
    /// The action of the application.
    pub action: Name,
    /// At most 65,536 bytes; JSON unless the application says otherwise.
    pub payload: Vec<u8>,
}

impl TxBody {
    /// The bytes under the `tx_id`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.payload.len() + 208);
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(1);
        out.extend_from_slice(&self.chain_id);
        out.extend_from_slice(&self.sender);
        out.extend_from_slice(&self.nonce.to_be_bytes());
        out.extend_from_slice(&self.valid_until_height.to_be_bytes());
        put_name(out, &self.application);
        put_name(out, &self.action);
        put_bytes32(out, &self.payload);
    }

    /// Reads a body without a signature.
    ///
    /// # Errors
    /// Any broken rule of formats §1 and §2.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(Object::Tx, bytes);
        let fields = BodyFields::read(&mut reader)?;
        reader.finish()?;
        fields.to_body(Object::Tx)
    }

    /// The id; the signature is not part of it. Cost: one pass over the encoding.
    pub fn tx_id(&self) -> Hash32 {
        tag::TX.hash(&[&self.encode()])
    }

    /// Signs the `tx_id`.
    pub fn sign(self, key: &SecretKey) -> SignedTx {
        let signature = key.sign(&self.tx_id());
        SignedTx { body: self, signature }
    }
}

/// A body and its sender's signature over the `tx_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTx {
    /// What is asked for.
    pub body: TxBody,
    /// By the sender, over the 32-byte `tx_id`.
    pub signature: Sig64,
}

impl SignedTx {
    /// `body ‖ signature`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.body.payload.len() + 272);
        self.body.write(&mut out);
        out.extend_from_slice(&self.signature);
        out
    }

    /// Reads a signed transaction into owned fields; the hot paths use [`TxView`].
    ///
    /// # Errors
    /// Any broken rule of formats §1 and §2.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        TxView::decode(bytes)?.to_signed()
    }
}

/// A signed transaction whose fields borrow from its encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxView<'a> {
    fields: BodyFields<'a>,
    body: &'a [u8],
    signature: &'a Sig64,
}

impl<'a> TxView<'a> {
    /// Checks the whole encoding in one pass, without allocation and without hashing.
    ///
    /// # Errors
    /// Any broken rule of formats §1 and §2; `TooLong` (code `TX_TOO_LARGE`) above the size limits.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, CodecError> {
        Self::decode_as(Object::Tx, bytes)
    }

    pub(crate) fn decode_as(object: Object, bytes: &'a [u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(object, bytes);
        if bytes.len() > TX_BYTES_MAX {
            let fault = Fault::TooLong {
                field: "signed tx",
                got: bytes.len(),
                max: TX_BYTES_MAX,
            };
            return Err(reader.fail(fault));
        }
        let fields = BodyFields::read(&mut reader)?;
        let body_bytes = bytes.len() - reader.remaining();
        let body = bytes.get(..body_bytes).unwrap_or_default();
        let signature = reader.array_ref("signature")?;
        reader.finish()?;
        Ok(Self {
            fields,
            body,
            signature,
        })
    }

    /// The chain the transaction is meant for.
    pub const fn chain_id(&self) -> &'a Hash32 {
        self.fields.chain_id
    }

    /// The sender's account.
    pub const fn sender(&self) -> &'a Account {
        self.fields.sender
    }

    /// The sender's nonce.
    pub const fn nonce(&self) -> u64 {
        self.fields.nonce
    }

    /// Last height at which the transaction may be included.
    pub const fn valid_until_height(&self) -> u64 {
        self.fields.valid_until_height
    }

    /// The application that is called.
    pub const fn application(&self) -> &'a str {
        self.fields.application
    }

    /// The action of the application.
    pub const fn action(&self) -> &'a str {
        self.fields.action
    }

    /// The payload.
    pub const fn payload(&self) -> &'a [u8] {
        self.fields.payload
    }

    /// The bytes under the `tx_id`.
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The sender's signature over the `tx_id`.
    pub const fn signature(&self) -> &'a Sig64 {
        self.signature
    }

    /// The id. Cost: hashes the body; call it once.
    pub fn tx_id(&self) -> Hash32 {
        tag::TX.hash(&[self.body])
    }

    /// Copies the fields.
    ///
    /// # Errors
    /// None for a view that `decode` made; the type keeps the checked names' conversion honest.
    pub fn to_signed(&self) -> Result<SignedTx, CodecError> {
        Ok(SignedTx {
            body: self.fields.to_body(Object::Tx)?,
            signature: *self.signature,
        })
    }
}

/// The ids of encoded bodies, in their order: [`TxView::tx_id`] of many at once. Cost: lanes on the calling thread.
pub fn tx_ids(bodies: &[&[u8]]) -> Vec<Hash32> {
    let mut ids = vec![ZERO_HASH; bodies.len()];
    Lanes::selected().hash_many(tag::TX.midstate(), bodies, &mut ids);
    ids
}

/// The fields of a body, in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct BodyFields<'a> {
    chain_id: &'a Hash32,
    sender: &'a Account,
    nonce: u64,
    valid_until_height: u64,
    application: &'a str,
    action: &'a str,
    payload: &'a [u8],
}

impl<'a> BodyFields<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, CodecError> {
        reader.version()?;
        Ok(Self {
            chain_id: reader.array_ref("chain_id")?,
            sender: reader.array_ref("sender")?,
            nonce: reader.u64("nonce")?,
            valid_until_height: reader.u64("valid_until_height")?,
            application: reader.name_str("application")?,
            action: reader.name_str("action")?,
            payload: reader.bytes32("payload", PAYLOAD_BYTES_MAX)?,
        })
    }

    fn to_body(self, object: Object) -> Result<TxBody, CodecError> {
        let name = |text, field| {
            Name::from_checked(text).ok_or(CodecError {
                object,
                fault: Fault::Name(field),
            })
        };
        Ok(TxBody {
            chain_id: *self.chain_id,
            sender: *self.sender,
            nonce: self.nonce,
            valid_until_height: self.valid_until_height,
            application: name(self.application, "application")?,
            action: name(self.action, "action")?,
            payload: self.payload.to_vec(),
        })
    }
}
