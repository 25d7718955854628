"""Who is at the other end of a connection, as the kernel knows it."""

import asyncio
import os

from aiohttp import web

from tunnel_tui.system.sockets import peer_uid
from tunnel_tui.web import names
from tunnel_tui.web.options import Options


async def may_use_link(request: web.Request, options: Options) -> bool:
    """Say whether who follows the link of the start may do so.

    On this machine only its owner and root: the program that opens a link has it in its command
    line, where every user can read it. A proxy runs as a user of its own and hides who it is.
    """
    if options.base_url or request.transport is None:
        return True
    peer = request.transport.get_extra_info("peername")
    ours = request.transport.get_extra_info("sockname")
    if not peer or not ours:
        return False
    uid = await asyncio.to_thread(peer_uid, tuple(peer[:2]), tuple(ours[:2]))
    if uid is None:
        host = names.parse_host(peer[0] if ":" not in peer[0] else f"[{peer[0]}]")
        return host is not None and not names.is_loopback(host.host.removeprefix("::ffff:"))
    return uid in (0, os.geteuid())
