"""The machine, knowing no tunnels: processes, sockets, files, events."""
