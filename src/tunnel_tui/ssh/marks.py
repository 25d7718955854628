"""What marks a process as a tunnel of ours: on its command line, in its environment, at its log."""

TAG = "TUNNEL_HASH"
"""Name of the variable that marks our processes, in their arguments and their environment."""
TAG_OPTION = f"SetEnv={TAG}="
"""What `-o` has before the hash (ssh_config(5)); the shell scripts give it too."""
STATE_VARIABLE = "AUTOSSH_STATE_FILE"
"""In the environment: the state file that the process was started for."""
LOGIN_VARIABLE = "TUNNEL_LOGIN"
"""Marks a login in its environment; `TUNNEL_HASH` would claim that it carries one tunnel only."""
STREAM = 1
"""The descriptor that autossh and ssh write their log to (ssh(1), `-E`): nothing that a server's
banner, a proxy program or the ssh of a jump host says gets there."""
OWN_LOG = f"/proc/self/fd/{STREAM}"
"""Its name for themselves: the file that is open already; a name may be swapped meanwhile."""
