"""The app on an engine that only pretends: tunnels that change their state as often as asked for.

python -m benchmarks.app.pretended TUNNELS CHANGES_PER_SECOND
"""

import sys
from collections.abc import Callable

from tests.tui.fake import FakeEngine
from tests.tui.restless import Restless, make_engine

from tunnel_tui.supervise.monitor.monitor import Snapshot
from tunnel_tui.tui.shell.app import TunnelApp
from tunnel_tui.tui.shell.run import show


def main() -> int:
    """Open the app until it is left."""
    tunnels, per_second = int(sys.argv[1]), int(sys.argv[2])
    engine = make_engine(tunnels)
    app = TunnelApp(engine, environment={"TERM": "xterm-256color", "LANG": "C.UTF-8"})
    if per_second:
        engine.watch = _and_then(engine, Restless(engine, per_second))  # type: ignore[method-assign]
    return show(app)


def _and_then(
    engine: FakeEngine, restless: Restless
) -> Callable[[Callable[[Snapshot], None]], None]:
    watch = engine.watch

    def begin(on_snapshot: Callable[[Snapshot], None]) -> None:
        watch(on_snapshot)
        restless.start()

    return begin


if __name__ == "__main__":
    sys.exit(main())
