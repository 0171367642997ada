"""A node, and what one does with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, overload
from urllib.parse import quote

import pystac
import pystac_client
from pystac_client.stac_api_io import StacApiIO

from martlet.credentials import Anonymous, Auth, Credentials, from_environment
from martlet.errors import MartletError, check
from martlet.files import MartletFileSystem
from martlet.http import session
from martlet.jobs import JobGrant
from martlet.login import Login
from martlet.signing import Signer, Stac
from martlet.traces import Trace, Verdict, digest, verify_entry


def connect(url: str | None = None, *, credentials: Credentials | None = None, ca: str | None = None) -> Node:
    """Find a node, and who you are to it.

    Args:
        url: its web address; `MARTLET_URL` otherwise.
        credentials: who asks. Otherwise what the environment offers (see `martlet.credentials.from_environment`), a
            login that is kept (`martlet-login`), or nobody in particular.
        ca: a file with the authority of the node's certificate; `MARTLET_CA` or the system's otherwise.

    """
    url = url or os.environ.get("MARTLET_URL")
    if not url:
        raise MartletError("no node is named: give its address, or set MARTLET_URL")
    if credentials is None:
        credentials = from_environment()
    if credentials is None:
        login = Login(url, ca=ca)
        credentials = login if login.is_kept else Anonymous()
    return Node(url, credentials, ca=ca)


class Node:
    """A node, as somebody in particular sees it. It may be used by several threads."""

    def __init__(self, url: str, credentials: Credentials, *, ca: str | None = None) -> None:
        """Use a node; `connect` finds out more by itself."""
        self.url = url.rstrip("/")
        self.credentials = credentials
        self.http = session(ca)
        places = check(self.http.get(f"{self.url}/.well-known/martlet")).json()
        self.s3: str = places["s3"]
        """Where its objects are reached."""
        self._addresses: list[str] = places.get("objects") or [self.s3]
        self.http.auth = Auth(credentials, self.url, self.s3)

    def __repr__(self) -> str:
        return f"Node({self.url!r}, {self.credentials!r})"

    # The catalogue

    @cached_property
    def catalog(self) -> pystac_client.Client:
        """The catalogue. What is found is signed: its assets open with plain HTTP for an hour."""
        io = StacApiIO()
        io.session = self.http
        return pystac_client.Client.open(f"{self.url}/stac", modifier=self._modify, stac_io=io)

    def search(self, **conditions: Any) -> pystac_client.ItemSearch:
        """Search the catalogue, as `pystac_client.Client.search` does."""
        return self.catalog.search(**conditions)

    def _modify(self, thing: Any) -> None:
        if not isinstance(thing, pystac.Catalog) or isinstance(thing, pystac.Collection):
            self.sign_inplace(thing)

    # Signing

    @cached_property
    def _signer(self) -> Signer:
        return self.signer()

    def signer(self, *, seconds: int = 3600) -> Signer:
        """A signer whose addresses last for so many seconds, at most seven days."""
        return Signer(self.http, self.url, self._addresses, seconds=seconds, margin=min(600, seconds // 2))

    @overload
    def sign(self, thing: str) -> str: ...
    @overload
    def sign(self, thing: Stac) -> Stac: ...
    def sign(self, thing: Any) -> Any:
        """Return an address that opens, or a copy of a STAC object whose assets have such addresses."""
        return self._signer.sign(thing)

    def sign_inplace(self, thing: pystac.STACObject | pystac.Asset | pystac.ItemCollection | dict[str, Any]) -> None:
        """Sign the assets of a STAC object: the `modifier` of `pystac_client.Client.open`."""
        self._signer.sign_inplace(thing)

    # Files

    @cached_property
    def files(self) -> MartletFileSystem:
        """The objects as an fsspec file system; paths are `COLLECTION/KEY`."""
        return MartletFileSystem(node=self)

    def upload(
        self, source: Path | str, target: str, *, workers: int = 4, progress: Callable[[str], None] | None = None
    ) -> list[str]:
        """Upload a file, or all files of a folder; the node describes them, and they have a trace soon after.

        Args:
            source: a file or a folder.
            target: `COLLECTION` or `COLLECTION/FOLDER`, below which the file or the folder's content is put.
            workers: files that are on their way at once.
            progress: is told the path of each that has arrived.

        Returns:
            The paths of the objects, in order.

        """
        source = Path(source)
        files = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
        base = source if source.is_dir() else source.parent
        if not files or not source.exists():
            raise FileNotFoundError(f"there is no file in {source}")

        def put(path: Path) -> str:
            name = f"{target.strip('/')}/{path.relative_to(base).as_posix()}"
            self.files.put_file(str(path), name)
            if progress:
                progress(name)
            return name

        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(put, files))

    # Traces

    def traces(self, *, name: str | None = None, hash: str | None = None) -> list[Trace]:  # noqa: A002
        """The traces of a product by its name, or of a digest of it or of one of its files."""
        if (name is None) == (hash is None):
            raise TypeError("give a name or a hash, one of the two")
        kind, value = ("name", name) if name is not None else ("hash", hash)
        answer = self.http.get(f"{self.url}/traces/api/v1/traces/{kind}/{quote(value or '', safe='')}")
        if answer.status_code == 404:
            return []
        return [Trace.from_document(document) for document in check(answer).json()]

    def verify(self, path: Path | str, *, vkey: str | None = None) -> tuple[Verdict, Trace | None]:
        """Say whether the log has this very content of a file or folder; it is digested, and the proof checked, here.

        Args:
            path: a file or a folder.
            vkey: the log's key, got over a way that you trust; otherwise what the node says.

        Raises:
            ProofError: if what the node says of its log does not hold.

        """
        found = self.traces(hash=digest(Path(path)))
        if not found:
            return Verdict.UNKNOWN, None
        vkey = vkey or check(self.http.get(f"{self.url}/traces/log/vkey")).text
        latest = max(found, key=lambda trace: trace.timestamp)
        place = f"{self.url}/traces/api/v1/traces/{latest.id}"
        entry = check(self.http.get(f"{place}/entry")).content
        verify_entry(latest, entry, check(self.http.get(f"{place}/proof")).text, vkey)
        return Verdict.GENUINE, latest

    # Jobs

    def grant_job(
        self, scopes: Iterable[str], *, count: int = 1, seconds: int = 86_400, description: str = ""
    ) -> JobGrant:
        """Let a job that waits in a queue do some of what you may; `JobToken` claims it there.

        Args:
            scopes: such as `storage.read:/eo` and `storage.create:/results`.
            count: the jobs of an array.
            seconds: until when a job may run that is not over yet.
            description: what `martlet job-token list` shows.

        """
        fields = {
            "scope": " ".join(scopes),
            "count": str(count),
            "seconds": str(seconds),
            "description": description,
        }
        made = check(self.http.post(f"{self.url}/oidc/jobs", data=fields)).json()
        return JobGrant(id=made["id"], claim=made["claim"], expires=made["expires"])
