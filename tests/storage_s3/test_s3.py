"""A bucket instead of a directory: dump, consent and release on an S3 server."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pyarrow.fs as pafs
import pytest
from moto.server import ThreadedMotoServer

from consentfilter.engine.beam.run import run_beam
from consentfilter.engine.filtering import filter_dataset
from consentfilter.errors import InputError, StorageError
from tests.beam.releases import Dump, make_dump, tree

pytestmark = [
    pytest.mark.beam,
    pytest.mark.xdist_group("s3"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
BUCKET = "bucket"


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Dump:
    return make_dump(tmp_path_factory.mktemp("dump"), scale=0.05)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    made = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    made.start()
    host, port = made.get_host_and_port()
    yield f"http://{host}:{port}"
    made.stop()


@pytest.fixture
def s3(server: str, monkeypatch: pytest.MonkeyPatch) -> pafs.S3FileSystem:
    """Credentials and address are in the environment, and nowhere else."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    places = "s3://?region=us-east-1&allow_bucket_creation=true"
    filesystem, _ = pafs.FileSystem.from_uri(places.replace("//", f"//{BUCKET}"))
    filesystem.create_dir(BUCKET)
    return filesystem


@pytest.fixture
def remote(s3: pafs.S3FileSystem, dump: Dump) -> str:
    """The dump's records in the bucket."""
    pafs.copy_files(
        str(dump.files.records),
        f"{BUCKET}/dump/records",
        source_filesystem=pafs.LocalFileSystem(),
        destination_filesystem=s3,
    )
    return f"s3://{BUCKET}/dump/records"


def _fetched(
    s3: pafs.S3FileSystem, name: str, tmp_path: pathlib.Path
) -> dict[str, bytes]:
    target = tmp_path / "fetched"
    pafs.copy_files(
        f"{BUCKET}/{name}",
        str(target),
        source_filesystem=s3,
        destination_filesystem=pafs.LocalFileSystem(),
    )
    return tree(target)


@pytest.mark.parametrize("join", ["broadcast", "keys"])
def test_beam_makes_the_local_release_in_a_bucket(
    join: str, s3: pafs.S3FileSystem, remote: str, dump: Dump, tmp_path: pathlib.Path
) -> None:
    run_beam(
        [remote],
        dump.consent,
        dump.files.policy,
        out=f"s3://{BUCKET}/beam-{join}",
        join=join,  # type: ignore[arg-type]
        **dump.options,
    )
    assert _fetched(s3, f"beam-{join}", tmp_path) == tree(dump.release)
    listed = s3.get_file_info(pafs.FileSelector(BUCKET))
    assert not [info.path for info in listed if "work" in info.base_name]


def test_the_local_engine_makes_the_local_release_in_a_bucket(
    s3: pafs.S3FileSystem, remote: str, dump: Dump, tmp_path: pathlib.Path
) -> None:
    filter_dataset(
        [remote],
        dump.consent,
        dump.files.policy,
        out=f"s3://{BUCKET}/local",
        **dump.options,
    )
    assert _fetched(s3, "local", tmp_path) == tree(dump.release)


def test_a_failed_run_leaves_nothing_in_the_bucket(
    s3: pafs.S3FileSystem,
    remote: str,
    dump: Dump,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StorageError("the storage refused")

    monkeypatch.setattr("consentfilter.engine.cluster.planning.finish_release", refuse)
    with pytest.raises(StorageError, match="the storage refused"):
        run_beam(
            [remote],
            dump.consent,
            dump.files.policy,
            out=f"s3://{BUCKET}/failed",
            **dump.options,
        )
    names = [i.base_name for i in s3.get_file_info(pafs.FileSelector(BUCKET))]
    assert not [name for name in names if name.startswith("failed")]


def test_a_url_with_credentials_is_refused(dump: Dump, tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match="put them into the environment") as caught:
        run_beam(
            ["s3://key:secret@bucket/dump"],
            dump.consent,
            dump.files.policy,
            out=tmp_path / "release",
        )
    assert "secret" not in str(caught.value)
