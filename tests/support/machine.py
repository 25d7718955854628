"""The machine that a table was made on, in words."""

import datetime as dt
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path


def describe_machine() -> dict[str, str]:
    """Date, processor, kernel and the versions that matter."""
    packages = ("textual", "pyyaml", "psutil", "pyte")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    return {
        "Date": dt.date.today().isoformat(),
        "Machine": f"{os.cpu_count()} cores, {_processor()}, {_memory()} GiB",
        "System": f"Linux {platform.release()}, Python {platform.python_version()}",
        "ssh": _first_line("ssh", "-V"),
        "autossh": _first_line("autossh", "-V"),
        "Packages": ", ".join(versions),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return "not installed"
    lines = (done.stdout or done.stderr).splitlines()
    return lines[0].split(",")[0] if lines else "unknown"
