"""A trial: whether a new model has shown what its manifest asks for."""

from dataclasses import replace
from typing import Any, Final

from device.golden import GoldenVectors
from device.infer.engine import Engine
from device.store.bundle import Bundle
from device.store.manifest import Manifest
from device.tally import Tally, percentiles_ms

_NS_PER_S: Final = 1_000_000_000


class Trial:
    """One start of a bundle that is not confirmed.

    Attributes:
        manifest: of the bundle.
    """

    def __init__(self, manifest: Manifest, started_ns: int) -> None:
        """Begin.

        Args:
            manifest: of the bundle, with its health rules.
            started_ns: monotonic.
        """
        self.manifest: Final = manifest
        self._started_ns = started_ns

    def is_over(self, now_ns: int) -> bool:
        """Whether the time of the trial has passed."""
        return now_ns - self._started_ns >= self.manifest.health.trial_s * _NS_PER_S

    def complaint(self, tally: Tally) -> str:
        """Return which rule does not hold, empty when all do.

        Args:
            tally: of the windows since the bundle took over.
        """
        rules = self.manifest.health
        if tally.windows < rules.least_windows:
            return f"{tally.windows} windows in {rules.trial_s} s, {rules.least_windows} must come"
        if tally.rejected > rules.most_rejected * tally.windows:
            share = tally.rejected / tally.windows
            return f"{share:.1%} of the windows rejected, {rules.most_rejected:.1%} may be"
        p99_ms = percentiles_ms(tally.latencies_ns).get("p99", 0.0)
        if p99_ms > rules.most_p99_ms:
            return (
                f"99 % of the results within {p99_ms:.1f} ms, {rules.most_p99_ms:g} ms is allowed"
            )
        return ""

    def describe(self, tally: Tally, now_ns: int) -> dict[str, Any]:
        """Return how far it is, for the status."""
        rules = self.manifest.health
        return {
            "version": self.manifest.version,
            "passed_s": (now_ns - self._started_ns) / _NS_PER_S,
            "trial_s": rules.trial_s,
            "windows": tally.windows,
            "least_windows": rules.least_windows,
        }


def check_golden(bundle: Bundle, engine: Engine, /) -> None:
    """Run a bundle's golden vectors, if it has any, within the tolerance of its manifest.

    Raises:
        GoldenError: they cannot be read, or a difference is larger.
        ModelError: the model fails.
    """
    golden = bundle.manifest.golden
    if golden is None:
        return
    where = f"{bundle.manifest.name} {bundle.manifest.version}: {golden.part}"
    vectors = GoldenVectors.decode(bundle.parts[golden.part], where=where)
    replace(vectors, tolerance=golden.tolerance).check(engine, where=where)
    engine.reset()
