"""Keys and signatures: key files, the Signer protocol, signing of transactions."""

from hnnode.crypto.keys import read_key_file, read_public_key_file, write_key_file, write_public_key_file
from hnnode.crypto.signer import FileSigner, MemorySigner, SignedTx, Signer, sign_bodies

__all__ = [
    "FileSigner",
    "MemorySigner",
    "SignedTx",
    "Signer",
    "read_key_file",
    "read_public_key_file",
    "sign_bodies",
    "write_key_file",
    "write_public_key_file",
]
