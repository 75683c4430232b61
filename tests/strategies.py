"""Whole worlds by chance: a policy, a ledger, people and records that meet.

`make_world` draws from anything with the methods of `random.Random`: a seeded
generator for quantity, or Hypothesis' own (`worlds()`) for shrinking. A world is a
plain dict, as `tests.reference` reads it and `tests.reference.worldfile` writes it.

Few people, few scopes and few instants, so that ties and boundaries are common.
Each world turns some themes on: only these leave their plain default, so that what
they do is seen and not drowned.
"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from hypothesis import strategies as st

World = dict[str, Any]
Themes = frozenset[str]

AS_OF: Final = datetime(2026, 6, 15, 12, tzinfo=UTC)
TICK: Final = timedelta(microseconds=1)
THEMES: Final = [
    "actors",
    "aggregate",
    "all_of",
    "boundaries",
    "broken",
    "categories",
    "clocks",
    "conflict",
    "crowd",
    "derived",
    "effects",
    "ends",
    "expressions",
    "fields",
    "ids",
    "invalid",
    "jurisdictions",
    "lifecycle",
    "links",
    "max_age",
    "mentions",
    "minors",
    "modes",
    "notices",
    "purposes",
    "quorum",
    "recipients",
    "required",
    "scopes",
    "segments",
    "sequences",
    "shapes",
    "signals",
    "sources",
    "statuses",
    "taxonomy",
    "terms",
    "voids",
    "windows",
]

#: Themes that give redactions and interruptions, which are rare otherwise.
COMMON: Final = ("fields", "segments", "mentions", "modes", "crowd", "categories")

#: Calendar neighbours: month ends, birthdays, whole months before `AS_OF`.
INSTANTS: Final = (
    datetime(2025, 5, 15, 12, tzinfo=UTC),
    datetime(2025, 6, 15, 12, tzinfo=UTC),
    datetime(2025, 12, 15, 12, tzinfo=UTC),
    datetime(2026, 1, 31, tzinfo=UTC),
    datetime(2026, 2, 28, tzinfo=UTC),
    datetime(2026, 3, 1, tzinfo=UTC),
    datetime(2026, 3, 15, 12, tzinfo=UTC),
    datetime(2026, 5, 15, 12, tzinfo=UTC),
    datetime(2026, 6, 14, 12, tzinfo=UTC),
    AS_OF,
)
BIRTH_DATES: Final = (
    None,
    date(1980, 7, 1),
    date(2012, 2, 29),
    date(2010, 3, 1),
    date(2013, 3, 1),
    date(2012, 6, 14),
    date(2010, 6, 16),
    date(2015, 1, 1),
)
CATEGORIES: Final = (
    "content.chat",
    "content.chat",
    "content.audio",
    "content",
    "service_generated.usage",
    "biometric.voiceprint",
    "special.health",
)
CODES: Final = ("DE", "FR", "de-by", "US-CA", "US", "BR", " ")
DENIALS: Final = ("withdrawn", "refused", "revoked", "objected", "opted_out")
RELATIONS: Final = ("member", "guest", None)
COLUMNS: Final = ("text", "summary", "n")


def worlds(themes: Themes | None = None) -> st.SearchStrategy[World]:
    """Return a Hypothesis strategy of worlds; small draws make small worlds."""
    chance = st.randoms(use_true_random=False)
    return chance.map(lambda rng: make_world(rng, themes, records=6, events=6))


def make_world(
    rng: random.Random,
    themes: Themes | None = None,
    *,
    records: int = 25,
    events: int = 10,
) -> World:
    """Return a world.

    Args:
        rng: where chance comes from.
        themes: what may leave its default; None: a random choice.
        records: how many records.
        events: how many events beside one grant per person.
    """
    if themes is None:
        themes = frozenset(rng.sample(THEMES, rng.randrange(3, 8)))
        themes |= frozenset(rng.sample(COMMON, rng.randrange(3)))
    pool = [t for t in INSTANTS if rng.random() < 0.6] or [INSTANTS[0], AS_OF]
    people = make_people(rng, themes)
    world: World = {"as_of": AS_OF, "policy": make_policy(rng, themes)}
    if "all_of" in themes:
        recipient = world["policy"].get("recipient")
        parts = [make_policy(rng, themes, recipient) for _ in range(2)]
        world["policy"] = {
            "id": "both",
            "version": "1",
            "all_of": [{**part, "id": f"p{at}"} for at, part in enumerate(parts)],
        }
    ledger = [
        make_event(rng, themes, pool, p, is_plain=True)
        for p in people
        if rng.random() < 0.85
    ]
    ledger += [make_event(rng, themes, pool, rng.choice(people)) for _ in range(events)]
    if "modes" in themes:
        ledger += make_interruption(rng, pool, rng.choice(people))
    world["events"] = [{"event_id": f"e{at}", **e} for at, e in enumerate(ledger)]
    spoil(rng, themes, world["events"])
    if rng.random() < 0.05:
        gone = rng.choice([None, {"subject_id"}])
        world["events"] = [e for e in world["events"] if gone and not e["subject_id"]]
    world["subjects"] = make_subjects(rng, themes, people)
    world["links"] = make_links(rng, themes, people)
    world["columns"] = list(COLUMNS)
    world |= make_binding(rng, themes)
    world["records"] = [
        {"record_id": f"r{at}", **make_record(rng, themes, pool, people, world)}
        for at in range(records)
    ]
    if "shapes" in themes:
        reshape(rng, world)
    if "invalid" in themes:
        world["policy"]["on_duplicate"] = "drop"
        world["records"][-1]["record_id"] = rng.choice([None, " ", "r0"])
    return world


# -- people ---------------------------------------------------------------------


def make_people(rng: random.Random, themes: Themes) -> list[dict[str, Any]]:
    """Return the ids of a few people; all integers, or text with its traps."""
    if "ids" not in themes:
        return [{"ns": None, "id": f"u{at}"} for at in range(4)]
    if rng.random() < 0.3:
        return [{"ns": None, "id": 9007199254740992 + at} for at in range(4)]
    return [
        {"ns": "email", "id": "Ann@Example.org"},
        {"ns": "email", "id": "STRASSE@example.org"},
        {"ns": None, "id": "u1"},
        {"ns": None, "id": "U1"},
        {"ns": "device", "id": "u1"},
    ]


def written(rng: random.Random, person: dict[str, Any]) -> dict[str, Any]:
    """Return an id as a dump might write it: the same person, other characters."""
    subject_id = person["id"]
    if person["ns"] == "email" and rng.random() < 0.5:
        subject_id = rng.choice([subject_id.lower(), f" {subject_id}\u2003"])
        subject_id = subject_id.replace("strasse", rng.choice(["strasse", "straße"]))
    return {"ns": person["ns"], "id": subject_id}


def make_subjects(
    rng: random.Random, themes: Themes, people: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return what is known of some of the people."""
    return [
        {
            "subject_ns": p["ns"],
            "subject_id": p["id"],
            "birth_date": rng.choice(BIRTH_DATES) if "minors" in themes else None,
            "jurisdiction": (
                rng.choice([None, *CODES]) if "jurisdictions" in themes else None
            ),
            "lifecycle": (
                rng.choice(["active", "deactivated", "deleted", "deceased"])
                if "lifecycle" in themes and rng.random() < 0.3
                else "active"
            ),
        }
        for p in people
        if rng.random() < 0.8
    ]


def make_links(
    rng: random.Random, themes: Themes, people: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return links between some of the people, sometimes in a chain."""
    if "links" not in themes:
        return []
    pairs = [rng.sample(people, 2) for _ in range(rng.choice([1, 1, 2]))]
    return [
        {"ns_a": a["ns"], "id_a": a["id"], "ns_b": b["ns"], "id_b": b["id"]}
        for a, b in pairs
    ]


# -- the ledger -----------------------------------------------------------------


def an_instant(rng: random.Random, themes: Themes, pool: list[datetime]) -> datetime:
    """Return one of few instants, sometimes a microsecond beside it."""
    instant = rng.choice(pool)
    if "boundaries" in themes and rng.random() < 0.3:
        return instant + rng.choice([-TICK, TICK])
    return instant


def make_event(
    rng: random.Random,
    themes: Themes,
    pool: list[datetime],
    person: dict[str, Any],
    *,
    is_plain: bool = False,
) -> dict[str, Any]:
    """Return an event without an id; a plain one is an early, wide grant."""
    status = "given" if is_plain else make_status(rng, themes)
    occurred = pool[0] if is_plain and rng.random() < 0.7 else None
    occurred = occurred or an_instant(rng, themes, pool)
    event: dict[str, Any] = {
        "source_id": rng.choice(["cmp", "cmp", "crm"]),
        "subject_ns": person["ns"],
        "subject_id": written(rng, person)["id"],
        "status": status,
        "purpose": a_purpose(rng, themes),
        "category": "*" if is_plain else an_asked_category(rng, themes),
        "expression": an_expression(rng, themes),
        "actor_type": "self",
        "occurred_at": occurred,
        "recorded_at": occurred,
    }
    if rng.random() < 0.2:
        event["recorded_at"] = max(occurred, rng.choice([*pool, AS_OF + TICK]))
    if "scopes" in themes and rng.random() < (0.2 if is_plain else 0.5):
        event |= make_scope(rng)
    if "actors" in themes or "minors" in themes:
        event |= make_actor(rng, event)
    if "windows" in themes:
        event |= make_windows(rng, themes, pool)
    if "terms" in themes:
        event["terms_version"] = rng.choice(["t1", "t1", "t2", None])
    if "recipients" in themes:
        event["recipients"] = rng.choice([None, ["*"], ["lab"], ["other", "lab"], []])
    if "clocks" in themes and rng.random() < 0.2:
        event |= make_clock(rng, occurred)
    return event


def make_interruption(
    rng: random.Random, pool: list[datetime], person: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return a consent that was withdrawn, or ran out, and given again."""
    moments = sorted(rng.choices(pool, k=3))
    acts = ["given", rng.choice(["withdrawn", "expired", "given"]), "renewed"]
    return [
        {
            "source_id": "cmp",
            "subject_ns": person["ns"],
            "subject_id": person["id"],
            "status": status,
            "purpose": "improve.train_ai",
            "category": "*",
            "expression": "explicit",
            "actor_type": "self",
            "occurred_at": moment,
            "recorded_at": moment,
            "valid_until": moment + timedelta(days=1) if at == 0 else None,
        }
        for at, (moment, status) in enumerate(zip(moments, acts, strict=True))
    ]


def make_status(rng: random.Random, themes: Themes) -> str:
    """Return a status; ends and notices come up where they are a theme."""
    choices = ["given"] * 6 + ["renewed", rng.choice(DENIALS)]
    if "statuses" in themes:
        choices += DENIALS
        choices += ["requested", "deferred", "unknown"]
    if "modes" in themes:
        choices += ["withdrawn", "given", "given"]
    if "signals" in themes:
        choices += ["opted_out"] * 3
    if "ends" in themes:
        choices += ["expired", "invalidated"] * 2
    if "notices" in themes:
        choices += ["noticed"] * 8
    return rng.choice(choices)


def a_purpose(rng: random.Random, themes: Themes) -> str | None:
    """Return the purpose of an event."""
    if "purposes" not in themes:
        return "improve.train_ai"
    return rng.choice(
        ["improve.train_ai"] * 4
        + ["*", "improve", "improve.train_ai.generative", "research.academic"]
        + ["service.feature_ai"]
        + (["sell.everything", None] if "broken" in themes else [])
    )


def an_asked_category(rng: random.Random, themes: Themes) -> str | None:
    """Return the category of an event."""
    if not themes & {"categories", "fields", "segments", "taxonomy"}:
        return rng.choice(["*", "content"])
    return rng.choice(
        ["*", "content", "content", *CATEGORIES]
        + ([NEW_CATEGORY] * 3 if "taxonomy" in themes else [])
        + (["content.unheard_of", None] if "broken" in themes else [])
    )


def an_expression(rng: random.Random, themes: Themes) -> str | None:
    """Return how an event was expressed."""
    if "expressions" not in themes and "signals" not in themes:
        return "explicit"
    return rng.choice(["explicit", "explicit", "expressed", "default_on", None])


def make_scope(rng: random.Random) -> dict[str, Any]:
    """Return scope columns; two in three without a subject."""
    scope: dict[str, Any] = rng.choice(
        [
            {"account_id": "a1"},
            {"account_id": "a1"},
            {"account_id": "a2"},
            {"context_id": "c1"},
            {"context_id": "c1", "account_id": "a1"},
            {"asset_id": "r1"},
            {"asset_id": "asset"},
        ]
    )
    is_everyone = rng.random() < 0.66
    return {**scope, "subject_ns": None, "subject_id": None} if is_everyone else scope


def make_actor(rng: random.Random, event: dict[str, Any]) -> dict[str, Any]:
    """Return who acted; where nobody is named, mostly the account's owner."""
    if event["subject_id"] is None:
        kind = rng.choice(["account_owner", "account_owner", "account_admin", "self"])
    else:
        kind = rng.choice(["self", "self", "guardian", "guardian", "authorized_agent"])
    return {"actor_type": kind, "actor_verified": rng.choice([True, True, False, None])}


def make_windows(
    rng: random.Random, themes: Themes, pool: list[datetime]
) -> dict[str, Any]:
    """Return the permission's and the data's windows, mostly open."""
    names = ("valid_from", "valid_until", "data_from", "data_until")
    windows = {
        name: an_instant(rng, themes, pool) for name in names if rng.random() < 0.25
    }
    if rng.random() < 0.1:
        windows["valid_from"] = AS_OF + rng.choice([TICK, timedelta(days=1)])
    return windows


def make_clock(rng: random.Random, occurred: datetime) -> dict[str, Any]:
    """Return clocks that disagree: the act is recorded before it happened."""
    ahead = [timedelta(seconds=1), timedelta(minutes=5), timedelta(minutes=5) + TICK]
    return {"recorded_at": occurred - rng.choice([*ahead, timedelta(days=2)])}


def spoil(rng: random.Random, themes: Themes, events: list[dict[str, Any]]) -> None:
    """Add to a ledger what real ledgers have: breaks, repeats, corrections."""
    if "sequences" in themes:
        numbered = rng.random() < 0.7
        for e in events:
            if numbered or rng.random() < 0.8:
                e["source_seq"] = rng.randrange(6)
    if "broken" in themes:
        for e in rng.sample(events, 3):
            e |= rng.choice(breaks(e))
    if "voids" in themes:
        for e in rng.sample(events, 2):
            events.append(
                {
                    **{k: e.get(k) for k in ("source_id", "source_seq", "actor_type")},
                    **{k: e[k] for k in ("subject_ns", "subject_id")},
                    **{k: e.get(k) for k in ("account_id", "context_id", "asset_id")},
                    "event_id": f"v{len(events)}",
                    "status": "voided",
                    "voids_event_id": e["event_id"],
                    "occurred_at": e.get("occurred_at") or AS_OF,
                    "recorded_at": rng.choice([AS_OF, AS_OF, AS_OF + TICK]),
                }
            )
    if "ids" in themes:
        events.append(dict(rng.choice(events)))
        twin = dict(rng.choice(events))
        if twin["status"] in ("given", *DENIALS):
            events.append({**twin, "category": "content.audio"})


def breaks(e: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the ways in which an event with this status may be broken."""
    if e["status"] in ("expired", "invalidated", "noticed"):
        return [{"purpose": None}, {"category": "content.unheard_of"}]
    broken: list[dict[str, Any]] = [
        {"purpose": None},
        {"category": None},
        {"purpose": "sell.everything"},
        {"expression": "shouted"},
        {"occurred_at": None},
        {"legal_basis": "contract"},
    ]
    if e["status"] in ("given", *DENIALS):
        broken += [{"subject_id": "N/A", "subject_ns": None}, {"actor_type": "martian"}]
    return broken


# -- the policy -----------------------------------------------------------------


def make_policy(
    rng: random.Random, themes: Themes, recipient: str | None = None
) -> dict[str, Any]:
    """Return a policy document that is valid on its own."""
    policy: dict[str, Any] = {"id": "p", "version": "1"}
    if "purposes" in themes:
        policy["purposes"] = rng.choice(
            [
                ["improve.train_ai"],
                ["improve.train_ai.generative"],
                ["improve.train_ai", "research.academic"],
            ]
        )
    if "recipients" in themes:
        policy["recipient"] = recipient or rng.choice(["lab", "lab", "shop"])
    if themes & {"effects", "expressions", "terms", "notices", "actors", "purposes"}:
        policy["rules"] = make_rules(rng, themes)
    if "jurisdictions" in themes:
        policy["jurisdictions"] = {
            code: make_rules(rng, themes - {"effects"} if code != "US" else themes)
            for code in rng.sample(["EU", "DE", "US", "US-CA"], 2)
        }
        policy["jurisdiction_default"] = rng.choice([None, "FR", "us-ca"])
    policy |= make_manners(rng, themes)
    if "taxonomy" in themes:
        add_nodes(rng, policy)
    return policy


def add_nodes(rng: random.Random, policy: dict[str, Any]) -> None:
    """Add nodes to the trees of a policy, or leave them unheard of."""
    if rng.random() < 0.7:
        policy["taxonomy"] = {
            "purposes": ["improve.train_ai.tuning"],
            "categories": [NEW_CATEGORY],
        }


def make_rules(rng: random.Random, themes: Themes) -> list[dict[str, Any]]:
    """Return a list of rules, one for everything and some for less."""
    nodes = ["*", *(n for n in ("content", "content.chat") if rng.random() < 0.4)]
    if rng.random() < 0.1:
        nodes[0] = "content.audio"
    rules = [make_rule(rng, themes, node) for node in nodes]
    if "effects" in themes:
        usage = {"categories": ["service_generated"]}
        notice = rng.random() < 0.5
        ignore = rng.random() < 0.5
        rules.append(
            {**usage, "effect": "allow", "ignore_denials": ignore}
            if rng.random() < 0.5
            else {**usage, "basis": "legitimate_interest", "requires_notice": notice}
        )
        rules.append({"categories": ["biometric", "special"], "effect": "prohibit"})
    named = rng.random() < 0.8
    return [{"id": f"x{at}", **r} if named else r for at, r in enumerate(rules)]


def make_rule(rng: random.Random, themes: Themes, node: str) -> dict[str, Any]:
    """Return a rule for one category."""
    rule: dict[str, Any] = {"categories": [node]}
    if "effects" in themes and rng.random() < 0.4:
        rule |= rng.choice(
            [{"effect": "allow"}, {"basis": "contract"}, {"effect": "prohibit"}]
            if node != "*"
            else [{"effect": "allow"}, {"basis": "legitimate_interest"}]
        )
    if "expressions" in themes:
        rule["expression"] = rng.choice(
            [["explicit"], ["explicit", "expressed"], ["explicit", "default_on"]]
        )
    if "actors" in themes or "minors" in themes:
        rule["actors"] = make_actors(rng)
    if "notices" in themes:
        rule["requires_notice"] = rng.random() < 0.7
    if "terms" in themes:
        rule["terms"] = rng.choice([None, ["t1"], ["t1", "t0"]])
    if "purposes" in themes:
        rule["inherit_purpose"] = rng.random() < 0.7
    return rule


def make_actors(rng: random.Random) -> list[dict[str, Any]]:
    """Return who may consent."""
    others: list[dict[str, Any]] = [
        {"type": "guardian"},
        {"type": "account_owner", "scopes": ["account"], "relations": ["member"]},
        {"type": "account_owner", "scopes": ["account", "context"]},
        {"type": "authorized_agent", "scopes": ["subject"]},
        {"type": "self", "scopes": ["subject"]},
        {"type": "account_admin"},
    ]
    chosen = rng.sample(others, 3)
    return [{"type": "self"}, *chosen] if rng.random() < 0.8 else chosen


def make_manners(rng: random.Random, themes: Themes) -> dict[str, Any]:
    """Return the keys of a policy besides its rules."""
    manners: dict[str, Any] = {}
    if themes & {"modes", "max_age"}:
        mode = rng.choice(["both", "processing", "collection"] + ["continuous"] * 3)
        manners["temporal"] = {
            "mode": mode,
            "retroactive": rng.choice(["explicit", "deny", "deny", "allow"]),
        }
        if "max_age" in themes and mode != "collection":
            manners["temporal"]["max_age_months"] = rng.choice([1, 3, 6, 12, 13])
    several: dict[str, Any] = {}
    if themes & {"segments", "quorum"}:
        several["mode"] = rng.choice(
            ["all"]
            + ["per_segment"] * (4 if "segments" in themes else 1)
            + ["quorum"] * (4 if "quorum" in themes else 1)
        )
        several["min_retained"] = rng.choice([0.0, 0.0, 0.5, 0.6, 1.0])
        several["quorum"] = rng.choice([0.5, 0.34, 0.67, 1.0])
    if "crowd" in themes and rng.random() < 0.5:
        several["roles"] = rng.choice([["author", "speaker"], ["author", "mentioned"]])
    if "mentions" in themes:
        several["mentions"] = rng.choice(["ignore", *["pseudonymise"] * 3])
    if several:
        manners["multi_subject"] = several
    if "minors" in themes:
        manners["minors"] = {
            "ages": rng.choice([{"default": 16, "US": 13, "FR": 14}, {"default": 14}]),
            "unknown_age": rng.choice(["adult", "minor"]),
            "on_majority": rng.choice(["keep", "lapse"]),
        }
    if "lifecycle" in themes:
        kinds = ("deleted", "deactivated", "deceased")
        manners["lifecycle"] = {k: rng.choice(["drop", "drop", "keep"]) for k in kinds}
    if "conflict" in themes:
        manners["conflict"] = "latest"
    if "signals" in themes:
        manners["signals"] = {"later_explicit_lifts": rng.random() < 0.8}
    if "aggregate" in themes:
        manners["aggregate"] = {"allow": rng.random() < 0.9, "min_group_size": 10}
    if "sources" in themes:
        manners["sources"] = rng.choice([["first_party"], ["first_party", SHOP]])
    if themes & {"fields", "mentions"} and rng.random() < 0.8:
        manners["on_fail"] = "redact_fields"
    return manners


# -- the records ----------------------------------------------------------------

SHOP: Final = "third_party:shop"
#: A category that only some policies know.
NEW_CATEGORY: Final = "content.chat.sticker"


def make_binding(rng: random.Random, themes: Themes) -> dict[str, Any]:
    """Return what the binding says: kept columns, declared fields, required ones."""
    binding: dict[str, Any] = {}
    if "segments" in themes and rng.random() < 0.5:
        binding["keep"] = ["n"]
    if "fields" in themes and rng.random() < 0.3:
        binding["fields"] = {
            "n": {"category": "service_generated.usage", "required": False},
            "summary": {
                "category": rng.choice([None, "content.ai_output"]),
                "required": "required" in themes,
            },
        }
    if "required" in themes and rng.random() < 0.4:
        binding["non_nullable"] = ["text"]
    if "invalid" in themes and rng.random() < 0.5:
        binding["collected_as"] = "text"
    return binding


def make_record(
    rng: random.Random,
    themes: Themes,
    pool: list[datetime],
    people: list[dict[str, Any]],
    world: World,
) -> dict[str, Any]:
    """Return a record without its id."""
    record: dict[str, Any] = {
        "category": a_category(rng, themes),
        "collected_at": a_collection(rng, themes, pool, world),
        "subjects": make_cast(rng, themes, people, at_least=1),
        "text": "Hello Ann and Bob",
        "summary": rng.choice(["hi", None]),
        "n": rng.choice([17, None]),
    }
    if "non_nullable" not in world and rng.random() < 0.15:
        record["text"] = None
    if "scopes" in themes or "actors" in themes:
        record["account_id"] = rng.choice(["a1", "a1", "a2", None, ""])
        record["context_id"] = rng.choice(["c1", None])
        record["asset_id"] = rng.choice([None, None, "asset"])
    if "jurisdictions" in themes:
        record["jurisdiction"] = rng.choice([None, None, *CODES])
    if "sources" in themes:
        record["source"] = rng.choice(
            [None, None, "first_party", SHOP, "third_party:x"]
        )
    if "derived" in themes and rng.random() < 0.5:
        record["derived_from"] = rng.sample(CATEGORIES, rng.choice([1, 2]))
        if "invalid" in themes and rng.random() < 0.1:
            record["derived_from"].append("nowhere")
    if "segments" in themes and rng.random() < 0.8:
        record["segments"] = [
            make_segment(rng, themes, people, at) for at in range(rng.randrange(5))
        ]
        if rng.random() < 0.5:
            record["subjects"] = []
    if "fields" in themes and "fields" not in world and rng.random() < 0.8:
        record["fields"] = make_fields(rng, themes)
    if "mentions" in themes and rng.random() < 0.7:
        record["mentions"] = make_mentions(rng, people)
    if "aggregate" in themes and rng.random() < 0.25:
        record["group_size"] = rng.choice([0, 9, 10, 11])
        record["subjects"] = []
    return record


def reshape(rng: random.Random, world: World) -> None:
    """Write the same records in another physical layout; key the ids."""
    world["form"] = rng.choice(["plain", "large", "view", "dictionary"])
    if rng.random() < 0.3:
        world["id_key"] = "a key of thirty-two bytes or so.."
    records = world["records"]
    if rng.random() < 0.3:
        for at, r in enumerate(records):
            r["record_id"] = at
    casts = [r["subjects"] for r in records]
    bare = [{k for k, v in s.items() if v is not None} for c in casts for s in c]
    if all(keys <= {"id"} for keys in bare):
        is_one = all(len(cast) <= 1 for cast in casts) and rng.random() < 0.5
        for r in records:
            ids = [s["id"] for s in r.pop("subjects")]
            r |= {"subject_id": (ids or [None])[0]} if is_one else {"subject_ids": ids}


def a_category(rng: random.Random, themes: Themes) -> str | None:
    """Return the category of a record or of a part of one."""
    if "invalid" in themes and rng.random() < 0.05:
        return rng.choice(["content.unheard_of", "Content.chat", None, "*"])
    if "taxonomy" in themes and rng.random() < 0.2:
        return NEW_CATEGORY
    if themes & {"categories", "effects"}:
        return rng.choice(CATEGORIES)
    return rng.choice(["content.chat"] * 4 + ["service_generated.usage"])


def a_collection(
    rng: random.Random, themes: Themes, pool: list[datetime], world: World
) -> Any:
    """Return a time of collection, as an instant or as text."""
    instant: datetime | None = an_instant(rng, themes, pool)
    if "invalid" in themes and rng.random() < 0.1:
        skew = timedelta(seconds=300)
        instant = rng.choice([None, AS_OF + skew, AS_OF + skew + TICK])
    if world.get("collected_as") != "text" or instant is None:
        return instant
    naive = instant.replace(tzinfo=None).isoformat()
    return rng.choice(
        [naive + "Z", instant.isoformat(), naive if rng.random() < 0.2 else naive + "z"]
    )


def make_cast(
    rng: random.Random,
    themes: Themes,
    people: list[dict[str, Any]],
    *,
    at_least: int,
) -> list[dict[str, Any]]:
    """Return the subjects of a record or segment."""
    count = at_least
    if themes & {"crowd", "quorum"}:
        count = rng.choice([at_least, 2, 3])
    if rng.random() < 0.02:
        count = 0
    cast = []
    for _ in range(count):
        subject = written(rng, rng.choice(people))
        if rng.random() < 0.02 and isinstance(subject["id"], str):
            subject["id"] = rng.choice(["unknown", None, "", " NULL "])
        if themes & {"crowd", "segments"}:
            subject["role"] = rng.choice([None, "author", "speaker", "participant"])
        if "actors" in themes:
            subject["relation"] = rng.choice(RELATIONS)
        cast.append(subject)
    if "mentions" in themes and rng.random() < 0.2:
        cast.append({**written(rng, rng.choice(people)), "role": "mentioned"})
    return cast


def make_segment(
    rng: random.Random, themes: Themes, people: list[dict[str, Any]], at: int
) -> dict[str, Any]:
    """Return a part of a record with its own subjects."""
    return {
        "segment_id": f"s{at}",
        "category": a_category(rng, themes) if rng.random() < 0.3 else None,
        "subjects": make_cast(rng, themes, people, at_least=1),
        "words": "so they said",
    }


def make_fields(rng: random.Random, themes: Themes) -> list[dict[str, Any]]:
    """Return categories that a record gives to its own columns."""
    return [
        {
            "name": name,
            "category": rng.choice(
                ["service_generated.usage", *CATEGORIES, None]
                + (["content.unheard_of"] if "invalid" in themes else [])
            ),
            "required": "required" in themes and rng.random() < 0.4,
        }
        for name in COLUMNS
        if rng.random() < 0.6
    ]


def make_mentions(
    rng: random.Random, people: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return spans of text columns that name somebody, some of them wrong."""
    spans = [("text", 6, 9), ("text", 14, 17), ("summary", 0, 2), (None, None, None)]
    spans += [("text", 14, 99)] if rng.random() < 0.3 else []
    return [
        {**written(rng, rng.choice(people)), "field": field, "start": a, "end": b}
        for field, a, b in rng.sample(spans, rng.randrange(1, 4))
    ]
