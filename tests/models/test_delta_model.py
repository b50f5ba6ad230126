"""The page and the code say the same: what is written from the one decodes what the other makes."""

import pytest

from tests.contract.test_delta_doc import TEXT, example
from tests.golden.delta import files, patches
from tests.models.delta_model import Model
from tests.toolkit.delta.models import MAKERS, noisy, stretched, weights
from toolkit.delta.create import create


@pytest.mark.parametrize(("name", "patch"), list(patches()), ids=["one", "several", "whole"])
def test_the_model_makes_the_golden_results(name: str, patch: bytes) -> None:
    base, result, _ = files()
    assert Model(base, patch).run() == result, name


@pytest.mark.parametrize("precision", MAKERS)
def test_the_model_makes_a_retrained_network(precision: str) -> None:
    make = MAKERS[precision]
    old = make(weights())
    for new in (make(noisy(0.05)), make(stretched(0.1))):
        assert Model(old, create(old, new).content).run() == new


def test_the_example_is_made_of_the_operations_that_the_text_says() -> None:
    base = b"ferrule" + bytes(32)
    model = Model(base, example())
    model.run()
    assert model.operations == ["DIFFERENCE", "COPY", "REGION"]
    assert "a `DIFFERENCE` (-32), a `COPY` of 6 bytes, and a `REGION`" in " ".join(TEXT.split())
