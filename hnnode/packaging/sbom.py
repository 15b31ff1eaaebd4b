"""Bill of materials of a package: CycloneDX 1.6 JSON, the same bytes for the same code."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from hnnode.packaging.failure import invalid
from hnnode.plugin_api.manifest import Manifest

CODE_HASH = "hnnode:code_hash"
_encode = msgspec.json.Encoder(order="sorted").encode


def make_sbom(manifest: Manifest, code_hash: bytes, files: Mapping[str, bytes]) -> bytes:
    """The plugin as component with its code hash, its files with their SHA-256, and what it depends on: the plugin API
    and msgspec, which the node brings.
    """
    plugin = manifest.plugin
    this = f"pkg:pypi/hnnode-{plugin.name}@{plugin.version}"
    needs = [f"pkg:pypi/{name}" for name in ("hnnode", "msgspec")]
    component = {
        "type": "application",
        "bom-ref": this,
        "name": f"hnnode-{plugin.name}",
        "version": plugin.version,
        "description": plugin.title_en,
        "purl": this,
        "supplier": {"name": plugin.vendor},
        "licenses": [{"license": {"name": plugin.licence}}],
        "properties": [
            {"name": CODE_HASH, "value": code_hash.hex()},
            {"name": "hnnode:api_version", "value": str(plugin.api_version)},
            {"name": "hnnode:state_version", "value": str(plugin.state_version)},
        ],
    }
    listed: list[dict[str, Any]] = [
        {
            "type": "file",
            "bom-ref": f"file:{path}",
            "name": path,
            "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}],
        }
        for path, content in sorted(files.items())
    ]
    listed += [{"type": "library", "bom-ref": need, "name": need[9:], "purl": need} for need in needs]
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.UUID(bytes=code_hash[:16], version=4)}",
        "version": 1,
        "metadata": {"component": component},
        "components": listed,
        "dependencies": [{"ref": this, "dependsOn": needs}],
    }
    return msgspec.json.format(_encode(bom), indent=1) + b"\n"


def check_sbom(data: bytes, code_hash: bytes) -> None:
    """Raises ConfigError: not CycloneDX, or of other code."""
    try:
        bom = msgspec.json.decode(data, type=dict[str, Any])
        facts = {item["name"]: item["value"] for item in bom["metadata"]["component"]["properties"]}
        format, stated = bom["bomFormat"], str(facts[CODE_HASH])
    except (msgspec.DecodeError, KeyError, TypeError, RecursionError) as e:
        raise invalid(f"sbom.cdx.json: {type(e).__name__}: {e}") from e
    if format != "CycloneDX":
        raise invalid("sbom.cdx.json: bomFormat: want CycloneDX")
    if stated != code_hash.hex():
        raise invalid(
            f"the code was changed: its hash is {code_hash.hex()}, sbom.cdx.json states {stated[:64]}",
            f"代码被改动：代码摘要为 {code_hash.hex()}，sbom.cdx.json 所载为 {stated[:64]}",
        )
