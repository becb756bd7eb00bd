"""Tells functions from coroutine functions, where only one kind will do. A leaf."""

import types

from goplugin_py.errors import ConfigError

# CO_COROUTINE and CO_ASYNC_GENERATOR of `inspect`, whose import costs more.
_IS_ASYNC = 0x80 | 0x200


def is_async(function: object) -> bool:
    """Whether a function or a method is written with `async def`."""
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    return code is not None and bool(code.co_flags & _IS_ASYNC)


def check_callable(value: object, name: str) -> None:
    """Refuse what can't be called, such as the result of a call.

    Raises:
        ConfigError: It can't.
    """
    if callable(value):
        return
    if isinstance(value, types.CoroutineType):
        value.close()
        raise ConfigError(
            f"{name} must be a function, not a coroutine: pass the function itself, "
            "without calling it"
        )
    raise ConfigError(f"{name} must be a function, not {type(value).__name__}")


def refuse_coroutine(result: object, name: str) -> None:
    """Refuse what a coroutine function has returned where nobody awaits it.

    Raises:
        ConfigError: It is a coroutine.
    """
    if isinstance(result, types.CoroutineType):
        result.close()
        raise ConfigError(
            f"{name} must be a plain function here, not a coroutine function: those "
            "are for goplugin_py.aio"
        )
