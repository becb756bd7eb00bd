"""The matrix's page in a browser: what a reader sees, finds and opens."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interop.browser import Browser, BrowserMissing, Page, find, started
from interop.matrix.grid import groups
from interop.matrix.loading import load
from interop.matrix.page import page
from interop.matrix.results import read
from tests.peers import until

pytestmark = pytest.mark.full

MATRIX = load()
PASSING = "interop/test_matrix.py::test_core_behaviours[echo-plugin-1.8.0-unix]"
FAILING = "interop/test_matrix.py::test_core_behaviours[echo-host-1.8.0-tcp]"
SKIPPED = "interop/test_tflint.py::test_tflint_lists_the_python_ruleset"
REQUIRED = "interop/test_go_host_output.py::test_uncaught_exceptions_reach_the_log[a]"
LOG = 'E  assert 1 == 2 </script><b onclick="x()">'
SHOWN = "tr[data-row]:not([hidden])"
CELLS = "td:not([hidden]) .cell"


def results() -> dict[str, Any]:
    """Return what the recorder might have written."""

    def test(outcome: str = "passed", log: str = "", **properties: Any) -> Any:
        return {
            "outcome": outcome,
            "seconds": 1.25,
            "log": log,
            "properties": properties,
        }

    return {
        "runtime": "latest",
        "environment": {"Python": "3.11", "Go": "1.26", "grpcio": "1.85"},
        "tests": {
            PASSING: test(peer=["echo-plugin-1.8.0"], shown=["start", "unary"]),
            FAILING: test(
                "failed", LOG, peer=["echo-host-1.8.0"], shown=["start"], failed=["log"]
            ),
            SKIPPED: test("skipped", "not today"),
            REQUIRED: test(programs=["echo-host"]),
        },
    }


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write a page that has a bit of everything."""
    directory = tmp_path_factory.mktemp("page")
    recorded = directory / "results.json"
    recorded.write_text(json.dumps(results()))
    outcomes = read([recorded])
    path = directory / "matrix.html"
    path.write_text(page(MATRIX, outcomes, groups(MATRIX, outcomes)))
    return path.as_uri()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with started() as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser, address: str) -> Iterator[Page]:
    """Open the page; fail if it complains."""
    page = chromium.open(address)
    yield page
    assert page.complaints == []


def count(browser: Page, selector: str) -> int:
    found: int = browser(f"document.querySelectorAll({selector!r}).length")
    return found


def choose(browser: Page, name: str, value: str) -> None:
    """Set a filter as a user does."""
    browser(
        f"document.querySelector('.filters').elements[{name!r}].value = {value!r};"
        "document.querySelector('.filters')"
        ".dispatchEvent(new Event('input', {bubbles: true}))"
    )


def rows(browser: Page) -> list[str]:
    """Return the names of the rows that are shown."""
    found: list[str] = browser(
        f"[...document.querySelectorAll({SHOWN!r})].map(row => row.dataset.row)"
    )
    return found


def click(browser: Page, row: str, peer: str) -> None:
    selector = f"[data-row='{row}'] [data-peer='{peer}'] button"
    browser(f'document.querySelector("{selector}").click()')


def dialog(browser: Page) -> str:
    """Return the text of the open dialog."""
    text: str = browser("document.querySelector('dialog[open]')?.innerText ?? ''")
    return text


def test_each_direction_shows_its_peers_alone(browser: Page) -> None:
    """All columns at first."""
    everything = count(browser, ".peers th:not([hidden])")
    assert everything == len(MATRIX.peers)
    hosts = sum(peer.direction == "python-host" for peer in MATRIX.peers)
    choose(browser, "direction", "python-host")
    assert count(browser, ".peers th:not([hidden])") == hosts
    assert count(browser, ".directions th:not([hidden])") == 1
    assert count(browser, CELLS) == 2
    choose(browser, "direction", "python-plugin")
    assert count(browser, ".peers th:not([hidden])") == everything - hosts


def test_one_peer_can_be_looked_at(browser: Page) -> None:
    choose(browser, "peer", "echo-host-1.8.0")
    assert count(browser, ".peers th:not([hidden])") == 1
    assert count(browser, CELLS) == 3  # start, log, and a demand


def test_a_status_leaves_the_rows_that_have_it(browser: Page) -> None:
    choose(browser, "status", "failed")
    assert rows(browser) == ["log"]
    choose(browser, "status", "skipped")
    assert rows(browser) == ["start"]
    choose(browser, "status", "passed")
    assert rows(browser) == ["start", "unary", "log.exceptions"]
    choose(browser, "status", "empty")
    assert "unary" not in rows(browser)
    assert "broker" in rows(browser)


def test_words_leave_the_rows_that_have_all_of_them(browser: Page) -> None:
    """Names, sentences and symbols of go-plugin count."""
    browser.press("/")
    browser.write("logStderr fatal")
    assert rows(browser) == ["log.exceptions"]
    assert browser("document.querySelector('output').value").startswith("1 of ")
    choose(browser, "text", "no such words")
    assert rows(browser) == []
    assert count(browser, ".matrix tbody:not([hidden])") == 0
    browser("document.querySelector('[type=reset]').click()")
    browser.until(f"document.querySelectorAll({SHOWN!r}).length > 100")


def test_a_cell_opens_its_tests(browser: Page) -> None:
    """With time, runtime and the versions of the peer."""
    click(browser, "unary", "echo-plugin-1.8.0")
    text = dialog(browser)
    assert f"{PASSING} (latest)" in text
    assert "1.3 s" in text or "1.2 s" in text
    assert "github.com/hashicorp/go-plugin v1.8.0" in text
    browser.press("Escape")
    browser.until("!document.querySelector('dialog').open")


def test_a_failure_opens_its_log_and_nothing_in_it_is_code(browser: Page) -> None:
    click(browser, "log", "echo-host-1.8.0")
    assert LOG in dialog(browser)
    assert count(browser, "dialog b") == 0
    assert "failed" in dialog(browser)


def test_failures_stand_above_the_table_with_their_logs(browser: Page) -> None:
    """Those, too, that are about no peer."""
    browser("document.querySelector('.problems summary').click()")
    text = browser("document.querySelector('.problems').innerText")
    assert FAILING in text
    assert LOG in text


def test_a_row_opens_the_demand_with_all_its_tests(browser: Page) -> None:
    browser("document.querySelector(\"[data-row='log.exceptions'] .row\").click()")
    text = dialog(browser)
    assert "Client.logStderr" in text
    assert REQUIRED in text


def test_a_peer_opens_what_is_impossible_with_it(browser: Page) -> None:
    selector = ".peers [data-peer='echo-plugin-1.4.3'] button"
    browser(f'document.querySelector("{selector}").click()')
    text = dialog(browser)
    assert "v1.4.3" in text
    assert "go-plugin multiplexes from 1.6.0 on." in text


def test_keys_move_from_cell_to_cell_and_open_them(browser: Page) -> None:
    selector = "[data-row='start'] [data-peer='echo-plugin-1.8.0'] button"
    browser(f'document.querySelector("{selector}").focus()')
    browser.press("ArrowDown")
    row = "document.activeElement.closest('[data-row]').dataset.row"
    assert browser(row) == "unary"
    browser.press("Enter")
    assert PASSING in dialog(browser)


def test_colours_follow_the_readers_preference(browser: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    browser.prefer("light")
    light = browser(ground)
    browser.prefer("dark")
    assert browser(ground) != light


def test_the_page_needs_nothing_else(browser: Page) -> None:
    """One file: no request but for itself."""
    assert browser("performance.getEntriesByType('resource').length") == 0


def test_what_a_page_complains_of_is_noticed(chromium: Browser, address: str) -> None:
    """Or else the other tests would not notice either."""
    page = chromium.open(address)
    page("console.error('bad')")
    page("setTimeout(() => { throw Error('worse') })")
    # Events come with answers.
    until(lambda: page("0") == 0 and len(page.complaints) == 2)
    assert "bad" in page.complaints[0]
    assert "worse" in page.complaints[1]


def test_a_missing_browser_is_named_with_the_command_that_installs_it(
    tmp_path: Path,
) -> None:
    with pytest.raises(BrowserMissing, match="apt-get install chromium"):
        find(str(tmp_path))
