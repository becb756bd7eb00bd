"""Rules for TFLint, written in Python.

    house_repeated_type   a resource's name repeats what its type says already
    house_unfinished      a comment says that something is still to be done

TFLint starts rulesets from its plugin directory, which is `$TFLINT_PLUGIN_DIR` or
`~/.tflint.d/plugins`. Put this there as `tflint-ruleset-house`, executable:

    #!/bin/sh
    exec /path/to/python /path/to/examples/tflint/ruleset.py

Switch it on in the .tflint.hcl of a Terraform module, and run `tflint` there:

    plugin "house" {
      enabled = true
      words   = ["TODO", "FIXME", "XXX"]  # optional
    }
"""

import logging
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import grpc
import tflint_pb2 as pb
from handshake import HANDSHAKE
from tflint_pb2_grpc import RuleSetServicer, RunnerStub, add_RuleSetServicer_to_server

from goplugin_py import Broker, Plugin, ServeConfig, serve

log = logging.getLogger("house")

Finding: TypeAlias = tuple[pb.Range, str]


class Rule:
    """Finds issues in a module, of which TFLint serves all that there is to know."""

    name: str
    severity: pb.EmitIssue.Severity.ValueType

    def find(self, runner: RunnerStub) -> Iterator[Finding]:
        raise NotImplementedError


class RepeatedType(Rule):
    """Finds `resource "aws_s3_bucket" "log_bucket"`; TFLint parses, and says where."""

    name = "house_repeated_type"
    severity = pb.EmitIssue.SEVERITY_NOTICE

    def find(self, runner: RunnerStub) -> Iterator[Finding]:
        resource = pb.BodySchema.Block(
            type="resource", label_names=["type", "name"], body=pb.BodySchema()
        )
        request = pb.GetModuleContent.Request(
            schema=pb.BodySchema(blocks=[resource]),
            option=pb.GetModuleContent.Option(
                expand_mode=pb.GetModuleContent.EXPAND_MODE_NONE
            ),
        )
        for block in runner.GetModuleContent(request).content.blocks:
            kind, name = block.labels
            words = re.split("[_-]", name)
            if repeated := [word for word in kind.split("_") if word in words]:
                message = f'"{name}" repeats "{"_".join(repeated)}" from its type'
                yield block.label_ranges[1], message


class Unfinished(Rule):
    """Finds words in comments; TFLint hands out the files as they are."""

    name = "house_unfinished"
    severity = pb.EmitIssue.SEVERITY_WARNING
    words: tuple[str, ...] = ("TODO", "FIXME")

    # Strings match too, without a `comment`, so that none begins inside one.
    COMMENT = re.compile(
        rb'"(?:\\.|[^"\\\n])*"|(?P<comment>(?:#|//)[^\n]*|/\*.*?\*/)', re.DOTALL
    )

    def find(self, runner: RunnerStub) -> Iterator[Finding]:
        wanted = re.compile(rf"\b(?:{'|'.join(self.words)})\b".encode())
        for name, source in runner.GetFiles(pb.GetFiles.Request()).files.items():
            for comment in self.COMMENT.finditer(source):
                for word in wanted.finditer(source, *comment.span("comment")):
                    start, end = (position(source, byte) for byte in word.span())
                    found = pb.Range(filename=name, start=start, end=end)
                    yield found, f"{word[0].decode()} in a comment"


def position(source: bytes, byte: int) -> pb.Range.Pos:
    line_start = source.rfind(b"\n", 0, byte) + 1
    return pb.Range.Pos(
        line=source.count(b"\n", 0, byte) + 1,
        column=len(source[line_start:byte].decode(errors="replace")) + 1,
        byte=byte,
    )


class RuleSet(RuleSetServicer):
    """Answers TFLint, which asks in this order; the first two for `--version`."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._unfinished = Unfinished()
        self._rules: list[Rule] = [RepeatedType(), self._unfinished]
        self._enabled = self._rules

    def GetName(self, request: Any, context: Any) -> pb.GetName.Response:
        return pb.GetName.Response(name="house")

    def GetVersion(self, request: Any, context: Any) -> pb.GetVersion.Response:
        return pb.GetVersion.Response(version="0.1.0")

    def GetVersionConstraint(
        self, request: Any, context: Any
    ) -> pb.GetVersionConstraint.Response:
        return pb.GetVersionConstraint.Response(constraint=">= 0.46")

    def ApplyGlobalConfig(
        self, request: pb.ApplyGlobalConfig.Request, context: Any
    ) -> pb.ApplyGlobalConfig.Response:
        self._enabled = [r for r in self._rules if is_enabled(r.name, request.config)]
        return pb.ApplyGlobalConfig.Response()

    def GetConfigSchema(
        self, request: Any, context: Any
    ) -> pb.GetConfigSchema.Response:
        words = pb.BodySchema.Attribute(name="words")
        return pb.GetConfigSchema.Response(schema=pb.BodySchema(attributes=[words]))

    def ApplyConfig(
        self, request: pb.ApplyConfig.Request, context: grpc.ServicerContext
    ) -> pb.ApplyConfig.Response:
        """Take what the `plugin` block has, which comes as its source text."""
        if "words" in request.content.attributes:
            source = request.content.attributes["words"].expression.bytes.decode()
            self._unfinished.words = tuple(re.findall(r'"(\w+)"', source))
            if not self._unfinished.words:
                context.abort(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f'words must be a list such as ["TODO"], not {source}',
                )
        return pb.ApplyConfig.Response()

    def GetRuleNames(self, request: Any, context: Any) -> pb.GetRuleNames.Response:
        return pb.GetRuleNames.Response(names=[rule.name for rule in self._rules])

    def GetSDKVersion(self, request: Any, context: Any) -> pb.GetSDKVersion.Response:
        # Of tflint-plugin-sdk, whose protocol this speaks.
        return pb.GetSDKVersion.Response(version="0.25.0")

    def Check(self, request: pb.Check.Request, context: Any) -> pb.Check.Response:
        """Look at one module, which TFLint serves for as long as this takes."""
        with self._broker.dial(request.runner) as channel:
            runner = RunnerStub(channel)
            for rule in self._enabled:
                for found, message in rule.find(runner):
                    log.debug(message, extra={"rule": rule.name})
                    runner.EmitIssue(issue(rule, found, message))
        return pb.Check.Response()


def is_enabled(name: str, config: pb.ApplyGlobalConfig.Config) -> bool:
    if config.only:
        return name in config.only
    if name in config.rules:
        return config.rules[name].enabled
    return not config.disabled_by_default


def issue(rule: Rule, found: pb.Range, message: str) -> pb.EmitIssue.Request:
    return pb.EmitIssue.Request(
        rule=pb.EmitIssue.Rule(name=rule.name, enabled=True, severity=rule.severity),
        message=message,
        range=found,
    )


class RuleSetPlugin(Plugin):
    def grpc_server(self, broker: Broker, server: grpc.Server) -> None:
        add_RuleSetServicer_to_server(RuleSet(broker), server)


if __name__ == "__main__":
    config = ServeConfig(
        handshake=HANDSHAKE,
        plugins={"ruleset": RuleSetPlugin()},
        # TFLint asks for the checks of all modules at once.
        max_workers=100,
    )
    serve(config)
