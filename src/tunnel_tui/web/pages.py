"""The two pages: where the key is asked for, and the terminal. Nothing is loaded from elsewhere."""

import html
import secrets

from aiohttp import web

_STYLE = """
@font-face { font-family: "Roboto Mono"; font-weight: 100 700;
  src: url("static/fonts/RobotoMono-VariableFont_wght.ttf") format("truetype"); }
@font-face { font-family: "Roboto Mono"; font-weight: 100 700; font-style: italic;
  src: url("static/fonts/RobotoMono-Italic-VariableFont_wght.ttf") format("truetype"); }
html, body { margin: 0; height: 100%; background: #101418; color: #e0e0e0; overflow: hidden;
  font: 16px/1.4 "Roboto Mono", Menlo, Consolas, monospace; }
.box { position: absolute; inset: 0; display: flex; align-items: center; justify-content: center; }
.card { padding: 2rem; border: 1px solid #3a444c; background: #182026; min-width: 18rem; }
.card h1 { font-size: 1.1rem; margin: 0 0 1rem; }
.card p { margin: .5rem 0; }
.error { color: #ff8a80; }
input, button { font: inherit; color: inherit; background: #101418; border: 1px solid #566;
  padding: .5rem; width: 100%; box-sizing: border-box; margin-top: .5rem; }
button { background: #1f4f66; cursor: pointer; }
:focus-visible { outline: 2px solid #5cc8ff; }
#terminal { position: absolute; inset: 0 0 24px; width: auto; height: auto; padding: 4px 4px 0; }
.out { position: absolute; inset: auto 8px 0 auto; z-index: 30; }
.out button { font-size: 12px; line-height: 20px; padding: 0 6px; margin: 0 0 2px; width: auto;
  background: none; border-color: transparent; color: #9ab; }
.out button:hover { color: #fff; border-color: #566; }
.ended { display: none; background: rgba(0, 0, 0, .6); z-index: 20; }
body.-closed .ended { display: flex; }
body.-first-byte .opening { display: none; }
"""

_LOGIN = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>tunnel-tui</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><style>{style}</style></head>
<body><main class="box"><form class="card" method="post" action="login">
<h1>tunnel-tui</h1>
<label for="key">{label}</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<p class="error" role="alert">{error}</p>
<button type="submit">Open</button>
</form></main></body></html>
"""

_APP = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="static/css/xterm.css"><style>{style}</style>
<script src="static/js/textual.js"></script></head>
<body>
<div class="box opening"><div class="card">Opening tunnel-tui …</div></div>
<div class="box ended"><div class="card" role="alert"><h1>The session has ended</h1>
<p>Every tunnel stays as it is.</p><button type="button" id="again">Open again</button></div></div>
<div id="terminal" class="textual-terminal" data-font-size="{size}"></div>
<form class="out" method="post" action="logout"><button id="out">log out</button></form>
<script nonce="{nonce}">
const socket = new URL("ws", location.href);
socket.protocol = location.protocol === "https:" ? "wss:" : "ws:";
socket.search = "";
document.getElementById("terminal").dataset.sessionWebsocketUrl = socket.href;
document.getElementById("again").onclick = () => location.reload();
new MutationObserver(() => {{
  if (document.body.classList.contains("-closed")) document.getElementById("again").focus();
}}).observe(document.body, {{ attributes: true, attributeFilter: ["class"] }});
</script></body></html>
"""


def login_page(status: int, error: str = "", *, kept: bool = False) -> web.Response:
    """Make the page that asks for the key; `kept`: one that the server has made itself."""
    # The fonts are behind the door too: this page does without.
    style = _STYLE.partition("html, body")[2]
    label = f"Key of this server ({'its start says where it is' if kept else 'API_KEY'})"
    text = _LOGIN.format(style="html, body" + style, label=label, error=html.escape(error))
    return _page(text, status, "default-src 'none'; style-src 'unsafe-inline'; img-src data:")


def app_page(title: str, font_size: int) -> web.Response:
    """Make the page that holds the terminal."""
    nonce = secrets.token_urlsafe(16)
    text = _APP.format(title=html.escape(title), style=_STYLE, size=font_size, nonce=nonce)
    return _page(
        text,
        200,
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline';"
        " font-src 'self'; img-src 'self' data:; connect-src 'self'",
    )


def _page(text: str, status: int, policy: str) -> web.Response:
    policy += "; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    return web.Response(
        text=text,
        status=status,
        content_type="text/html",
        headers={"Content-Security-Policy": policy},
    )
