import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from device.core import messages
from device.core.errors import TransferRefusedError
from device.core.messages import MIN_CHUNK, Offer, Query, decode
from device.core.transfer import Sender
from device.exit_code import ExitCode
from device.infer.engine import ModelError
from device.pipeline import Model
from device.result import Result
from device.store.bundle import HEADER
from device.store.errors import BundleError
from device.store.manifest import EngineNeed, GoldenPart, HealthRules, Manifest
from device.store.slots import NoBundleError, Slots, slot_name
from tests.clock import ManualClock
from tests.flows import bundle_bytes, delta_of, flow_text, golden_part, model_bytes, parts
from tests.keys import KEY, OTHER_KEY, signed
from tests.sim.storage import SimStorage
from tests.virtual_board import FACTS, Board
from toolkit.bundle.create import encode

OLD = bundle_bytes()
NEW = bundle_bytes(version="2", gain=2.0)


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@pytest.fixture
def storage() -> SimStorage:
    """A storage whose board trusts the tests' key and runs OLD."""
    storage = SimStorage()
    slots = Slots(storage)
    slots.keys.add(KEY.public)
    slots.install(OLD, where="test")
    return storage


def special(manifest: Manifest, **more: bytes) -> bytes:
    """Return a bundle whose manifest asks for something."""
    return encode(manifest, parts(gain=2.0) | more, KEY)


MANIFEST = Manifest("press", "2", 1)


@pytest.fixture
def board(storage: SimStorage) -> Board:
    return Board(storage)


def test_a_whole_update_takes_over_and_is_kept(board: Board) -> None:
    sender = board.take(NEW)

    assert sender.sent_count == sender.offer.chunk_count
    assert board.pipeline.model.version == "2"
    assert board.pipeline.swaps == 1
    assert board.slots.record().active == digest(NEW)
    assert board.agent.describe(board.pipeline.current) == {
        "phase": "CONFIRMED",
        "code": 0,
        "text": "",
        "received_chunks": sender.offer.chunk_count,
        "messages_bad": 0,
        "trial": None,
    }


def test_the_model_before_can_be_pushed_again(board: Board) -> None:
    board.take(NEW)
    board.take(OLD)

    assert board.pipeline.swaps == 2
    assert board.slots.record().active == digest(OLD)


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (b"no bundle" * 20, "BAD_BUNDLE", "not a bundle"),
        (NEW[: HEADER.size] + NEW[HEADER.size + 1 :], "BAD_SIGNATURE", "it is not signed"),
        (NEW[:-1] + bytes([NEW[-1] ^ 1]), "BAD_BUNDLE", "digest of part"),
        (signed("p", "2", 2, {"model.tflite": model_bytes()}), "BAD_BUNDLE", "no flow.toml"),
        (
            signed("p", "2", 2, {"flow.toml": b"\xff", "model.tflite": model_bytes()}),
            "BAD_BUNDLE",
            "no UTF-8",
        ),
        (bundle_bytes(flow="schema = 2\n"), "BAD_FLOW", "schema 2"),
        (bundle_bytes(flow="schema = ["), "BAD_FLOW", "flow.toml"),
        (bundle_bytes(flow=flow_text() + 'colour = "red"\n'), "BAD_FLOW", "colour"),
        (bundle_bytes(flow=flow_text(source="")), "BAD_FLOW", "source"),
        (bundle_bytes(flow=flow_text(grid_hz=2_000_000_000)), "BAD_FLOW", "grid"),
    ],
)
def test_a_refused_update_says_why_changes_nothing_and_keeps_nobody_out(
    board: Board, data: bytes, code: str, reason: str
) -> None:
    with pytest.raises(TransferRefusedError) as refused:
        board.take(data)

    assert code in str(refused.value)
    assert reason in str(refused.value)
    assert board.agent.describe(board.pipeline.current)["phase"] == "IDLE"
    assert reason in board.agent.describe(board.pipeline.current)["text"]
    assert board.pipeline.swaps == 0
    assert board.slots.record().active == digest(OLD)
    board.take(NEW)
    assert board.pipeline.model.version == "2"


def test_bytes_that_are_not_those_offered_are_refused_by_their_digest(board: Board) -> None:
    with pytest.raises(TransferRefusedError, match=r"BAD_DIGEST.*its digest is not"):
        board.take(NEW, digest=hashlib.sha256(b"something else").digest())

    assert board.pipeline.swaps == 0


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (
            signed("p", "2", 2, {"flow.toml": flow_text().encode(), "model.tflite": b"TFL3" * 9}),
            "BAD_MODEL",
            "refuses the model",
        ),
        (bundle_bytes(flow=flow_text(labels='["a"]')), "BAD_MODEL", "2 outputs for 1 labels"),
        (special(replace(MANIFEST, golden=GoldenPart("golden.cbor", 0.5)),
                 **{"golden.cbor": golden_part(gain=1.0)}), "BAD_MODEL", "vector 0 differs by 4"),
        (special(replace(MANIFEST, golden=GoldenPart("golden.cbor", 0.5)),
                 **{"golden.cbor": b"no vectors"}), "BAD_MODEL", "golden vectors"),
    ],
)  # fmt: skip
def test_a_model_that_does_not_start_is_rolled_back_and_keeps_nobody_out(
    board: Board, data: bytes, code: str, reason: str
) -> None:
    with pytest.raises(TransferRefusedError, match=reason) as refused:
        board.take(data)

    assert refused.value.code_name == code
    record = board.slots.record()
    assert board.agent.describe(board.pipeline.current)["phase"] == "ROLLED_BACK"
    assert (record.active, record.failed, record.starts) == (digest(OLD), digest(data), 0)
    assert board.pipeline.swaps == 0
    board.take(NEW)
    assert board.pipeline.model.version == "2"


def large(**asked: Any) -> bytes:
    """Return a bundle whose manifest asks for this, and whose head is not all of it."""
    return special(replace(MANIFEST, **asked), ballast=bytes(10_000))


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (encode(MANIFEST, parts(), OTHER_KEY), "BAD_SIGNATURE", "which is not trusted here"),
        (NEW.replace(b"press", b"prass", 1), "BAD_SIGNATURE", "does not match its manifest"),
        (large(boards=("pi-9",)), "WRONG_BOARD", "it needs board pi-9"),
        (large(vendor="Acme"), "WRONG_BOARD", "it needs vendor Acme"),
        (large(engine=EngineNeed("litert", "99")), "WRONG_BOARD", "litert 99"),
        (large(ram_needed_bytes=2 << 30), "WRONG_BOARD", "it needs RAM"),
        (large(sequence=0), "OLD_SEQUENCE", "the board has confirmed 1"),
        (NEW + bytes(50_000), "BAD_BUNDLE", "its head speaks of"),
    ],
)
def test_what_must_not_run_here_is_refused_by_its_head_before_a_slot_is_touched(
    board: Board, data: bytes, code: str, reason: str
) -> None:
    before = board.slots.storage.names("slots")
    offer = Offer(MIN_CHUNK, len(data), digest(data))
    sender = Sender(offer, data)

    with pytest.raises(TransferRefusedError, match=reason) as refused:
        board.finish(sender)

    assert refused.value.code_name == code
    assert sender.sent_count < 12
    assert board.slots.storage.names("slots") == before
    board.take(NEW)


def test_a_full_disk_is_said_before_a_byte_comes(storage: SimStorage) -> None:
    board = Board(storage, budget_bytes=len(OLD) + len(NEW) - 1)

    with pytest.raises(TransferRefusedError, match=r"NO_SPACE.*free some space"):
        board.take(NEW)

    assert board.agent.describe(board.pipeline.current)["received_chunks"] == 0
    assert board.pipeline.model.version == "1"


def test_a_small_budget_costs_the_previous_bundle_and_no_more(storage: SimStorage) -> None:
    board = Board(storage, budget_bytes=2 * len(NEW) + 10)
    for gain in (2.0, 3.0, 4.0):
        board.take(bundle_bytes(version="2", gain=gain))

    assert board.slots.record().previous == digest(bundle_bytes(version="2", gain=3.0))
    assert len(board.slots.storage.names("slots")) == 4  # two pointers, two slots


def test_a_refused_bundle_leaves_nothing_behind(board: Board) -> None:
    before = board.slots.storage.names("slots")

    with pytest.raises(TransferRefusedError):
        board.take(b"no bundle" * 50)

    assert board.slots.storage.names("slots") == before


def test_another_grid_takes_over_too(board: Board) -> None:
    board.take(bundle_bytes(version="2", flow=flow_text(grid_hz=20)))

    assert board.pipeline.swaps == 1
    assert board.pipeline.model.flow.aligner.grid_hz == 20


def test_an_interrupted_transfer_is_resumed(board: Board) -> None:
    offer = Offer(MIN_CHUNK, len(NEW), hashlib.sha256(NEW).digest())
    sender = Sender(offer, NEW)
    for now_us in range(6):
        message = sender.next_message(now_us)
        assert message is not None
        board.agent.receive(message.encode(), board.desk)
        for payload in board.desk.replies:
            sender.handle(decode(payload), now_us)
        board.desk.replies.clear()

    again = board.take(NEW)

    assert again.sent_count == offer.chunk_count - 5


def test_a_transfer_is_resumed_after_a_restart(storage: SimStorage) -> None:
    board = Board(storage)
    sender = Sender(Offer(MIN_CHUNK, len(NEW), digest(NEW)), NEW)
    for _ in range(21):
        board.exchange(sender)

    again = Board(storage).take(NEW)

    assert again.sent_count == sender.offer.chunk_count - 20


def test_a_host_that_goes_on_after_a_restart_is_heard(storage: SimStorage) -> None:
    clock = ManualClock()
    board = Board(storage, clock=clock)
    sender = Sender(Offer(MIN_CHUNK, len(NEW), digest(NEW)), NEW)
    for _ in range(21):
        board.exchange(sender)

    board = Board(storage, clock=clock)
    board.finish(sender)

    assert board.runs == digest(NEW).hex()
    assert sender.sent_count <= sender.offer.chunk_count + 1


TRIAL = replace(MANIFEST, sequence=5, health=HealthRules(trial_s=10))


def push_until_trial(board: Board, data: bytes) -> Sender:
    sender = Sender(Offer(1008, len(data), digest(data)), data)
    while board.slots.record().phase != messages.TRIAL or board.agent.is_busy:
        board.exchange(sender)
    return sender


def test_a_trial_is_confirmed_when_its_time_is_over_and_not_before(board: Board) -> None:
    data = special(TRIAL)
    sender = push_until_trial(board, data)
    started_ns = board.clock.monotonic_ns()
    assert board.runs == digest(data).hex()
    assert board.slots.record().active == digest(OLD)
    assert board.slots.record().counter == 1

    board.finish(sender)

    assert board.clock.monotonic_ns() - started_ns >= 9.9e9
    record = board.slots.record()
    assert (record.active, record.previous, record.counter) == (digest(data), digest(OLD), 5)
    with pytest.raises(TransferRefusedError, match="OLD_SEQUENCE"):
        board.take(NEW)


def test_golden_vectors_within_the_manifests_tolerance_let_it_pass(board: Board) -> None:
    manifest = replace(MANIFEST, golden=GoldenPart("golden.cbor", 0.5))

    board.take(special(manifest, **{"golden.cbor": golden_part(gain=2.1, tolerance=1e-9)}))

    assert board.pipeline.model.version == "2"


@pytest.mark.parametrize(
    ("rules", "windows", "reason"),
    [
        (HealthRules(10, least_windows=3), [0.1] * 2, "2 windows in 10 s, 3 must come"),
        (HealthRules(10, most_rejected=0.5), [0.1] * 4 + [-1.0] * 5, "55.6% of the windows"),
        (HealthRules(10, most_p99_ms=50), [0.01] * 9 + [0.06], "99 % of the results within 60.0"),
    ],
)
def test_a_trial_that_breaks_a_rule_goes_back_by_itself(
    board: Board, rules: HealthRules, windows: list[float], reason: str
) -> None:
    data = special(replace(TRIAL, health=rules))
    sender = push_until_trial(board, data)
    for latency_s in windows:
        board.pipeline.current.add(result(latency_s))

    with pytest.raises(TransferRefusedError, match=f"UNHEALTHY: {reason}"):
        board.finish(sender)

    assert board.runs == digest(OLD).hex()
    record = board.slots.record()
    assert (record.active, record.failed, record.counter) == (digest(OLD), digest(data), 1)
    assert record.phase == messages.ROLLED_BACK
    board.take(NEW)


def test_a_trial_that_keeps_its_rules_is_confirmed(board: Board) -> None:
    rules = HealthRules(10, least_windows=3, most_rejected=0.25, most_p99_ms=50)
    sender = push_until_trial(board, special(replace(TRIAL, health=rules)))
    for latency_s in (0.01, 0.02, 0.05, -1.0):
        board.pipeline.current.add(result(latency_s))

    board.finish(sender)

    assert board.slots.record().counter == 5


def result(latency_s: float) -> Result:
    """Return a result; a negative latency stands for a rejected window."""
    latency_ns = round(abs(latency_s) * 1e9) if latency_s > 0 else 0
    rejected = "" if latency_s > 0 else "as the test says"
    return Result(0, 0, 0, "", "", (), "", rejected, latency_ns, 0)


class ProcessDiedError(BaseException):
    """The model took the whole process with it."""


def die_of(data: bytes) -> Callable[[Model], None]:
    def begin(model: Model) -> None:
        if model.digest == digest(data).hex():
            raise ProcessDiedError

    return begin


def test_a_model_that_crashes_on_load_is_rolled_back_after_three_starts(
    storage: SimStorage,
) -> None:
    crashes = die_of(NEW)
    with pytest.raises(ProcessDiedError):
        Board(storage, on_begin=crashes).take(NEW)
    for _ in range(2):
        with pytest.raises(ProcessDiedError):
            Board(storage, on_begin=crashes)

    board = Board(storage, on_begin=crashes)

    assert board.runs == digest(OLD).hex()
    record = board.slots.record()
    assert (record.phase, record.failed) == (messages.ROLLED_BACK, digest(NEW))
    assert record.text == "3 starts without a confirm"
    board.take(bundle_bytes(version="3", gain=3.0))
    assert board.pipeline.model.version == "3"


def test_a_trial_goes_on_after_a_restart_and_is_confirmed(storage: SimStorage) -> None:
    data = special(TRIAL)
    clock = ManualClock()
    sender = push_until_trial(Board(storage, clock=clock), data)

    board = Board(storage, clock=clock)
    assert board.runs == digest(data).hex()
    assert board.slots.record().starts == 2
    board.finish(sender)

    assert board.slots.record().active == digest(data)
    assert Board(storage).runs == digest(data).hex()


def test_a_model_that_does_not_start_after_a_restart_goes_back_at_once(storage: SimStorage) -> None:
    data = special(TRIAL)
    push_until_trial(Board(storage), data)

    def refuse(model: Model) -> None:
        if model.digest == digest(data).hex():
            raise ModelError("model", "no more memory")

    board = Board(storage, on_begin=refuse)

    assert board.runs == digest(OLD).hex()
    assert "no more memory" in board.slots.record().text


def test_another_offer_during_a_trial_is_told_to_wait(board: Board) -> None:
    push_until_trial(board, special(TRIAL))

    with pytest.raises(TransferRefusedError, match="BUSY"):
        board.take(NEW)


def test_the_next_key_is_trusted_from_the_confirm_on(board: Board) -> None:
    by_next = encode(replace(MANIFEST, version="3"), parts(gain=3.0), OTHER_KEY)
    introducing = special(replace(MANIFEST, next_keys=(OTHER_KEY.public,)))
    failing = special(
        replace(MANIFEST, next_keys=(OTHER_KEY.public,), health=HealthRules(1, least_windows=1))
    )
    with pytest.raises(TransferRefusedError, match="UNHEALTHY"):
        board.take(failing)
    with pytest.raises(TransferRefusedError, match="BAD_SIGNATURE"):
        board.take(by_next)

    board.take(introducing)
    board.take(by_next)

    assert board.pipeline.model.version == "3"


def test_a_damaged_active_bundle_gives_way_to_the_one_before(storage: SimStorage) -> None:
    Board(storage).take(NEW)
    storage.put(slot_name(digest(NEW)), b"rotten" + NEW[6:])

    board = Board(storage)

    assert board.runs == digest(OLD).hex()
    assert Board(storage).slots.record().active == digest(OLD)
    board.take(NEW)
    assert board.runs == digest(NEW).hex()


def test_a_damaged_active_bundle_without_one_before_is_told(storage: SimStorage) -> None:
    storage.put(slot_name(digest(OLD)), b"rotten" + OLD[6:])

    with pytest.raises(BundleError, match="not a bundle"):
        Board(storage)


def test_a_board_without_a_bundle_says_how_to_get_one() -> None:
    with pytest.raises(NoBundleError, match="ferrule-device install ROOT BUNDLE") as caught:
        Board(SimStorage())

    assert caught.value.exit_code == ExitCode.NOT_FOUND


def test_a_delta_to_what_runs_makes_the_whole_bundle(board: Board) -> None:
    delta = delta_of(OLD, NEW)

    board.take(delta, made=digest(NEW), base=digest(OLD))

    assert len(delta) < len(NEW)
    assert board.runs == digest(NEW).hex()
    assert board.slots.storage.read(slot_name(digest(NEW))) == NEW
    assert "incoming" not in board.slots.storage.names("slots")


@pytest.mark.parametrize(
    ("delta", "code", "reason"),
    [
        (delta_of(NEW, OLD), "WRONG_BASE", "it applies to"),
        (delta_of(OLD, NEW, ram_needed_bytes=2 << 30), "WRONG_BOARD", "it needs RAM"),
        (delta_of(OLD, NEW)[:-1], "BAD_BUNDLE", "its head speaks of"),
        (delta_of(OLD, NEW) + b"x", "BAD_BUNDLE", "its head speaks of"),
    ],
)
def test_a_delta_that_cannot_be_applied_is_refused(
    board: Board, delta: bytes, code: str, reason: str
) -> None:
    with pytest.raises(TransferRefusedError, match=reason) as refused:
        board.take(delta, made=digest(NEW), base=digest(OLD))

    assert refused.value.code_name == code
    board.take(NEW)


def test_a_delta_that_is_offered_for_another_base_is_refused_at_once(board: Board) -> None:
    with pytest.raises(TransferRefusedError, match=r"WRONG_BASE.*for another bundle"):
        board.take(delta_of(NEW, OLD), made=digest(OLD)[::-1], base=digest(NEW))

    assert "incoming" not in board.slots.storage.names("slots")


def test_a_status_tells_trial_and_counter(board: Board) -> None:
    data = special(TRIAL)
    push_until_trial(board, data)
    board.desk.replies.clear()

    board.agent.receive(messages.Query().encode(), board.desk)

    (payload,) = board.desk.replies
    status = messages.decode(payload)
    assert isinstance(status, messages.Status)
    assert (status.phase, status.sequence) == (messages.TRIAL, 1)
    assert (status.active_digest, status.trial_digest) == (digest(OLD), digest(data))


def test_a_delta_that_takes_more_memory_than_there_is_is_refused(storage: SimStorage) -> None:
    small = replace(FACTS, ram_limit_bytes=1500)
    board = Board(storage, facts=small)

    with pytest.raises(TransferRefusedError, match=r"WRONG_BOARD.*it needs RAM"):
        board.take(delta_of(OLD, NEW), made=digest(NEW), base=digest(OLD))


def test_a_delta_whose_result_finds_no_room_is_refused_by_its_head(storage: SimStorage) -> None:
    board = Board(storage, budget_bytes=len(OLD) + len(NEW) + 100)

    with pytest.raises(TransferRefusedError, match="NO_SPACE"):
        board.take(delta_of(OLD, NEW), made=digest(NEW), base=digest(OLD))


def test_what_is_no_message_is_counted_and_not_answered(board: Board) -> None:
    for payload in (b"\xff", b"\x10short", b"\x12" + bytes(15)):
        board.agent.receive(payload, board.desk)
    board.work()

    assert board.desk.replies == []
    assert board.agent.describe(board.pipeline.current)["messages_bad"] == 3


def test_a_query_is_answered_with_what_runs(board: Board) -> None:
    board.agent.receive(Query().encode(), board.desk)

    (reply,) = board.desk.replies
    assert hashlib.sha256(OLD).digest() in reply


def test_closing_twice_in_the_middle_of_a_transfer_is_fine(board: Board) -> None:
    offer = Offer(MIN_CHUNK, len(NEW), hashlib.sha256(NEW).digest())
    board.agent.receive(offer.encode(), board.desk)

    board.agent.close()
    board.agent.close()

    assert board.slots.record().active == digest(OLD)
