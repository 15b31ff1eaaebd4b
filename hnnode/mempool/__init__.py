"""Mempool: the one door for transactions, and the batches that carry them to every validator.

Flow: gateway → `Mempool.submit` → native pool → seal → `BatchBuffer` (durable, acknowledged) → proposal → commit.
"""
