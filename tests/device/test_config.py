import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.aligner import AlignerConfigError
from device.config import (
    BrokerConfig,
    Flow,
    PortConfig,
    TlsConfig,
    parse_device,
    parse_flow,
)
from device.pipeline import build_aligner
from device.toml import ConfigError
from tests.flows import flow_text

STANDARDISE = """
[[preprocess]]
kind = "standardise"
mean = [0, 0, 20]
std = [1, 2, 3]
"""
RANGE = """
[[preprocess]]
kind = "range"
low = [-1, -1, -40]
high = [1, 1, 120]
"""
DEVICE = """schema = 1
id = "press-7"
site = "hall"

[port.uplink]
device = "/dev/ttyUSB0"
baud = 9600

[port.spare]
device = "/dev/ttyUSB1"

[mqtt]
host = "broker.example"
"""


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_flow(text)
    return str(caught.value)


def device_refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_device(text)
    return str(caught.value)


def test_a_flow_is_read_as_written() -> None:
    flow = parse_flow(flow_text(preprocess=RANGE + STANDARDISE, labels='["low", "high"]'))

    assert flow.name == "press"
    assert [(c.name, c.fields, c.unit) for c in flow.streams] == [
        ("force", ("x", "y"), "N"),
        ("heat", ("t",), ""),
    ]
    assert math.isnan(flow.streams[0].fill_value)
    assert (flow.aligner.grid_hz, flow.aligner.window, flow.aligner.hop) == (10.0, 4, 4)
    assert (flow.aligner.lateness_ms, flow.aligner.deadline_ms) == (0.0, None)
    assert flow.max_missing == 1.0
    assert [source.place for source in flow.sources] == ["recording.bin"]
    assert [(step.kind, step.first, step.second) for step in flow.preprocess] == [
        ("range", (-1.0, -1.0, -40.0), (1.0, 1.0, 120.0)),
        ("standardise", (0.0, 0.0, 20.0), (1.0, 2.0, 3.0)),
    ]
    assert (flow.engine.threads, flow.engine.labels) == (1, ("low", "high"))
    assert [(sink.kind, sink.path, sink.max_bytes) for sink in flow.sinks] == [
        ("file", "results.jsonl", 64 << 20)
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("hop =", "hopp =", r"flow.toml [aligner]: hop is missing; 'hopp' looks like it"),
        ('unit = "N"', 'units = "N"', "[[stream]] 1: unknown key 'units'; did you mean 'unit'?"),
        ("schema = 1", "", "flow.toml: schema is missing"),
        ("schema = 1", "schema = 2", "schema 2 is unknown; this version reads 1"),
        ("window = 4", "window = 0", "window = 0 is not within 1"),
        ("window = 4", 'window = "4"', "window is a string, it must be an integer"),
        ("grid_hz = 10", "grid_hz = nan", "grid_hz is out of range"),
        ('fields = ["t"]', "fields = []", "[[stream]] 2: fields is empty"),
        ('fields = ["t"]', 'fields = "t"', "fields is not a list of the right kind"),
        ('"replay"', '"reply"', "kind = 'reply' is unknown; did you mean 'replay'?"),
        (
            'streams = ["force", "heat"]',
            'streams = ["forse", "heat"]',
            "[[source]] streams: 'forse' is no stream; did you mean 'force'?",
        ),
        ('"litert"', '"onnx"', "kind = 'onnx' is unknown; known are litert"),
        ("labels = []", "labels = [1]", "labels is not a list of the right kind"),
        ("[engine]", "[quality]\nmax_missing = 1.5\n[engine]", "max_missing = 1.5 is no share"),
        ("[engine]", "[quality]\nmin_missing = 1\n[engine]", "did you mean 'max_missing'?"),
        ("labels = []", "threads = 65", "threads = 65 is not within 1 and 64"),
        ('[[sink]]\nkind = "file"', '[[sink]]\nkind = "mqtt"', "unknown key 'path'"),
        ('name = "press"', 'name = "a/b"', "name = 'a/b' is no plain name"),
        ('name = "press"', 'name = "a#"', "name = 'a#' is no MQTT topic"),
        ('name = "press"', 'name = ""', "name = '' is no MQTT topic"),
        ('name = "press"', 'name = "press"\n[sources]', "unknown key 'sources'"),
    ],
)
def test_a_wrong_flow_is_refused_with_the_place_and_what_to_do(
    old: str, new: str, told: str
) -> None:
    text = flow_text()
    assert old in text

    assert told in refusal(text.replace(old, new, 1))


def test_a_flow_without_a_source_is_refused() -> None:
    assert "it has no [[source]]" in refusal(flow_text(source=""))


@pytest.mark.parametrize("path", ["a/b", "../a", "..", ".", "", "/a", "a\\u0000b"])
def test_a_file_sink_writes_a_plain_file_name_only(path: str) -> None:
    text = flow_text().replace("results.jsonl", path)

    assert "is no plain file name; the file lies in the board's results folder" in refusal(text)


def test_two_sinks_never_write_one_file() -> None:
    sink = '[[sink]]\nkind = "file"\npath = "a"\n'

    assert "two [[sink]] write one file" in refusal(flow_text(sink=sink * 2))


@pytest.mark.parametrize("path", ["/etc/passwd", "../a", "a/../../b", "", "a\\u0000b"])
def test_a_recording_lies_below_the_boards_folder(path: str) -> None:
    assert "is no path below the board's folder" in refusal(
        flow_text().replace("recording.bin", path)
    )


@pytest.mark.parametrize("std", ["[1, 0, 1]", "[1, -1, 1]", "[1, 1e-46, 1]"])
def test_a_deviation_that_is_not_positive_in_float32_is_refused(std: str) -> None:
    text = flow_text(preprocess=STANDARDISE.replace("[1, 2, 3]", std))

    assert "std holds a value that is not positive" in refusal(text)


def test_a_range_whose_low_is_not_below_its_high_is_refused() -> None:
    text = flow_text(preprocess=RANGE.replace("[1, 1, 120]", "[1, -1, 120]"))

    assert "low is not below high in every column" in refusal(text)


@pytest.mark.parametrize("step", [RANGE, STANDARDISE])
def test_a_step_needs_a_number_for_every_column(step: str) -> None:
    shorter = step.replace(", 20]", "]").replace(", 120]", "]")

    assert "numbers for 3 columns; give one per field of every stream" in refusal(
        flow_text(preprocess=shorter)
    )


def test_settings_that_only_the_aligner_can_judge_are_refused_when_it_is_built() -> None:
    flow = parse_flow(flow_text(grid_hz=3))

    with pytest.raises(AlignerConfigError, match=r"grid_hz: 3\.0 has no whole period"):
        build_aligner(flow)


def test_an_unknown_mode_is_refused_with_the_nearest_known_one() -> None:
    flow = parse_flow(flow_text().replace('mode = "hold"', 'mode = "held"', 1))

    with pytest.raises(AlignerConfigError, match="'held': no such mode; did you mean 'hold'"):
        build_aligner(flow)


def test_the_same_flow_twice_has_one_grid_even_with_a_fill_of_nan() -> None:
    assert parse_flow(flow_text()).has_windows_of(parse_flow(flow_text(labels='["a", "b"]')))


def test_flows_with_other_streams_or_windows_have_another_grid() -> None:
    flow = parse_flow(flow_text())

    assert not flow.has_windows_of(parse_flow(flow_text(grid_hz=20)))
    assert not flow.has_windows_of(parse_flow(flow_text().replace('"hold"', '"linear"', 1)))


@given(st.integers(min_value=0), st.text(max_size=3), st.integers(0, 8))
def test_a_flow_with_one_spoilt_place_is_a_flow_or_a_config_error(
    place: int, text: str, cut: int
) -> None:
    whole = flow_text(preprocess=RANGE + STANDARDISE)
    place %= len(whole)

    with suppress(ConfigError):
        assert isinstance(parse_flow(whole[:place] + text + whole[place + cut :]), Flow)


def test_a_board_is_read_as_written() -> None:
    device = parse_device(DEVICE)

    assert (device.id, device.site) == ("press-7", "hall")
    assert device.ports == {
        "uplink": PortConfig("/dev/ttyUSB0", 9600),
        "spare": PortConfig("/dev/ttyUSB1", 115_200),
    }
    assert device.broker is not None
    assert (device.broker.host, device.broker.port, device.broker.root) == (
        "broker.example",
        1883,
        "ferrule",
    )


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("tls = true", BrokerConfig("broker.example", 8883, "ferrule", tls=TlsConfig())),
        (
            'port = 99\nprotocol = "5"\ntls = true\nca = "a"\ncertificate = "c"\nkey = "k"',
            BrokerConfig("broker.example", 99, "ferrule", True, TlsConfig("a", "c", "k")),
        ),
        ('root = "a/b"', BrokerConfig("broker.example", 1883, "a/b")),
    ],
)
def test_a_broker_is_spoken_to_as_the_board_says(keys: str, expected: BrokerConfig) -> None:
    text = f'schema = 1\nid = "x"\n[mqtt]\nhost = "broker.example"\n{keys}\n'

    assert parse_device(text).broker == expected


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ('host = "b"\nca = "ca.pem"', "unknown key 'ca'"),
        ("port = 1883", "unknown key 'port'"),
        ('host = "b"\nprotocol = "4"', "protocol = '4' is unknown"),
        ('host = "b"\ntls = "yes"', "tls is a string, it must be true or false"),
    ],
    ids=["certificates without TLS", "a port without a host", "a version nobody speaks", "a word"],
)
def test_a_broker_that_is_half_described_is_refused(keys: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        parse_device(f'schema = 1\nid = "x"\n[mqtt]\n{keys}\n')


def test_a_board_needs_no_port_and_no_broker() -> None:
    device = parse_device('schema = 1\nid = "a"')

    assert (device.site, device.ports, device.broker) == ("default", {}, None)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('id = "press-7"', "", "device.toml: id is missing"),
        ('id = "press-7"', 'id = "a+"', "id = 'a+' is no MQTT topic"),
        ('site = "hall"', 'site = "a/b"', "site = 'a/b' is no plain name"),
        ("baud = 9600", "baut = 9600", "[port] [uplink]: unknown key 'baut'; did you mean 'baud'?"),
        ("baud = 9600", "baud = 0", "baud = 0 is not within 50"),
        ("host =", "hots =", "[mqtt]: unknown key 'hots'; did you mean 'host'?"),
        ("[mqtt]", "[mqtt]\nport = 70000", "port = 70000 is not within 1 and 65535"),
        ("[mqtt]", '[mqtt]\nroot = "a/#"', "root = 'a/#' is no MQTT topic"),
        ("schema = 1", "schema = 3", "schema 3 is unknown"),
    ],
)
def test_a_wrong_board_is_refused_with_the_place_and_what_to_do(
    old: str, new: str, told: str
) -> None:
    assert old in DEVICE

    assert told in device_refusal(DEVICE.replace(old, new, 1))
