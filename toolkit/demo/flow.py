"""The demo's flow: what its board is told to do."""

import json
from importlib.resources import files
from typing import Any, Final

ACCELEROMETER: Final = "accelerometer"
GYROSCOPE: Final = "gyroscope"
STREAMS: Final = (ACCELEROMETER, GYROSCOPE)  # by the number the wire gives them
FIELDS: Final = 3
PORT: Final = "uplink"
RESULTS: Final = "results.jsonl"

# What the sensor can give: +-16 g and +-2000 degrees per second, the usual widest ranges.
_ACCELERATION_LIMIT_G: Final = 16.0
_RATE_LIMIT_RAD_S: Final = 34.9
# The deadline in wall time. On a shared machine a process may be kept waiting for a second; a
# row that is forced for that would say nothing about the aligner.
_DEADLINE_WALL_S: Final = 10.0
_TIMEOUT_WALL_S: Final = 20.0


def model_facts() -> dict[str, Any]:
    """Return what is written beside the demo's models: input, labels, standardisation."""
    text = files("toolkit.demo").joinpath("assets", "har.json").read_text(encoding="utf-8")
    facts: dict[str, Any] = json.loads(text)
    return facts


def flow_text(*, speed: float) -> str:
    """Return the flow.toml.

    Args:
        speed: how many times as fast as real time the samples' clock runs.
    """
    facts = model_facts()
    limits = [_ACCELERATION_LIMIT_G] * FIELDS + [_RATE_LIMIT_RAD_S] * FIELDS
    columns = facts["input"]["columns"]
    units = facts["input"]["units_before_standardisation"]
    streams = "".join(
        f"""
[[stream]]
name = "{name}"
fields = {json.dumps(columns[FIELDS * number : FIELDS * (number + 1)])}
unit = "{units[FIELDS * number]}"
rate_hz = {facts["rate_hz"]}
mode = "linear"
max_gap_ms = 200
timeout_ms = {round(_TIMEOUT_WALL_S * speed * 1e3)}
fill = "previous"
fill_value = 0   # before the first sample: the sensors of a recording do not start together
"""
        for number, name in enumerate(STREAMS)
    )
    return f"""schema = 1
name = "har"
{streams}
[aligner]
grid_hz = {facts["rate_hz"]}
window = {facts["window"]}
hop = {facts["hop"]}
lateness_ms = 40
deadline_ms = {round(_DEADLINE_WALL_S * speed * 1e3)}   # {_DEADLINE_WALL_S:g} s on the wall

[quality]
max_missing = 0.02

[[source]]
kind = "serial"
port = "{PORT}"
streams = {json.dumps(list(STREAMS))}

[[preprocess]]
kind = "range"
low = {[-limit for limit in limits]}
high = {limits}

[[preprocess]]
kind = "standardise"
mean = {facts["input"]["mean"]}
std = {facts["input"]["std"]}

[engine]
kind = "litert"
labels = {json.dumps(facts["output"]["labels"])}

[[sink]]
kind = "file"
path = "{RESULTS}"
"""
