"""The sampler of the event loop may interrupt anything, also itself and whoever reads the metrics."""

from __future__ import annotations

import subprocess
import sys

STORY = """
import sys
from hnnode.metrics import Metrics
from hnnode.node.loop_profile import LoopProfile

metrics = Metrics()
profile = LoopProfile(metrics.loop_samples, 1)
profile._on_sample(0, None)
interrupted = 0

def interrupt(frame, event, arg):
    global interrupted
    sys.settrace(None)
    interrupted += 1
    profile._on_sample(0, frame)
    sys.settrace(interrupt)
    return interrupt

sys.settrace(interrupt)
text = metrics.render()
sys.settrace(None)
profile.stop()
assert b'hn_loop_samples_total{module="loop"}' in text, text
assert interrupted > 1_000, interrupted
print("alive")
"""
"""A sample at every line that runs while the metrics are read."""


def test_samples_taken_while_metrics_are_read_do_not_stop_the_thread() -> None:
    """Regression: the handler took the lock of a counter that the interrupted thread already held, and the node hung at its start."""
    ended = subprocess.run([sys.executable, "-c", STORY], capture_output=True, text=True, timeout=30, check=False)
    assert ended.stdout == "alive\n", ended.stderr
