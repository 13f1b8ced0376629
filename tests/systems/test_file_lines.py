"""Line numbers of keys."""

from __future__ import annotations

from systems.file_lines import Lines

TEXT = '''\
top = 1
[a]   # comment
x = 1
"y z" = 2
text = """
x2 = not a key
[b]
"""
[ c . d ]
e.f = 3
list = [
  1,
]
'''


def test_keys_tables_and_texts() -> None:
    lines = Lines(TEXT)
    assert lines.find("top") == 1
    assert lines.find("a") == 2
    assert lines.find("a", "x") == 3
    assert lines.find("a", "y z") == 4
    assert lines.find("b") is None and lines.find("a", "x2") == 2
    assert lines.find("c", "d", "e", "f") == 10
    assert lines.find("c", "d", "list", "0") == 11
    assert lines.find("nowhere", "x") is None
    assert lines.find() is None


def test_tables_of_an_array_are_counted() -> None:
    lines = Lines(
        'out = "here"\n[[claim]]\nname = "a"\n\n[[claim]]\nname = "b"\n[claim.region]\nc2 = 1\n'
    )
    assert lines.find("claim") == 2
    assert lines.find("claim", "0", "name") == 3
    assert lines.find("claim", "1") == 5
    assert lines.find("claim", "1", "name") == 6
    assert lines.find("claim", "1", "region", "c2") == 8
    assert lines.find("claim", "0", "region") == 2
    assert lines.table_at(1) == () and lines.table_at(8) == ("claim", "1", "region")
