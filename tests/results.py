"""Results for the tests of the sinks."""

from device.result import Result


def result(seq: int, *, label: str = "x") -> Result:
    return Result(
        seq=seq,
        segment=0,
        t0_ns=seq * 10**9,
        window_sha256="ab" * 32,
        model_digest="cd" * 32,
        scores=(0.25, -1.0),
        label=label,
        rejected="",
        latency_ns=1000,
        monotonic_ns=seq,
    )
