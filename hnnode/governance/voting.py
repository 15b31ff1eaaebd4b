"""What an operator signs: proposals that fit a package, and votes with a validator's key."""

from __future__ import annotations

from typing import Any

import msgspec
from hnnode_native import SecretKey, ValidatorSet, account_of, plugin_vote_message

from hnnode.errors import ConfigError
from hnnode.execution.governance_records import Code, PluginRecord, Proposal
from hnnode.execution.migrating import first_step
from hnnode.governance.finding import VOTE_AGAIN, PluginSources
from hnnode.governance.running import HostOf, make_host


def propose_payload(kind: str, name: str, code: Code, activation_height: int) -> dict[str, Any]:
    """Payload of `governance.propose`."""
    return {
        "activation_height": activation_height,
        "api_version": code.api_version,
        "code_hash": code.code_hash,
        "kind": kind,
        "name": name,
        "state_version": code.state_version,
        "version": code.version,
    }


def vote_payload(
    key: SecretKey, validators: ValidatorSet, chain_id: bytes, proposal: Proposal, *, approve: bool
) -> dict[str, Any]:
    """Payload of `governance.vote`, signed by a validator's key over everything that the proposal says.

    Raises: ConfigError KEY_FILE_INVALID: the key is no validator's.
    """
    account = account_of(key.public_key())
    if validators.index_of(account) is None:
        raise ConfigError("KEY_FILE_INVALID", f"account {account.hex()} of this key is no validator of the chain")
    signature = key.sign(plugin_vote_message(chain_id, msgspec.json.encode(proposal), approve))
    return {
        "approve": approve,
        "proposal": proposal.number,
        "signature": signature.hex(),
        "validator": account.hex(),
    }


def check_code(
    name: str, code: Code, now: PluginRecord | None, sources: PluginSources, host_of: HostOf = make_host
) -> None:
    """Whether this node could run proposed code: it is here, it loads, it is what the proposal says, and its data can get
    to its layout. To vote for anything else would stop the chain.

    Args:
        now: the plugin as the chain has it today; None when it is new.
    Raises: ConfigError naming what is missing or differs.
    """
    source = sources.find(name, code, VOTE_AGAIN)
    host = host_of([source])
    try:
        table = host.applications[name]
        if table.state_version != code.state_version:
            raise ConfigError(
                "PLUGIN_SET_INVALID",
                f"plugin {name}: the proposal names state version {code.state_version}, the code {table.state_version}",
            )
        steps = host.migration_steps(name)
    finally:
        host.close()
    if now is None or now.data_version == code.state_version:
        return
    former = host_of([sources.find(name, now.code)])
    try:
        steps = [*steps, *former.migration_steps(name)]
    finally:
        former.close()
    if first_step(steps, now.data_version, code.state_version) is None:
        raise ConfigError(
            "PLUGIN_SET_INVALID",
            f"plugin {name}: no migration leads from state version {now.data_version} to {code.state_version}",
        )
