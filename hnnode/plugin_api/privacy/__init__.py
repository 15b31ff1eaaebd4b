"""What keeps people out of the chain: references instead of numbers, commitments instead of values, and a guard for what is
said in clear. Nothing here draws a random number or knows a key by itself.
"""

from hnnode.plugin_api.privacy.commitment import (
    CommitmentError,
    Disclosure,
    Opening,
    decode_disclosure,
    decode_opening,
    open_record,
)
from hnnode.plugin_api.privacy.guard import Handling, personal_fields
from hnnode.plugin_api.privacy.reference import DomainKeys, link_message, normal_number, reference_epoch

__all__ = [
    "CommitmentError",
    "Disclosure",
    "DomainKeys",
    "Handling",
    "Opening",
    "decode_disclosure",
    "decode_opening",
    "link_message",
    "normal_number",
    "open_record",
    "personal_fields",
    "reference_epoch",
]
