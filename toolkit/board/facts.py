"""The tables of a board file, one class each; a field's annotation says what it may hold and why.

``toolkit.board.reading`` reads files and ``editor_schema`` describes them from these classes, so
that nothing about the format is written twice. A fact that is not known is None or empty.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from toolkit.board.fields import (
    Digest,
    HexId,
    Pattern,
    PythonVersion,
    Rest,
    Version,
    Whole,
    Word,
)

Arch = Literal[
    "aarch64", "armv7l", "x86_64", "armv6m", "armv7m", "armv7em", "armv8m", "riscv32", "xtensa",
    "host",
]  # fmt: skip
BAUD: Final = 115_200
Kind = Literal["linux", "micropython", "virtual"]
Precision = Literal["fp32", "fp16", "int8", "int16x8"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identify:
    """What the board says of itself: proof, before an update, that it is this board."""

    dt_model: Annotated[tuple[Pattern, ...], "the device tree's model"] = ()
    dt_compatible: Annotated[tuple[str, ...], "one of the device tree's compatible strings"] = ()
    micropython_machine: Annotated[tuple[Pattern, ...], "os.uname().machine in MicroPython"] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """The processor: which wheels and kernels run, how many threads, how fast."""

    arch: Annotated[Arch, "as uname -m says; host: as this machine"]
    soc: Annotated[Word | None, "the chip"] = None
    core: Annotated[Word | None, "the core, as compilers name it"] = None
    cores: Annotated[int, Whole(1, 4096), "default number of threads"]
    mhz: Annotated[int | None, Whole(1, 100_000), "highest clock rate without overclocking"] = None
    features: Annotated[
        tuple[Word, ...],
        "as /proc/cpuinfo names them: asimddp (int8 dot product) and fphp (float16) choose kernels",
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Working memory: ``ram_mib`` of a Linux board, ``sram_kib`` of a microcontroller."""

    ram_mib: Annotated[int | None, Whole(1, 2**24), "all of it"] = None
    sram_kib: Annotated[int | None, Whole(1, 2**24), "all of it"] = None
    reserved_mib: Annotated[int, Whole(0, 2**24), "for the system and the graphics processor"] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """The disk; a flasher refuses targets smaller or larger than these."""

    kind: Annotated[Literal["sd", "emmc", "nvme", "usb", "dir", "any"], "what carries it"] = "any"
    min_gib: Annotated[int | None, Whole(1, 2**20), "a smaller disk is another"] = None
    max_gib: Annotated[int | None, Whole(1, 2**20), "a larger disk is another"] = None
    app_mib: Annotated[int | None, Whole(1, 2**24), "for slots, journal and recordings"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """What computes a model, the processor among them."""

    kind: Annotated[Literal["cpu", "cuda", "npu", "gpu"], "what it is"]
    delegate: Annotated[Word | None, "what drives it: xnnpack, tensorrt"] = None
    runtime: Annotated[Word | None, "the runtime that has the delegate"] = None
    memory: Annotated[Literal["own", "shared"], "shared: it takes from ram_mib"] = "own"
    precisions: Annotated[tuple[Precision, ...], "what it computes in"] = ()
    compute_capability: Annotated[Version | None, "CUDA's"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OsProfile:
    """One system that runs on the board; with its C library and Python, which wheels it takes."""

    distro: Annotated[str | None, "its name"] = None
    release: Annotated[Word | None, "its release"] = None
    image_url: Annotated[str | None, "where its image is"] = None
    extract_sha256: Annotated[Digest | None, "digest of the unpacked image"] = None
    init_format: Annotated[
        Literal["none", "cloudinit-rpi", "cloudinit", "systemd", "rpi-preseed"],
        "how the first start is configured; never guessed",
    ] = "none"
    boot_part: Annotated[int | None, Whole(1, 128), "the boot partition's number"] = None
    arch: Annotated[Arch | None, "of its programs, where that is not cpu.arch"] = None
    glibc: Annotated[Version | None, "which manylinux wheels run"] = None
    python: Annotated[
        PythonVersion | None, "the system's: 3.13, >=3.11 where it varies, or host"
    ] = None
    cuda: Annotated[Word | None, "version of the CUDA toolkit"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Os:
    """The systems that run on the board: several, since a board outlives its distribution."""

    default: Annotated[Word, "the profile that is meant when none is named"]
    profiles: Annotated[Mapping[str, OsProfile], Rest()] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mcu:
    """A microcontroller under MicroPython."""

    port: Annotated[Word, "MicroPython's port: rp2, esp32, unix"]
    board: Annotated[Word | None, "MicroPython's name of the board"] = None
    firmware_min: Annotated[Version | None, "oldest MicroPython"] = None
    mpy_version: Annotated[Version | None, "of its .mpy files"] = None
    mpy_arch: Annotated[Word | None, "mpy-cross -march"] = None
    heap_kib: Annotated[int, Whole(1, 2**24), "what gc.mem_free() has at the start, at least"]
    fs_kib: Annotated[int, Whole(1, 2**24), "size of the file system"]
    fs_type: Annotated[Literal["littlefs2", "fat", "host"], "FAT does not survive a power cut"]
    fpu: Annotated[bool, "has floating point instructions"] = False
    usb_mounts: Annotated[bool, "shows its file system as a disk"] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Serial:
    """A serial line of the board."""

    role: Annotated[Literal["linux-console", "micropython-repl", "update"], "who answers"]
    device_hint: Annotated[str | None, "where it comes out"] = None
    baud: Annotated[int, Whole(300, 20_000_000), "bits per second"] = BAUD
    line_ending: Annotated[Literal["\n", "\r", "\r\n"], "what ends a line sent to it"] = "\n"
    prompt: Annotated[Pattern | None, "what it shows when it waits for a command"] = None
    boot_marker: Annotated[Pattern | None, "what it prints early at every start"] = None
    txdelay_ms: Annotated[int, Whole(0, 1000), "pause between characters sent"] = 0
    interrupt: Annotated[str | None, "what stops a running program"] = None
    retries: Annotated[int, Whole(0, 100), "how often to try to reach the prompt"] = 0
    retry_ms: Annotated[int, Whole(0, 60_000), "pause before the next try"] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usb:
    """How the board shows itself on USB in one of its modes."""

    vid: Annotated[HexId, "vendor id, four hex digits"]
    pid: Annotated[HexId, "product id, four hex digits"]
    product: Annotated[str | None, "product string"] = None
    serial: Annotated[
        Literal["stable", "changes", "none"],
        "changes: another serial number than in the other modes, so match by USB path",
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlashMethod:
    """One way to write the board; what each runner takes is told with the runner."""

    runner: Annotated[
        Literal[
            "blockdev", "dir-image", "qemu-disk", "mpremote", "uf2", "ssh-ota", "rpiboot",
            "picotool", "l4t-initrd",
        ],
        "who writes",
    ]  # fmt: skip
    formats: Annotated[tuple[Word, ...], "image formats"] = ()
    bmap: Annotated[bool, "may write mapped ranges only"] = False
    first_block_last: Annotated[bool, "withholds the first MiB until the rest is verified"] = False
    verify: Annotated[bool, "reads back"] = False
    payload: Annotated[Word | None, "rpiboot: the gadget to start"] = None
    opt_in: Annotated[Word | None, "unavailable until the user declares this"] = None
    board_config: Annotated[Word | None, "l4t: name of the configuration"] = None
    external_device: Annotated[Word | None, "l4t: the partition to boot"] = None
    force_sku: Annotated[bool, "l4t: does not read the module's own description"] = False
    host_arch: Annotated[tuple[Arch, ...], "machines that its tools run on; empty: any"] = ()
    board_id: Annotated[Word | None, "uf2: the volume's Board-ID"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flash:
    """How the board is written."""

    methods: Annotated[tuple[FlashMethod, ...], "the first usable one wins"] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a model may use, below what the board has, and what a start may take."""

    app_ram_mib: Annotated[int | None, Whole(1, 2**24), "memory of the whole runtime"] = None
    model_mib: Annotated[int | None, Whole(1, 2**24), "the model's file"] = None
    model_kib: Annotated[int | None, Whole(1, 2**24), "the model's file, microcontroller"] = None
    arena_kib: Annotated[int | None, Whole(1, 2**24), "one block, microcontroller"] = None
    op_set: Annotated[Literal["litert", "tflite-micro"], "whose operators there are"] = "litert"
    boot_s: Annotated[int | None, Whole(1, 3600), "power to the agent's first answer"] = None
    first_inference_s: Annotated[int | None, Whole(1, 3600), "power to the first result"] = None
    p99_ms: Annotated[int | None, Whole(1, 3_600_000), "99 of 100 inferences are faster"] = None
    temp_c: Annotated[int | None, Whole(1, 150), "hottest allowed"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hil:
    """What a bench may do with the board."""

    capabilities: Annotated[
        tuple[
            Literal[
                "power", "console", "storage-mux", "network", "wifi", "thermal", "clock",
                "watchdog", "gpu", "reset", "fs", "fs-faults", "storage-sweep", "storage-errors",
            ],
            ...,
        ],
        "which tests can run",
    ] = ()  # fmt: skip
    power: Annotated[str | None, "how it is switched"] = None
    reset: Annotated[str | None, "how it is reset"] = None
    destructive_ok: Annotated[bool, "may be overwritten without asking"] = False
    timing: Annotated[bool, "its latency means something; false on virtual boards"] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Virtual:
    """How a virtual board is started."""

    engine: Annotated[Literal["process", "qemu", "micropython-unix"], "what runs it"]
    storage_model: Annotated[
        Literal["writeback", "writethrough", "torn"],
        "writeback: what was not flushed is lost with the power",
    ] = "writeback"
    boot_delay_ms: Annotated[int, Whole(0, 600_000), "before it starts"] = 0
    serial: Annotated[Literal["pty", "socket"], "what its serial line is"] = "pty"
    sysfs: Annotated[Literal["fake", "guest", "none"], "where temperature is read"] = "none"
    binary: Annotated[Word | None, "the emulator"] = None
    machine: Annotated[Word | None, "the emulator's machine"] = None
    accel: Annotated[Literal["auto", "kvm", "tcg"] | None, "auto: kvm where it can"] = None
    disk_cache: Annotated[Literal["writeback", "none", "unsafe"] | None, "the emulator's"] = None
    net: Annotated[Literal["user", "none"] | None, "the emulator's network"] = None
    boot_timeout_s: Annotated[int | None, Whole(1, 3600), "a start took too long"] = None
    kernel_from: Annotated[Literal["image", "file"] | None, "where its kernel is"] = None
