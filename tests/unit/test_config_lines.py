"""Line numbers of keys, which tomllib does not tell."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushmfa.config.lines import find_lines

TEXT = '''\
# [comment]
top = 1
a.b."c.d" = 2

[login] # why
lifetime = 60
unenrolled = """
digits = 3
[fake]
"""
users = [
  "x = 1", # y = 2
  'z',
  { deep = [1,
    2] },
]
after = '\\'
[ service . "su-l" ]
display = "info"
point = { x = 1, y = { z = 2 } }
[[rule]]
name = "first"
[[rule]]
name = "second"
'''


def test_lines() -> None:
    tomllib.loads(TEXT)
    assert find_lines(TEXT) == {
        ("top",): 2,
        ("a",): 3,
        ("a", "b"): 3,
        ("a", "b", "c.d"): 3,
        ("login",): 5,
        ("login", "lifetime"): 6,
        ("login", "unenrolled"): 7,
        ("login", "users"): 11,
        ("login", "users", "deep"): 14,
        ("login", "after"): 17,
        ("service",): 18,
        ("service", "su-l"): 18,
        ("service", "su-l", "display"): 19,
        ("service", "su-l", "point"): 20,
        ("service", "su-l", "point", "x"): 20,
        ("service", "su-l", "point", "y"): 20,
        ("service", "su-l", "point", "y", "z"): 20,
        ("rule",): 21,
        ("rule", "name"): 22,
    }


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ('"\\u0061" = 1', ("a",), 1),
        ("'a b'=1", ("a b",), 1),
        ("a = 1979-05-27T07:32:00Z\nb = 1", ("b",), 2),
        ("a = +1.5e-3\nb = 1", ("b",), 2),
        ('a = """x""""" # five\nb = 1', ("b",), 2),
        ("a = '''x'''\nb = 1", ("b",), 2),
        ('a = "\\"" \nb = 1', ("b",), 2),
        ("\n\n1234 = 1", ("1234",), 3),
    ],
)
def test_odd_keys_and_values(text: str, path: tuple[str, ...], line: int) -> None:
    tomllib.loads(text)
    assert find_lines(text)[path] == line


@given(st.text(alphabet=st.sampled_from("a.b=[]{},\"'#\\ \n1"), max_size=60))
def test_never_raises(text: str) -> None:
    find_lines(text)


@given(st.text(alphabet=st.sampled_from("a.=[]{},\"'#\n1"), max_size=40))
def test_every_top_key_has_a_line(text: str) -> None:
    try:
        values = tomllib.loads(text)
    except ValueError:
        return
    lines = find_lines(text)
    assert {path[0] for path in lines} == set(values)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
