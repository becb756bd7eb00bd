"""The pages of docs/ agree with the code and with each other."""

import dataclasses
import re
from functools import reduce
from pathlib import Path
from typing import Any, cast

import pytest

import goplugin_py
from goplugin_py import errors
from tests.docs.pages import PAGES, headings, leads_nowhere, relative_links
from tests.peers import ROOT

DOCS = ROOT / "docs"
# The second cell of each row that has three.
OURS = re.findall(
    r"^\|[^|]+\|([^|]+)\|[^|]*\|$", (DOCS / "from-go.md").read_text(), re.MULTILINE
)
NAMES = sorted(
    {name for cell in OURS for name in re.findall(r"`([A-Za-z_.]+)`", cell)}
    - {"goplugin_py.hclog", "goplugin_py.aio"}
)


def test_each_error_has_its_section_and_no_section_is_about_another() -> None:
    _title, *sections = headings(DOCS / "troubleshooting.md")
    assert sorted(sections) == sorted(errors.__all__)


def test_an_error_is_the_builtin_that_its_section_says() -> None:
    page = (DOCS / "troubleshooting.md").read_text()
    sections = re.split(r"^## ", page, flags=re.MULTILINE)
    said = {
        section.partition("\n")[0]: found[1]
        for section in sections
        if (found := re.search(r"It is a `(\w+)`, too", section))
    }
    assert said == {
        name: builtin.__name__
        for name in errors.__all__
        for builtin in (ValueError, TimeoutError, LookupError)
        if issubclass(getattr(errors, name), builtin)
    }


def attribute(of: Any, name: str) -> Any:
    if isinstance(of, type) and dataclasses.is_dataclass(of):
        fields = {field.name: field for field in dataclasses.fields(of)}
        if name in fields:
            return fields[name]
    return getattr(of, name)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_beside_that_of_go_exists(name: str) -> None:
    """docs/from-go.md: the column `here`."""
    reduce(attribute, name.split("."), cast(Any, goplugin_py))


def test_each_field_of_the_configurations_is_on_the_page_for_people_from_go() -> None:
    page = (DOCS / "from-go.md").read_text()
    fields = {f.name for f in dataclasses.fields(goplugin_py.ClientConfig)}
    assert {name for name in fields if f"ClientConfig.{name}`" not in page} == set()


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_each_relative_link_leads_somewhere(page: Path) -> None:
    broken = [link for link in relative_links(page) if leads_nowhere(page, link)]
    assert broken == []


@pytest.mark.parametrize("link", ["gone.md", "hosts.md#gone", "#gone", "../gone"])
def test_a_link_that_leads_nowhere_is_seen(link: str) -> None:
    assert leads_nowhere(DOCS / "hosts.md", link)
