"""JSON answers: one form for every error, whoever finds it."""

import json

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from tunnel_tui.errors import (
    AmbiguousTunnelError,
    ConfigError,
    InteractiveTunnelError,
    LockHeldError,
    NotOursError,
    PortBusyError,
    TunnelTuiError,
    UnknownTunnelError,
)
from tunnel_tui.supervise.watch.event_log import EventLog
from tunnel_tui.web.keys import LoginThrottle

_CODES: tuple[tuple[type[TunnelTuiError], int], ...] = (
    (UnknownTunnelError, 404),
    (AmbiguousTunnelError, 400),
    (InteractiveTunnelError, 409),
    (PortBusyError, 409),
    (LockHeldError, 409),
    (NotOursError, 409),
    (ConfigError, 409),
)


def answer(content: object, status: int = 200) -> web.Response:
    """Make a JSON answer."""
    return web.Response(
        text=json.dumps(content, indent=2) + "\n", status=status, content_type="application/json"
    )


def refuse(status: int, error: str, advice: str = "", **more: object) -> web.Response:
    """Make the answer that says why not and what to do."""
    content = {"status": "error", "error": error, **({"advice": advice} if advice else {}), **more}
    response = answer(content, status)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def error_middleware(log: EventLog) -> Middleware:
    """Make the outermost middleware: whatever is raised leaves as JSON."""
    failures = LoginThrottle(
        lambda what, where, more: log.error(
            "failed", path=where, detail=what, more_before=more or ""
        )
    )

    @web.middleware
    async def catch(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPRequestEntityTooLarge:
            refusal = refuse(413, "the body is too large", "no command takes more than 64 KiB")
            refusal.force_close()
            return refusal
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(sorted(error.allowed_methods))
            refusal = refuse(
                405, f"{request.path} does not take {request.method}", f"use {allowed}"
            )
            refusal.headers["Allow"] = allowed
            return refusal
        except web.HTTPNotFound:
            return refuse(404, f"there is no {request.path[:200]}", "GET /status, POST /start …")
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return refuse(error.status, error.reason)
        except TunnelTuiError as error:
            detail = " ".join(error.detail.split())
            text = f"{error.title}: {detail}" if detail else error.title
            status = next((code for kind, code in _CODES if isinstance(error, kind)), 500)
            return refuse(status, text, error.advice)
        except (ConnectionError, web.RequestPayloadError):
            return refuse(400, "the request did not come to its end")  # nobody reads it
        except OSError as error:
            failures.count(error.strerror or type(error).__name__, request.path[:200])
            return refuse(500, f"{error.filename or 'system'}: {error.strerror}")
        except Exception as error:
            # Its text may hold what somebody typed: only its kind is told.
            failures.count(type(error).__name__, request.path[:200])
            return refuse(500, "unexpected", f"the server's log has it ({type(error).__name__})")

    return catch
