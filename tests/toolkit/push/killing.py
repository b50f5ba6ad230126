"""Something that kills a transfer at every tenth, and what may then be sent again."""

import random
from typing import Final

from device.config import BrokerConfig
from device.core.messages import WINDOW_CHUNKS
from tests.toolkit.push.board import bundle
from toolkit.push.link import Link
from toolkit.push.mqtt import BoardAddress, MqttLink
from toolkit.push.session import PushOutcome, push

KILLS: Final = 9
OLD: Final = bundle()
NEW: Final = bundle(version="2", gain=2.0, ballast=random.Random(2).randbytes(800_000))


class CutError(Exception):
    """The host's end of the link is gone."""


class Killer:
    """Strikes whenever another tenth of the chunks has arrived."""

    def __init__(self) -> None:
        self.kills = 0

    def __call__(self, received: int, everything: int, _phase: str) -> None:
        if self.kills < KILLS and received >= (self.kills + 1) * everything / (KILLS + 1):
            self.kills += 1
            self.strike()

    def strike(self) -> None:
        raise CutError


def settings(port: int) -> str:
    return f'\n[mqtt]\nhost = "127.0.0.1"\nport = {port}\n'


def assert_little_was_sent_again(outcome: PushOutcome, sent_count: int) -> None:
    assert outcome.chunk_count > (KILLS + 1) * WINDOW_CHUNKS
    assert outcome.chunk_count <= sent_count <= outcome.chunk_count + KILLS * WINDOW_CHUNKS


def push_until_done(link: Link, killer: Killer) -> PushOutcome:
    return push(link, NEW, timeout_s=1.0, progress=killer)


def link_to(broker_port: int) -> MqttLink:
    return MqttLink(
        BrokerConfig("127.0.0.1", broker_port, "ferrule"), BoardAddress("default", "demo")
    )
