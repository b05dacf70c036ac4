from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpchat.config.tomlfile import FILE_BYTES, BadFile, TomlFile, read_text

TEXT = '''\
# a = 0
a = 1
list = [
  "b = 2",  # ]
  "]",

]
text = """
c = 3
[no_table]
"""
"quoted key" = 5
dotted.key = 6
inline = { one = 1, two = 2 }

[table]  # [other]
a = 7
'b' = \'\'\'
a = 8 \'\'\'
'''


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_key_has_its_line(end: str) -> None:
    file = TomlFile(TEXT.replace("\n", end))
    lines = {name: file.line(name) for name in file.values}
    assert lines == {
        "a": 2,
        "list": 3,
        "text": 8,
        "quoted key": 12,
        "dotted.key": 13,
        "inline.one": 14,
        "inline.two": 14,
        "table.a": 17,
        "table.b": 18,
    }
    assert file.line("c") is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nb = = 2\n", 2),
        ("a = 1\n\nb = [\n", 3),
        ("a = 1\na = 2", 2),
        ("[t]\n[t]\n", 2),
        ("a = " + "[" * 5000, None),
        ("a = " + "9" * 5000, None),
    ],
)
def test_what_is_not_toml_has_a_line(text: str, line: int | None) -> None:
    with pytest.raises(BadFile, match="is not TOML") as error:
        TomlFile(text)
    assert error.value.line == line
    assert "line" not in error.value.reason


def test_a_long_list_takes_no_time() -> None:
    text = "names = [\n" + "".join(f'  "name{number}",\n' for number in range(20_000)) + "]\na = 1\n"
    assert TomlFile(text).line("a") == 20_003


@given(st.lists(st.sampled_from(["a = 1", "b = [", '"x"', "]", "c = '''", "'''", "[t]", "d = {}", "# e", ""])))
def test_whatever_tomllib_takes_has_lines(lines: list[str]) -> None:
    try:
        file = TomlFile("\n".join(lines))
    except BadFile:
        return
    for name in file.values:
        number = file.line(name)
        assert number is not None
        assert name.rpartition(".")[2] in lines[number - 1]


def test_files_that_can_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="No such file"):
        read_text(tmp_path / "none")
    (tmp_path / "file").write_bytes(b"a\nb\n\xff")
    with pytest.raises(BadFile, match="is not UTF-8") as error:
        read_text(tmp_path / "file")
    assert error.value.line == 3
    (tmp_path / "file").write_bytes(b"#" * (FILE_BYTES + 1))
    with pytest.raises(BadFile, match="too large"):
        read_text(tmp_path / "file")
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbfa = 1")
    assert TomlFile(read_text(tmp_path / "file")).values == {"a": 1}
