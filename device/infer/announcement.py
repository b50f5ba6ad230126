"""LiteRT's announcement: a process' first use of XNNPACK writes one line of info to stderr.

No option, variable or log level of the Python packages turns it off, so that every command would
begin with it. It is drawn out and dropped before a model of the user is loaded.

Rules it keeps:
 * stderr is caught only while a model of our own is made ready: what the runtime says of the
   user's model, also while it aborts, goes where it always went.
 * All but that line is handed on.
"""

import base64
import io
import os
import threading
from collections.abc import Callable
from typing import Final

_LINE: Final = b"Created TensorFlow Lite XNNPACK delegate for CPU"
_STDERR: Final = 2
_PIPE_BYTES: Final = 65536
# The smallest model that XNNPACK is asked about: one ABS of one float32.
MODEL: Final = base64.b64decode(
    "GAAAAFRGTDMAAA4AFAAQAAwACAAAAAQADgAAABAAAAAoAAAA3AAAAAMAAAABAAAADAAAAAAABgAIAAQABgAAAAQA"
    "AAAAAAAAAQAAABAAAAAMABQAEAAMAAgABAAMAAAAEAAAADwAAABAAAAARAAAAAEAAAAQAAAAAAAKAAwAAAAIAAQA"
    "CgAAAAgAAAAMAAAAAQAAAAEAAAABAAAAAAAAAAEAAAABAAAAAQAAAAAAAAACAAAAMAAAAAQAAADk////CAAAAAwA"
    "AAABAAAAeQAAAAEAAAABAAAADAAMAAgAAAAAAAQADAAAAAgAAAAMAAAAAQAAAHgAAAABAAAAAQAAAAEAAAAQAAAA"
    "DAAMAAsAAAAAAAQADAAAAGUAAAAAAABl"
)

_catching = threading.Lock()


def draw_out(use: Callable[[bytes], object], /) -> None:
    """Let a runtime make its announcement, unheard.

    Args:
        use: makes ``MODEL`` ready to run in it.
    """
    with _catching:
        try:
            before = os.dup(_STDERR)
        except OSError:  # it is closed: there is nothing to keep clean
            return
        reader, writer = os.pipe()
        os.set_blocking(reader, False)  # a process started meanwhile may hold the other end
        os.dup2(writer, _STDERR)
        os.close(writer)
        try:
            use(MODEL)
        finally:
            os.dup2(before, _STDERR)
            os.close(before)
            with io.FileIO(reader) as said:
                lines = (said.read(_PIPE_BYTES) or b"").splitlines(keepends=True)
            os.write(_STDERR, b"".join(line for line in lines if _LINE not in line))
