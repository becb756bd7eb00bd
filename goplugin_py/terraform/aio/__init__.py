"""The same names as in `goplugin_py.terraform`, for asyncio.

What blocks there is awaited here, `with` is `async with`, and what yields is iterated
with `async for`. Configurations, schemas, states and errors are the same for both:

    async with Provider.launch("terraform-provider-time") as time:
        await time.configure({})
        plan = await time.resource("time_sleep").plan({"create_duration": "1s"})
        state = await plan.apply()

Each operation runs on a thread of its own while it is awaited. Cancelling it cancels
its call, and waits for that thread.
"""

from goplugin_py.lazy import lazy

# What `typing` calls so; importing that costs more than all else here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from goplugin_py.terraform.aio.plan import Plan
    from goplugin_py.terraform.aio.provider import Provider

__all__ = ["Plan", "Provider"]

_HOMES = {"Plan": "plan", "Provider": "provider"}

__getattr__, __dir__ = lazy(__name__, _HOMES)
