from pathlib import Path

import pytest

from toolkit.errors import FileMissingError
from toolkit.user_function import UserFunction, UserFunctionError, is_function_name


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("package.module:function", True),
        ("folder/file.py:function", True),
        ("folder:with:colons/file.py:function", True),
        ("file.py", False),
        ("file.py:", False),
        (":function", False),
        ("file.py:2nd", False),
    ],
)
def test_a_name_is_a_place_a_colon_and_a_word(text: str, is_one: bool) -> None:
    assert is_function_name(text) is is_one


def test_a_function_of_a_module_is_called() -> None:
    assert UserFunction.named("math:hypot")(3, 4) == 5.0


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError, match="no such Python file"):
        UserFunction.named(f"{tmp_path}/absent.py:f")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def f(:", "importing it raised SyntaxError"),
        ("import no_such_module_at_all", "importing it raised ModuleNotFoundError"),
        ("raise SystemExit(3)", "importing it raised SystemExit: 3 .*line 1"),
        ("f = 3", "there is no function 'f' in"),
        ("def g(): pass", "there is no function 'f' in"),
        ("def f(): raise KeyError('k')", "it raised KeyError: 'k' .*line 1"),
        ("def f(): assert False", "it raised AssertionError: no message .*line 1"),
        ("def f(one): pass", "it raised TypeError"),
    ],
)
def test_whatever_the_users_code_does_is_one_error(tmp_path: Path, code: str, reason: str) -> None:
    (tmp_path / "m.py").write_text(code)

    with pytest.raises(UserFunctionError, match=reason):
        UserFunction.named(f"{tmp_path}/m.py:f")()


def test_a_module_that_is_not_there_is_said() -> None:
    with pytest.raises(UserFunctionError, match="importing it raised ModuleNotFoundError"):
        UserFunction.named("no_such_module:f")
    with pytest.raises(UserFunctionError, match="no file"):
        UserFunction.named("f")


def test_an_interrupt_goes_through(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def f(): raise KeyboardInterrupt")

    with pytest.raises(KeyboardInterrupt):
        UserFunction.named(f"{tmp_path}/m.py:f")()
