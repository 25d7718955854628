"""Exit codes of the commands, as `--help` documents them."""

OK = 0
"""Done."""
FAILED = 1
"""Failed: nothing was done, or what was asked for did not come about."""
USAGE = 2
"""Wrong use: an unknown command or option, a missing operand, no terminal for the app."""
PARTIAL = 3
"""Several tunnels were asked for and at least one of them failed."""
INTERRUPTED = 130
"""Ended by ctrl+c (128 + SIGINT)."""
PIPE_CLOSED = 141
"""The reader of the output went away (128 + SIGPIPE), as with any other program in a pipe."""
