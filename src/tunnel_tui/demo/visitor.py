"""The demo's visitor: fetches a little through each listener, so that there is traffic to see."""

import asyncio
import random

from tunnel_tui.demo.world import Place

PAUSE = (0.5, 1.5)
"""Seconds between two visits, at least and at most."""
VISIT_SECONDS = 5.0


async def visit_all(places: list[Place]) -> None:
    """Visit every tunnel that wants visits, until cancelled."""
    async with asyncio.TaskGroup() as group:
        for place in places:
            if place.tunnel.visits:
                group.create_task(_visit_often(place.listener_port, place.tunnel.visits))


async def _visit_often(port: int, rate: int) -> None:
    while True:
        await asyncio.sleep(random.uniform(*PAUSE))
        try:
            async with asyncio.timeout(VISIT_SECONDS):
                await _fetch(port, int(rate * random.uniform(0.3, 1.7)))
        except (OSError, TimeoutError):
            continue


async def _fetch(port: int, length: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET /bytes/{length} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        while await reader.read(65536):
            pass
    finally:
        writer.close()
