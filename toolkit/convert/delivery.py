"""Files into the output folder, whole or not at all.

Rules it keeps:
 * A file appears under its name only when its content is complete on disk.
 * The old report goes first and the new one comes last: a folder with a report is complete.
 * A variant of an earlier run that is not delivered this time does not stay beside the new report.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from toolkit.atomic_file import replacing
from toolkit.convert.report import REPORT_NAME, Report
from toolkit.errors import FileUnwritableError


def deliver(
    report: Report, contents: Mapping[str, bytes], folder: Path, /, *, stale: Iterable[str]
) -> None:
    """Write the variants and then the report.

    Args:
        report: what ``report.json`` will say.
        contents: file name to content.
        folder: made when it is not there.
        stale: names that must not be there afterwards.

    Raises:
        FileUnwritableError: the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / REPORT_NAME).unlink(missing_ok=True)
        for name in stale:
            (folder / name).unlink(missing_ok=True)
        for name, content in contents.items():
            with replacing(folder / name) as stream:
                stream.write(content)
        text = json.dumps(report.to_json(), indent=2, allow_nan=False) + "\n"
        with replacing(folder / REPORT_NAME) as stream:
            stream.write(text.encode())
    except FileUnwritableError:
        raise
    except OSError as error:
        raise FileUnwritableError(str(folder), error.strerror or str(error)) from error
