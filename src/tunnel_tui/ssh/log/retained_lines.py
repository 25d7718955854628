"""What capping must leave in a log: the lines that begin and confirm the current run."""

import os
from collections.abc import Iterator
from itertools import islice

from tunnel_tui.logs.rotate import Stays, last_lines
from tunnel_tui.ssh.log.forward_state import BLOCK, OVERLAP, VOID
from tunnel_tui.ssh.log.run_start import ANYBODY, RunStart

_PROOF = (
    b"Entering interactive session.",
    b"remote forward success for: listen",
    b": Address already in use",
    b"Authenticated to ",
)
_MOST = 49
"""Lines that are kept, beside the one that begins the run."""
_FAR = 1024 * 1024 * 1024
"""Bytes before the end in which the beginning of the run is looked for."""


def what_stays(begins: RunStart = ANYBODY) -> Stays:
    """Make the rule of what stays of a log: what proves the current run, and the last whole lines.

    Without the first nobody could tell any more whether a remote forward stands. Nothing is there
    twice: the lines that prove the run are looked for before the last ones.
    """

    def stays(source: int, most: int) -> bytes:
        last = last_lines(source, most)
        if begins.find(last) >= 0:
            return last
        return proving_lines(source, os.fstat(source).st_size - len(last), begins) + last

    return stays


def proving_lines(fd: int, end: int, begins: RunStart) -> bytes:
    """Return the lines of a log that begin and confirm its current run, oldest first.

    Searched from the end, further than a reader would: what is not found here is lost. A flood
    may have written many times the cap since the last look.
    """
    kept: list[bytes] = []
    position, behind = end, b""
    while position > 0 and end - position < _FAR:
        begin = max(0, position - BLOCK)
        data = os.pread(fd, position - begin, begin) + behind
        start = begins.find(data)
        if start >= 0:
            first = data.rfind(b"\n", 0, start) + 1
            rest = data.find(b"\n", start) + 1 or len(data)
            return data[first:rest] + b"".join([*_proof_in(data[rest:]), *kept][:_MOST])
        whole = data.find(b"\n") + 1  # what is before it belongs to a line of the block before
        kept = [*_proof_in(data[whole:]), *kept][:_MOST]
        position, behind = begin, data[:whole][:OVERLAP]
    return b""


def _proof_in(data: bytes) -> list[bytes]:
    """List the first lines that confirm a forward or take it back, in their order."""
    found = {at for words in _PROOF for at in islice(_lines_with(data, words), _MOST)}
    found |= {match.start() for match in islice(VOID.finditer(data), _MOST)}
    ends = ((at, data.find(b"\n", at) + 1 or len(data)) for at in sorted(found)[:_MOST])
    return [data[at:end] for at, end in ends]


def _lines_with(data: bytes, words: bytes) -> Iterator[int]:
    """Say where each line begins that has these words."""
    at = data.find(words)
    while at >= 0:
        yield data.rfind(b"\n", 0, at) + 1
        end = data.find(b"\n", at)
        at = data.find(words, end) if end >= 0 else -1
