"""The field's own validators: stac-api-validator with all its classes, stac-check, and schemathesis on the OpenAPI
document."""

import json
import os
import pathlib
import re
import secrets
import subprocess
import sys

import pytest

PASSWORD = "a long pass phrase 1"
OFFLINE = pathlib.Path(__file__).resolve().parent / "offline"
SCRIPTS = pathlib.Path(sys.executable).parent
COUNT = 30
CLASSES = [
    "core", "browseable", "item-search", "features", "collections", "children", "filter", "item-search#sort",
    "item-search#fields", "item-search#query", "features#sort", "features#fields", "features#query", "transaction",
]  # fmt: skip


def square(west, south):
    return [[west, south], [west + 1, south], [west + 1, south + 1], [west, south + 1], [west, south]]


def item(number, collection):
    west, south = 19 + number / 10, 19 + number / 10
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": ["https://stac-extensions.github.io/eo/v1.1.0/schema.json"],
        "id": f"scene-{number:03}",
        "collection": collection,
        "bbox": [west, south, west + 1, south + 1],
        "geometry": {"type": "Polygon", "coordinates": [square(west, south)]},
        "properties": {
            "title": f"Scene {number}",
            "datetime": f"2024-0{1 + number % 9}-01T10:00:{number:02}Z",
            "platform": ["sentinel-2a", "sentinel-2b"][number % 2],
            "instruments": ["msi"],
            "eo:cloud_cover": number * 3,
        },
        "links": [],
        "assets": {"thumbnail": {"href": "https://example.org/thumbnail.png", "type": "image/png", "roles": ["thumbnail"]}},
    }


def described(name):
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": name,
        "title": "For validators",
        "description": "What validators look at.",
        "license": "CC-BY-4.0",
        "keywords": ["test"],
        "links": [],
        "summaries": {"platform": ["sentinel-2a", "sentinel-2b"]},
    }


@pytest.fixture(scope="module")
def place(nodes):
    """Two small collections, and somebody who sees only these: validators walk through all that they see."""
    # None of the validators takes an authority of its own.
    node = nodes.shared("postgres-http")
    http, user = node.http(), "checker-" + secrets.token_hex(4)
    name, other = (f"check-{user[-8:]}-{kind}" for kind in ("data", "changes"))
    for each in (name, other):
        assert http.post(f"{node.web}/stac/collections", json=described(each)).status_code == 201
    features = {"type": "FeatureCollection", "features": [item(number, name) for number in range(COUNT)]}
    assert http.post(f"{node.web}/stac/collections/{name}/items", json=features).status_code == 201
    node.cli_json("account", "create", user, "--password-from-stdin", "--json", input=PASSWORD + "\n")
    # stac-api-validator removes this one before it makes it, and wants that to succeed.
    scene = {**item(0, other), "id": "S2A_47XNF_20230423_0_L2A"}
    assert http.post(f"{node.web}/stac/collections/{other}/items", json=scene).status_code == 201
    resources = [f"arn:martlet:stac:::{each}{rest}" for each in (name, other) for rest in ("", "/*")]
    # Who may not know of a collection is not told that it is not there.
    absent = "arn:martlet:stac:::non-existent-collection"
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "stac:*", "Resource": resources},
            {"Effect": "Allow", "Action": "stac:GetCollection", "Resource": absent},
        ],
    }
    file = node.home / f"{user}.json"
    file.write_text(json.dumps(document))
    for command in (["put", user, file], ["attach", user, "--to", f"user:{user}"]):
        done = node.cli("policy", *command)
        assert done.returncode == 0, done.stderr
    yield node, name, other, node.token(user, PASSWORD)
    for each in (name, other):
        left = http.get(f"{node.web}/stac/collections/{each}/items?limit=100").json()["features"]
        for feature in left:
            http.delete(f"{node.web}/stac/collections/{each}/items/{feature['id']}")
        assert http.delete(f"{node.web}/stac/collections/{each}").status_code == 204
    node.cli("account", "delete", user)


def run(node, *command, timeout=300):
    environment = {**os.environ, "PYTHONPATH": str(OFFLINE), "HOME": str(node.home), "NO_COLOR": "1"}
    return subprocess.run(
        [*map(str, command)], env=environment, capture_output=True, text=True, timeout=timeout, cwd=node.home
    )


def test_stac_api_validator_with_all_its_classes(place):
    node, name, other, token = place
    arguments = [part for each in CLASSES for part in ("--conformance", each)]
    arguments += ["--collection", name, "--transaction-collection", other, "--auth-bearer-token", token]
    # For the requests that it leaves to pystac-client.
    arguments += ["--headers", f"Authorization: Bearer {token}"]
    arguments += ["--geometry", json.dumps({"type": "Polygon", "coordinates": [square(19.2, 19.2)]})]
    arguments += ["--fields-nested-property", "properties.eo:cloud_cover"]
    arguments += ["--query-comparison-field", "eo:cloud_cover"]
    for operator in ("eq", "neq", "lt", "lte", "gt", "gte"):
        arguments += [f"--query-{operator}-value", "30"]
    arguments += ["--query-substring-field", "platform", "--query-starts-with-value", "sentinel"]
    arguments += ["--query-ends-with-value", "2a", "--query-contains-value", "nel-2"]
    # It compares sets, so that the property has to be a list.
    arguments += ["--query-in-field", "instruments", "--query-in-values", "msi,olci"]
    done = run(node, SCRIPTS / "stac-api-validator", "--root-url", node.web + "/stac", "--log-level", "INFO", *arguments)
    said = done.stdout + done.stderr
    # It ends with 0 after its own mistakes too.
    assert done.returncode == 0 and "Errors: none" in said and "Traceback" not in said, said[-6000:]
    # What an item is comes with it, whatever else is asked for.
    known = ("contained extra fields", "service-doc")
    warnings = [line for line in said.splitlines() if line.startswith("- ") and not any(part in line for part in known)]
    assert not warnings, warnings


@pytest.mark.parametrize("path", ["", "/collections/{c}", "/collections/{c}/items/scene-001"])
def test_stac_check(place, path):
    node, name, _, token = place
    address = node.web + "/stac" + (path or "/").format(c=name)
    done = run(node, SCRIPTS / "stac-check", address, "--links", "--header", "Authorization", f"Bearer {token}")
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "Passed: True" in said and "Traceback" not in said, said[-4000:]
    advice = re.search(r"STAC Best Practices:(.*?)No LINK format errors", said, re.DOTALL)
    assert advice and not advice[1].strip(), said[-4000:]
    assert "No LINK request errors" in said, said[-4000:]


# A JSON Schema cannot say that a ring is closed, a filter is CQL2 and an id is not taken: there, data that the schema
# takes may be refused.
SCHEMATHESIS = """
[[operations]]
include-method = ["POST", "PUT", "PATCH"]
checks.positive_data_acceptance.enabled = false

[[operations]]
include-path-regex = "search|items$|aggregate|/collections$|children|browse"
checks.positive_data_acceptance.enabled = false
"""


def test_schemathesis_agrees_with_the_openapi_document(place):
    node, name, other, token = place
    (node.home / "schemathesis.toml").write_text(SCHEMATHESIS)
    done = run(
        node, SCRIPTS / "schemathesis", "run", node.web + "/stac/api", "--url", node.web + "/stac",
        "--header", f"Authorization: Bearer {token}", "--max-examples", "20", "--seed", "7",
        "--generation-database", "none", "--phases", "fuzzing", "--suppress-health-check", "all",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert node.is_alive()
