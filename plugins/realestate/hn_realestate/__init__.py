"""不动产登记: real-estate registration.

    submit → attach_ref, dept_attest … → accept → review → book → issue_cert
                                        ⇅ supplement, resubmit       reject, withdraw on the way

A case asks for one entry in the register of one unit. Departments attest what they know by hashes, two officers see it,
and the entry is booked in the order in which cases of the unit were accepted. The unit's whole register page (shares,
mortgages, pre-notices, objections, seizures) is one version of a versioned registry: what held at a height or a time
can be asked for ever.

Invariants (`audit.py` checks them by a scan):
1. The shares of a registered unit add up to exactly 1.
2. A unit with a live seizure never changes hands, is not mortgaged and not cancelled.
3. Cases of one unit are booked in the order of their acceptance.
4. Exactly the running clocks stand in the due index; a pause conserves what is left.
5. Every index entry belongs to a unit or case that has it, and the other way round.
"""

from hn_realestate.plugin import RealestatePlugin

plugin = RealestatePlugin()

__all__ = ["plugin"]
