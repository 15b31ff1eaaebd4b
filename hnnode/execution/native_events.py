"""Events of the applications built into the core, as the core writes them; a field that is not always there has a default."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from hnnode.plugin_api.events import EventSpec
from hnnode.plugin_api.model import END

Account = Annotated[str, Meta(pattern=f"^[0-9a-f]{{40}}{END}")]
Digest = Annotated[str, Meta(pattern=f"^[0-9a-f]{{64}}{END}")]
Count = Annotated[int, Meta(ge=0)]


class Preserved(Struct, forbid_unknown_fields=True):
    """A hash was preserved; the event is about the hash. `previous`: the record of another version of it."""

    algorithm: str
    name: str
    owner: Account
    size: Count
    previous: Digest | None = None


class BatchPreserved(Struct, forbid_unknown_fields=True):
    """The root of many hashes was preserved; the event is about the root."""

    algorithm: str
    leaf_count: Count
    name: str
    owner: Account


class Collected(Struct, forbid_unknown_fields=True):
    """The circumstances of a record, beside `evidence.preserved` of the same hash."""

    collector: str
    mime: str
    owner: Account
    environment: Digest | None = None
    token_time_ms: Count | None = None


class Cosigned(Struct, forbid_unknown_fields=True):
    """A co-signature under a record, in a role or in none."""

    owner: Account
    signer: Account
    role: str | None = None


class PolicySet(Struct, forbid_unknown_fields=True):
    """How many co-signatures a record asks for, and of which roles."""

    needed: Count
    owner: Account
    roles: list[str]


class CaseOpened(Struct, forbid_unknown_fields=True):
    """The event is about the case, the id of the transaction that opened it."""

    court: Account
    name: str
    opener: Account


class PhaseBegun(Struct, forbid_unknown_fields=True):
    name: str
    phase: Count


class Submitted(Struct, forbid_unknown_fields=True):
    """A record went to a case; the event is about the record. `signers`: how many co-signers were listed."""

    case: Digest
    owner: Account
    phase: Count
    signers: Count


class Found(Struct, forbid_unknown_fields=True):
    """What the court computed from the document that was handed in."""

    case: Digest
    computed: Digest
    owner: Account


class Archived(Struct, forbid_unknown_fields=True):
    items: Count
    mismatches: Count


class Corrected(Struct, forbid_unknown_fields=True):
    """`by`: the record that takes its place."""

    by: Digest
    owner: Account


class Certified(Struct, forbid_unknown_fields=True):
    certificate: Digest
    issuer: Account
    owner: Account


class Proposed(Struct, forbid_unknown_fields=True):
    """The event is about the plugin's name."""

    activation_height: Count
    code_hash: Digest
    kind: str
    proposal: Count
    proposed_by: Account
    version: str


class Voted(Struct, forbid_unknown_fields=True):
    """`approve`: 1 or 0. The powers are those after this vote."""

    approve: Count
    code_hash: Digest
    power_against: Count
    power_for: Count
    proposal: Count
    validator: Account


class Registered(Struct, forbid_unknown_fields=True):
    """The event is about the account."""

    organisation: str
    registered_by: Account
    roles: list[str]


class Revoked(Struct, forbid_unknown_fields=True):
    revoked_by: Account


NATIVE_EVENTS: dict[str, tuple[EventSpec, ...]] = {
    "evidence": (
        EventSpec("evidence.archived", Archived, "事务已归档", "A case was archived"),
        EventSpec("evidence.batch_preserved", BatchPreserved, "批量存证", "A batch root was preserved"),
        EventSpec("evidence.case_opened", CaseOpened, "事务已开立", "A case was opened"),
        EventSpec("evidence.certified", Certified, "已登记证明书", "A certificate was registered"),
        EventSpec("evidence.collected", Collected, "已记取证环境", "Circumstances were recorded"),
        EventSpec("evidence.corrected", Corrected, "已关联更正", "A correction was linked"),
        EventSpec("evidence.cosigned", Cosigned, "已会签", "A record was co-signed"),
        EventSpec("evidence.match", Found, "核验相符", "A record was found to match"),
        EventSpec("evidence.mismatch", Found, "核验不符", "A record was found not to match"),
        EventSpec("evidence.phase_begun", PhaseBegun, "事务进入新阶段", "A case began its next phase"),
        EventSpec("evidence.policy_set", PolicySet, "已设定会签要求", "Co-signatures were asked for"),
        EventSpec("evidence.preserved", Preserved, "已存证", "A hash was preserved"),
        EventSpec("evidence.submitted", Submitted, "证据已提交", "A record was submitted to a case"),
    ),
    "governance": (
        EventSpec("governance.proposed", Proposed, "已提出提案", "A plugin was proposed"),
        EventSpec("governance.voted", Voted, "已投票", "A validator voted"),
    ),
    "identity": (
        EventSpec("identity.registered", Registered, "账户已登记", "An account was registered"),
        EventSpec("identity.revoked", Revoked, "账户已吊销", "An account was revoked"),
    ),
}
