"""A child process that leads its own session: how it begins, how its end is noticed."""

import os
import signal

STATUS_LOST = 255  # somebody else reaped the child; ssh's own word for "failed"


class Child:
    """A child that we reap ourselves, by its pid, without waiting."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.pidfd = _open_pidfd(pid)
        self.exit_status: int | None = None
        self._condemned = False

    def check_exit(self) -> int | None:
        """Notice the end; return the exit status, negative for a signal, None while it runs."""
        if self.exit_status is not None:
            return self.exit_status
        try:
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                return None
            if self._condemned:  # the zombie still holds the pid, so the group is still ours
                self._signal_group(signal.SIGKILL)
            _, status = os.waitpid(self.pid, 0)
            self.exit_status = os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            self.exit_status = STATUS_LOST
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
        return self.exit_status

    def terminate(self) -> bool:
        """Ask the child to end; what it leaves in its group ends with it.

        Returns:
            Whether it was still running.
        """
        if self.check_exit() is not None:
            return False
        self._condemned = True
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)  # a stopped child could not act on it
        return True

    def kill(self) -> None:
        """End the child and its process group."""
        if self.check_exit() is None:
            self._condemned = True
            self._signal_group(signal.SIGKILL)
            self._signal(signal.SIGKILL)

    def _signal(self, signum: int) -> None:
        try:
            if self.pidfd >= 0:
                signal.pidfd_send_signal(self.pidfd, signum)
            else:  # not reaped, so the pid cannot be anybody else's
                os.kill(self.pid, signum)
        except ProcessLookupError:
            pass

    def _signal_group(self, signum: int) -> None:
        try:
            if self.pid > 1 and os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, signum)
        except (ProcessLookupError, PermissionError):
            pass


def _open_pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):  # a kernel before 5.3, or a seccomp profile
        return -1
