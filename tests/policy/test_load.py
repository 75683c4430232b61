"""Every way a policy file can be wrong, with the message a person reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from consentfilter.errors import InputError, PolicyError, RunRefused
from consentfilter.policy import Policy, load_policy
from consentfilter.policy.document import Document
from consentfilter.policy.load import read_policy
from consentfilter.taxonomy import BASE

HEAD = 'id: p\nversion: "1"\n'


def problems(tmp_path: Path, text: str) -> list[str]:
    """What is wrong with a policy text, without the directory in the messages."""
    path = tmp_path / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises((PolicyError, RunRefused)) as caught:
        load_policy(path)
    return [one.replace(f"{tmp_path}/", "") for one in caught.value.problems]


ONE_PROBLEM: dict[str, tuple[str, str, str]] = {
    "missing version": (
        "id: p\n",
        "E102",
        "policy.yaml:1: version: missing; it must be stated",
    ),
    "unknown key in a rule": (
        HEAD + 'rules:\n  - categories: ["*"]\n    expresion: [explicit]\n',
        "E103",
        "policy.yaml:5: rules[0].expresion: unknown key; wanted one of id, categories,"
        " effect, basis, expression, actors, requires_notice, terms, inherit_purpose,"
        " ignore_denials; did you mean 'expression'?",
    ),
    "misspelt expression": (
        HEAD + 'rules:\n  - categories: ["*"]\n    expression: [explict]\n',
        "E104",
        "policy.yaml:5: rules[0].expression[0]: 'explict' is not one of explicit,"
        " expressed, default_on, notice, terms, implied; did you mean 'explicit'?",
    ),
    "unspecified is no expression": (
        HEAD + 'rules:\n  - categories: ["*"]\n    expression: [unspecified]\n',
        "E104",
        "policy.yaml:5: rules[0].expression[0]: 'unspecified' is not one of explicit,"
        " expressed, default_on, notice, terms, implied",
    ),
    "unknown scope": (
        HEAD + 'rules:\n  - categories: ["*"]\n'
        "    actors: [{type: account_owner, scopes: [acount]}]\n",
        "E104",
        "policy.yaml:5: rules[0].actors[0].scopes[0]: 'acount' is not one of subject,"
        " account, context, asset; did you mean 'account'?",
    ),
    "unknown actor": (
        HEAD + 'rules:\n  - categories: ["*"]\n    actors: [{type: parent}]\n',
        "E104",
        "policy.yaml:5: rules[0].actors[0].type: 'parent' is not one of self, guardian,"
        " account_owner, account_admin, authorized_agent, controller, authority,"
        " publisher, system, unknown",
    ),
    "unknown mode": (
        HEAD + "temporal: {mode: always}\n",
        "E104",
        "policy.yaml:3: temporal.mode: 'always' is not one of both, processing,"
        " collection, continuous",
    ),
    "unknown on_majority": (
        HEAD + "minors: {on_majority: forget}\n",
        "E104",
        "policy.yaml:3: minors.on_majority: 'forget' is not one of keep, lapse",
    ),
    "version as a number": (
        "id: p\nversion: 1.10\n",
        "E105",
        'policy.yaml:2: version: found 1.1, wanted text; put it in quotes: "1.1"',
    ),
    "text where a list is wanted": (
        HEAD + "purposes: improve.train_ai\n",
        "E105",
        "policy.yaml:3: purposes: found 'improve.train_ai', wanted a list",
    ),
    "rules that are no list": (
        HEAD + "rules: content\n",
        "E105",
        "policy.yaml:3: rules: found 'content', wanted a list",
    ),
    "a rule that is no mapping": (
        HEAD + "rules: [content]\n",
        "E105",
        "policy.yaml:3: rules[0]: found 'content', wanted a mapping",
    ),
    "members that are no list": (
        HEAD + "all_of: {id: a}\n",
        "E105",
        "policy.yaml:3: all_of: found a mapping, wanted a list",
    ),
    "a member that is no mapping": (
        HEAD + "all_of: [7]\n",
        "E105",
        "policy.yaml:3: all_of[0]: found 7, wanted a mapping",
    ),
    "places that are no mapping": (
        HEAD + "jurisdictions: [DE]\n",
        "E105",
        "policy.yaml:3: jurisdictions: found a list, wanted a mapping",
    ),
    "ages that are no mapping": (
        HEAD + "minors: {ages: 16}\n",
        "E105",
        "policy.yaml:3: minors.ages: found 16, wanted a mapping",
    ),
    "a place that is a number": (
        HEAD + 'jurisdictions:\n  1: [{categories: ["*"]}]\n',
        "E105",
        'policy.yaml:4: jurisdictions[1]: found 1, wanted text; put it in quotes: "1"',
    ),
    "yes is no boolean": (
        HEAD + 'rules:\n  - {categories: ["*"], requires_notice: yes}\n',
        "E105",
        "policy.yaml:4: rules[0].requires_notice: found 'yes', wanted true or false",
    ),
    "a key without value": (
        HEAD + "temporal:\n",
        "E105",
        "policy.yaml:3: temporal: found nothing, wanted a mapping",
    ),
    "blank id": (
        'id: " "\nversion: "1"\n',
        "E106",
        "policy.yaml:1: id: found ' ', wanted a text without blanks around it",
    ),
    "months are no fixed length": (
        HEAD + "snapshot: {max_staleness: P1M}\n",
        "E107",
        "policy.yaml:3: snapshot.max_staleness: found 'P1M', wanted a duration above"
        " zero such as PT24H, PT30M or P1D (years and months have no fixed length)",
    ),
    "a duration of zero": (
        HEAD + "snapshot: {max_staleness: PT0S}\n",
        "E107",
        "policy.yaml:3: snapshot.max_staleness: found 'PT0S', wanted a duration above"
        " zero such as PT24H, PT30M or P1D (years and months have no fixed length)",
    ),
    "listed twice": (
        HEAD + "purposes: [improve.train_ai, improve.train_ai]\n",
        "E108",
        "policy.yaml:3: purposes[1]: 'improve.train_ai' is listed twice; remove one",
    ),
    "one code in two spellings": (
        HEAD + "jurisdictions:\n"
        '  eu: [{categories: ["*"]}]\n  EU: [{categories: ["*"]}]\n',
        "E108",
        "policy.yaml:5: jurisdictions.EU: 'EU' is listed twice; remove one",
    ),
    "malformed category": (
        HEAD + "rules: [{categories: [content..chat]}]\n",
        "E109",
        "policy.yaml:3: rules[0].categories[0]: found 'content..chat', wanted a dotted"
        " name such as content.chat, or '*'",
    ),
    "malformed new category": (
        HEAD + 'taxonomy: {categories: ["*"]}\n',
        "E109",
        "policy.yaml:3: taxonomy.categories[0]: found '*', wanted a dotted name such"
        " as content.drawing",
    ),
    "malformed source": (
        HEAD + "sources: [partner]\n",
        "E110",
        "policy.yaml:3: sources[0]: found 'partner', wanted first_party or"
        " third_party:NAME",
    ),
    "a wrong code": (
        HEAD + 'jurisdictions:\n  UK: [{categories: ["*"]}]\n',
        "E111",
        "policy.yaml:4: jurisdictions.UK: found 'UK', wanted an ISO 3166 code such as"
        " DE, US-CA or EU; did you mean 'GB'?",
    ),
    "a wrong default code": (
        HEAD + "jurisdiction_default: Europe\n",
        "E111",
        "policy.yaml:3: jurisdiction_default: found 'Europe', wanted an ISO 3166 code"
        " such as DE, US-CA or EU",
    ),
    "a wrong code of an age": (
        HEAD + "minors: {ages: {default: 16, Bavaria: 15}}\n",
        "E111",
        "policy.yaml:3: minors.ages.Bavaria: found 'BAVARIA', wanted an ISO 3166 code"
        " such as DE, US-CA or EU",
    ),
    "quorum of nobody": (
        HEAD + "multi_subject: {mode: quorum, quorum: 0}\n",
        "E112",
        "policy.yaml:3: multi_subject.quorum: found 0, wanted more than 0",
    ),
    "quorum of more than all": (
        HEAD + "multi_subject: {mode: quorum, quorum: 1.5}\n",
        "E112",
        "policy.yaml:3: multi_subject.quorum: found 1.5, wanted at most 1",
    ),
    "negative share": (
        HEAD + "multi_subject: {mode: per_segment, min_retained: -0.1}\n",
        "E112",
        "policy.yaml:3: multi_subject.min_retained: found -0.1, wanted at least 0",
    ),
    "age limit of no months": (
        HEAD + "temporal: {max_age_months: 0}\n",
        "E112",
        "policy.yaml:3: temporal.max_age_months: found 0, wanted at least 1",
    ),
    "no purposes": (
        HEAD + "purposes: []\n",
        "E113",
        "policy.yaml:3: purposes: found an empty list, wanted at least one entry",
    ),
    "no roles": (
        HEAD + "multi_subject: {roles: []}\n",
        "E113",
        "policy.yaml:3: multi_subject.roles: found an empty list, wanted at least one"
        " entry",
    ),
    "no terms": (
        HEAD + 'rules: [{categories: ["*"], terms: []}]\n',
        "E113",
        "policy.yaml:3: rules[0].terms: found an empty list, wanted at least one entry",
    ),
    "no rules": (
        HEAD + "rules: []\n",
        "E113",
        "policy.yaml:3: rules: found an empty list, wanted at least one entry; leave"
        " the key out for the default rule",
    ),
    "no rules for a place": (
        HEAD + "jurisdictions: {EU: []}\n",
        "E113",
        "policy.yaml:3: jurisdictions.EU: found an empty list, wanted at least one"
        " entry",
    ),
    "unknown category": (
        HEAD + "rules:\n  - categories: [contents.chat]\n",
        "E114",
        "policy.yaml:4: rules[0].categories[0]: 'contents.chat' is not in the category"
        " tree; did you mean 'content.chat'?",
    ),
    "unknown category of a place": (
        HEAD + "jurisdictions:\n  us-ca:\n    - categories: [zzz]\n",
        "E114",
        "policy.yaml:5: jurisdictions.us-ca[0].categories[0]: 'zzz' is not in the"
        " category tree; add it under taxonomy.categories if it is meant",
    ),
    "ignore_denials without allow": (
        HEAD + "rules:\n  - categories: [content]\n    ignore_denials: true\n",
        "E120",
        "policy.yaml:5: rules[0].ignore_denials: found true with effect require,"
        " wanted it only with effect: allow; remove it",
    ),
    "nobody could consent": (
        HEAD + "rules:\n  - categories: [content]\n    actors: []\n",
        "E121",
        "policy.yaml:5: rules[0].actors: found an empty list with basis consent:"
        " nobody could consent; wanted at least one entry such as {type: self}",
    ),
    "an age limit that nothing reads": (
        HEAD + "temporal:\n  mode: collection\n  max_age_months: 12\n",
        "E122",
        "policy.yaml:5: temporal.max_age_months: found a limit with mode collection,"
        " which never looks at the present; remove it or choose mode both",
    ),
    "two rules for a category": (
        HEAD + "rules:\n  - categories: [content]\n  - categories: [content.chat,"
        " content]\n",
        "E123",
        "policy.yaml:5: rules[1].categories[1]: 'content' has a rule in this list"
        " already, entry [0]; wanted one rule for each category",
    ),
    "two rules of one name": (
        HEAD + "rules:\n  - {id: a, categories: [content]}\n"
        "  - {id: a, categories: [account]}\n",
        "E124",
        "policy.yaml:5: rules[1].id: 'a' is the id of entry [0] already; reports could"
        " not tell them apart",
    ),
    "two members of one name": (
        HEAD + "all_of:\n  - {id: a}\n  - {id: a}\n",
        "E124",
        "policy.yaml:5: all_of[1].id: 'a' is the id of entry [0] already; reports"
        " could not tell them apart",
    ),
    "ignore_denials in a European list": (
        HEAD + "jurisdictions:\n  de-by:\n"
        "    - {categories: [content], effect: allow, ignore_denials: true}\n",
        "E125",
        "policy.yaml:5: jurisdictions.de-by[0].ignore_denials: found true in a list"
        " for the European Union, where a standing objection must count (GDPR"
        " Art. 7(3), 21); remove it",
    ),
    "rules beside members": (
        HEAD + 'rules: [{categories: ["*"]}]\nall_of: [{id: a}]\n',
        "E127",
        "policy.yaml:3: rules: a policy with all_of decides nothing itself, so rules"
        " would be ignored; move it into the members",
    ),
    "sources beside members": (
        HEAD + "sources: [first_party]\nall_of: [{id: a}]\n",
        "E127",
        "policy.yaml:3: sources: a policy with all_of decides nothing itself, so"
        " sources would be ignored; move it into the members",
    ),
    "two recipients": (
        HEAD + "all_of: [{id: a, recipient: x}, {id: b, recipient: y}]\n",
        "E128",
        "policy.yaml:1: recipient: the members of all_of name different recipients"
        " (x, y), wanted one: a set goes to one place",
    ),
    "an absolute member": (
        HEAD + "all_of:\n  - /etc/policy.yaml\n",
        "E129",
        "policy.yaml:4: all_of[0]: found '/etc/policy.yaml', wanted a path relative to"
        " this file, with '/'",
    ),
    "a member that leads back": (
        HEAD + "all_of:\n  - policy.yaml\n",
        "E129",
        "policy.yaml:4: all_of[0]: 'policy.yaml' leads back to a policy that names"
        " this one",
    ),
    "a member that is not there": (
        HEAD + "all_of:\n  - {id: a}\n  - other.yaml\n",
        "E129",
        "policy.yaml:5: all_of[1]: other.yaml: cannot be read: No such file or"
        " directory; wanted a policy file (YAML or JSON)",
    ),
}


@pytest.mark.parametrize("name", ONE_PROBLEM)
def test_problem_is_named_with_its_place(tmp_path: Path, name: str) -> None:
    text, code, message = ONE_PROBLEM[name]
    assert problems(tmp_path, text) == [message]
    (found,) = read_policy(tmp_path / "policy.yaml").errors
    assert (found.code, found.severity) == (code, "error")


def test_every_error_code_has_a_case() -> None:
    from consentfilter.policy.findings import CODES

    shown = {code for _, code, _ in ONE_PROBLEM.values()} | {"E115"}
    assert shown == {code for code in CODES if code.startswith("E")}


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "empty": (
        b"",
        "found an empty file, wanted a policy: a mapping with at least id and version",
    ),
    "only a comment": (
        b"# nothing\n",
        "found an empty file, wanted a policy: a mapping with at least id and version",
    ),
    "a list": (
        b"- id: p\n",
        "found a list, wanted a policy: a mapping with at least id and version",
    ),
    "text": (
        b"hello\n",
        "found 'hello', wanted a policy: a mapping with at least id and version",
    ),
    "too large": (
        b"#" * (1 << 20) + b"\n",
        "larger than 1,048,576 bytes; wanted a policy file",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_policy_is_one_clear_message(tmp_path: Path, name: str) -> None:
    raw, message = UNREADABLE[name]
    path = tmp_path / "policy.yaml"
    path.write_bytes(raw)
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    assert caught.value.problems == (f"{path}: {message}",)
    assert caught.value.exit_status == 1


def test_other_encodings_are_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(b'id: p\nversion: "1"\n# caf\xe9\n')
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    assert caught.value.problems == (
        f"{path}:3: not UTF-8 text; wanted a policy file (YAML or JSON); save it as"
        " UTF-8",
    )


def test_broken_yaml_is_refused_with_the_line(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, HEAD + "rules: [\n")
    assert problem.startswith("policy.yaml:4: not valid YAML: ")


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, HEAD + "on_fail: drop\non_fail: redact_fields\n") == [
        "policy.yaml:4: key 'on_fail' stands twice, first on line 3; keep one of them"
    ]


def test_an_alias_bomb_is_refused(tmp_path: Path) -> None:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, 9):
        ten = ", ".join([f"*a{level - 1}"] * 10)
        text += f"a{level}: &a{level} [{ten}]\n"
    (problem,) = problems(tmp_path, text)
    assert problem.endswith("more than 100000 values")


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, HEAD + "x: " + "[" * 5000 + "]" * 5000) == [
        "policy.yaml:3: nested deeper than 64 levels"
    ]


def test_tags_are_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "!!python/object/apply:os.system [ls]\n")
    assert problem == (
        "policy.yaml:1: tag tag:yaml.org,2002:python/object/apply:os.system found;"
        " tags are not used here"
    )


def test_a_binding_in_place_of_a_policy_is_called_one(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "record_id: msg\nsubjects: [u]\ntaxonomy: {}\n")
    assert problem == (
        "policy.yaml: a dataset binding (it says record_id, subjects), wanted a policy:"
        " a mapping with at least id and version; a binding is given with --dataset"
    )
    found = problems(tmp_path, "id: a\nversion: b\nsubjects: [u]\n")
    assert any(problem.startswith("policy.yaml:3: subjects: unk") for problem in found)


def test_a_file_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    with pytest.raises(InputError) as caught:
        load_policy(path)
    assert caught.value.problems == (
        f"{path}: cannot be read: No such file or directory; wanted a policy file"
        " (YAML or JSON)",
    )
    assert caught.value.exit_status == 2


def test_all_problems_come_together_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
id: p
version: 1
purposes: [improve.trainai]
rules:
  - categories: [content.chta]
    expression: [explict, expressed]
  - categories: [content]
    effect: prohibit
    ignore_denials: true
  - categories: [content]
jurisdictions:
  UK: [{categories: ["*"]}]
  fr: [{categories: [content], effect: allow, ignore_denials: true}]
temporal: {mode: collection, max_age_months: 3}
multi_subject: {quorum: 2}
on_fial: drop
"""
    found = problems(tmp_path, text)
    assert [one.split(": ")[0] for one in found] == [
        f"policy.yaml:{line}" for line in (2, 3, 5, 6, 9, 10, 12, 13, 14, 15, 16)
    ]
    assert found[1] == (
        "policy.yaml:3: purposes[0]: 'improve.trainai' is not in the purpose tree; did"
        " you mean 'improve.train_ai'?"
    )


def test_only_unknown_purposes_refuse_the_run_by_their_own_code(
    tmp_path: Path,
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(HEAD + "purposes: [improve.training]\n")
    with pytest.raises(RunRefused) as caught:
        load_policy(path)
    assert (caught.value.code, caught.value.exit_status) == ("RUN_PURPOSE_UNKNOWN", 1)
    assert caught.value.problems == (
        f"RUN_PURPOSE_UNKNOWN: {path}:3: purposes[0]: 'improve.training' is not in the"
        " purpose tree; did you mean 'improve.train_ai'?",
    )


def test_an_unknown_purpose_beside_another_problem_is_a_policy_error() -> None:
    with pytest.raises(PolicyError):
        Policy.from_dict(
            {"id": "p", "version": "1", "purposes": ["nope"], "on_fail": "?"}
        )


def test_the_policy_extends_both_trees() -> None:
    policy = Policy.from_dict(
        {
            "id": "p",
            "version": "1",
            "purposes": ["improve.caption.images"],
            "rules": [{"categories": ["game.chat"]}, {"categories": ["game"]}],
            "taxonomy": {
                "purposes": ["improve.caption.images"],
                "categories": ["game.chat"],
            },
        }
    )
    trees = policy.effective_taxonomy(BASE)
    assert {"improve.caption", "improve.caption.images"} <= trees.purposes
    assert {"game", "game.chat"} <= trees.categories
    assert trees.version.startswith("1+")


def test_a_dataset_may_extend_the_trees(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(HEAD + "rules: [{categories: [game.chat]}]\n")
    with pytest.raises(PolicyError):
        load_policy(path)
    policy = load_policy(path, taxonomy=BASE.extended(categories=["game.chat"]))
    assert policy.rules[0].categories == ("game.chat",)


def test_members_extend_the_trees_of_all() -> None:
    policy = Policy.from_dict(
        {
            "id": "p",
            "version": "1",
            "all_of": [
                {"rules": [{"categories": ["game"]}]},
                {"taxonomy": {"categories": ["game.chat"]}},
            ],
        }
    )
    assert "game.chat" in policy.effective_taxonomy(BASE).categories


def test_json_is_yaml(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text('{"id": "p", "version": "1", "minors": {"ages": {"NO": 15}}}')
    policy = load_policy(path)
    assert policy.minors is not None
    assert policy.minors.ages == {"default": 16, "NO": 15}


def test_norway_is_a_code_and_dates_are_text(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(
        HEAD + "jurisdictions:\n  NO:\n    - categories: ['*']\n"
        "      terms: [2023-08-07]\n"
    )
    assert load_policy(path).jurisdictions["NO"][0].terms == ("2023-08-07",)


def test_a_member_may_live_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "blog.yaml").write_text("id: blog\nversion: '7'\n")
    (tmp_path / "policy.yaml").write_text(
        HEAD + "all_of:\n  - shared/blog.yaml\n  - rules: [{categories: [content]}]\n"
    )
    policy = load_policy(tmp_path / "policy.yaml")
    assert [(one.id, one.version) for one in policy.members] == [
        ("blog", "7"),
        ("p/2", "1"),
    ]


def test_a_problem_in_a_members_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "blog.yaml").write_text("id: blog\nversion: '7'\non_fail: stop\n")
    text = HEAD + "all_of:\n  - blog.yaml\n  - {on_fail: halt}\n"
    assert problems(tmp_path, text) == [
        "blog.yaml:3: on_fail: 'stop' is not one of drop, redact_fields",
        "policy.yaml:5: all_of[1].on_fail: 'halt' is not one of drop, redact_fields",
    ]


def test_too_long_a_chain_of_files_is_refused(tmp_path: Path) -> None:
    for at in range(10):
        text = f"id: p{at}\nversion: '1'\nall_of: [p{at + 1}.yaml]\n"
        (tmp_path / f"p{at}.yaml").write_text(text)
    with pytest.raises(PolicyError) as caught:
        load_policy(tmp_path / "p0.yaml")
    assert caught.value.problems == (
        f"{tmp_path}/p8.yaml:3: all_of[0]: more than 8 files lead to 'p9.yaml'",
    )


def test_problems_inside_members_are_found_together(tmp_path: Path) -> None:
    text = HEAD + (
        "all_of:\n  - rules:\n      - categories: [contant]\n"
        "      - categories: [content, content.chat]\n"
        "      - categories: [content]\n        effect: permit\n"
    )
    assert problems(tmp_path, text) == [
        "policy.yaml:5: all_of[0].rules[0].categories[0]: 'contant' is not in the"
        " category tree; did you mean 'content'?",
        "policy.yaml:7: all_of[0].rules[2].categories[0]: 'content' has a rule in this"
        " list already, entry [1]; wanted one rule for each category",
        "policy.yaml:8: all_of[0].rules[2].effect: 'permit' is not one of require,"
        " allow, prohibit",
    ]


def test_a_place_that_is_not_in_the_document_is_named_all_the_same() -> None:
    finding = Document({"a": 1}).finding("E102", ("a", "b", 0), "said so")
    assert str(finding) == "a.b[0]: said so"


def test_values_are_left_as_they_were_found() -> None:
    document: dict[str, Any] = {
        "id": "p",
        "version": "1",
        "all_of": [{"jurisdictions": {"de": [{"categories": ["*"]}]}}],
    }
    Policy.from_dict(document)
    assert document["all_of"] == [{"jurisdictions": {"de": [{"categories": ["*"]}]}}]


def test_what_is_no_mapping_is_refused() -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.from_dict(["id"])  # type: ignore[arg-type]
    assert caught.value.problems == (
        "found list, wanted a mapping with at least id and version",
    )
