"""Plugins that are kept running: restarts, health checks, and reloads under load."""

from goplugin_py.supervisor.clock import Clock, SystemClock
from goplugin_py.supervisor.lease import Lease
from goplugin_py.supervisor.lost import CallLost
from goplugin_py.supervisor.policy import HealthPolicy, RestartPolicy
from goplugin_py.supervisor.status import Change, State, Status
from goplugin_py.supervisor.supervised import Supervised
from goplugin_py.supervisor.supervisor import Supervisor

__all__ = [
    "CallLost",
    "Change",
    "Clock",
    "HealthPolicy",
    "Lease",
    "RestartPolicy",
    "State",
    "Status",
    "Supervised",
    "Supervisor",
    "SystemClock",
]
