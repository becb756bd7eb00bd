"""Which of a provider's log records reach its host."""

import pytest

from goplugin_py.hclog import Level, parse_line
from goplugin_py.terraform.serving.logs import provider_level, sdk_level
from tests.peers import run_python

LEVELS = [
    ({}, "trace", "trace"),
    ({"TF_LOG": "INFO"}, "info", "info"),
    ({"TF_LOG": "off"}, "off", "off"),
    ({"TF_LOG": "JSON"}, "trace", "trace"),
    ({"TF_LOG": "1"}, "trace", "trace"),
    ({"TF_LOG": "ERROR", "TF_LOG_PROVIDER": "DEBUG"}, "debug", "debug"),
    ({"TF_LOG": "ERROR", "TF_LOG_PROVIDER": ""}, "error", "error"),
    ({"TF_LOG": "ERROR", "TF_LOG_PROVIDER_MY_SHELF": "warn"}, "warn", "error"),
    ({"TF_LOG": "ERROR", "TF_LOG_PROVIDER_MY_SHELF": "loud"}, "error", "error"),
    ({"TF_LOG_PROVIDER": "INFO", "TF_LOG_PROVIDER_OTHER": "OFF"}, "info", "info"),
    ({"TF_LOG": "DEBUG", "TF_LOG_SDK": " OFF "}, "debug", "off"),
    ({"TF_LOG_SDK": "WARN"}, "trace", "warn"),
]


@pytest.mark.parametrize(
    ("environ", "provider", "sdk"),
    LEVELS,
    ids=[" ".join(f"{k}={v}" for k, v in row[0].items()) or "-" for row in LEVELS],
)
def test_the_variables_of_terraform_decide(
    environ: dict[str, str], provider: str, sdk: str
) -> None:
    """terraform-plugin-go: New; terraform-plugin-log: WithLevelFromEnv."""
    assert provider_level("my-shelf", environ) == provider
    assert sdk_level(environ) == sdk


LOGGING = """
import logging
from goplugin_py.terraform.serving.logs import configure_logs

{before}
configure_logs("shelf")
for name in ("shelf", "goplugin.terraform"):
    for level in (logging.DEBUG, logging.WARNING, logging.ERROR):
        logging.getLogger(name).log(level, "told", extra={{"key": 1}})
"""


def test_records_are_sent_by_the_level_of_who_logs() -> None:
    _, sent = run_python(
        LOGGING.format(before=""), TF_LOG_PROVIDER_SHELF="ERROR", TF_LOG_SDK="WARN"
    )
    records = [parse_line(line) for line in sent.splitlines()]
    assert [(each.module, each.level) for each in records if each] == [
        ("shelf", Level.ERROR),
        ("goplugin.terraform", Level.WARN),
        ("goplugin.terraform", Level.ERROR),
    ]
    assert all(each and each.pairs == {"key": 1} for each in records)


def test_logging_that_the_author_has_configured_stays_as_it_is() -> None:
    before = "logging.basicConfig(format='mine: %(message)s', level='ERROR')"
    _, sent = run_python(
        LOGGING.format(before=before), TF_LOG="TRACE", TF_LOG_SDK="OFF"
    )
    assert sent == "mine: told\n"
