"""A release is there as a whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import stat

import pytest

from consentfilter.engine.release import check_target, is_inside, open_release
from consentfilter.engine.sink import discarding_sink, open_sink
from consentfilter.engine.storage import locate
from consentfilter.errors import InputError, StorageError


def _make(out: pathlib.Path) -> None:
    with open_release(check_target(str(out))) as builder:
        builder.write_key(b"k" * 32)
        with builder.data_sink("x/p.parquet") as sink:
            sink.write(b"data")
        builder.note_public(sink.record("data/x/p.parquet", 1))
        with builder.ledger_sink("x/p.parquet") as sink:
            sink.write(b"ledger")
        builder.note_private(sink.record("ledger/x/p.parquet", 2))
        builder.make_scratch()
        builder.write_index()
        builder.write_private_index()
        builder.publish(b"{}")


def test_a_release_has_its_files_and_nothing_else(tmp_path: pathlib.Path) -> None:
    out = tmp_path / "release"
    _make(out)
    files = sorted(
        str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()
    )
    assert files == [
        "data/x/p.parquet",
        "manifest.intoto.json",
        "private/ledger/x/p.parquet",
        "private/private-index.json",
        "private/release.key",
        "release-index.json",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["release"]


def test_private_is_for_its_owner_only(tmp_path: pathlib.Path) -> None:
    _make(tmp_path / "release")
    private = tmp_path / "release/private"
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert stat.S_IMODE((private / "release.key").stat().st_mode) == 0o600


def test_indexes_list_digests_and_rows(tmp_path: pathlib.Path) -> None:
    _make(tmp_path / "release")
    assert json.loads((tmp_path / "release/release-index.json").read_bytes()) == [
        {
            "path": "data/x/p.parquet",
            "rows": 1,
            "sha256": hashlib.sha256(b"data").hexdigest(),
            "size": 4,
        }
    ]
    (entry,) = json.loads(
        (tmp_path / "release/private/private-index.json").read_bytes()
    )
    assert entry["path"] == "ledger/x/p.parquet"


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, StorageError("full"), MemoryError]
)
def test_whatever_stops_the_run_leaves_nothing(
    tmp_path: pathlib.Path, error: BaseException | type[BaseException]
) -> None:
    def stopped() -> None:
        with open_release(check_target(str(tmp_path / "release"))) as builder:
            with builder.data_sink("p.parquet") as sink:
                sink.write(b"data")
            raise error

    with pytest.raises(BaseException):  # noqa: B017
        stopped()
    assert list(tmp_path.iterdir()) == []


def test_until_the_end_only_a_hidden_directory_is_there(tmp_path: pathlib.Path) -> None:
    with open_release(check_target(str(tmp_path / "release"))) as builder:
        (partial,) = tmp_path.iterdir()
        assert partial.name.startswith(".release.partial-")
        assert not (partial / "manifest.intoto.json").exists()
        builder.publish(b"{}")


def test_a_name_that_was_taken_meanwhile_is_not_overwritten(
    tmp_path: pathlib.Path,
) -> None:
    out = tmp_path / "release"

    def taken() -> None:
        with open_release(check_target(str(out))) as builder:
            out.mkdir()
            (out / "mine").write_text("precious")
            builder.publish(b"{}")

    with pytest.raises(StorageError, match="something took that name"):
        taken()
    assert [path.name for path in tmp_path.iterdir()] == ["release"]
    assert (out / "mine").read_text() == "precious"


def test_what_exists_is_refused_before_any_work(tmp_path: pathlib.Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "f").write_text("")
    for name, kind in (("d", "a directory"), ("f", "a file")):
        with pytest.raises(InputError) as caught:
            check_target(f"{tmp_path}/{name}/")
        assert str(caught.value) == (
            f"{tmp_path}/{name}/: the release would be written here, but {kind} of "
            "that name exists; a release is never overwritten: choose another --out or "
            "remove it."
        )


def test_a_parent_that_is_missing_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError) as caught:
        check_target(f"{tmp_path}/no/release")
    assert str(caught.value) == (
        f"{tmp_path}/no/release: there is no directory {tmp_path}/no; make it first "
        "(mkdir -p)."
    )


def test_a_parent_that_may_not_be_written_is_named(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may write anywhere, so the answer of the system is put in its mouth.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError) as caught:
        check_target(f"{tmp_path}/release")
    assert str(caught.value) == (
        f"{tmp_path}/release: the directory {tmp_path} may not be written to by this "
        "user; choose another --out or change its permissions."
    )


def test_a_release_among_the_records_is_noticed(tmp_path: pathlib.Path) -> None:
    (tmp_path / "dump/x").mkdir(parents=True)
    (tmp_path / "dump2").mkdir()
    dump = str(tmp_path / "dump")
    assert is_inside(f"{dump}/release", dump)
    assert is_inside(f"{dump}/x/../release", dump)
    assert not is_inside(f"{dump}2/release", dump)
    assert not is_inside(f"{tmp_path}/release", dump)
    assert not is_inside("s3://bucket/release", dump)


def test_a_sink_never_overwrites(tmp_path: pathlib.Path) -> None:
    (tmp_path / "f").write_text("mine")
    with pytest.raises(FileExistsError):
        open_sink(locate("x").filesystem, str(tmp_path / "f"))


def test_a_sink_knows_digest_and_size(tmp_path: pathlib.Path) -> None:
    content = os.urandom(1 << 20)
    with open_sink(locate("x").filesystem, str(tmp_path / "f")) as sink:
        for at in range(0, len(content), 10_000):
            assert sink.tell() == at
            sink.write(content[at : at + 10_000])
    record = sink.record("f", 3)
    assert (tmp_path / "f").read_bytes() == content
    assert record.sha256 == hashlib.sha256(content).hexdigest()
    assert (record.size_bytes, record.rows) == (len(content), 3)


def test_a_sink_flushes_behind_large_files(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consentfilter.engine import sink as module

    monkeypatch.setattr(module, "_FLUSH_EVERY_BYTES", 10)
    synced: list[int] = []
    with module.HashingSink(None, sync=lambda: synced.append(1)) as sink:
        for _ in range(5):
            sink.write(b"0123456789")
    assert len(synced) >= 2


def test_a_discarding_sink_still_hashes() -> None:
    with discarding_sink() as sink:
        sink.write(b"abc")
    assert sink.record("x").sha256 == hashlib.sha256(b"abc").hexdigest()
