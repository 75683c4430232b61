"""`consentfilter init`: look at a dump, write a policy and a binding to start from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consentfilter.cli import output

if TYPE_CHECKING:
    import pyarrow as pa

    from consentfilter.starter.guess import Guess

#: Rows of the first part that are looked at.
SAMPLE_ROWS = 2_000


def init(
    records: Annotated[
        list[str],
        typer.Argument(
            help="Parquet files, directories, globs or URLs.",
            metavar="RECORDS",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Where policy.yaml and dataset.yaml go."),
    ] = Path("."),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing but errors.")
    ] = False,
) -> None:
    """Look at a dump, and write a policy.yaml and a dataset.yaml to start from.

    Example:
      consentfilter init dump/ --out .

    Both files are commented, and both can be used as they are; what could not be
    guessed is listed. Files that exist are never overwritten.
    """
    from consentfilter.starter.guess import guess
    from consentfilter.starter.write import dataset_text, policy_text

    targets = {name: out / name for name in ("policy.yaml", "dataset.yaml")}
    _refuse_to_overwrite(list(targets.values()))
    schema, sample = _look(records)
    found = guess(schema, sample)
    texts = {
        "policy.yaml": policy_text(
            _policy_id(records[0]),
            has_segments=found.binding.get("segments") is not None,
        ),
        "dataset.yaml": dataset_text(found, ", ".join(records)),
    }
    left = [*found.open, *_problems(schema, texts["dataset.yaml"], found)]
    out.mkdir(parents=True, exist_ok=True)
    for name, target in targets.items():
        with target.open("x", encoding="utf-8") as file:
            file.write(texts[name])
    if as_json:
        written = [str(target) for target in targets.values()]
        output.print_json({"written": written, "guessed": found.binding, "open": left})
    else:
        output.say(_summary(records, targets, found, left), is_quiet=quiet)


def _refuse_to_overwrite(targets: list[Path]) -> None:
    from consentfilter.errors import InputError

    there = [target for target in targets if target.exists() or target.is_symlink()]
    if there:
        raise InputError(
            [
                f"{target}: exists already and is not overwritten; give another "
                "--out, or move it away."
                for target in there
            ]
        )


def _look(records: list[str]) -> tuple[pa.Schema, pa.Table]:
    """Return the schema of the records, with partition columns, and a sample."""
    import pyarrow as pa

    from consentfilter.engine.footers import open_parquet, why_unreadable
    from consentfilter.engine.storage import list_parts
    from consentfilter.errors import InputError

    part = list_parts(records)[0]
    with open_parquet(part) as opened:
        schema = opened.schema_arrow
        try:
            batch = next(opened.iter_batches(batch_size=SAMPLE_ROWS), None)
        except (pa.ArrowException, OSError) as error:
            groups = range(opened.num_row_groups)
            raise InputError(why_unreadable(part, opened, groups, error)) from error
    sample = schema.empty_table() if batch is None else pa.Table.from_batches([batch])
    for name, value in part.hive_values.items():
        if name not in schema.names:
            schema = schema.append(pa.field(name, pa.string()))
            column = pa.array([value] * sample.num_rows, pa.string())
            sample = sample.append_column(name, column)
    return schema, sample


def _problems(schema: pa.Schema, text: str, found: Guess) -> list[str]:
    """Say what the written binding would be refused for, beyond what is known."""
    from consentfilter.binding import check_schema
    from consentfilter.dataset import Dataset
    from consentfilter.errors import InputError
    from consentfilter.yamlfile import parse_yaml, validated

    dataset = validated(Dataset, parse_yaml(text, source="dataset.yaml"))
    try:
        check_schema(schema, dataset)
    except InputError as error:
        known = {sentence.partition(":")[0] for sentence in found.open}
        if "assume_timezone" in known:
            known.add("collected_at")
        return [p for p in error.problems if p.partition(":")[0] not in known]
    return []


def _policy_id(place: str) -> str:
    stem = Path(place.rstrip("/")).name.partition(".")[0]
    name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")
    return name or "training"


def _summary(
    records: list[str], targets: dict[str, Path], found: Guess, left: list[str]
) -> str:
    rows = [
        (f"  {key}", _said(value), found.why.get(key, ""))
        for key, value in found.binding.items()
    ]
    lines = [f"Looked at {', '.join(records)}.", output.table(rows), ""]
    if left:
        lines.append("Could not be guessed; settle it in dataset.yaml:")
        lines += [f"  - {sentence}" for sentence in left]
        lines.append("")
    lines += [f"Wrote {target}" for target in targets.values()]
    lines += [
        "",
        "Next: read both, then look at the effect without writing anything:",
        f"  consentfilter filter {' '.join(records)} --consent EVENTS "
        f"--policy {targets['policy.yaml']} --dataset {targets['dataset.yaml']} "
        "--dry-run",
    ]
    return "\n".join(lines)


def _said(value: Any) -> str:
    if value is None:
        return "(not used)"
    if isinstance(value, list):
        return ", ".join(item.get("column") or item["path"] for item in value)
    if isinstance(value, dict):
        if "constant" in value:
            return f"always {value['constant']!r}"
        return str(value["column"])
    return str(value)
