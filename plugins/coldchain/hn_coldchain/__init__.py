"""郑冷链: cold-chain food traceability.

    pre_declare → arrive → test → disinfect → assign_code → release → stock_in ⇄ (ship_out → confirm_in) → sell
                                                               split, merge, freeze, recall, dispose on the way

A batch is some grams of one product in one hand. It changes hands only by two signatures, its grams are conserved
over the whole graph of splits and merges, and a frozen or recalled batch holds back everything that was made from it.

Invariants (`audit.py` checks them by a scan):
1. initial = in hand + sold + moved on + lost + disposed, for each batch, in grams; nothing is ever negative.
2. What a batch moved on is what its children started with.
3. A batch's children are new: the graph has no cycle, and no chain longer than `GENERATIONS_MAX`.
4. Every index entry belongs to a batch that has it, and the other way round.
"""

from hn_coldchain.plugin import ColdchainPlugin

plugin = ColdchainPlugin()

__all__ = ["plugin"]
