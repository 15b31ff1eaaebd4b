"""Sync: a node that was away fetches the blocks it missed, checks every one of them, and rejoins consensus."""
