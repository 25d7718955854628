"""Phrases of ssh(1) that others look for; no other package contains one."""

import re

from tunnel_tui.model import ForwardKind

ORIGIN = (
    r"^(?:debug\d: )?[\w.-]{1,64}\.c:\w{1,64}\(\):\d{1,9} \((?:[^)\n]{0,300}[ (])?"
    r"pid=(?P<pid>\d{1,9})\): "
)
"""What LogVerbose puts in front of a message: file, function, line, program (from 9.8 on), pid."""
STANDS = {
    ForwardKind.LOCAL: re.compile(rb"client_loop\(\):\d+ \([^)]*pid=(\d+)\): Entering interactive"),
    ForwardKind.REMOTE: re.compile(
        rb"ssh_confirm_remote_forward\(\):\d+ \([^)]*pid=(\d+)\): remote forward success"
    ),
}
"""What says that a forward stands; the group is the pid of that ssh."""
AUTHENTICATED = re.compile(
    rb'^Authenticated to (\S{1,300})[^"\n]{0,300} using "([^"\n]{1,100})"', re.MULTILINE
)
"""Groups: host, method."""
REFUSED_METHODS = re.compile(r"Permission denied \((?P<methods>[^()]*)\)")
OFFERED_KEY = re.compile(r"key sent by the remote host is\s{1,4}(SHA256:[A-Za-z0-9+/]{1,64})")
OFFENDING_KEY = re.compile(
    r"^Offending (?:([A-Z0-9-]{1,20}) )?key in (/.{1,4096}):(\d{1,9})\r?$", re.MULTILINE
)
"""Groups: kind, known-hosts file, line."""
CHANGED_KEY_OF = re.compile(r"^Host key for (\S{1,1024}) has changed", re.MULTILINE)
