"""`/events` (pushed) and `/events:page` (pulled): the same events, the same cursors."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from hnnode.gateway import models
from hnnode.gateway.answer import json_answer
from hnnode.gateway.context import Context
from hnnode.gateway.documents import STREAM_ANSWER
from hnnode.gateway.parameters import After, EventFilter, page_limit
from hnnode.gateway.streams import EventStream, event_cursor, event_json
from hnnode.ports import Cursor
from hnnode.primitives.position import BEGINNING, INDEX_MAX, ScanEnded, format_position, parse_position

LATEST = "latest"


def event_routes(context: Context) -> APIRouter:
    router = APIRouter(tags=["events"])
    node = context.node

    async def cursor_of(after: str | None) -> str:
        """The cursor a request starts behind, as text. Raises Rejected 1009."""
        if after is None:
            return BEGINNING
        if after == LATEST:
            return format_position((await context.readers.run(node.chain.tip)).height, INDEX_MAX, INDEX_MAX)
        return format_position(*parse_position(after, "after"))

    @router.get("/events", response_class=Response, responses=STREAM_ANSWER, summary="Events as a stream (SSE)")
    async def stream_events(
        after: After = None,
        application: EventFilter = None,
        name: EventFilter = None,
        last_event_id: Annotated[str | None, Header(max_length=60)] = None,
    ) -> Response:
        """From the first event when no cursor is given; `Last-Event-ID` goes before `after`.

        A consumer that stops reading gets an event `lagging` and the stream ends; it resumes by its last cursor.
        """
        start = await cursor_of(last_event_id or after)
        events = node.events.follow(Cursor(*parse_position(start)), application, name)
        return EventStream(events, context.streams, start)

    @router.get("/events:page", response_model=models.Events, summary="A page of events")
    async def page_events(
        after: After = None,
        limit: Annotated[int, Query(description="1 to 200")] = 100,
        application: EventFilter = None,
        name: EventFilter = None,
    ) -> Response:
        """Go on with `next`. `complete` false: the search paused before it met an event, more may follow."""
        count = page_limit(limit, context.config.page_limit_max)
        start = await cursor_of(after)
        try:
            events = await context.readers.run(
                node.events.read, Cursor(*parse_position(start)), count, application, name
            )
        except ScanEnded as e:
            return json_answer({"events": [], "next": format_position(*e.position), "complete": False})
        following = event_cursor(events[-1]) if events else start
        return json_answer({"events": [event_json(event) for event in events], "next": following, "complete": True})

    return router
