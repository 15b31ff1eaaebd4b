"""Proof bundles: built on the read path of a node, verified offline by anybody."""

from hnnode.proofs.builder import ProofBuilder
from hnnode.proofs.verify import Verdict, verify_file

__all__ = ["ProofBuilder", "Verdict", "verify_file"]
