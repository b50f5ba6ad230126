"""A board in this process: agent and pipeline on a storage, and a host that pushes to it."""

import hashlib
from collections.abc import Callable

from device.agent.agent import Agent
from device.core.messages import MIN_CHUNK, NO_DIGEST, Offer, decode
from device.core.transfer import Sender
from device.pipeline import Model, Pipeline
from device.sources.events import Event, Source
from device.store.requirements import BoardFacts
from device.store.slots import Slots
from device.store.storage import Storage
from tests.clock import ManualClock

FACTS = BoardFacts("", "", "", {"litert": "2.3"}, 1 << 30)
_STEP_S = 0.1


class Desk:
    """The host's end of a source: keeps the replies; samples come when a test lays them there."""

    is_exhausted = False
    is_live = True

    def __init__(self) -> None:
        self.replies: list[bytes] = []

    def fileno(self) -> int | None:
        return None

    def read(self) -> list[Event]:
        return []

    def assign(self, _streams: object, /) -> None:
        return

    def reply(self, payload: bytes, /) -> None:
        self.replies.append(payload)

    def counters(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        return


class Board:
    """A board from its start on; a new one on the same storage is a restart."""

    def __init__(
        self,
        storage: Storage,
        *,
        clock: ManualClock | None = None,
        facts: BoardFacts = FACTS,
        on_begin: Callable[[Model], None] = lambda _: None,
        budget_bytes: int = 1 << 30,
    ) -> None:
        """Start.

        Args:
            storage: what the board holds.
            clock: of trials.
            facts: what the board is.
            on_begin: called with each model before it runs; may refuse it.
            budget_bytes: of the slots.
        """
        self.clock = clock or ManualClock()
        self.desk = Desk()
        self.slots = Slots(storage, budget_bytes=budget_bytes)
        self.agent = Agent(self.slots, facts, self.clock)
        self._on_begin = on_begin
        self.pipeline = self.agent.boot(self._begin)

    @property
    def runs(self) -> str:
        """The digest of the bundle that runs."""
        return self.pipeline.model.digest

    @property
    def phase(self) -> str:
        """Where the update stands, as a link would be told."""
        return str(self.agent.describe(self.pipeline.current)["phase"])

    def hear(self, payload: bytes, source: Source) -> None:
        assert source is self.desk
        self.agent.receive(payload, source)

    def take_over(self, model: Model) -> None:
        self._on_begin(model)
        self.pipeline.replace(model, [self.desk], [])

    def work(self) -> None:
        """Let the agent do one step, and time pass."""
        self.agent.work(self.take_over, self.pipeline.current)
        self.clock.advance(seconds=_STEP_S)

    def take(
        self,
        data: bytes,
        *,
        digest: bytes | None = None,
        made: bytes = b"",
        base: bytes = NO_DIGEST,
        chunk_bytes: int = MIN_CHUNK,
    ) -> Sender:
        """Let a host send ``data`` until the board has decided.

        Args:
            data: a bundle file.
            digest: offered in place of its own.
            made: digest of what the board then runs, when ``data`` is a delta.
            base: digest of what the delta applies to.
            chunk_bytes: of the transfer.
        """
        own = digest or hashlib.sha256(data).digest()
        sender = Sender(Offer(chunk_bytes, len(data), own, made, base), data)
        self.finish(sender)
        return sender

    def settle(self) -> None:
        """Let the agent end what it is at: a trial, a change that the disk refused."""
        while self.phase in {"VERIFYING", "STAGED", "TRIAL"}:
            self.work()

    def finish(self, sender: Sender) -> None:
        """Let a host go on until the board has decided."""
        while not sender.is_done:
            self.exchange(sender)

    def exchange(self, sender: Sender) -> None:
        """Let the host say its next thing and hear the answers."""
        now_us = self.clock.monotonic_ns() // 1000
        if (message := sender.next_message(now_us)) is not None:
            self.agent.receive(message.encode(), self.desk)
        self.work()
        for payload in self.desk.replies:
            sender.handle(decode(payload), now_us)
        self.desk.replies.clear()

    def _begin(self, model: Model) -> Pipeline:
        self._on_begin(model)
        return Pipeline(model, [self.desk], [], self.clock, on_message=self.hear)
