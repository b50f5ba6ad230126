import numpy as np

from tests.toolkit.quantize.samples import (
    model_with_an_outlier,
    quality_db,
    random_feeds,
    random_model,
)
from tests.toolkit.tflite.models import INPUTS, dense, with_reshape
from toolkit.quantize.mixed import MixedPrecision, Mixture
from toolkit.quantize.quantizer import quantize
from toolkit.quantize.recipe import Precision


def test_layers_are_ranked_by_what_their_int8_does_to_the_output() -> None:
    layers = MixedPrecision(model_with_an_outlier(), random_feeds()).rank()

    assert {layer.name for layer in layers[:2]} == {"h2", "y"}  # it writes the outlier, it reads it
    assert layers[1].damage_db < 10.0
    assert layers[2].name == "h1"
    assert layers[2].kind == "FULLY_CONNECTED"
    assert layers[2].damage_db > 30.0


def test_the_search_leaves_the_worst_in_float_and_stops_at_the_budget() -> None:
    model, feeds = model_with_an_outlier(), random_feeds()
    seen: list[int] = []

    def is_within_budget(mixture: Mixture) -> bool:
        seen.append(len(mixture.float_layers))
        return quality_db(model, mixture.content, feeds) > 30.0

    mixture = MixedPrecision(model, feeds).search(is_within_budget)

    assert mixture is not None
    assert {layer.name for layer in mixture.float_layers} == {"h2", "y"}
    assert seen == [0, 1, 2]
    names = [name for layer in mixture.float_layers for name in layer.operators]
    assert mixture.content == quantize(model, Precision.MIXED, feeds=feeds, float_layers=names)


def test_all_int8_is_taken_at_once_when_it_is_within_the_budget() -> None:
    mixture = MixedPrecision(random_model(is_batched=False), random_feeds()).search(lambda _: True)

    assert mixture is not None
    assert mixture.float_layers == ()


def test_there_is_no_mixture_when_the_budget_allows_no_int8_at_all() -> None:
    seen: list[int] = []

    def refuse(mixture: Mixture) -> bool:
        seen.append(len(mixture.float_layers))
        return False

    assert MixedPrecision(model_with_an_outlier(), random_feeds()).search(refuse) is None
    assert seen == [0, 1, 2]  # all three in float would be the float model


def test_an_operator_that_only_moves_values_belongs_to_the_one_before() -> None:
    rng = np.random.default_rng(0)
    feeds = [{"x": rng.normal(size=(1, 1, INPUTS)).astype(np.float32)} for _ in range(4)]

    (layer,) = MixedPrecision(with_reshape(dense()), feeds).rank()

    assert layer.operators == ("y", "flat")
    assert layer.kind == "FULLY_CONNECTED"
