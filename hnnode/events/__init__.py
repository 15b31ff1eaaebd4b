"""The event feed: derived from committed receipts, read by cursor."""

from hnnode.events.feed import EventFeed

__all__ = ["EventFeed"]
