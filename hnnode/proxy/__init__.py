"""Gateways as processes of their own, in any number beside a node: they verify what clients submit and hand on only what holds.

A gateway is a filter, not a trusted party: validators verify every signature themselves, and no client is told of an acceptance
that a node did not give.
"""
