"""The vendor's kit: scaffold, check, test, document and try a plugin before anybody else sees it.

    new → edit ⇄ (check, test, dev) → docs → pack → the operator signs and installs

What it runs is what a node runs: executor, codec, compiled core and state tree are the node's own.
"""
