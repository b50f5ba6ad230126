"""The two files that configure a board's runtime: ``flow.toml`` and ``device.toml``.

The flow travels in the bundle and is the same on every board; ``device.toml`` holds what is true of
one board only: its name, its ports, its broker. A flow names a port, the board says where it is.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from device.store.slots import BUDGET_BYTES, STARTS
from device.toml import ConfigError, Table, hint

SCHEMA: Final = 1
SOURCE_KINDS: Final = ("serial", "replay")
PREPROCESS_KINDS: Final = ("range", "standardise")
ENGINE_KINDS: Final = ("litert",)
SINK_KINDS: Final = ("file", "mqtt")
MQTT_VERSIONS: Final = ("3.1.1", "5")
MQTT_PORT: Final = 1883
TLS_PORT: Final = 8883  # both as registered with IANA
_LEAST_STD: Final = 2.0**-126  # float32's smallest normal number


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """A stream as the flow declares it; what the settings mean says ``device.aligner.Stream``."""

    name: str
    fields: tuple[str, ...]
    unit: str
    rate_hz: float
    mode: str
    max_gap_ms: float | None
    timeout_ms: float | None
    fill: str
    fill_value: float


@dataclass(frozen=True, slots=True)
class AlignerConfig:
    """The grid and the windows."""

    grid_hz: float
    window: int
    hop: int
    lateness_ms: float
    deadline_ms: float | None
    max_jump_ms: float


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """Where samples come from: a port of the board, or a recording below its root."""

    kind: str
    place: str  # a port's name, or a path
    streams: tuple[str, ...]  # by the number that the wire gives them


@dataclass(frozen=True, slots=True)
class PreprocessConfig:
    """One step; per column two numbers: low and high, or mean and standard deviation."""

    kind: str
    first: tuple[float, ...]
    second: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """How the model runs."""

    kind: str
    threads: int
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SinkConfig:
    """Where results go."""

    kind: str
    path: str  # file
    max_bytes: int  # file


@dataclass(frozen=True, slots=True)
class Flow:
    """A checked ``flow.toml``."""

    name: str
    streams: tuple[StreamConfig, ...]
    aligner: AlignerConfig
    max_missing: float  # share of a window's cells that may be missing, 0 to 1
    sources: tuple[SourceConfig, ...]
    preprocess: tuple[PreprocessConfig, ...]
    engine: EngineConfig
    sinks: tuple[SinkConfig, ...]

    def has_windows_of(self, other: "Flow", /) -> bool:
        """Whether both flows cut the same windows out of the same streams of the same sources."""
        # As text, because a fill of NaN must equal itself.
        return repr((self.streams, self.aligner, self.sources)) == repr(
            (other.streams, other.aligner, other.sources)
        )


@dataclass(frozen=True, slots=True)
class PortConfig:
    """A serial port of the board."""

    device: str
    baud: int


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """How the broker is trusted and what it is shown: files; relative to the board's folder.

    Attributes:
        ca: certificates that may have signed the broker's; empty: the system's.
        certificate: the client's own; empty: none.
        key: its private key; empty: it is in the certificate's file.
    """

    ca: str = ""
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class BrokerConfig:
    """The board's MQTT broker; ``is_version_5`` speaks MQTT 5, else 3.1.1."""

    host: str
    port: int
    root: str
    is_version_5: bool = False
    tls: TlsConfig | None = None


@dataclass(frozen=True, slots=True)
class HardwareConfig:
    """What the board is, for bundles that ask; empty or 0: not said."""

    vendor: str
    device_class: str
    board: str  # its id in boards/
    ram_limit_bytes: int  # what a flow may take


@dataclass(frozen=True, slots=True)
class UpdateConfig:
    """What updates may take of the board."""

    budget_bytes: int  # of all slots, and what is being received
    most_starts: int  # of a trial that is not confirmed


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """A checked ``device.toml``."""

    id: str
    site: str
    ports: Mapping[str, PortConfig]
    broker: BrokerConfig | None
    hardware: HardwareConfig
    update: UpdateConfig


def parse_flow(text: str, /, *, where: str = "flow.toml") -> Flow:
    """Return the flow in ``text``.

    Raises:
        ConfigError: a key is unknown, missing or of the wrong kind, or names what is not there.
    """
    top = Table.parse(text, where=where)
    _check_schema(top)
    flow = Flow(
        name=_topic_level(top, "name"),
        streams=tuple(_stream(table) for table in top.tables("stream")),
        aligner=_aligner(top.table("aligner")),
        max_missing=_max_missing(top.table("quality")),
        sources=tuple(_source(table) for table in top.tables("source")),
        preprocess=tuple(_preprocess(table) for table in top.tables("preprocess")),
        engine=_engine(top.table("engine")),
        sinks=tuple(_sink(table) for table in top.tables("sink")),
    )
    top.finish()
    _check_names(flow, where)
    return flow


def parse_device(text: str, /, *, where: str = "device.toml") -> DeviceConfig:
    """Return the board's own configuration in ``text``.

    Raises:
        ConfigError: a key is unknown, missing or of the wrong kind.
    """
    top = Table.parse(text, where=where)
    _check_schema(top)
    ports = {}
    for name, table in top.named_tables("port").items():
        ports[name] = PortConfig(table.string("device"), table.integer("baud", 115_200, low=50))
        table.finish()
    device = DeviceConfig(
        _topic_level(top, "id"),
        _topic_level(top, "site", "default"),
        ports,
        _broker(top.table("mqtt")),
        _hardware(top.table("hardware")),
        _update(top.table("update")),
    )
    top.finish()
    return device


def _broker(table: Table) -> BrokerConfig | None:
    host = table.string("host", "")
    if not host:
        table.finish()
        return None
    tls = None
    if table.boolean("tls", False):
        tls = TlsConfig(
            table.string("ca", ""), table.string("certificate", ""), table.string("key", "")
        )
    port = TLS_PORT if tls else MQTT_PORT
    broker = BrokerConfig(
        host,
        table.integer("port", port, low=1, high=65_535),
        _topic(table, "root", "ferrule"),
        table.choice("protocol", MQTT_VERSIONS, MQTT_VERSIONS[0]) == "5",
        tls,
    )
    table.finish()
    return broker


def _hardware(table: Table) -> HardwareConfig:
    hardware = HardwareConfig(
        table.string("vendor", ""),
        table.string("class", ""),
        table.string("board", ""),
        table.integer("ram_mib", 0) << 20,
    )
    table.finish()
    return hardware


def _update(table: Table) -> UpdateConfig:
    update = UpdateConfig(
        table.integer("budget_mib", BUDGET_BYTES >> 20, low=1, high=65_536) << 20,
        table.integer("most_starts", STARTS, low=1, high=1000),
    )
    table.finish()
    return update


def _check_schema(top: Table) -> None:
    schema = top.integer("schema")
    if schema != SCHEMA:
        raise ConfigError(top.where, f"schema {schema} is unknown; this version reads {SCHEMA}")


def _topic(table: Table, key: str, *default: str) -> str:
    value = table.string(key, *default)
    if not value or set(value) & set("+#\0"):
        raise ConfigError(
            table.where, f"{key} = {value!r} is no MQTT topic; leave out '+', '#' and NUL"
        )
    return value


def _topic_level(table: Table, key: str, *default: str) -> str:
    value = _topic(table, key, *default)
    if "/" in value:
        raise ConfigError(table.where, f"{key} = {value!r} is no plain name; leave out '/'")
    return value


def _stream(table: Table) -> StreamConfig:
    fields = table.strings("fields")
    if not fields:
        raise ConfigError(table.where, "fields is empty; name at least one")
    fill_value = table.optional_number("fill_value")
    config = StreamConfig(
        name=table.string("name"),
        fields=fields,
        unit=table.string("unit", ""),
        rate_hz=table.number("rate_hz"),
        mode=table.string("mode"),
        max_gap_ms=table.optional_number("max_gap_ms"),
        timeout_ms=table.optional_number("timeout_ms"),
        fill=table.string("fill", "constant"),
        fill_value=math.nan if fill_value is None else fill_value,
    )
    table.finish()
    return config


def _aligner(table: Table) -> AlignerConfig:
    max_jump_ms = table.optional_number("max_jump_ms")
    config = AlignerConfig(
        grid_hz=table.number("grid_hz"),
        window=table.integer("window", low=1),
        hop=table.integer("hop", low=1),
        lateness_ms=table.optional_number("lateness_ms") or 0.0,
        deadline_ms=table.optional_number("deadline_ms"),
        max_jump_ms=3_600_000.0 if max_jump_ms is None else max_jump_ms,
    )
    table.finish()
    return config


def _max_missing(table: Table) -> float:
    share = table.optional_number("max_missing")
    if share is not None and not 0 <= share <= 1:
        raise ConfigError(table.where, f"max_missing = {share} is no share; give 0 to 1")
    table.finish()
    return 1.0 if share is None else share


def _source(table: Table) -> SourceConfig:
    kind = table.choice("kind", SOURCE_KINDS)
    place = table.string("port") if kind == "serial" else _path(table)
    source = SourceConfig(kind, place, table.strings("streams"))
    table.finish()
    return source


def _preprocess(table: Table) -> PreprocessConfig:
    kind = table.choice("kind", PREPROCESS_KINDS)
    keys = ("low", "high") if kind == "range" else ("mean", "std")
    step = PreprocessConfig(kind, table.numbers(keys[0]), table.numbers(keys[1]))
    if kind == "standardise" and not all(value >= _LEAST_STD for value in step.second):
        raise ConfigError(table.where, "std holds a value that is not positive in float32")
    if kind == "range" and not all(a < b for a, b in zip(step.first, step.second, strict=False)):
        raise ConfigError(table.where, "low is not below high in every column")
    table.finish()
    return step


def _engine(table: Table) -> EngineConfig:
    engine = EngineConfig(
        kind=table.choice("kind", ENGINE_KINDS),
        threads=table.integer("threads", 1, low=1, high=64),
        labels=table.strings("labels", ()),
    )
    table.finish()
    return engine


def _sink(table: Table) -> SinkConfig:
    kind = table.choice("kind", SINK_KINDS)
    sink = SinkConfig(kind, "", 0)
    if kind == "file":
        path = _file_name(table)
        sink = SinkConfig(kind, path, table.integer("max_mib", 64, low=1, high=65_536) << 20)
    table.finish()
    return sink


def _path(table: Table) -> str:
    path = table.string("path")
    if not path or path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise ConfigError(
            table.where, f"path = {path!r} is no path below the board's folder; leave out '..'"
        )
    return path


def _file_name(table: Table) -> str:
    name = table.string("path")
    if name in {"", ".", ".."} or set(name) & set("/\0"):
        raise ConfigError(
            table.where,
            f"path = {name!r} is no plain file name; the file lies in the board's results folder",
        )
    return name


def _check_names(flow: Flow, where: str) -> None:
    names = [config.name for config in flow.streams]
    if not flow.sources:
        raise ConfigError(where, "it has no [[source]]; add one")
    paths = [sink.path for sink in flow.sinks if sink.kind == "file"]
    if len(set(paths)) != len(paths):
        raise ConfigError(where, "two [[sink]] write one file; give each its own path")
    for source in flow.sources:
        for name in source.streams:
            if name not in names:
                raise ConfigError(
                    where, f"[[source]] streams: {name!r} is no stream; {hint(name, names)}"
                )
    columns = sum(len(config.fields) for config in flow.streams)
    for step in flow.preprocess:
        if not len(step.first) == len(step.second) == columns:
            raise ConfigError(
                where,
                f"[[preprocess]] {step.kind}: {len(step.first)} and {len(step.second)} numbers "
                f"for {columns} columns; give one per field of every stream",
            )
