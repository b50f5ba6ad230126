"""The runtime: puts the stages of the active bundle together and runs them until told to stop."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from device.agent.updater import Updater
from device.clock import Clock
from device.config import (
    DeviceConfig,
    Flow,
    PortConfig,
    SinkConfig,
    SourceConfig,
    parse_device,
)
from device.pipeline import Model, Pipeline
from device.port import SerialPort
from device.sinks.file import FileSink
from device.sinks.mqtt import MqttSink
from device.sinks.sink import Sink
from device.sources.events import Source
from device.sources.replay import ReplaySource
from device.sources.serial import SerialSource
from device.status import StatusFile
from device.store.bundles import BundleStore
from device.store.storage import Storage
from device.toml import ConfigError, hint

DEVICE_FILE: Final = "device.toml"
_WAIT_S: Final = 0.02  # bounds the age at which deadlines and time-outs act


def run(root: Path, clock: Clock, *, is_stopped: Callable[[], bool]) -> None:
    """Run the board below ``root`` until it is stopped or its recordings end.

    Args:
        root: holds ``device.toml``, the bundles and the results.
        clock: the samples' clock and the wall.
        is_stopped: asked several times a second.

    Raises:
        DeviceError: the board cannot start; the message says why.
    """
    storage = Storage(root)
    device = read_device(root)
    store = BundleStore(storage)
    model = Model.load(store.active())
    status = StatusFile(storage)
    with ExitStack() as stack:
        updater = Updater(store, active_digest=bytes.fromhex(model.digest))
        stack.callback(updater.close)
        flow = model.flow
        sources = [
            stack.enter_context(closing(_open_source(config, flow, device, root, clock)))
            for config in flow.sources
        ]
        sinks = [
            stack.enter_context(closing(_open_sink(config, flow, device, storage)))
            for config in flow.sinks
        ]
        pipeline = Pipeline(model, sources, sinks, clock, on_message=updater.receive)
        while not is_stopped() and not pipeline.is_exhausted:
            pipeline.step(wait_s=_WAIT_S)
            updater.apply(pipeline)
            status.write_if_due(pipeline, updater.describe(), clock.monotonic_ns())
        pipeline.flush()
        status.write(pipeline, updater.describe(), state="stopped")


def read_device(root: Path, /) -> DeviceConfig:
    """Return the board's own configuration.

    Raises:
        ConfigError: it is not there or not right.
    """
    path = root / DEVICE_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise ConfigError(
            str(path), f"cannot be read ({reason}); write one with the board's id and its ports"
        ) from error
    return parse_device(text, where=str(path))


def _open_source(
    config: SourceConfig, flow: Flow, device: DeviceConfig, root: Path, clock: Clock
) -> Source:
    fields = {stream.name: len(stream.fields) for stream in flow.streams}
    streams = [(name, fields[name]) for name in config.streams]
    if config.kind == "replay":
        return ReplaySource(Storage(root).path(config.place), streams, clock)
    port = _port(device, config.place)
    return SerialSource(lambda: SerialPort(port.device, baud=port.baud), streams, clock)


def _port(device: DeviceConfig, name: str) -> PortConfig:
    port = device.ports.get(name)
    if port is None:
        advice = hint(name, list(device.ports)) if device.ports else "it has none"
        raise ConfigError(
            DEVICE_FILE, f"the flow wants port {name!r}, the board has none; {advice}"
        )
    return port


def _open_sink(config: SinkConfig, flow: Flow, device: DeviceConfig, storage: Storage) -> Sink:
    if config.kind == "file":
        return FileSink(storage, config.path, max_bytes=config.max_bytes)
    if device.broker is None:
        raise ConfigError(
            DEVICE_FILE, "the flow wants an MQTT sink, the board has no broker; add [mqtt] host"
        )
    return MqttSink(device.broker, site=device.site, device=device.id, flow=flow.name)
