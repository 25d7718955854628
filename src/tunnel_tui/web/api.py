"""The JSON calls: what scripts of the shell version's users know, and health and metrics."""

import asyncio
import json
from collections.abc import Callable, Sequence

from aiohttp import web
from aiohttp.typedefs import Handler

from tunnel_tui.model import Outcome
from tunnel_tui.web.answers import answer, refuse
from tunnel_tui.web.metrics import Metrics
from tunnel_tui.web.tunnels import Tunnels

_LINES = 100
_MOST_LINES = 10_000
_PATIENCE = 10.0


class Api:
    """Routes to the tunnels. Whatever may block runs in a thread."""

    def __init__(self, tunnels: Tunnels, metrics: Metrics) -> None:
        self._tunnels = tunnels
        self._metrics = metrics

    def routes(self) -> list[web.RouteDef]:
        """List the routes."""
        tunnels = self._tunnels
        return [
            web.get("/list", _reading(tunnels.configured)),
            web.get("/status", _reading(tunnels.status)),
            web.get("/config", _reading(tunnels.show_config)),
            web.get("/logs", _reading(tunnels.logs)),
            web.get("/logs/{tunnel}", self._log),
            web.get("/health", self._health),
            web.get("/metrics", self._show_metrics),
            web.post("/start", self._all(tunnels.start_all)),
            web.post("/stop", self._all(tunnels.stop_all)),
            web.post("/start/{tunnel}", self._one(tunnels.start)),
            web.post("/stop/{tunnel}", self._one(tunnels.stop)),
        ]

    async def _log(self, request: web.Request) -> web.Response:
        text = request.query.get("lines", str(_LINES))
        if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= _MOST_LINES):
            return refuse(400, "lines is not understood", f"a number from 1 to {_MOST_LINES}")
        name = request.match_info["tunnel"]
        return answer(await asyncio.to_thread(self._tunnels.log, name, int(text)))

    async def _health(self, _request: web.Request) -> web.Response:
        found = await asyncio.to_thread(self._tunnels.health)
        return answer(found, 200 if found["healthy"] else 503)

    async def _show_metrics(self, _request: web.Request) -> web.Response:
        data = await asyncio.to_thread(self._metrics.text)
        return web.Response(body=data, headers={"Content-Type": self._metrics.content_type})

    def _all(self, act: Callable[[], list[Outcome]]) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            if refusal := await _refuse_body(request):
                return refusal
            return _told(await asyncio.to_thread(act))

        return handle

    def _one(self, act: Callable[[str], Outcome]) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            if refusal := await _refuse_body(request):
                return refusal
            outcome = await asyncio.to_thread(act, request.match_info["tunnel"])
            return _told([outcome], tunnel_hash=outcome.hash)

        return handle


def _reading(read: Callable[[], object]) -> Handler:
    async def handle(_request: web.Request) -> web.Response:
        return answer(await asyncio.to_thread(read))

    return handle


async def _refuse_body(request: web.Request) -> web.Response | None:
    """Refuse what a command does not take: it is told, not ignored."""
    try:
        async with asyncio.timeout(_PATIENCE):
            data = await request.read()
    except TimeoutError:
        refusal = refuse(408, "the body does not come", "this call needs none")
        refusal.force_close()
        return refusal
    if not data.strip():
        return None
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return refuse(400, "the body is not JSON", "this call needs no body")
    if content not in ({}, None):
        return refuse(400, "this call takes nothing in its body", "name the tunnel in the path")
    return None


def _told(outcomes: Sequence[Outcome], **more: object) -> web.Response:
    bad = [outcome for outcome in outcomes if not outcome.ok]
    lines = [_line(outcome) for outcome in outcomes]
    content = {
        **more,
        "output": "\n".join(lines),
        "outcomes": [outcome._asdict() for outcome in outcomes],
    }
    if bad:
        advice = next((outcome.advice for outcome in bad if outcome.advice), "")
        return refuse(409, "; ".join(map(_line, bad)), advice, **content)
    return answer({"status": "success", **content})


def _line(outcome: Outcome) -> str:
    more = f": {outcome.message}" if outcome.message else ""
    return f"{outcome.verb} {outcome.name or outcome.hash}{more}".strip()
