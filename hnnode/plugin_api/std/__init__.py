"""Shared pieces of applications, each one class or a few, bound to a key prefix and to rules of the application.

A piece keeps its own records under its prefix, refuses by the rule ids it is given, and knows nothing of the
application's words. Handlers call it with their context first. All numbers are integers, all work is bounded.
"""
