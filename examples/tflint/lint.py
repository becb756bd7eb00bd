"""Check Terraform files with TFLint's bundled ruleset, with Python in TFLint's place.

    python examples/tflint/lint.py [--fix] [--plain] [--only RULE] TFLINT FILE...

TFLINT is the tflint program, which is also a Go plugin: this starts
`tflint --act-as-bundled-plugin`. During the check the plugin calls back, on a
connection of its own, for the files and with the issues.

This host parses nothing, and so runs the rules that do without GetModuleContent. The
exit status is 2 if there are issues, as TFLint's is. Needs msgpack.
"""

import argparse
import functools
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
import msgpack
import tflint_pb2 as pb
from handshake import HANDSHAKE
from tflint_pb2_grpc import RuleSetStub, RunnerServicer, add_RunnerServicer_to_server

from goplugin_py import Broker, Client, ClientConfig, Plugin

RULES = (
    "terraform_comment_syntax",
    "terraform_deprecated_index",
    "terraform_deprecated_interpolation",
    "terraform_deprecated_lookup",
    "terraform_empty_list_equality",
    "terraform_json_syntax",
    "terraform_map_duplicate_keys",
)
SEVERITIES = {
    pb.EmitIssue.SEVERITY_ERROR: "Error",
    pb.EmitIssue.SEVERITY_WARNING: "Warning",
    pb.EmitIssue.SEVERITY_NOTICE: "Notice",
}


class Module(RunnerServicer):
    """A root module, as far as rules see it, and the issues that they find in it."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.issues: list[pb.EmitIssue.Request] = []

    def GetOriginalwd(self, request: Any, context: Any) -> pb.GetOriginalwd.Response:
        return pb.GetOriginalwd.Response(path=os.getcwd())

    def GetModulePath(self, request: Any, context: Any) -> pb.GetModulePath.Response:
        # The root module's path is empty.
        return pb.GetModulePath.Response()

    def GetFiles(self, request: Any, context: Any) -> pb.GetFiles.Response:
        return pb.GetFiles.Response(files=self.files)

    def GetFile(
        self, request: pb.GetFile.Request, context: grpc.ServicerContext
    ) -> pb.GetFile.Response:
        if request.name not in self.files:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no {request.name}")
        return pb.GetFile.Response(file=self.files[request.name])

    def EvaluateExpr(
        self, request: pb.EvaluateExpr.Request, context: grpc.ServicerContext
    ) -> pb.EvaluateExpr.Response:
        """Evaluate plain strings; rules go on where they are told that it can't be."""
        literal = re.fullmatch(rb'"([^"\\$%]*)"', request.expression.bytes)
        if literal is None or request.option.type != b'"dynamic"':
            context.abort(
                grpc.StatusCode.FAILED_PRECONDITION, "only plain strings are evaluated"
            )
        # Where any type is welcome, the value comes with the type that it has.
        value = msgpack.packb([b'"string"', literal[1].decode()])
        return pb.EvaluateExpr.Response(value=value)

    def EmitIssue(
        self, request: pb.EmitIssue.Request, context: Any
    ) -> pb.EmitIssue.Response:
        self.issues.append(request)
        return pb.EmitIssue.Response(applied=True)

    def ApplyChanges(
        self, request: pb.ApplyChanges.Request, context: Any
    ) -> pb.ApplyChanges.Response:
        """Take a rule's corrections; the rules after it see them."""
        self.files.update(request.changes)
        return pb.ApplyChanges.Response()


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    files = {name: Path(name).read_bytes() for name in options.files}
    module = Module(files)
    config = ClientConfig(
        command=[options.tflint, "--act-as-bundled-plugin"],
        handshake=HANDSHAKE,
        plugins={"ruleset": Plugin.from_stub(RuleSetStub)},
        auto_mtls=not options.plain,
    )
    with Client(config) as client:
        ruleset = client.dispense("ruleset")
        print("\n".join(describe(ruleset)))
        configure(ruleset, options.only or RULES, fix=options.fix)
        check(ruleset, client.broker, module)
    for issue in sorted(module.issues, key=position):
        print(line(issue))
    for name, source in module.files.items():
        if source != files[name]:
            Path(name).write_bytes(source)
            print(f"{name} is corrected")
    return 2 if module.issues else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Check Terraform files.")
    parser.add_argument("tflint", help="the tflint program")
    parser.add_argument("files", nargs="+", help=".tf files of one module")
    parser.add_argument("--only", action="append", help="a rule to run")
    parser.add_argument("--fix", action="store_true", help="correct what can be")
    parser.add_argument("--plain", action="store_true", help="no TLS, like TFLint")
    return parser.parse_args(arguments)


def describe(ruleset: RuleSetStub) -> Iterator[str]:
    """Yield what the plugin says about itself."""
    name = ruleset.GetName(pb.GetName.Request()).name
    version = ruleset.GetVersion(pb.GetVersion.Request()).version
    sdk = ruleset.GetSDKVersion(pb.GetSDKVersion.Request()).version
    yield f"ruleset {name} {version}, SDK {sdk}"
    # Has to be asked: a ruleset takes no configuration from a host that did not.
    needs = ruleset.GetVersionConstraint(pb.GetVersionConstraint.Request())
    yield f"for TFLint {needs.constraint}"
    rules = ruleset.GetRuleNames(pb.GetRuleNames.Request()).names
    schema = ruleset.GetConfigSchema(pb.GetConfigSchema.Request()).schema
    options = ", ".join(attribute.name for attribute in schema.attributes)
    yield f"{len(rules)} rules, options: {options}"


def configure(ruleset: RuleSetStub, rules: Sequence[str], *, fix: bool) -> None:
    """Choose the rules that a check runs."""
    ruleset.ApplyGlobalConfig(
        pb.ApplyGlobalConfig.Request(
            config=pb.ApplyGlobalConfig.Config(only=rules, fix=fix)
        )
    )
    ruleset.ApplyConfig(pb.ApplyConfig.Request(content=pb.BodyContent()))


def check(ruleset: RuleSetStub, broker: Broker, module: Module) -> None:
    """Let the rules look at the module, and serve it to them meanwhile."""
    runner = broker.next_id()
    register = functools.partial(add_RunnerServicer_to_server, module)
    with broker.accept_and_serve(runner, register):
        ruleset.Check(pb.Check.Request(runner=runner))


def position(issue: pb.EmitIssue.Request) -> tuple[str, int]:
    return issue.range.filename, issue.range.start.byte


def line(issue: pb.EmitIssue.Request) -> str:
    start = issue.range.start
    return (
        f"{issue.range.filename}:{start.line}:{start.column}: "
        f"{SEVERITIES[issue.rule.severity]} - {issue.message} ({issue.rule.name})"
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except grpc.RpcError as exc:
        sys.exit(f"the ruleset failed: {exc.details()}")
