"""What can go wrong, and what the node said about it."""

from __future__ import annotations

import re

import requests


class MartletError(Exception):
    """Anything that this package raises of its own."""


class LoginError(MartletError):
    """Nobody has logged in, or the login was refused or has run out."""


class NodeError(MartletError, OSError):
    """The node refused a request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{message} ({status})")
        self.status = status
        self.message = message


def check(response: requests.Response) -> requests.Response:
    """Return the answer of the node, or raise what it says is wrong.

    Raises:
        FileNotFoundError: for 404.
        PermissionError: for 401 and 403.
        NodeError: for every other refusal.

    """
    if response.ok:
        return response
    message = _message(response)
    if response.status_code == 404:
        raise FileNotFoundError(message)
    if response.status_code == 401:
        raise PermissionError(f"{message}: log in with 'martlet-login', or name an API key in MARTLET_ACCESS_KEY")
    if response.status_code == 403:
        raise PermissionError(message)
    raise NodeError(response.status_code, message)


def _message(response: requests.Response) -> str:
    """The sentence in an error of JSON (RFC 9457, OAuth) or of S3's XML."""
    text = response.text[:10_000]
    try:
        said = response.json()
        return str(said.get("detail") or said.get("error_description") or said)
    except (ValueError, AttributeError):
        found = re.search(r"<Message>(.*?)</Message>", text, re.DOTALL)
        return found.group(1) if found else f"{response.reason}: {response.url.split('?')[0]}"
