"""Files into the output folder, whole or not at all.

Rules it keeps:
 * A file appears under its name only when its content is complete on disk.
 * The old report goes first and the new one comes last: a folder with a report is complete.
 * A variant of an earlier run that is not delivered this time does not stay beside the new report.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from toolkit.atomic_file import replacing
from toolkit.convert.report import PAGE_NAME, REPORT_NAME, Report, Variant
from toolkit.convert.report_page import Evidence, render
from toolkit.errors import FileUnwritableError


class Delivery:
    """The output folder of one conversion."""

    def __init__(self, folder: Path, names: Iterable[str], /) -> None:
        """Touch nothing yet.

        Args:
            folder: made when it is not there.
            names: every file that a conversion of this model may deliver beside the reports.
        """
        self._folder = folder
        self._stale = set(names)
        self._is_begun = False

    def deliver(self, variant: Variant, content: bytes, golden: bytes | None, /) -> None:
        """Write a variant and its golden vectors.

        Raises:
            FileUnwritableError: the folder cannot be made or written.
        """
        for name, data in ((variant.golden, golden), (variant.file, content)):
            if name is not None and data is not None:
                self._write(name, data)
                self._stale.discard(name)

    def finish(self, report: Report, evidence: Evidence, /) -> None:
        """Write the reports.

        Raises:
            FileUnwritableError: the folder cannot be made or written.
        """
        described = report.to_json()
        text = json.dumps(described, indent=2, allow_nan=False) + "\n"
        page = render(described, evidence)
        for name in self._stale:
            self._remove(name)
        self._write(PAGE_NAME, page.encode())
        self._write(REPORT_NAME, text.encode())

    def _write(self, name: str, content: bytes) -> None:
        if not self._is_begun:
            self._remove(REPORT_NAME)
            self._is_begun = True
        with replacing(self._folder / name) as stream:
            stream.write(content)

    def _remove(self, name: str) -> None:
        try:
            (self._folder / name).unlink(missing_ok=True)
        except NotADirectoryError:
            pass  # the write that follows says so
        except OSError as error:
            raise FileUnwritableError(
                str(self._folder / name), error.strerror or str(error)
            ) from error
