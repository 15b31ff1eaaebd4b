"""What the environment sets; `hnnode bench locust` sets all of it."""

from __future__ import annotations

import os
from pathlib import Path

NODES = [url for url in os.environ.get("HN_NODES", "http://127.0.0.1:20200").split(",") if url]
"""Doors that users are spread over."""
PRESIGNED = [Path(name) for name in os.environ.get("HN_PRESIGNED", "").split(",") if name]
"""Files of presigned transactions, one an application."""
SENT = Path(os.environ.get("HN_SENT", "sent"))
"""Folder for the record of what was sent."""
USERS = os.environ.get("HN_USERS", "mixed")
SHAPE = os.environ.get("HN_SHAPE", "stress")
SECONDS = int(os.environ.get("HN_SECONDS", "120"))
PEAK_USERS = int(os.environ.get("HN_PEAK_USERS", "40"))
WORKERS = max(1, int(os.environ.get("HN_WORKERS", "1")))
BATCH = int(os.environ.get("HN_BATCH", "50"))
