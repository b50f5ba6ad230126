from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.exit_code import ExitCode
from device.toml import ConfigError, Table, hint


def table(text: str) -> Table:
    return Table.parse(text, where="x.toml")


def test_each_kind_of_value_is_read() -> None:
    top = table(
        'name = "a"\ncount = 3\nis_on = true\nrate = 2\nlist = ["b", "c"]\nnumbers = [1, 2.5]'
    )

    assert top.string("name") == "a"
    assert top.integer("count") == 3
    assert top.boolean("is_on") is True
    assert top.number("rate") == 2.0
    assert top.strings("list") == ("b", "c")
    assert top.numbers("numbers") == (1.0, 2.5)
    top.finish()


def test_absent_values_have_their_defaults() -> None:
    top = table("")

    assert top.string("name", "a") == "a"
    assert top.integer("count", 3) == 3
    assert top.boolean("is_on", True) is True
    assert top.optional_number("rate") is None
    assert top.strings("list", ()) == ()
    assert top.tables("stream") == []
    assert top.named_tables("port") == {}
    top.table("mqtt").finish()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("key = 1", "key is an integer, it must be a string"),
        ("key = true", "key is true or false, it must be a string"),
        ("key = 1.5", "key is a number, it must be a string"),
        ("key = []", "key is a list, it must be a string"),
        ("[key]", "key is a table, it must be a string"),
        ("key = 2020-01-01", "key is date, it must be a string"),
    ],
)
def test_a_string_of_another_kind_is_refused_with_its_kind(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        table(text).string("key")

    assert caught.value.reason == reason
    assert str(caught.value) == f"x.toml: {reason}"
    assert caught.value.exit_code == ExitCode.USAGE


def test_true_is_no_integer_and_no_number() -> None:
    for read in (table("key = true").integer, table("key = true").number):
        with pytest.raises(ConfigError, match="key is true or false"):
            read("key")
    with pytest.raises(ConfigError, match="key holds something that is no float32 number"):
        table("key = [true]").numbers("key")


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e39", "1" + "0" * 400])
def test_a_number_that_float32_cannot_hold_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="key is out of range"):
        table(f"key = {value}").number("key")
    with pytest.raises(ConfigError, match="no float32 number"):
        table(f"key = [{value}]").numbers("key")


def test_an_integer_outside_its_limits_is_refused_with_them() -> None:
    with pytest.raises(ConfigError, match="key = 9 is not within 1 and 8"):
        table("key = 9").integer("key", low=1, high=8)


def test_an_unknown_choice_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"key = 'lineal' is unknown; did you mean 'linear'\?"):
        table('key = "lineal"').choice("key", ["hold", "linear"])


def test_an_unknown_key_names_the_nearest_known_one() -> None:
    top = table("window = 1\nhopp = 2")
    top.integer("window")
    top.integer("hop", 1)

    with pytest.raises(ConfigError, match=r"unknown key 'hopp'; did you mean 'hop'\?"):
        top.finish()


def test_a_missing_key_names_the_one_that_looks_like_it() -> None:
    with pytest.raises(ConfigError, match="window is missing; 'windw' looks like it: rename it or"):
        table("windw = 1").integer("window")


@pytest.mark.parametrize("text", ["key = 1", 'key = "a"', "key = [1]", "[key]"])
def test_what_is_no_list_of_strings_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="key is not a list of the right kind"):
        table(text).strings("key")


def test_a_table_that_is_none_is_refused_with_how_to_write_it() -> None:
    with pytest.raises(ConfigError, match=r"key is an integer, it must be a table: \[key\]"):
        table("key = 1").table("key")


def test_named_tables_that_are_none_are_refused() -> None:
    for text in ("port = 1", 'port = "abc"', "port = [1]", "[port]\na = 1"):
        with pytest.raises(ConfigError, match="it must be a table"):
            table(text).named_tables("port")


def test_the_place_of_an_inner_table_is_in_its_messages() -> None:
    second = table("[[sink]]\n[[sink]]\nx = 1").tables("sink")[1]

    with pytest.raises(ConfigError, match=r"^x.toml \[\[sink\]\] 2: unknown key 'x'"):
        second.finish()


@pytest.mark.parametrize(
    "text",
    ["a = ", "a = 1\na = 2", "a = " + "[" * 100_000, "a = " + "1" * 5000, "a = " + "{b=" * 5000],
    ids=["cut", "twice", "deep", "long number", "deep tables"],
)
def test_what_is_no_toml_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^x.toml: not TOML: "):
        table(text)


def test_no_toml_is_refused_with_its_line() -> None:
    with pytest.raises(ConfigError, match="line 2"):
        table("a = 1\nb = ?")


@given(st.text(max_size=200))
def test_any_text_is_a_table_or_a_config_error(text: str) -> None:
    with suppress(ConfigError):
        assert isinstance(table(text), Table)


def test_a_hint_without_a_near_word_lists_all() -> None:
    assert hint("qqq", ["hold", "linear"]) == "known are hold, linear"
