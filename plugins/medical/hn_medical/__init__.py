"""智慧医疗: drug trace, and mutual recognition of examination reports.

    register_product → activate → (aggregate, ship → receive) … → dispense → settle;  return, recall, freeze, destroy
    bind_patient → register_index → grant → access → recognise, decline;  amend, withdraw, emergency_access → review

Drug trace: a maker puts the root of a whole relation file on the chain (`activate`); a pack appears there when somebody
first names it, with a proof that the root holds it. A container moves with everything inside without anybody walking it.
Recognition: hospitals put the index of a report on the chain, patients grant, every access is logged before the report
is released, and what became of it is counted.

Invariants (`audit.py` checks them by a scan):
1. Pieces are conserved: what was activated is in packs, dispensed or destroyed, for each activation (`std.trace`).
2. A piece is dispensed once; every further scan of it is an alarm on record.
3. Goods change hands by two signatures; goods of an expired or recalled batch only go back or are destroyed.
4. No access without a live grant or a reviewed emergency, and each is in the log (`std.consent`).
5. An organisation recognises or declines a report once, and the counters are the sum of the decisions.
"""

from hn_medical.plugin import MedicalPlugin

plugin = MedicalPlugin()

__all__ = ["plugin"]
