"""The door: Host, Origin and key are looked at before anything else of a request."""

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from tunnel_tui.supervise.watchlog import WatchLog
from tunnel_tui.web.answers import refuse
from tunnel_tui.web.keys import PASS_LIFETIME, Keys, Passes, Refusals
from tunnel_tui.web.options import Options, is_loopback, normal_origin
from tunnel_tui.web.pages import login_page

LOGIN = "/login"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Door:
    """Lets in who has a key and comes from where we are served."""

    def __init__(self, options: Options, log: WatchLog) -> None:
        self._options = options
        self._keys = Keys(options.keys)
        self._passes = Passes()
        self._refusals = Refusals(
            lambda source, why, more: log.warning(
                "refused", source=source, detail=why, more_before=more or ""
            )
        )
        self._names = _own_names(options)
        # Cookies know no ports: two servers of one host must not log each other out.
        self.cookie = f"tunnel_tui_{options.port}"

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Forbid what no page of ours needs (a signal handler of aiohttp)."""
        if request.path.startswith("/static/"):
            response.headers["Cache-Control"] = "private, max-age=3600"
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)

    def middleware(self) -> Middleware:
        """Make the middleware that stands before every route."""

        @web.middleware
        async def stand(request: web.Request, handler: Handler) -> web.StreamResponse:
            if why := self._foreign(request):
                self._refusals.count(_source(request), why)
                return refuse(403, why, "WS_BASE_URL names the public address of this server")
            if request.path == LOGIN and request.method == "POST":
                return await self._log_in(request)
            refusal = await self._check_key(request)
            return refusal if refusal is not None else await handler(request)

        return stand

    def _foreign(self, request: web.Request) -> str:
        """Say what of a request names another site; empty: nothing does."""
        host = _host_of(request.headers.get("Host", ""))
        if not self._is_ours(host):
            return f"this server does not answer for the host {host[:80]!r}"
        origin = request.headers.get("Origin")
        if origin is None or self._is_own_origin(origin, request.headers["Host"]):
            return ""
        return f"the origin {origin[:80]!r} is not this server"

    def _is_ours(self, host: str) -> bool:
        if host in self._names or is_loopback(host):
            return True
        # A name can be made to point at us by its owner, an address cannot.
        return not self._options.local and _is_address(host)

    def _is_own_origin(self, origin: str, host: str) -> bool:
        try:
            parts = urlsplit(origin)
            spelled = normal_origin(parts.scheme, parts.hostname or "", parts.port)
        except ValueError:
            return False
        if spelled in self._options.origins:
            return True
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()

    async def _check_key(self, request: web.Request) -> web.StreamResponse | None:
        if not self._keys or self._passes.is_good(request.cookies.get(self.cookie, "")):
            return None
        kind, _, key = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer":
            if self._keys.open_for(key.strip()):
                return None
            return await self._refuse_key(request)
        if request.path == "/" and request.method == "GET" and _wants_page(request):
            return login_page(401)
        return refuse(401, "a key is needed", "Authorization: Bearer <API_KEY>")

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        if not self._keys or self._keys.open_for(str(form.get("key", "")).strip()):
            response = web.HTTPSeeOther("./")
            if self._keys:
                response.set_cookie(
                    self.cookie,
                    self._passes.issue(),
                    max_age=PASS_LIFETIME,
                    httponly=True,
                    samesite="Strict",
                    secure=self._options.base_url.startswith("https:"),
                )
            return response
        refusal = await self._refuse_key(request)
        if refusal.status == 401:
            return login_page(401, "That is not the key.")
        return refusal

    async def _refuse_key(self, request: web.Request) -> web.Response:
        """Answer a wrong key late: guessing takes for ever, and the right key never waits."""
        source = _source(request)
        self._refusals.count(source, "wrong key")
        seconds = self._refusals.delay(source)
        if seconds is None:
            refusal = refuse(429, "too many wrong keys", "wait a minute")
        else:
            self._refusals.waiting += 1
            try:
                await asyncio.sleep(seconds)
            finally:
                self._refusals.waiting -= 1
            refusal = refuse(401, "wrong key", "API_KEY of the server is the right one")
        refusal.force_close()
        return refusal


def _own_names(options: Options) -> frozenset[str]:
    names = {_host_of(urlsplit(origin).netloc) for origin in options.origins}
    if not options.local:
        names |= {options.host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}
    return frozenset(names)


def _host_of(authority: str) -> str:
    """Take the port off: `[::1]:80` → `::1`, `Name:80` → `name`."""
    authority = authority.strip().lower()
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0].rstrip(".")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _source(request: web.Request) -> str:
    return request.remote or "(unknown)"


def _wants_page(request: web.Request) -> bool:
    return "text/html" in request.headers.get("Accept", "")
