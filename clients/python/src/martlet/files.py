"""The node's objects as files for fsspec, and with it for pandas, xarray, zarr and whatever else knows it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests
from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from martlet.errors import check

if TYPE_CHECKING:
    from martlet.node import Node

_S3 = "{http://s3.amazonaws.com/doc/2006-03-01/}"
_CHUNK_BYTES = 1 << 20


class MartletFileSystem(AbstractFileSystem):
    """`martlet://COLLECTION/KEY`: the objects of a node, by whatever credentials there are."""

    protocol = "martlet"
    root_marker = ""
    # Which node is meant, and who asks, is found out anew each time.
    cachable = False

    def __init__(self, url: str | None = None, node: Node | None = None, **options: Any) -> None:
        """Open the file system of a node.

        Args:
            url: the node's web address; `MARTLET_URL` otherwise.
            node: one that is open already.
            options: what fsspec takes.

        """
        from martlet.node import connect

        super().__init__(**options)
        self.node = node or connect(url)
        self._http = self.node.http
        self._s3 = self.node.s3

    def _url(self, path: str) -> str:
        return f"{self._s3}/{quote(self._strip_protocol(path))}"

    def _ask(self, method: str, path: str, **options: Any) -> requests.Response:
        return check(self._http.request(method, self._url(path), **options))

    # Looking

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Size, time and entity tag of an object; or that there is a folder."""
        path = self._strip_protocol(path).rstrip("/")
        if "/" in path:
            answer = self._http.head(self._url(path))
            if answer.ok:
                return {
                    "name": path,
                    "type": "file",
                    "size": int(answer.headers["Content-Length"]),
                    "etag": answer.headers["ETag"].strip('"'),
                    "mtime": answer.headers["Last-Modified"],
                    "content_type": answer.headers.get("Content-Type"),
                }
            if answer.status_code != 404:
                # What HEAD refuses has no body that could say why.
                self._ask("GET", path, headers={"Range": "bytes=0-0"}, stream=True).close()
        elif path:
            self._ask("HEAD", path)
            return {"name": path, "type": "directory", "size": 0}
        if not path or next(self._listed(path, most=1), None) is not None:
            return {"name": path, "type": "directory", "size": 0}
        raise FileNotFoundError(path)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """What is in a folder; of the root, the collections."""
        path = self._strip_protocol(path).rstrip("/")
        if not path:
            root = ElementTree.fromstring(self._ask("GET", "").content)  # noqa: S314
            names = [element.text or "" for element in root.iter(f"{_S3}Name")]
            found: list[dict[str, Any]] = [{"name": name, "type": "directory", "size": 0} for name in names]
        else:
            found = [entry for entry in self._listed(path) if entry["name"] != path]
            if not found:
                one = self.info(path)
                found = [one] if one["type"] == "file" else []
        return found if detail else [entry["name"] for entry in found]

    def _listed(self, path: str, most: int = 1000) -> Iterator[dict[str, Any]]:
        collection, _, folder = path.partition("/")
        query = {"list-type": "2", "delimiter": "/", "prefix": folder and folder + "/", "max-keys": str(most)}
        while True:
            root = ElementTree.fromstring(self._ask("GET", collection, params=query).content)  # noqa: S314
            for element in root.iter(f"{_S3}CommonPrefixes"):
                name = (element.findtext(f"{_S3}Prefix") or "").rstrip("/")
                yield {"name": f"{collection}/{name}", "type": "directory", "size": 0}
            for element in root.iter(f"{_S3}Contents"):
                yield {
                    "name": f"{collection}/{element.findtext(f'{_S3}Key')}".rstrip("/"),
                    "type": "file",
                    "size": int(element.findtext(f"{_S3}Size") or 0),
                    "etag": (element.findtext(f"{_S3}ETag") or "").strip('"'),
                    "mtime": element.findtext(f"{_S3}LastModified"),
                }
            token = root.findtext(f"{_S3}NextContinuationToken")
            if not token or most < 1000:
                return
            query["continuation-token"] = token

    # Reading

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """The bytes of an object, or of a part of it; a negative start counts from the end."""
        if start is not None and end is not None and 0 <= end <= start:
            return b""
        if (start is not None and start < 0) or (end is not None and end < 0):
            size = self.info(path)["size"]
            start = max(0, size + start) if start is not None and start < 0 else start
            end = size + end if end is not None and end < 0 else end
        headers = {}
        if start or end is not None:
            headers["Range"] = f"bytes={start or 0}-{'' if end is None else end - 1}"
        return self._ask("GET", path, headers=headers).content

    def get_file(self, rpath: str, lpath: str, callback: Any = DEFAULT_CALLBACK, **_: Any) -> None:
        """Download an object."""
        if self.isdir(rpath):
            Path(lpath).mkdir(parents=True, exist_ok=True)
            return
        with self._ask("GET", rpath, stream=True) as answer:
            callback.set_size(int(answer.headers["Content-Length"]))
            Path(lpath).parent.mkdir(parents=True, exist_ok=True)
            with Path(lpath).open("wb") as file:
                for chunk in answer.iter_content(_CHUNK_BYTES):
                    file.write(chunk)
                    callback.relative_update(len(chunk))

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **options: Any) -> MartletFile:
        if mode not in ("rb", "wb", "xb"):
            message = f"objects are read (r), written whole (w) or made where there is none (x), not opened by '{mode}'"
            raise ValueError(message)
        return MartletFile(self, path, mode, block_size or MartletFile.PART_BYTES, **options)

    def sign(self, path: str, expiration: int = 3600, **_: Any) -> str:
        """An address that opens the object with plain HTTP, for some seconds."""
        return self.node.signer(seconds=expiration).sign(f"s3://{self._strip_protocol(path)}")

    # Writing

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        """Write an object whole; with the mode `create`, only where there is none."""
        self._ask("PUT", path, data=value, headers={"If-None-Match": "*"} if mode == "create" else {})

    def rm_file(self, path: str) -> None:
        """Remove an object."""
        self._ask("DELETE", path)

    def _rm(self, path: str) -> None:
        # Folders go with what is in them.
        if not self.isdir(path):
            self.rm_file(path)

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        """Copy an object within the node: no bytes are moved."""
        if not self.isdir(path1):
            self._ask("PUT", path2, headers={"x-amz-copy-source": quote(self._strip_protocol(path1))})

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Make a collection; folders are there with what is in them."""
        path = self._strip_protocol(path).rstrip("/")
        if path and "/" not in path and not self.exists(path):
            self._ask("PUT", path)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """As `mkdir`."""
        self.mkdir(path)


class MartletFile(AbstractBufferedFile):
    """An object that is read by ranges, or written in parts that become visible together when it is closed."""

    PART_BYTES = 16 << 20

    _upload_id: str | None = None

    def _fetch_range(self, start: int, end: int) -> bytes:
        return bytes(self.fs.cat_file(self.path, start, end))

    def _initiate_upload(self) -> None:
        self._parts: list[str] = []

    def _upload_chunk(self, final: bool = False) -> bool:
        try:
            return self._upload(final)
        except BaseException:
            self.discard()
            raise

    def _upload(self, final: bool) -> bool:
        data = self.buffer.getbuffer()
        if final and self._upload_id is None:
            self.fs.pipe_file(self.path, bytes(data), mode="create" if self.mode == "xb" else "overwrite")
            return True
        # Parts but the last have 5 MiB at least: wait for more.
        if not final and len(data) < self.PART_BYTES:
            return False
        if self._upload_id is None:
            root = ElementTree.fromstring(self.fs._ask("POST", self.path, params={"uploads": ""}).content)  # noqa: S314
            self._upload_id = root.findtext(f"{_S3}UploadId")
        if len(data):
            place = {"uploadId": self._upload_id, "partNumber": str(len(self._parts) + 1)}
            self._parts.append(self.fs._ask("PUT", self.path, params=place, data=bytes(data)).headers["ETag"])
        if final:
            parts = "".join(
                f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>"
                for number, tag in enumerate(self._parts, 1)
            )
            body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"
            condition = {"If-None-Match": "*"} if self.mode == "xb" else {}
            self.fs._ask("POST", self.path, params={"uploadId": self._upload_id}, data=body, headers=condition)
            self._upload_id = None
        return True

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None and self.writable():
            self.discard()
            self.closed = True
        else:
            super().__exit__(kind, *rest)

    def discard(self) -> None:
        """Give up what was not closed: nothing of it is kept."""
        upload_id, self._upload_id = self._upload_id, None
        if upload_id is not None:
            self.fs._ask("DELETE", self.path, params={"uploadId": upload_id})
