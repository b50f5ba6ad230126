"""Build ``device._native`` from the C core with cffi in API mode.

The declarations are cut out of the headers, so that the C compiler checks every signature and
nothing is declared twice.
"""

from pathlib import Path

from cffi import FFI

# setuptools wants the sources relative to the project's root, from where it runs this file.
C_EXT = Path("c_ext")
HEADERS = ("ferrule/aligner.h", "ferrule/ring.h", "ferrule/staging.h", "ferrule/delta.h")
SOURCES = sorted(str(path) for path in (C_EXT / "src").glob("*.c"))
# -ffp-contract=off: a fused multiply-add would give other bytes on Arm than on x86-64.
COMPILE_ARGS = ["-std=c99", "-O2", "-ffp-contract=off"]


def public_declarations(header: Path, /) -> str:
    """Return the text between the two cffi marks of ``header``."""
    text = header.read_text(encoding="utf-8")
    return text.partition("/* cffi: begin */")[2].partition("/* cffi: end */")[0]


ffibuilder = FFI()
for name in HEADERS:
    ffibuilder.cdef(public_declarations(C_EXT / "include" / name))
ffibuilder.set_source(
    "device._native",
    "\n".join(f'#include "{name}"' for name in HEADERS),
    sources=SOURCES,
    include_dirs=[str(C_EXT / "include")],
    extra_compile_args=COMPILE_ARGS,
)

if __name__ == "__main__":
    ffibuilder.compile(verbose=True)
