"""Whole-node measurements, and the local network of node processes they run on.

`localnet` starts and stops the processes (also for `hnnode dev`); `chain` is the scenario; `sender` and `follower`
are its two ends.
"""
