"""Signed addresses: what a node keeps closed is opened by them with plain HTTP, for a while."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Iterator, MutableMapping
from copy import deepcopy
from datetime import datetime
from typing import Any, TypeVar, overload
from urllib.parse import parse_qs, urlsplit

import pystac
import requests

from martlet.errors import check

AT_ONCE = 1000

Stac = TypeVar("Stac", pystac.Asset, pystac.Item, pystac.Collection, pystac.ItemCollection, dict[str, Any])


class Signer:
    """Signs addresses of one node's objects, many with one request, and remembers them while they last."""

    def __init__(
        self, http: requests.Session, url: str, addresses: Iterable[str], *, seconds: int = 3600, margin: int = 600
    ) -> None:
        """Make a signer.

        Args:
            http: a session that says who asks.
            url: the node's web address.
            addresses: what the node's objects are called by, such as `https://s3.example.org` or
                `https://*.data.example.org`. Others are left as they are.
            seconds: how long addresses last, seven days at most.
            margin: the seconds that have to be left of an address that is used again.

        """
        self._http = http
        self._url = url
        self._seconds = seconds
        self._margin = margin
        own = "|".join(re.escape(address).replace(r"\*", "[^/.]+") for address in addresses)
        self._own = re.compile(f"(?:{own})/[^/?#]+" if own else r"(?!)")
        self._known: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    @overload
    def sign(self, thing: str) -> str: ...
    @overload
    def sign(self, thing: Stac) -> Stac: ...
    def sign(self, thing: Any) -> Any:
        """Return an address as one that opens, or a copy of a STAC object whose assets have such addresses.

        Addresses of other servers stay as they are. `s3://…` is signed where it stands alone, not in an item: there it
        may be a bucket of somebody else.

        Raises:
            PermissionError: for an object that you may not read.

        """
        if isinstance(thing, str):
            return self.many([thing])[thing]
        copy = deepcopy(thing) if isinstance(thing, dict) else thing.clone()
        self.sign_inplace(copy)
        return copy

    def sign_inplace(self, thing: pystac.STACObject | pystac.Asset | pystac.ItemCollection | dict[str, Any]) -> None:
        """Sign the assets of a STAC object: a `modifier` for `pystac_client.Client.open`."""
        holders = list(_assets(thing))
        signed = self.many(holder["href"] for holder in holders if self._own.match(holder["href"]))
        for holder in holders:
            holder["href"] = signed.get(holder["href"], holder["href"])

    def many(self, addresses: Iterable[str], *, method: str = "GET") -> dict[str, str]:
        """Sign addresses, in as few requests as there can be.

        Args:
            addresses: of the node's objects; others are returned as they are.
            method: what they shall be good for: `GET`, `HEAD` or `PUT`.

        """
        wanted = list(dict.fromkeys(addresses))
        found = {address: address for address in wanted if not self._is_own(address)}
        now = time.time()
        if method == "GET":
            with self._lock:
                self._known = {key: value for key, value in self._known.items() if value[1] - now > self._margin}
                found |= {key: self._known[key][0] for key in wanted if key in self._known}
            found |= {key: key for key in wanted if _seconds_left(key, now) > self._margin}
        asked = [address for address in wanted if address not in found]
        for start in range(0, len(asked), AT_ONCE):
            body: dict[str, Any] = {
                "hrefs": asked[start : start + AT_ONCE],
                "method": method,
                "duration_seconds": self._seconds,
            }
            said = check(self._http.post(f"{self._url}/sign", json=body)).json()
            found |= said["hrefs"]
            if method == "GET":
                expiry = datetime.fromisoformat(said["expiry"]).timestamp()
                with self._lock:
                    self._known |= {key: (value, expiry) for key, value in said["hrefs"].items()}
        return {address: found[address] for address in wanted}

    def _is_own(self, address: str) -> bool:
        return address.startswith("s3://") or self._own.match(address) is not None


class _AssetHref(MutableMapping[str, Any]):
    """An asset of pystac, with its address as if it were one of plain JSON."""

    def __init__(self, asset: pystac.Asset) -> None:
        self._asset = asset

    def __getitem__(self, key: str) -> Any:
        return getattr(self._asset, key)

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self._asset, key, value)

    def __delitem__(self, key: str) -> None:
        raise TypeError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(("href",))

    def __len__(self) -> int:
        return 1


def _assets(thing: object) -> Iterator[MutableMapping[str, Any]]:
    """Whatever has an `href` to be signed."""
    match thing:
        case pystac.Asset():
            yield _AssetHref(thing)
        case pystac.ItemCollection():
            for item in thing:
                yield from _assets(item)
        case pystac.Item() | pystac.Collection():
            yield from map(_AssetHref, thing.assets.values())
        case {"features": [*features]}:
            for feature in features:
                yield from _assets(feature)
        case {"assets": dict(assets)}:
            yield from assets.values()
        case pystac.Catalog() | dict():
            return
        case _:
            raise TypeError(f"{type(thing).__name__} has no assets to be signed")


def _seconds_left(address: str, now: float) -> float:
    """How long an address still opens that is signed already; 0 for one that is not."""
    fields = parse_qs(urlsplit(address).query)
    try:
        made = datetime.strptime(fields["X-Amz-Date"][0] + "+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
        return made + int(fields["X-Amz-Expires"][0]) - now
    except (KeyError, ValueError):
        return 0
