"""A clock that a test moves by hand."""


class ManualClock:
    """Stands still until a test moves it; both clocks are the same."""

    def __init__(self, now_ns: int = 0) -> None:
        self.time_ns = now_ns

    def now_ns(self) -> int:
        return self.time_ns

    def monotonic_ns(self) -> int:
        return self.time_ns

    def advance(self, *, seconds: float) -> None:
        self.time_ns += round(seconds * 1e9)
