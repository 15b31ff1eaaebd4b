"""The mix of a city chain: four readers to one writer, applications in turn (one presigned file each)."""

from __future__ import annotations

from users.query import QueryUser
from users.submit import BatchUser, SingleUser


class MixedReader(QueryUser):
    weight = 5


class MixedSingle(SingleUser):
    weight = 3


class MixedBatch(BatchUser):
    weight = 2
