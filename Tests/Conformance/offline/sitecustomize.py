"""For validators in processes of their own, by PYTHONPATH: whatever they ask of other hosts is answered here.

They look for JSON schemas on the network. Those of STAC 1.1 and of GeoJSON come from the package `pystac`, which carries
them; those of extensions, and all else that is not on this machine, are answered with `{}`, a schema that accepts
everything. Items are checked against extensions where schemas lie beside the repository: see schemas.py.
"""

import importlib.util
import io
import pathlib
import re

# pystac itself is not imported: it is large, and each Python process passes here.
SPEC = importlib.util.find_spec("pystac")
SCHEMAS = pathlib.Path(SPEC.origin).parent / "validation" / "jsonschemas" if SPEC else None
DRAFT_7 = importlib.util.find_spec("jsonschema_specifications")


def answer(url):
    """The bytes for a URL; None for one of this machine, which is asked."""
    parts = re.match(r"https?://([^/:]+)(?::\d+)?(?:/([^?#]*))?", str(url))
    if parts is None or parts[1] in ("127.0.0.1", "localhost"):
        return None
    path = (parts[2] or "").split("/")
    file = None
    if parts[1] == "schemas.stacspec.org" and SCHEMAS:
        file = SCHEMAS / "stac-spec" / path[0] / path[-1]
    elif parts[1] == "geojson.org" and SCHEMAS:
        file = SCHEMAS / "geojson" / path[-1]
    elif parts[1] == "json-schema.org" and DRAFT_7:
        file = pathlib.Path(DRAFT_7.origin).parent / "schemas" / "draft7" / "metaschema.json"
    return file.read_bytes() if file and file.is_file() else b"{}"


def patch_requests():
    import requests

    send = requests.Session.send

    def send_offline(self, request, **options):
        body = answer(request.url)
        if body is None:
            return send(self, request, **options)
        response = requests.Response()
        response.status_code, response._content, response.url = 200, body, request.url
        response.request, response.encoding = request, "utf-8"
        response.headers["Content-Type"] = "application/json"
        return response

    requests.Session.send = send_offline


def patch_urllib():
    import urllib.request
    import urllib.response

    opened = urllib.request.OpenerDirector.open

    def open_offline(self, request, data=None, *timeout, **options):
        url = request if isinstance(request, str) else request.full_url
        body = answer(url)
        if body is None:
            return opened(self, request, data, *timeout, **options)
        return urllib.response.addinfourl(io.BytesIO(body), {"Content-Type": "application/json"}, url, 200)

    urllib.request.OpenerDirector.open = open_offline


def patch_httpx():
    import httpx

    send = httpx.Client.send

    def send_offline(self, request, **options):
        body = answer(request.url)
        if body is None:
            return send(self, request, **options)
        return httpx.Response(200, content=body, request=request, headers={"Content-Type": "application/json"})

    httpx.Client.send = send_offline


for patch in (patch_requests, patch_urllib, patch_httpx):
    try:
        patch()
    except ImportError:
        pass
