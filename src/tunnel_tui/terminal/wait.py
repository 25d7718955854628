"""Waiting for a session without an event loop, as a command in a plain terminal does."""

import select

from tunnel_tui.terminal.session import PtySession


def wait_ready(session: PtySession, timeout: float) -> tuple[bool, bool]:
    """Wait until the session needs care, and notice its child's end.

    Args:
        session: The session.
        timeout: Seconds.

    Returns:
        Whether it can be read, whether it can be written.
    """
    poll = select.poll()
    fd, pidfd = session.fileno(), session.exit_fileno
    if fd >= 0 and not session.eof:
        poll.register(fd, select.POLLIN | (select.POLLOUT if session.wants_write else 0))
    if pidfd >= 0:
        poll.register(pidfd, select.POLLIN)
    elif session.running:
        timeout = min(timeout, 0.05)
    ready = dict(poll.poll(max(0, int(timeout * 1000))))
    session.check_exit()
    seen = ready.get(fd, 0)
    return bool(seen & ~select.POLLOUT), bool(seen & select.POLLOUT)
