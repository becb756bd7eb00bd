"""What tests of hosts and of runners need.

`check_runner` and `check_attached_runner` say whether a runner of yours keeps to its
contract; `FakeRunner` is one for tests of a host, without a process.
"""

from goplugin_py.testing.contract import check_attached_runner, check_runner
from goplugin_py.testing.fake import FakeRunner
from goplugin_py.testing.trial import BrokenContract

__all__ = ["BrokenContract", "FakeRunner", "check_attached_runner", "check_runner"]
