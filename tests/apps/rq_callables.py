"""What a job can be made of besides a plain function; each takes a user and a password, and says the password again."""

from __future__ import annotations

import functools
from collections.abc import Callable


def plain(user: str, password: str) -> str:
    return password


def several(user: str, *passwords: str) -> str:
    return passwords[0]


def by_name(user: str, *, password: str) -> str:
    return password


def decorated(function: Callable[..., str]) -> Callable[..., str]:
    @functools.wraps(function)
    def inner(*arguments: str) -> str:
        return function(*arguments)

    return inner


@decorated
@decorated
def wrapped(user: str, password: str) -> str:
    raise PermissionError(f"{user} may not come in with {password}")


class Door:
    """An object that is called, and whose methods are."""

    def __call__(self, user: str, password: str) -> str:
        return password

    def method(self, user: str, password: str) -> str:
        return password

    @classmethod
    def of_class(cls, user: str, password: str) -> str:
        return password

    @staticmethod
    def static(user: str, password: str) -> str:
        return password
