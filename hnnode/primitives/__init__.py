"""Typed faces of the compiled core's formats: text forms, transactions, genesis, cursors, offline verdicts; and guarded tasks."""
