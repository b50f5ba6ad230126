"""The runtime: puts the stages of the active bundle together and runs them until told to stop."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from device.agent.agent import Agent
from device.agent.mqtt_link import MqttLink
from device.clock import Clock
from device.config import DeviceConfig, parse_device
from device.facts import read_facts
from device.mqtt import Connection
from device.stages import DEVICE_FILE, Opener, Stages
from device.status import StatusFile
from device.store.slots import Slots
from device.store.storage import Storage
from device.toml import ConfigError

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
    slots = Slots(
        storage,
        budget_bytes=device.update.budget_bytes,
        most_starts=device.update.most_starts,
    )
    agent = Agent(slots, read_facts(device), clock)
    status = StatusFile(storage)
    with ExitStack() as stack:
        connection = _connect(device, root)
        link = None
        if connection is not None:
            link = MqttLink(connection)
            connection.start()
            stack.callback(connection.close)
        opener = Opener(device, storage, clock, connection)
        stack.callback(agent.close)
        stages = agent.boot(lambda model: Stages(model, opener, on_message=agent.receive))
        stack.callback(stages.close)
        pipeline = stages.pipeline
        while not is_stopped() and not pipeline.is_exhausted:
            pipeline.step(wait_s=0.0 if agent.is_busy else _WAIT_S)
            if link is not None:
                for payload in link.read():
                    agent.receive(payload, link)
            agent.work(stages.take_over, pipeline.current)
            status.write_if_due(pipeline, agent.describe(pipeline.current), clock.monotonic_ns())
        pipeline.flush()
        status.write(pipeline, agent.describe(pipeline.current), state="stopped")


def _connect(device: DeviceConfig, root: Path) -> Connection | None:
    if device.broker is None:
        return None
    return Connection(
        device.broker,
        site=device.site,
        device=device.id,
        folder=root,
        client_id=f"ferrule-{device.id}",
    )


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
