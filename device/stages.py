"""The board's stages: a pipeline with the sources and sinks that its flow asks for.

Rules:
 * Another model takes over with everything it needs open, or nothing changes.
 * A port, a recording or a broker that both flows use stays open: none of its bytes is lost.
 * Old windows reach the old sinks before those are closed.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from typing import Final

from device.clock import Clock
from device.config import DeviceConfig, Flow, PortConfig, SinkConfig, SourceConfig
from device.mqtt import Connection
from device.pipeline import Model, Pipeline
from device.port import SerialPort
from device.sinks.file import FileSink
from device.sinks.mqtt import MqttSink
from device.sinks.sink import Sink
from device.sources.events import Source
from device.sources.replay import ReplaySource
from device.sources.serial import SerialSource
from device.store.storage import Storage
from device.toml import ConfigError, hint

DEVICE_FILE: Final = "device.toml"


class Opener:
    """Opens what flows ask for on this board."""

    def __init__(
        self,
        device: DeviceConfig,
        storage: Storage,
        clock: Clock,
        connection: Connection | None,
    ) -> None:
        self._connection = connection
        self._device = device
        self._storage = storage
        self.clock: Final = clock

    def source(self, config: SourceConfig, flow: Flow, /) -> Source:
        """Open a source.

        Raises:
            DeviceError: it is not there, or cannot be opened.
        """
        streams = wire_streams(config, flow)
        if config.kind == "replay":
            return ReplaySource(self._storage.path(config.place), streams, self.clock)
        port = self._port(config.place)
        return SerialSource(lambda: SerialPort(port.device, baud=port.baud), streams, self.clock)

    def sink(self, config: SinkConfig, flow: Flow, /) -> Sink:
        """Open a sink.

        Raises:
            DeviceError: it cannot be opened.
        """
        if config.kind == "file":
            return FileSink(self._storage, config.path, max_bytes=config.max_bytes)
        if self._connection is None:
            raise ConfigError(
                DEVICE_FILE, "the flow wants an MQTT sink, the board has no broker; add [mqtt] host"
            )
        return MqttSink(self._connection, flow=flow.name)

    def _port(self, name: str) -> PortConfig:
        port = self._device.ports.get(name)
        if port is None:
            names = list(self._device.ports)
            advice = hint(name, names) if names else "it has none"
            raise ConfigError(
                DEVICE_FILE, f"the flow wants port {name!r}, the board has none; {advice}"
            )
        return port


class Stages:
    """What runs: a model between its sources and its sinks."""

    def __init__(
        self, model: Model, opener: Opener, *, on_message: Callable[[bytes, Source], None]
    ) -> None:
        """Open everything.

        Args:
            model: what runs first.
            opener: opens sources and sinks.
            on_message: takes a payload that is not for the aligner and the source it came from.

        Raises:
            DeviceError: something cannot be opened; what was is closed again.
        """
        self._opener = opener
        with ExitStack() as undo:
            self._sources, self._sinks = _open(model.flow, opener, [], [], undo)
            self.pipeline = Pipeline(
                model,
                [source for _, source in self._sources],
                [sink for _, sink in self._sinks],
                opener.clock,
                on_message=on_message,
            )
            undo.pop_all()

    def take_over(self, model: Model, /) -> None:
        """Let another model run from the next window on.

        Raises:
            DeviceError: what its flow asks for cannot be opened; the old one goes on.
        """
        flow = model.flow
        with ExitStack() as undo:
            sources, sinks = _open(flow, self._opener, self._sources, self._sinks, undo)
            self.pipeline.replace(
                model, [source for _, source in sources], [sink for _, sink in sinks]
            )
            undo.pop_all()
        _close_all(stage for _, stage in self._sources if stage not in self.pipeline.sources)
        _close_all(stage for _, stage in self._sinks if stage not in self.pipeline.sinks)
        self._sources, self._sinks = sources, sinks
        for config, source in sources:
            source.assign(wire_streams(config, flow))
        for _, sink in sinks:
            sink.assign(flow.name)

    def close(self) -> None:
        """Close every source and sink."""
        _close_all([*(s for _, s in self._sources), *(s for _, s in self._sinks)])


_OpenSources = list[tuple[SourceConfig, Source]]
_OpenSinks = list[tuple[SinkConfig, Sink]]


def wire_streams(config: SourceConfig, flow: Flow, /) -> list[tuple[str, int]]:
    """Return name and number of fields of a source's streams, by their number on the wire."""
    fields = {stream.name: len(stream.fields) for stream in flow.streams}
    return [(name, fields[name]) for name in config.streams]


def _open(
    flow: Flow,
    opener: Opener,
    old_sources: _OpenSources,
    old_sinks: _OpenSinks,
    undo: ExitStack,
) -> tuple[_OpenSources, _OpenSinks]:
    """Open what is not open yet; what is new is closed by ``undo``."""
    sources: _OpenSources = []
    sinks: _OpenSinks = []
    free_sources, free_sinks = list(old_sources), list(old_sinks)
    for config in flow.sources:
        place = (config.kind, config.place)
        held = [pair for pair in free_sources if (pair[0].kind, pair[0].place) == place]
        if held:
            free_sources.remove(held[0])
            sources.append((config, held[0][1]))
        else:
            sources.append((config, undo.enter_context(closing(opener.source(config, flow)))))
    for wanted in flow.sinks:
        same = [pair for pair in free_sinks if pair[0] == wanted]
        if same:
            free_sinks.remove(same[0])
            sinks.append(same[0])
        else:
            sinks.append((wanted, undo.enter_context(closing(opener.sink(wanted, flow)))))
    return sources, sinks


def _close_all(stages: Iterable[Source | Sink]) -> None:
    with ExitStack() as stack:
        for stage in stages:
            stack.callback(stage.close)
