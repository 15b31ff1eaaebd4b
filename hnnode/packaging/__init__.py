"""Plugin packages: built from a source folder, signed, and read with suspicion before anything of them is run.

source folder → build_package → sign (vendor) → write_package → wheel → sign (operator) → read_package → store
"""

from hnnode.packaging.code_hash import CODE_SUFFIXES, hash_code, read_code
from hnnode.packaging.package import (
    NATIVE_NAMES,
    REGISTERED_NAME,
    RESERVED_NAMES,
    OwnerOf,
    PluginPackage,
    build_package,
    check_manifest,
    find_package,
    read_manifest,
    read_package,
    write_package,
)
from hnnode.packaging.signatures import (
    TRUST_NAME,
    Signature,
    Trust,
    TrustedKey,
    check_signatures,
    load_trust,
    save_trust,
    sign,
    statement,
)

__all__ = [
    "CODE_SUFFIXES",
    "NATIVE_NAMES",
    "REGISTERED_NAME",
    "RESERVED_NAMES",
    "TRUST_NAME",
    "OwnerOf",
    "PluginPackage",
    "Signature",
    "Trust",
    "TrustedKey",
    "build_package",
    "check_manifest",
    "check_signatures",
    "find_package",
    "hash_code",
    "load_trust",
    "read_code",
    "read_manifest",
    "read_package",
    "save_trust",
    "sign",
    "statement",
    "write_package",
]
