"""`consentfilter policy`: check, explain, compare, test policies; their schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consentfilter.cli import output

if TYPE_CHECKING:
    from consentfilter.policy import Policy
    from consentfilter.policy.diff import Difference
    from consentfilter.policy.findings import Finding
    from consentfilter.taxonomy import Taxonomy

app = typer.Typer(
    help="Check, explain, compare and test policies.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

PolicyPath = Annotated[
    Path, typer.Argument(metavar="POLICY", help="A policy file, YAML or JSON.")
]
DatasetPath = Annotated[
    Path | None,
    typer.Option(
        "--dataset",
        metavar="FILE",
        help="A dataset file; purposes and categories that it adds are known.",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print no messages.")]


@app.command(
    short_help="Say everything that is wrong or risky in a policy.",
)
def check(
    policy: PolicyPath,
    dataset: DatasetPath = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> int:
    """Say everything that is wrong with a policy, and what deserves a second look.

    Example:
      consentfilter policy check policy.yaml

    Exit status 0: it can be used, whatever the warnings; 1: it cannot.
    """
    from consentfilter.policy.lint import lint
    from consentfilter.policy.load import read_policy

    trees = _taxonomy(dataset)
    reading = read_policy(policy, taxonomy=trees)
    findings: tuple[Finding, ...] = reading.errors
    if reading.policy is not None:
        findings = lint(reading.policy, document=reading.document, taxonomy=trees)
    if as_json:
        output.print_json(
            {
                "isValid": reading.policy is not None,
                **_identity(reading.policy),
                "findings": [finding.as_json() for finding in findings],
            }
        )
        return 0 if reading.policy is not None else 1
    for finding in findings:
        is_error = finding.severity == "error"
        output.say(
            f"{finding.severity}: {finding} [{finding.code}]",
            is_quiet=quiet and not is_error,
        )
    if reading.policy is None:
        return 1
    output.say(
        f"{policy}: policy {reading.policy.id}, version {reading.policy.version}, is"
        f" valid; {len(findings) or 'no'} warning{'' if len(findings) == 1 else 's'}.",
        is_quiet=quiet,
    )
    return 0


@app.command(
    short_help="Say a policy in plain sentences.",
)
def explain(
    policy: PolicyPath,
    dataset: DatasetPath = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say a policy in plain sentences, with every default and what it leaves open.

    Example:
      consentfilter policy explain policy.yaml
    """
    from consentfilter.policy import explain as explained
    from consentfilter.policy import load_policy

    loaded = load_policy(policy, taxonomy=_taxonomy(dataset))
    if not as_json:
        typer.echo(explained.explain(loaded), nl=False)
        return
    output.print_json(
        {
            **_identity(loaded),
            "sections": [
                {"title": section.title, "sentences": list(section.sentences)}
                for section in explained.explain_sections(loaded)
            ],
            "effective": loaded.effective(),
        }
    )


@app.command(
    short_help="Say what changed, and what that does to records.",
)
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The policy before.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The policy after.")],
    records: Annotated[
        list[str] | None,
        typer.Option(
            "--records",
            metavar="PATH",
            help="Records to decide by both: file, directory, glob or URL.",
        ),
    ] = None,
    consent: Annotated[
        list[str] | None,
        typer.Option(
            "--consent", metavar="PATH", help="Consent events, or a snapshot."
        ),
    ] = None,
    subjects: Annotated[
        str | None, typer.Option("--subjects", metavar="PATH", help="People.")
    ] = None,
    links: Annotated[
        str | None,
        typer.Option("--links", metavar="PATH", help="Linked identities."),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of", metavar="INSTANT", help="Default: the snapshot's, or now."
        ),
    ] = None,
    id_key: Annotated[
        Path | None,
        typer.Option("--id-key", metavar="FILE", help="Key of the subject ids."),
    ] = None,
    dataset: DatasetPath = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    r"""Say what changed between two policies, and what that does to real records.

    Example:
      consentfilter policy diff old.yaml new.yaml \
          --records dump/ --consent consent.parquet

    With --records and --consent every record is decided by both policies, and the
    records are counted by old decision, new decision and reason, with sample ids.
    Nothing is written, and the rules for a run (staleness, sources) do not apply.
    """
    from consentfilter.errors import InputError
    from consentfilter.policy import load_policy
    from consentfilter.policy.diff import diff_policies

    if bool(records) != bool(consent):
        missing = "--consent" if records else "--records"
        raise InputError(
            f"{missing} is missing; give both --records and --consent, or none"
        )
    trees = _taxonomy(dataset)
    before = load_policy(old, taxonomy=trees)
    after = load_policy(new, taxonomy=trees)
    differences = diff_policies(before, after)
    report: dict[str, Any] = {
        "old": _identity(before),
        "new": _identity(after),
        "differences": [one.as_json() for one in differences],
    }
    if not as_json:
        _print_differences(differences)
    if records and consent:
        from consentfilter.cli import policy_effect

        effect = policy_effect.effect(
            records,
            before,
            after,
            policy_effect.Sources(
                consent=tuple(consent),
                subjects=subjects,
                links=links,
                as_of=as_of,
                id_key=id_key,
                dataset=dataset,
            ),
        )
        output.say(f"Decided as of {effect.as_of}.", is_quiet=quiet or as_json)
        report |= effect.as_json()
        if not as_json:
            typer.echo(effect.text())
    if as_json:
        output.print_json(report)


@app.command(
    "test",
    short_help="Decide small cases and compare with what is expected.",
)
def run_cases(
    policy: PolicyPath,
    cases: Annotated[
        Path, typer.Argument(metavar="CASES", help="A YAML file of cases.")
    ],
    dataset: DatasetPath = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> int:
    """Decide small cases and compare with what their author expects.

    Example:
      consentfilter policy test policy.yaml cases.yaml

    Exit status 0: all come out as expected; 1: some do not. The rules for a run
    (staleness, required sources) do not apply to cases.
    """
    from consentfilter.cli import policy_cases
    from consentfilter.policy import load_policy

    loaded = load_policy(policy, taxonomy=_taxonomy(dataset))
    results = policy_cases.run_cases(loaded, cases, dataset=dataset)
    failed = [result for result in results if not result.is_passed]
    if as_json:
        output.print_json(
            {
                **_identity(loaded),
                "passed": len(results) - len(failed),
                "failed": len(failed),
                "cases": [result.as_json() for result in results],
            }
        )
        return 1 if failed else 0
    for result in failed:
        typer.echo(result.text())
    output.say(
        f"{len(results) - len(failed)} of {len(results)} cases came out as expected.",
        is_quiet=quiet,
    )
    return 1 if failed else 0


@app.command(
    short_help="Print the JSON Schema of a policy file.",
)
def schema(as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Print the JSON Schema of a policy file, for editors and other tools.

    Example:
      consentfilter policy schema > policy.schema.json

    It is JSON with or without --json.
    """
    from consentfilter.policy.schema import policy_schema

    output.print_json(policy_schema())


def _print_differences(differences: tuple[Difference, ...]) -> None:
    for difference in differences:
        typer.echo(str(difference))
    if not differences:
        typer.echo("The policies ask the same.")


def _identity(policy: Policy | None) -> dict[str, Any]:
    """Return which policy this is; nulls when it could not be read."""
    return {
        "id": policy.id if policy else None,
        "version": policy.version if policy else None,
        "sha256": policy.sha256 if policy else None,
    }


def _taxonomy(dataset: Path | None) -> Taxonomy:
    """Return the trees with the nodes that a dataset file adds."""
    from consentfilter.taxonomy import BASE

    if dataset is None:
        return BASE
    from consentfilter.dataset import load_dataset_binding

    return load_dataset_binding(dataset).effective_taxonomy(BASE)
