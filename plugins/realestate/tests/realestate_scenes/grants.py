"""Scenes of grants and of the accounts that give them."""

from __future__ import annotations

from typing import Any

from realestate_scenes.scene import GRANT, HOUR_MS, granted, person, scene


@scene
def grant_exists(w: Any) -> None:
    owner = granted(w)
    terms = {"grant": GRANT, "holder": person("zhang"), "grantee": w.court.hex(), "purpose": "lawsuit"}
    w.refused("grant_exists", owner, "grant", until_ms=w.chain.time_ms + HOUR_MS, **terms)


@scene
def grant_expired(w: Any) -> None:
    granted(w)
    w.chain.advance(HOUR_MS)
    w.refused("grant_expired", w.bank, "use_grant", grant=GRANT, purpose="loan")


@scene
def grant_period(w: Any) -> None:
    owner = granted(w)
    terms = {"grant": "ef" * 16, "holder": person("zhang"), "grantee": w.bank.hex(), "purpose": "loan"}
    w.refused("grant_period", owner, "grant", until_ms=w.chain.time_ms + w.chain.block_ms, **terms)


@scene
def grant_purpose(w: Any) -> None:
    granted(w)
    w.refused("grant_purpose", w.bank, "use_grant", grant=GRANT, purpose="lawsuit")


@scene
def grant_revoked(w: Any) -> None:
    owner = granted(w)
    w.ok(owner, "revoke", grant=GRANT)
    w.refused("grant_revoked", w.bank, "use_grant", grant=GRANT, purpose="loan")
    w.refused("grant_revoked", owner, "revoke", grant=GRANT)


@scene
def grant_unknown(w: Any) -> None:
    w.refused("grant_unknown", w.bank, "use_grant", grant=GRANT, purpose="loan")
    w.refused("grant_unknown", w.nobody, "revoke", grant=GRANT)


@scene
def grant_used_up(w: Any) -> None:
    granted(w, uses=2)
    for _ in range(2):
        w.ok(w.bank, "use_grant", grant=GRANT, purpose="loan")
    w.refused("grant_used_up", w.bank, "use_grant", grant=GRANT, purpose="loan")


@scene
def not_bound(w: Any) -> None:
    terms = {"grant": GRANT, "holder": person("zhang"), "grantee": w.bank.hex(), "purpose": "loan"}
    until = w.chain.time_ms + HOUR_MS
    w.refused("not_bound", w.nobody, "grant", until_ms=until, **terms)
    w.ok(w.police, "bind_holder", holder=person("zhang"), account=w.rival.hex())
    w.refused("not_bound", w.nobody, "grant", until_ms=until, **terms)
    w.ok(w.rival, "grant", until_ms=until, **terms)


@scene
def not_grantee(w: Any) -> None:
    granted(w)
    w.refused("not_grantee", w.other_bank, "use_grant", grant=GRANT, purpose="loan")


@scene
def not_granter(w: Any) -> None:
    granted(w)
    w.refused("not_granter", w.bank, "revoke", grant=GRANT)
