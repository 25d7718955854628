"""A configuration of any number of tunnels: `python -m benchmarks.configuration 200`."""

import sys

FIRST_PORT = 20_000


def configuration(count: int, listen: str = "127.0.0.1") -> str:
    """Write `count` tunnels the way people do, each key on a line of its own."""
    return "tunnels:\n" + "".join(_tunnel(number, listen) for number in range(count))


def _tunnel(number: int, listen: str) -> str:
    return (
        f"  - name: tunnel-{number:04}\n"
        f"    remote_host: user@host{number}.example.com\n"
        f"    remote_port: 127.0.0.1:{8000 + number}\n"
        f"    local_port: {listen}:{FIRST_PORT + number}\n"
        "    direction: remote_to_local\n"
        "    interactive: false\n"
    )


if __name__ == "__main__":
    sys.stdout.write(configuration(int(sys.argv[1])))
