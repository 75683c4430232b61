"""`consentfilter demo`: what it says of people is what the policy means."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest

from consentfilter.cli.main import run
from consentfilter.demo.stories import STORIES

#: Stories of which some words may be used; of all others not a single one.
MAY_BE_USED = {
    "agreed",
    "agreed_with_past",
    "agreed_late",
    "child_with_guardian",
    "owner_agreed",
    "guest_agreed",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("demo") / "demo"


@pytest.fixture(scope="module")
def printed(place: pathlib.Path) -> dict[str, Any]:
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert run(["demo", str(place), "--json", "--quiet"]) == 0
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_release_is_there_signed_and_verified(
    place: pathlib.Path, printed: dict[str, Any]
) -> None:
    assert printed["verified"] == "signature valid, evidence consistent"
    assert (place / "release" / "manifest.intoto.json").is_file()
    assert printed["read"] == sum(
        printed[outcome] for outcome in ("kept", "redacted", "dropped")
    )


def test_words_of_those_who_did_not_permit_are_not_in(printed: dict[str, Any]) -> None:
    groups = {group["story"]: group for group in printed["groups"]}
    assert set(groups) == {story.key for story in STORIES}

    leaked = {
        key: (group["utterances_in"], group["messages_in"])
        for key, group in groups.items()
        if key not in MAY_BE_USED and group["utterances_in"] + group["messages_in"]
    }
    assert leaked == {}


def test_words_of_those_who_permitted_are_in(printed: dict[str, Any]) -> None:
    groups = {group["story"]: group for group in printed["groups"]}

    for key in MAY_BE_USED:
        assert groups[key]["utterances_in"] > 0, key
        assert groups[key]["messages_in"] > 0, key


def test_the_dump_gives_occasion_to_nearly_every_reason(
    printed: dict[str, Any],
) -> None:
    assert len({count["reason"] for count in printed["reasons"]}) >= 25


def test_redacted_examples_have_lost_something(printed: dict[str, Any]) -> None:
    for kind in ("transcript", "message"):
        example = printed[kind]
        assert len(example["before"]) == len(example["after"]) > 0
        assert example["before"] != example["after"]
    assert printed["message"]["after"][0].startswith("@p_")


def test_text_says_why_and_what_next(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["demo", str(tmp_path / "demo")]) == 0
    text = " ".join(capsys.readouterr().out.split())

    assert "guests of a meeting dropped: an account owner cannot consent" in text
    assert "signature valid, evidence consistent" in text
    assert f"consentfilter explain {tmp_path}/demo/release transcript-" in text


def test_a_directory_in_use_is_refused(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "something").touch()

    assert run(["demo", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path}: is there already and not empty; name another directory, "
        "or remove it first\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["something"]
