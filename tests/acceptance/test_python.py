"""The public Python names, as cli.md lists them."""

from __future__ import annotations

import datetime as dt
import pathlib
import subprocess
import sys
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import consentfilter as cf
from consentfilter.errors import ConsentFilterError, RunRefused
from tests.acceptance import kit


@pytest.fixture
def place(tmp_path: pathlib.Path) -> kit.World:
    """Write a small world."""
    return kit.world(tmp_path)


REASONS = ["OK_CONSENT", "CONSENT_WITHDRAWN", "NO_CONSENT_RECORD", "OK_CONSENT"]


def _names(codes: Any) -> list[str]:
    return list(pa.array(codes).to_pylist())


@pytest.mark.parametrize("as_path", [str, pathlib.Path])
@pytest.mark.parametrize(
    "as_of", [kit.AS_OF, dt.datetime(2025, 1, 1, tzinfo=dt.UTC)], ids=["text", "time"]
)
def test_load_and_filter_a_table(place: kit.World, as_path: Any, as_of: Any) -> None:
    policy = cf.load_policy(as_path(place.policy))
    consent = cf.load_consent([as_path(place.consent)], as_of=as_of)
    table = pq.read_table(place.dump)
    admitted, ledger = cf.filter_table(table, consent, policy)
    assert admitted["record_id"].to_pylist() == ["r1", "r4"]
    assert admitted.schema == table.schema
    assert ledger["reason"].to_pylist() == REASONS
    assert ledger["decision"].to_pylist() == ["keep", "drop", "drop", "keep"]


def test_a_single_path_will_do(place: kit.World) -> None:
    consent = cf.load_consent(place.consent, as_of=kit.AS_OF)
    assert consent.as_of == dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


def test_decide(place: kit.World) -> None:
    policy = cf.load_policy(place.policy)
    consent = cf.load_consent([place.consent], as_of=kit.AS_OF)
    table = pq.read_table(place.dump)
    decisions = cf.decide(table, consent, policy)
    assert isinstance(decisions, cf.Decisions)
    for name in ("decision", "reason"):
        assert len(getattr(decisions, name)) == 4
    told = decisions.to_table()
    assert told["reason"].to_pylist() == REASONS
    assert told["decision"].to_pylist() == ["keep", "drop", "drop", "keep"]
    _, ledger = cf.filter_table(table, consent, policy)
    for name in ("rule", "subject_key", "grant_id", "denial_id"):
        assert told[name].to_pylist() == ledger[name].to_pylist(), name


def test_decisions_about_nothing_are_a_table_too(place: kit.World) -> None:
    consent = cf.load_consent([place.consent], as_of=kit.AS_OF)
    nothing = pq.read_table(place.dump).slice(0, 0)
    told = cf.decide(nothing, consent, place.policy).to_table()
    assert (told.num_rows, set(told.schema.types)) == (0, {pa.string()})


def test_decide_on_a_snapshot(place: kit.World) -> None:
    out = place.root / "snapshot.parquet"
    line = ("snapshot", "build", place.consent, "--out", out, "--as-of", kit.AS_OF)
    assert kit.cli(*line).status == 0
    consent = cf.load_consent([out])
    _, ledger = cf.filter_table(pq.read_table(place.dump), consent, place.policy)
    assert ledger["reason"].to_pylist() == REASONS


def test_loaded_consent_is_as_old_as_it_was_asked_to_be(place: kit.World) -> None:
    place.policy.write_text(kit.POLICY + "snapshot: {max_staleness: PT24H}\n")
    policy = cf.load_policy(place.policy)
    table = pq.read_table(place.dump)
    fresh = cf.load_consent([place.consent], as_of="2024-09-01T12:00:00Z")
    cf.filter_table(table, fresh, policy)
    for as_of in (kit.AS_OF, None):
        stale = cf.load_consent([place.consent], as_of=as_of)
        with pytest.raises(RunRefused, match="RUN_SNAPSHOT_STALE"):
            cf.filter_table(table, stale, policy)


def test_filter_dataset_takes_what_the_command_takes(place: kit.World) -> None:
    kit.cli("keygen", "--out", place.root / "key")
    (place.root / "release.key").write_bytes(bytes(32))
    done = cf.filter_dataset(
        [place.dump],
        [place.consent],
        place.policy,
        out=place.root / "one",
        as_of=kit.AS_OF,
        name="chats",
        release_version="3",
        release_key=place.root / "release.key",
        sign_key=place.root / "key.pem",
        workers=1,
        memory="64M",
    )
    assert done.rows == 4
    release = kit.statement(place.root / "one")["predicate"]["release"]
    assert (release["dataset"], release["version"]) == ("chats", "3")
    public = place.root / "key.pub.pem"
    assert kit.cli("verify", place.root / "one", "--public-key", public).status == 0
    cf.filter_dataset(
        records=place.dump,
        consent=place.consent,
        policy=place.policy,
        out=str(place.root / "two"),
        as_of=dt.datetime(2025, 1, 1, tzinfo=dt.UTC),
        previous=place.root / "one",
        release_key=bytes(32),
        unsigned=True,
    )
    assert kit.reasons(place.root / "two") == kit.reasons(place.root / "one")
    with pytest.raises(ConsentFilterError, match="contradict"):
        cf.filter_dataset(
            place.dump,
            place.consent,
            place.policy,
            out=place.root / "three",
            sign_key=place.root / "key.pem",
            unsigned=True,
        )


def test_errors_are_of_one_family(place: kit.World) -> None:
    place.policy.write_text("id: p\nversion: '1'\npurposes: [nope]\n")
    with pytest.raises(ConsentFilterError, match="nope"):
        cf.load_policy(place.policy)
    with pytest.raises(ConsentFilterError, match="as_of"):
        cf.load_consent([place.consent], as_of="2025-01-01")


def test_import_is_light() -> None:
    code = (
        "import sys, consentfilter as cf\n"
        "heavy = {'pyarrow', 'polars', 'numpy', 'pydantic'}\n"
        "assert not heavy & set(sys.modules)\n"
        "for name in ('load_policy', 'load_consent', 'decide', 'filter_table',\n"
        "             'filter_dataset'):\n    assert callable(getattr(cf, name))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _case(
    tmp_path: pathlib.Path, policy: str, rows: pa.Table, *acts: dict[str, Any]
) -> list[str]:
    """Decide records under an example policy, its freshness rules met."""
    marks = [
        kit.grant(f"mark-{name}", source_id=name, occurred_at=RECENT)
        for name in ("admin_console", "preference_center", "cmp", "dsar")
    ]
    for act in acts:
        act.setdefault("actor_type", "self")
    consent = kit.write(tmp_path / "c.parquet", kit.events(*acts, *marks))
    loaded = cf.load_consent([consent], as_of="2024-12-31T23:30:00Z")
    path = pathlib.Path("examples") / f"{policy}.yaml"
    _, ledger = cf.filter_table(rows, loaded, cf.load_policy(path))
    return list(ledger["reason"].to_pylist())


RECENT = dt.datetime(2024, 12, 31, 23, tzinfo=dt.UTC)


def zoom(subject: str, **changes: Any) -> dict[str, Any]:
    """Return a grant that the video-conferencing example accepts."""
    given = {"source_id": "preference_center", "terms_version": "2023-08-11"}
    return kit.grant(subject, **given, **changes)


def notice(subject: str, **changes: Any) -> dict[str, Any]:
    """Return a notice to a person."""
    return kit.grant(
        subject,
        event_id=f"n-{subject}",
        source_id="preference_center",
        status="noticed",
        category="*",
        **changes,
    )


def test_the_video_conferencing_example(tmp_path: pathlib.Path) -> None:
    people = ["yes", "box", "got-it", "unnoticed", "old-terms", "objector", "fine"]
    categories = ["content.chat"] * 5 + ["service_generated.telemetry"] * 2
    people += ["face", "fine"]
    categories += ["biometric.faceprint", "service_generated.usage"]
    places = ["US"] * 8 + ["DE"]
    rows = kit.records(
        [f"r{at}" for at in range(len(people))],
        people,
        category=categories,
        jurisdiction=places,
    )
    acts = [
        *(zoom("yes"), notice("yes")),
        *(zoom("box", expression="default_on"), notice("box")),
        *(zoom("got-it", expression="notice"), notice("got-it")),
        zoom("unnoticed"),
        *(notice("old-terms"), {**zoom("old-terms"), "terms_version": "2023-03-31"}),
        kit.denial("objector", "objected", source_id="preference_center"),
        zoom("face", category="*"),
    ]
    assert _case(tmp_path, "zoom-2023-08", rows, *acts) == [
        "OK_CONSENT",
        "EXPRESSION_INSUFFICIENT",
        "EXPRESSION_INSUFFICIENT",
        "NOTICE_MISSING",
        "TERMS_VERSION_MISMATCH",
        "OK_EXEMPT",
        "OK_EXEMPT",
        "CATEGORY_PROHIBITED",
        "NOTICE_MISSING",
    ]


def test_an_account_owner_consents_for_members_and_not_for_guests(
    tmp_path: pathlib.Path,
) -> None:
    kind = pa.struct([("id", pa.string()), ("relation", pa.string())])
    people = [[{"id": "m", "relation": "member"}], [{"id": "g", "relation": "guest"}]]
    rows = kit.records(
        ["r0", "r1"],
        [None, None],
        subject_id=None,
        subjects=pa.array(people, pa.list_(kind)),
        account_id=["acme"] * 2,
        jurisdiction=["US"] * 2,
    )
    owner = zoom("x", account_id="acme", actor_type="account_owner", event_id="o")
    owner["subject_id"] = None
    acts = [owner, *(notice(who, actor_type="controller") for who in "mg")]
    assert _case(tmp_path, "zoom-2023-08", rows, *acts) == [
        "OK_ON_BEHALF",
        "ACTOR_NOT_ALLOWED",
    ]


def test_the_strict_example(tmp_path: pathlib.Path) -> None:
    people = ["broad", "exact", "stopped", "aged"]
    rows = kit.records([f"r{at}" for at in range(4)], people)
    born = pa.table({"subject_id": people, "birth_date": [dt.date(1980, 1, 1)] * 4})
    exact = {
        "purpose": "improve.train_ai.generative",
        "source_id": "cmp",
        "terms_version": "privacy-notice-2026-02",
    }
    stop = dt.datetime(2024, 8, 1, tzinfo=dt.UTC)
    again = dt.datetime(2024, 9, 1, tzinfo=dt.UTC)
    old = dt.datetime(2023, 6, 1, tzinfo=dt.UTC)
    acts = [
        kit.grant("broad", **{**exact, "purpose": "improve.train_ai"}),
        kit.grant("exact", **exact),
        kit.grant("stopped", **exact),
        kit.denial("stopped", source_id="cmp", occurred_at=stop),
        kit.grant("stopped", **exact, occurred_at=again, event_id="again"),
        kit.grant("aged", **exact, occurred_at=old),
    ]
    acts += [
        kit.grant(who, **exact, status="noticed", event_id=f"n-{who}") for who in people
    ]
    acts += [
        kit.grant(f"mark-{name}", source_id=name, occurred_at=RECENT)
        for name in ("cmp", "dsar")
    ]
    consent = cf.load_consent(
        [kit.write(tmp_path / "c.parquet", kit.events(*acts))],
        as_of="2024-12-31T23:30:00Z",
        subjects=kit.write(tmp_path / "s.parquet", born),
    )
    policy = cf.load_policy("examples/gdpr-strict.yaml")
    _, ledger = cf.filter_table(rows, consent, policy)
    assert ledger["reason"].to_pylist() == [
        "PURPOSE_NOT_COVERED",
        "OK_CONSENT",
        "CONSENT_INTERRUPTED",
        "CONSENT_EXPIRED",
    ]


PRECEDENCE = [
    "RECORD_INVALID",
    "CATEGORY_UNKNOWN",
    "CATEGORY_PROHIBITED",
    "SOURCE_NOT_ALLOWED",
    "AGGREGATE_TOO_SMALL",
    "SUBJECT_UNKNOWN",
    "SUBJECT_ERASED",
    "SUBJECT_DECEASED",
    "OBJECTED",
    "OPT_OUT_SIGNAL",
    "CONSENT_WITHDRAWN",
    "CONSENT_REFUSED",
    "CONSENT_REVOKED",
    "CONSENT_INVALIDATED",
    "CONSENT_EXPIRED",
    "NOT_YET_VALID",
    "TERMS_VERSION_MISMATCH",
    "EXPRESSION_INSUFFICIENT",
    "AGE_UNKNOWN",
    "MINOR_REQUIRES_GUARDIAN",
    "ACTOR_NOT_ALLOWED",
    "RECIPIENT_NOT_COVERED",
    "CATEGORY_NOT_COVERED",
    "PURPOSE_NOT_COVERED",
    "COLLECTED_OUTSIDE_CONSENT",
    "CONSENT_INTERRUPTED",
    "NOTICE_MISSING",
    "NO_CONSENT_RECORD",
    "QUORUM_NOT_MET",
    "BELOW_MIN_RETAINED",
]
KEEP = [
    "OK_ON_BEHALF",
    "OK_GUARDIAN",
    "OK_CONSENT",
    "OK_LEGAL_BASIS",
    "OK_EXEMPT",
    "OK_ANONYMOUS",
]


def test_the_reasons_are_the_closed_lists() -> None:
    from consentfilter import reasons

    in_order = sorted(reasons.CODE, key=reasons.CODE.__getitem__)
    assert [name for name in in_order if not name.startswith("OK_")] == PRECEDENCE
    assert {name for name in in_order if name.startswith("OK_")} == set(KEEP)


@pytest.fixture(scope="module")
def events_table() -> pa.Table:
    """Return events as a table."""
    return kit.events(kit.grant("ann"), kit.grant("bob"), kit.denial("bob"))


@pytest.mark.beam
def test_consent_filter_on_beam(tmp_path: pathlib.Path, events_table: pa.Table) -> None:
    import apache_beam as beam
    from apache_beam.testing.test_pipeline import TestPipeline
    from apache_beam.testing.util import assert_that, equal_to

    from consentfilter.beam import ConsentFilter

    place = kit.world(tmp_path, acts=events_table)
    consent = cf.load_consent([place.consent], as_of=kit.AS_OF)
    policy = cf.load_policy(place.policy)
    (batch,) = pq.read_table(place.dump).to_batches()
    with TestPipeline() as pipeline:
        given = pipeline | beam.Create([batch]).with_output_types(pa.RecordBatch)
        decided = given | ConsentFilter(policy, consent)
        kept = decided.kept | beam.FlatMap(lambda b: b["record_id"].to_pylist())
        assert_that(kept, equal_to(["r1", "r4"]), label="kept")
        assert decided.dropped is not None
        assert decided.ledger is not None


@pytest.mark.beam
def test_filter_parquet_on_beam(tmp_path: pathlib.Path, events_table: pa.Table) -> None:
    from apache_beam.testing.test_pipeline import TestPipeline

    from consentfilter.beam import FilterParquet

    place = kit.world(tmp_path, acts=events_table)
    (tmp_path / "key").write_bytes(bytes(32))
    local = place.release("--release-key", tmp_path / "key", "--name", "n", out="local")
    said = place.filter(
        *("--engine", "beam", "--release-key", tmp_path / "key", "--name", "n"),
        *("--quiet", "--"),
        out="by-command",
        last=("--runner", "DirectRunner"),
    )
    assert said.status == 0, said
    with TestPipeline() as pipeline:
        pipeline | FilterParquet(
            records=str(place.dump),
            consent=str(place.consent),
            policy=str(place.policy),
            out=str(tmp_path / "by-class"),
            as_of=dt.datetime(2025, 1, 1, tzinfo=dt.UTC),
            release_key=bytes(32),
        )
    name = "data/part-0.parquet"
    whole = (local / name).read_bytes()
    for other in ("by-command", "by-class"):
        assert (tmp_path / other / name).read_bytes() == whole
        assert kit.cli("verify", tmp_path / other).status == 0
