"""The HTTP door: submit, query, proofs, events. `create_app` builds it over `ports.Node`, `serve` runs it."""

from hnnode.gateway.app import GatewayApp, create_app
from hnnode.gateway.metrics_page import metrics_app
from hnnode.gateway.server import RunningServer, serve

__all__ = ["GatewayApp", "RunningServer", "create_app", "metrics_app", "serve"]
