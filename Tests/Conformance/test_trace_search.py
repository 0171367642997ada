"""Traces are found by the words of what they say: over HTTP and with the command line."""

import secrets
import time

import pytest
import requests
from nodes import Node
from signers import Nobody


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def node(nodes, request):
    node = Node("trace-search", metadata=nodes.metadata(request.param)).start()
    yield node
    node.stop()
    node.remove()


def product(name, contents=(), **further):
    files = {"contents": [{"path": path, "hash": secrets.token_hex(32)} for path in contents]} if contents else {}
    return {"name": name, "size": 1, "hash": secrets.token_hex(32), **files, **further}


def register(node, products, event="CREATE", **further):
    for start in range(0, len(products), 50):
        batch = [Nobody().trace(one, event, **further) for one in products[start : start + 50]]
        answer = node.http().put(f"{node.web}/traces/api/v1/traces", json=batch)
        assert answer.status_code == 201 and answer.json()["error"] == 0, answer.text


def search(node, q, pages=None, **options):
    """The names that are found, page by page, without a token."""
    url, found, count = f"{node.web}/traces/api/v1/traces", [], 0
    answer = requests.get(url, {"q": q, **options})
    while True:
        assert answer.status_code == 200, answer.text
        found += [trace["product"]["name"] for trace in answer.json()]
        count += 1
        if "next" not in answer.links or count == pages:
            return found
        answer = requests.get(answer.links["next"]["url"])


@pytest.fixture(scope="module")
def traces(node):
    register(
        node,
        [
            product("S2A_MSIL1C_20230420T100021_T33UVP.SAFE.zip", ["GRANULE/L1C/B02.jp2", "manifest.safe"]),
            product("S2B_MSIL2A_20230421T100021_T33UVP.SAFE.zip", inputs=[{"name": "S2B_MSIL1C_RAW", "hash": ""}]),
        ],
    )
    register(node, [product("Größe_des_Sees.tif")], "OBSOLETE", obsolescence="The gauge was broken; see Étang 7")


QUESTIONS = [
    ("S2A", ["S2A_MSIL1C_20230420T100021_T33UVP.SAFE.zip"]),
    ("msil1c", ["S2B_MSIL2A_20230421T100021_T33UVP.SAFE.zip", "S2A_MSIL1C_20230420T100021_T33UVP.SAFE.zip"]),
    ("granule l1c", ["S2A_MSIL1C_20230420T100021_T33UVP.SAFE.zip"]),
    ('"b02 granule"', []),
    ("+T33UVP -S2A", ["S2B_MSIL2A_20230421T100021_T33UVP.SAFE.zip"]),
    ("GROSSE AND etang", ["Größe_des_Sees.tif"]),
    ("größe AND etang", ["Größe_des_Sees.tif"]),
    ("gauge OR manifest", ["Größe_des_Sees.tif", "S2A_MSIL1C_20230420T100021_T33UVP.SAFE.zip"]),
    ("o'clock", []),
]


@pytest.mark.parametrize("q, expected", QUESTIONS, ids=[q for q, _ in QUESTIONS])
def test_words_find_what_traces_say_at_once_and_later(node, traces, q, expected):
    # Whether or not the index has them yet.
    assert search(node, q) == expected
    time.sleep(1)
    assert search(node, q) == expected


def test_pages_join_up_while_others_register(node, traces):
    mark = f"run{secrets.token_hex(4)}"
    register(node, [product(f"{mark}_{number:03}") for number in range(120)])
    first = search(node, mark, pages=1, limit=7)
    assert first == [f"{mark}_{number:03}" for number in range(119, 112, -1)]
    time.sleep(1)
    register(node, [product(f"{mark}_{number:03}") for number in range(120, 130)])
    found = search(node, mark, limit=11)
    assert found == [f"{mark}_{number:03}" for number in range(129, -1, -1)]


@pytest.mark.parametrize(
    "query, place",
    [
        ({}, "q"), ({"q": ""}, "q"), ({"q": "(a"}, "q"), ({"q": "a", "limit": "51"}, "limit"),
        ({"q": "a", "limit": "x"}, "limit"), ({"q": "a", "after": "x"}, "after"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_with_its_place(node, query, place):
    answer = requests.get(f"{node.web}/traces/api/v1/traces", query)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", place]


def test_only_words_that_must_not_be_there_are_refused(node):
    answer = requests.get(f"{node.web}/traces/api/v1/traces", {"q": "-S2A"})
    assert answer.status_code == 422 and "is to be there" in answer.json()["detail"]


def test_the_command_prints_what_it_finds(node, traces):
    found = node.cli("trace", "search", "+T33UVP -S2A")
    assert found.returncode == 0 and len(found.stdout.splitlines()) == 1
    assert "S2B_MSIL2A_20230421T100021_T33UVP.SAFE.zip" in found.stdout and "CREATE" in found.stdout
    assert node.cli("trace", "search", "nothingofthekind").returncode == 4
