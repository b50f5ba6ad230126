"""A small MQTT broker inside this process, for demos and tests: amqtt, which speaks 3.1.1."""

import asyncio
import logging
import socket
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from device.exit_code import ExitCode
from toolkit.errors import ToolkitError

HOST: Final = "127.0.0.1"  # nobody else is let in, so that no password is needed
_TIMEOUT_S: Final = 10.0

_Result = TypeVar("_Result")


class BrokerFailedError(ToolkitError, RuntimeError):
    """The broker does not start."""

    exit_code = ExitCode.MISSING

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"broker: it does not start: {reason}; pip install 'ferrule[demo]' brings it"
        )


@contextmanager
def embedded_broker() -> Iterator[int]:
    """Run a broker until the end of the block; yields its port on this machine.

    Raises:
        BrokerFailedError: amqtt is not installed, or does not start.
    """
    try:
        from amqtt.broker import Broker
        from amqtt.errors import BrokerError
    except ImportError as error:
        raise BrokerFailedError("amqtt is not installed") from error
    for name in ("amqtt", "transitions"):  # it tells of every packet
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with socket.create_server((HOST, 0)) as free:
        port: int = free.getsockname()[1]
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def wait_for(work: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(work, loop).result(_TIMEOUT_S)

    async def start() -> Any:
        broker = Broker(  # made in the loop that it runs in
            {
                "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}},
                "plugins": {
                    "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
                },
            }
        )
        await broker.start()
        return broker

    try:
        try:
            broker = wait_for(start())
        except (BrokerError, OSError, TimeoutError) as error:
            raise BrokerFailedError(str(error)) from error
        try:
            yield port
        finally:
            wait_for(broker.shutdown())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_TIMEOUT_S)
        loop.close()
