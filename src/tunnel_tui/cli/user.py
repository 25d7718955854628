"""Become the user who owns the tunnels, when started as root inside a container."""

import os
from collections.abc import MutableMapping

from tunnel_tui.errors import TunnelTuiError


def become(name: str, environment: MutableMapping[str, str]) -> None:
    """Give up root for good: groups, group, user, then the variables that name a home.

    `docker exec` lands as root; files written as root would be out of reach of the tunnels'
    owner. XDG directories belong to root's session and are forgotten.

    Raises:
        TunnelTuiError: there is no such user, or the kernel refuses.
    """
    import pwd

    if not name:
        return
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        raise TunnelTuiError(
            "TUNNEL_TUI_USER names nobody",
            f"there is no user {name!r}",
            "create the user or unset TUNNEL_TUI_USER",
        ) from None
    if account.pw_uid == 0:
        return
    try:
        os.initgroups(account.pw_name, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    except OSError as error:
        raise TunnelTuiError(f"cannot become {name}", str(error.strerror)) from error
    environment.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name)
    for variable in [variable for variable in environment if variable.startswith("XDG_")]:
        del environment[variable]
