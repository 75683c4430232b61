"""Links between pages lead somewhere."""

from __future__ import annotations

import pathlib

import pytest

from tests.docs import markdown

PAGES = markdown.pages()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_somewhere(page: pathlib.Path) -> None:
    broken = []
    for link in markdown.links(page):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in markdown.anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_of_the_docs_can_be_reached_from_the_readme() -> None:
    reached: set[pathlib.Path] = set()
    to_read = [markdown.ROOT / "README.md"]
    while to_read:
        page = to_read.pop()
        if page in reached or page.suffix != ".md" or not page.is_file():
            continue
        reached.add(page)
        targets = (link.partition("#")[0] for link in markdown.links(page))
        to_read += [(page.parent / t).resolve() for t in targets if t and ":" not in t]
    lost = [page for page in PAGES if page not in reached and "docs" in page.parts]

    assert lost == []
