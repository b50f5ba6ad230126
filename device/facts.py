"""What this board is: what device.toml says of it, its engines and its memory."""

import os

from device.config import DeviceConfig
from device.infer.litert import runtime_version
from device.store.requirements import BoardFacts


def read_facts(device: DeviceConfig, /) -> BoardFacts:
    """Return what a bundle's requirements are held against.

    Raises:
        EngineMissingError: no runtime for models is installed.
    """
    hardware = device.hardware
    return BoardFacts(
        vendor=hardware.vendor,
        device_class=hardware.device_class,
        board=hardware.board,
        engines={"litert": runtime_version()},
        ram_limit_bytes=hardware.ram_limit_bytes or _memory_bytes(),
    )


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
