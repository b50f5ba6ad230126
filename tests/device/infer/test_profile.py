import numpy as np
import pytest

from device.infer import profile as module
from device.infer.engine import ModelError
from device.infer.profile import profile
from tests.device.infer.tflite_models import accumulator
from tests.toolkit.quantize.tflite_models import matrix_product

MODEL = matrix_product(np.ones((512, 512), np.float32), rows=64, is_batched=False)


def test_every_operator_has_its_share() -> None:
    operators = profile(MODEL, where="m")

    assert operators is not None
    product = max(operators, key=lambda operator: operator.share)
    assert "Fully Connected" in product.kind
    assert product.calls == 1
    assert product.share > 0.5
    assert sum(operator.share for operator in operators) == pytest.approx(1, abs=1e-3)


def test_operators_come_in_the_order_they_run() -> None:
    operators = profile(accumulator(4), where="m")

    assert operators is not None
    kinds = [operator.kind for operator in operators]
    assert kinds[0] == "CALL_ONCE"
    assert "Delegate/Add (ND)" in kinds[1:]


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ModelError, match=r"^m: LiteRT cannot profile it"):
        profile(b"TFL3", where="m")


def test_an_unknown_release_gives_no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "version", lambda _package: "3.0.0")

    assert profile(MODEL, where="m") is None
