"""Which parts RECORDS name, and what they are called in the release."""

from __future__ import annotations

import pathlib

import pytest

from consentfilter.engine.storage import is_hidden, list_parts, locate
from consentfilter.errors import InputError


def _touch(root: pathlib.Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"PAR1")


def _names(*records: object) -> list[str]:
    return [part.name for part in list_parts([str(record) for record in records])]


def test_a_file_lies_under_its_base_name(tmp_path: pathlib.Path) -> None:
    _touch(tmp_path, "in/dump.pq")
    assert _names(tmp_path / "in/dump.pq") == ["dump.pq"]


def test_a_directory_keeps_the_paths_below_it(tmp_path: pathlib.Path) -> None:
    _touch(tmp_path, "d/b.parquet", "d/x/y/a.parquet", "d/c.PARQUET", "d/notes.txt")
    assert _names(tmp_path / "d") == ["b.parquet", "c.PARQUET", "x/y/a.parquet"]


def test_hidden_files_and_directories_are_no_parts(tmp_path: pathlib.Path) -> None:
    _touch(
        tmp_path,
        "d/_SUCCESS",
        "d/_metadata.parquet",
        "d/.part-0.parquet.crc",
        "d/.hidden.parquet",
        "d/_temporary/0/part.parquet",
        "d/.git/x.parquet",
        "d/part-0.parquet",
    )
    assert _names(tmp_path / "d") == ["part-0.parquet"]


def test_a_hive_partition_that_begins_with_an_underscore_is_read(
    tmp_path: pathlib.Path,
) -> None:
    _touch(tmp_path, "d/_year=2024/p.parquet", "d/month=1/p.parquet")
    assert _names(tmp_path / "d") == ["_year=2024/p.parquet", "month=1/p.parquet"]
    assert is_hidden("_tmp/p.parquet")
    assert not is_hidden("_year=2024/p.parquet")


def test_partition_values_are_decoded_and_null_is_null(tmp_path: pathlib.Path) -> None:
    name = "a=x%20y/b=__HIVE_DEFAULT_PARTITION__/c=1/p.parquet"
    _touch(tmp_path, f"d/{name}")
    (part,) = list_parts([str(tmp_path / "d")])
    assert part.hive_values == {"a": "x y", "b": None, "c": "1"}


def test_several_inputs_lie_under_their_own_names(tmp_path: pathlib.Path) -> None:
    _touch(tmp_path, "a/p.parquet", "b/p.parquet", "c.parquet")
    found = _names(tmp_path / "a", tmp_path / "b", tmp_path / "c.parquet")
    assert found == ["a/p.parquet", "b/p.parquet", "c.parquet"]


def test_a_clash_of_names_shows_both(tmp_path: pathlib.Path) -> None:
    _touch(tmp_path, "a/p.parquet", "b/p.parquet")
    with pytest.raises(InputError) as caught:
        list_parts([str(tmp_path / "a/p.parquet"), str(tmp_path / "b/p.parquet")])
    (problem,) = caught.value.problems
    assert f"data/p.parquet: {tmp_path}/a/p.parquet and {tmp_path}/b/p.parquet" in (
        problem
    )


def test_one_input_named_twice_is_a_clash(tmp_path: pathlib.Path) -> None:
    _touch(tmp_path, "p.parquet")
    with pytest.raises(InputError, match="Two parts would both become"):
        _names(tmp_path / "p.parquet", tmp_path / "p.parquet")


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("d/*.parquet", ["a.parquet", "b.parquet"]),
        ("d/**/*.parquet", ["a.parquet", "b.parquet", "x/c.parquet", "x/y/d.parquet"]),
        ("d/*/c.parquet", ["x/c.parquet"]),
        ("d/[ab].parquet", ["a.parquet", "b.parquet"]),
        ("d/[!a].parquet", ["b.parquet"]),
        ("d/?.parquet", ["a.parquet", "b.parquet"]),
        ("d/x/**", ["c.parquet", "y/d.parquet"]),
    ],
)
def test_globs(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    pattern: str,
    names: list[str],
) -> None:
    files = ("d/a.parquet", "d/b.parquet", "d/x/c.parquet", "d/x/y/d.parquet")
    _touch(tmp_path, *files, "d/_h.parquet")
    assert _names(tmp_path / pattern) == names
    monkeypatch.chdir(tmp_path)
    assert _names(pattern) == names


def test_a_file_whose_name_looks_like_a_glob_is_itself(tmp_path: pathlib.Path) -> None:
    _touch(tmp_path, "a[1].parquet", "a1.parquet")
    assert _names(tmp_path / "a[1].parquet") == ["a[1].parquet"]


def test_the_current_directory_has_a_name(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _touch(tmp_path, "d/p.parquet", "e.parquet")
    monkeypatch.chdir(tmp_path / "d")
    assert _names(".", "../e.parquet") == ["d/p.parquet", "e.parquet"]


def test_all_problems_of_the_inputs_come_together(tmp_path: pathlib.Path) -> None:
    (tmp_path / "empty").mkdir()
    _touch(tmp_path, "other/readme.md")
    with pytest.raises(InputError) as caught:
        list_parts(
            [str(tmp_path / name) for name in ("none", "empty", "other", "no*.parquet")]
        )
    assert caught.value.problems == (
        f"{tmp_path}/none: there is no such file or directory; check the path.",
        f"{tmp_path}/empty: no *.parquet file below this directory (found nothing); "
        "files and directories named _… or .… are not read.",
        f"{tmp_path}/other: no *.parquet file below this directory (found 1 other "
        "files); files and directories named _… or .… are not read.",
        f"{tmp_path}/no*.parquet: no file matches; check the pattern (`*` stays within "
        "one directory, `**` crosses directories).",
    )


def test_no_records_at_all_is_an_error() -> None:
    with pytest.raises(InputError, match="No records were given"):
        list_parts([])


def test_an_unknown_scheme_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="'ftp' is not one of file, s3, gs"):
        locate("ftp://host/dump")


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    with pytest.raises(InputError) as caught:
        locate("s3://AKIA:secret@bucket/dump")
    assert "the URL holds credentials" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_url_is_a_path(tmp_path: pathlib.Path) -> None:
    _touch(tmp_path, "p.parquet")
    assert _names(f"file://{tmp_path}/p.parquet") == ["p.parquet"]
