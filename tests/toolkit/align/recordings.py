"""A recording of the demo as sensors would have written it, each on its own jittered clock."""

import csv
from pathlib import Path

import numpy as np

from toolkit.align.alignment import Samples
from toolkit.demo.flow import FIELDS, STREAMS
from toolkit.demo.player import JITTER_NS
from toolkit.demo.recordings import COLUMNS, RATE_HZ, load_recordings

START_NS = 1_700_000_000_000_000_000
FIELD_NAMES = {name: COLUMNS[FIELDS * i : FIELDS * (i + 1)] for i, name in enumerate(STREAMS)}


def jittered(number: int = 70, seed: int = 1) -> dict[str, Samples]:
    """Return a recording as samples; jitter as ``toolkit.demo.player`` makes it, and a lost second.

    Args:
        number: of the recording.
        seed: of jitter and skew.
    """
    random = np.random.default_rng(seed)
    values = load_recordings()[number].values
    period_ns = 1_000_000_000 // RATE_HZ
    streams = {}
    for place, name in enumerate(STREAMS):
        jitter_ns = random.normal(0, JITTER_NS, len(values)).clip(-0.4 * period_ns, 0.4 * period_ns)
        skew_ns = int(random.integers(0, period_ns // 2))
        times_ns = START_NS + skew_ns + np.arange(len(values)) * period_ns + jitter_ns.astype(int)
        kept = np.ones(len(values), dtype=bool)
        kept[500 * (place + 1) : 500 * (place + 1) + RATE_HZ] = False
        own = np.ascontiguousarray(values[:, FIELDS * place : FIELDS * (place + 1)])
        streams[name] = (times_ns[kept], own[kept])
    return streams


def write_csv(path: Path, streams: dict[str, Samples]) -> None:
    """Write streams side by side, each with its own time column; the shorter ones end empty."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        header: list[str] = []
        columns: list[list[str]] = []
        for name, (times_ns, values) in streams.items():
            header += [f"{name}.time_ns", *(f"{name}.{field}" for field in FIELD_NAMES[name])]
            columns += [[str(t) for t in times_ns.tolist()]]
            columns += [[str(value) for value in field] for field in values.T]
        longest = max(map(len, columns))
        writer.writerow(header)
        writer.writerows(zip(*(c + [""] * (longest - len(c)) for c in columns), strict=True))
