"""The users of a SQLite database, which has none itself: they are rows of a table.

CREATE TABLE users (name TEXT PRIMARY KEY, password TEXT, expiration TEXT)
"""

import contextlib
import re
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

# While something else writes to the file.
LOCK_TIMEOUT = 30.0
NAME_LENGTH = 60

# What is done where a role has no statements of its own.
CREATE = "INSERT INTO users VALUES (:name, :password, :expiration)"
UPDATE = "UPDATE users SET {column} = :{column} WHERE name = :name"
DELETE = "DELETE FROM users WHERE name = :name"


class UsersError(Exception):
    """The database does not do what it was told to."""


@dataclass(frozen=True, kw_only=True)
class User:
    """What statements can name, in braces."""

    name: str
    password: str = field(default="", repr=False)
    expiration: str = ""

    @property
    def words(self) -> dict[str, str]:
        return {
            "name": self.name,
            "username": self.name,
            "password": self.password,
            "expiration": self.expiration,
        }


class Users:
    """The users in one file. Connects anew for each command, so any thread will do."""

    def __init__(self, file: str) -> None:
        self._file = file

    def check(self) -> None:
        """See whether there is a table of users.

        Raises:
            UsersError: There is none.
        """
        with self._connection() as connection:
            connection.execute("SELECT name, password, expiration FROM users LIMIT 1")

    def create(self, user: User, statements: Sequence[str]) -> None:
        self._execute(statements or [CREATE], user)

    def change(
        self,
        user: User,
        column: Literal["password", "expiration"],
        statements: Sequence[str],
    ) -> None:
        """Set one thing; statements of the role may set more.

        Raises:
            UsersError: There is no such user.
        """
        if not self._execute(statements or [UPDATE.format(column=column)], user):
            raise UsersError(f"there is no user {user.name}")

    def delete(self, user: User, statements: Sequence[str]) -> None:
        """Delete a user; one that is gone already is fine, for this may be repeated."""
        self._execute(statements or [DELETE], user)

    def _execute(self, statements: Sequence[str], user: User) -> int:
        """Do all or nothing; return how many rows are others now."""
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            done = [connection.execute(parameters(s), user.words) for s in statements]
            # It is -1 where a statement is not about rows.
            return sum(max(0, cursor.rowcount) for cursor in done)

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        # A file that is missing is an error, and not one to create.
        uri = f"{Path(self._file).absolute().as_uri()}?mode=rw"
        try:
            connection = sqlite3.connect(
                uri, uri=True, timeout=LOCK_TIMEOUT, isolation_level=None
            )
            with contextlib.closing(connection), connection:
                yield connection
        except sqlite3.Error as exc:
            raise UsersError(f"{self._file}: {exc}") from exc


def parameters(statement: str) -> str:
    """Make `{{name}}` the `:name` of SQLite: bound, so that no password can be SQL."""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", r":\1", statement)


def new_name(display_name: str, role: str) -> str:
    """Make a name in Vault's manner, which nobody has yet."""
    who = re.sub(r"[^A-Za-z0-9]+", "_", f"{display_name[:15]}-{role[:15]}")
    return f"v-{who}-{secrets.token_hex(10)}"[:NAME_LENGTH]
