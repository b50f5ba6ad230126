"""What the figures were measured on."""

import os
import platform
from importlib import metadata
from pathlib import Path

_PACKAGES = ("numpy", "cffi", "scipy", "polars", "pandas")


def facts(compiler: str) -> dict[str, object]:
    """Return the machine, its load, and the versions that matter, as JSON values."""
    return {
        "processor": _processor(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "compiler": compiler,
        "packages": {name: metadata.version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())
