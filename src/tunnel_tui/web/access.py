"""The door: Host, Origin and key are looked at before anything else of a request."""

import asyncio
import socket
from urllib.parse import parse_qs, urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from tunnel_tui.supervise.watch.event_log import EventLog
from tunnel_tui.web import names
from tunnel_tui.web.answers import refuse
from tunnel_tui.web.keys import PASS_LIFETIME, Keys, Link, LoginThrottle, SessionTokens
from tunnel_tui.web.options import Options
from tunnel_tui.web.pages import login_page
from tunnel_tui.web.peers import may_use_link
from tunnel_tui.web.visitors import Visitor

LOGIN, LOGOUT = "/login", "/logout"
PASS = "pass"  # noqa: S105
"""Under this name a request carries the pass that let it in; "" for a key."""
_HARMLESS = ("GET", "HEAD", "OPTIONS")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: a form would then be sent with the origin "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class AuthMiddleware:
    """Lets in who has a key and comes from where we are served.

    Attributes:
        cookie: the name of the pass. Cookies know no ports: two servers of one host must not log
            each other out. `__Host-` keeps other names of a domain from setting it (RFC 6265bis).
    """

    def __init__(self, options: Options, log: EventLog, link: Link | None = None) -> None:
        self._options = options
        self._log = log
        self._keys = Keys(options.keys)
        self._passes = SessionTokens()
        self._link = link
        self._refusals = LoginThrottle(
            lambda source, why, more: log.warning(
                "refused", source=source, detail=why, more_before=more or ""
            )
        )
        self._names = _own_names(options)
        self._tls = options.base_url.startswith("https:")
        self.cookie = f"{'__Host-' if self._tls else ''}tunnel-tui-{options.port}"

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Forbid what no page of ours needs (a signal handler of aiohttp)."""
        if request.path.startswith("/static/"):
            response.headers["Cache-Control"] = "private, max-age=3600"
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers["Server"] = "tunnel-tui"

    def middleware(self) -> Middleware:
        """Make the middleware that stands before every route."""

        @web.middleware
        async def stand(request: web.Request, handler: Handler) -> web.StreamResponse:
            refusal = await self._stop_stranger(request)
            if refusal is not None:
                refusal.force_close()
                return refusal
            _trust(request)
            harmless = request.method in _HARMLESS or request.path == LOGOUT
            if self._options.read_only and not harmless:
                return refuse(403, "this server was started with --read-only: it only shows")
            return await handler(request)

        return stand

    def log_out(self, request: web.Request) -> str:
        """End the pass of a request and return it; "" where it came with a key."""
        used = str(request.get(PASS, ""))
        self._passes.take_back(used)
        return used

    def forget_cookie(self, response: web.StreamResponse) -> None:
        """Let the browser forget the pass too."""
        response.del_cookie(
            self.cookie, path="/", secure=self._tls, httponly=True, samesite="Strict"
        )

    async def _stop_stranger(self, request: web.Request) -> web.StreamResponse | None:
        """Answer whoever may not pass; None: this one may."""
        if why := self._foreign(request):
            self._refusals.count(_source(request), why)
            return refuse(403, why, "WS_BASE_URL names the public address of this server")
        if request.path == LOGIN and request.method == "POST":
            return await self._log_in(request)
        if request.path == "/" and request.method == "GET" and "token" in request.query:
            return await self._follow_link(request)
        return await self._check_key(request)

    def _foreign(self, request: web.Request) -> str:
        """Say what of a request names another site; empty: nothing does."""
        if not request.raw_path.startswith("/"):  # an absolute form would outvote the Host
            return "this server takes paths, not whole addresses"
        hosts = request.headers.getall("Host", [])
        where = names.parse_host(hosts[0]) if len(hosts) == 1 else None
        if where is None or not self._is_ours(where.host):
            return f"this server does not answer for the host {', '.join(hosts)[:80]!r}"
        origins = request.headers.getall("Origin", [])
        if not origins or (len(origins) == 1 and self._is_own_origin(origins[0], where)):
            return ""
        return f"the origin {', '.join(origins)[:80]!r} is not this server"

    def _is_ours(self, host: str) -> bool:
        if host in self._names or names.is_loopback(host):
            return True
        # A name can be made to point at us by its owner, an address cannot.
        return not self._options.local and names.as_address(host) is not None

    def _is_own_origin(self, text: str, where: names.Authority) -> bool:
        own = [names.spell_origin(scheme, where) for scheme in ("http", "https")]
        return names.parse_origin(text) in (*self._options.origins, *own)

    async def _check_key(self, request: web.Request) -> web.StreamResponse | None:
        if self._has_pass(request):
            request[PASS] = request.cookies[self.cookie]
            return None
        kind, _, key = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer":
            if self._keys.open_for(key.strip()):
                return None
            return await self._refuse_key(request, "wrong key")
        if request.path in ("/", LOGIN) and request.method == "GET" and _wants_page(request):
            return login_page(401, kept=bool(self._options.key_file))
        return refuse(401, "a key is needed", "Authorization: Bearer <API_KEY>")

    def _has_pass(self, request: web.Request) -> bool:
        return self._passes.is_good(request.cookies.get(self.cookie, ""))

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        if self._keys.open_for(_form_field(await request.read(), "key").strip()):
            return self._let_in()
        refusal = await self._refuse_key(request, "wrong key")
        if refusal.status == 401:
            return login_page(401, "That is not the key.", kept=bool(self._options.key_file))
        return refusal

    async def _follow_link(self, request: web.Request) -> web.StreamResponse:
        """Take the link of the start, once; the token leaves the address at once."""
        if self._has_pass(request):
            return _redirect()
        token, link = request.query["token"], self._link
        # Who opens a link shows it to everybody on the machine: it stands in the process list.
        if link and link.fits(token) and await may_use_link(request, self._options):
            link.use_up()
            self._log.info("link-used", source=request.remote)
            return self._let_in()
        refusal = await self._refuse_key(request, "wrong link")
        if refusal.status == 401:
            text = "That link was used, or is too old."
            return login_page(401, text, kept=bool(self._options.key_file))
        return refusal

    def _let_in(self) -> web.Response:
        response = _redirect()
        response.set_cookie(
            self.cookie,
            self._passes.issue(),
            path="/",
            max_age=PASS_LIFETIME,
            httponly=True,
            samesite="Strict",
            secure=self._tls,
        )
        return response

    async def _refuse_key(self, request: web.Request, why: str) -> web.Response:
        """Answer a wrong key late: guessing takes for ever, and the right key never waits."""
        source = _source(request)
        self._refusals.count(source, why)
        seconds = self._refusals.delay(source)
        if seconds is None:
            return refuse(429, "too many wrong keys", "wait a minute")
        self._refusals.waiting += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._refusals.waiting -= 1
        return refuse(401, why, "API_KEY of the server is the right one")


def _redirect() -> web.Response:
    headers = {"Location": "./", "Referrer-Policy": "no-referrer"}
    return web.Response(status=303, headers=headers)


def _form_field(body: bytes, name: str) -> str:
    try:
        return parse_qs(body.decode("utf-8", "replace"), max_num_fields=10).get(name, [""])[0]
    except ValueError:  # more fields than any form of ours has
        return ""


def _trust(request: web.Request) -> None:
    if isinstance(request.protocol, Visitor):
        request.protocol.trust()


def _own_names(options: Options) -> frozenset[str]:
    spelled = [urlsplit(origin).netloc for origin in options.origins]
    if not options.local:
        host = options.host.strip("[]")
        spelled += [f"[{host}]" if ":" in host else host, socket.gethostname(), socket.getfqdn()]
    found = [names.parse_host(text) for text in spelled]
    return frozenset(where.host for where in found if where is not None)


def _source(request: web.Request) -> str:
    return request.remote or "(unknown)"


def _wants_page(request: web.Request) -> bool:
    return "text/html" in request.headers.get("Accept", "")
