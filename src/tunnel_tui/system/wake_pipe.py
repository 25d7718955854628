"""A pipe that ends a wait: whoever writes wakes whoever polls its other end."""

import os
import threading


class WakePipe:
    """May be woken from any thread and any signal handler, until and after it is closed.

    Attributes:
        reader: for poll(2); -1 once it is closed.
    """

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        for descriptor in (self.reader, self._writer):
            os.set_blocking(descriptor, False)
        # A number that is closed may be a stranger's file the next moment. Reentrant: a signal
        # handler may interrupt whoever holds it.
        self._lock = threading.RLock()

    def wake(self) -> None:
        """End the wait."""
        with self._lock:
            try:
                os.write(self._writer, b"\0")
            except OSError:  # full: it will wake anyway; closed: nobody waits
                pass

    def drain(self) -> None:
        """Forget that it was woken."""
        try:
            while os.read(self.reader, 4096):
                pass
        except OSError:
            pass

    def close(self) -> None:
        """Give both descriptors back; a second time does nothing."""
        with self._lock:
            reader, writer = self.reader, self._writer
            self.reader = self._writer = -1
            for descriptor in (reader, writer):
                if descriptor >= 0:
                    os.close(descriptor)
