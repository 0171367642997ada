"""The older form of the traceability service: /trace-api, by OData."""

import secrets
import xml.etree.ElementTree

import pytest
import requests
from authorities import TestAuthority, pem
from nodes import Node
from signers import Nobody, TraceSigner


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def node(nodes, request, tmp_path_factory):
    authority = TestAuthority("Authority of the older form's signers")
    file = tmp_path_factory.mktemp("authority") / "authority.pem"
    file.write_text(pem(authority.certificate))
    metadata = nodes.metadata(request.param)
    node = Node("trace-odata", metadata=metadata, options=["--trace-authorities", str(file)]).start()
    node.signer = TraceSigner("p-256", authority)
    yield node
    node.stop()
    node.remove()


def product(name, size, contents=None):
    hashes = {"contents": [{"hash": one, "path": f"p{number}"} for number, one in enumerate(contents)]} if contents else {}
    return {"name": name, "size": size, "hash": secrets.token_hex(32), **hashes}


@pytest.fixture(scope="module")
def traces(node):
    """Twelve traces, the earliest first, as the service gives them."""
    shared = secrets.token_hex(32)
    given = [node.signer.trace(product(f"S2A_{number:02}.zip", number * 100, [shared])) for number in range(5)]
    given += [Nobody().trace(product(f"S2B_{number:02}'s.zip", number)) for number in range(5)]
    given += [node.signer.trace(given[0]["product"], "OBSOLETE", obsolescence="worse")]
    given += [node.signer.trace(given[1]["product"], "COPY")]
    found = []
    for one in given:
        answer = node.http().put(f"{node.web}/traces/api/v1/traces", json=[one])
        id = answer.json()["traces"][0]["id"]
        found.append(requests.get(f"{node.web}/traces/api/v1/traces/{id}").json())
    return found


def ask(node, path="Traces", status=200, **options):
    answer = requests.get(f"{node.web}/trace-api/{path}", {f"${name}": value for name, value in options.items()})
    assert answer.status_code == status, answer.text
    assert answer.headers["OData-Version"] == "4.0"
    return answer.json()


def test_lists_are_the_traces_newest_first(node, traces):
    found = ask(node, top=100)["value"]
    ids = [trace["id"] for trace in reversed(traces)]
    assert [one["Id"] for one in found][: len(ids)] == ids
    first, trace = found[0], traces[-1]
    assert first == {
        "Id": trace["id"],
        "Event": "COPY",
        "Name": trace["product"]["name"],
        "Size": trace["product"]["size"],
        "Hash": trace["product"]["hash"],
        "HashAlgorithm": "BLAKE3",
        "Timestamp": trace["timestamp"],
        "Origin": trace["origin"],
        "SignatureStatus": "trusted",
    }


FILTERS = [
    ("Name eq 'S2A_03.zip'", [3]),
    ("Name in ('S2A_03.zip','S2B_01''s.zip')", [3, 6]),
    ("startswith(Name,'S2B')", [5, 6, 7, 8, 9]),
    ("endswith(Name,'4.zip') or endswith(Name,'4''s.zip')", [4, 9]),
    ("contains(Name,'_03')", [3, 8]),
    ("Event eq 'OBSOLETE'", [10]),
    ("Event ne 'CREATE' and Name eq 'S2A_01.zip'", [11]),
    ("Size ge 300 and Size lt 500 and startswith(Name,'S2')", [3, 4]),
    ("SignatureStatus eq 'unsigned' and not contains(Name,'_00')", [6, 7, 8, 9]),
    ("Obsolescence eq 'worse'", [10]),
    ("Obsolescence ne null", [10]),
    ("(Name eq 'S2A_02.zip' or Name eq 'S2A_04.zip') and Event eq 'CREATE'", [2, 4]),
    ("Event eq 'nothing'", []),
    ("Name eq ''' OR 1=1 --'", []),
]


@pytest.mark.parametrize("filter, expected", FILTERS, ids=[filter for filter, _ in FILTERS])
def test_filters_find_what_they_say(node, traces, filter, expected):
    answer = ask(node, filter=filter, orderby="Timestamp asc", count="true")
    assert [one["Id"] for one in answer["value"]] == [traces[number]["id"] for number in expected]
    assert answer["@odata.count"] == len(expected)
    counted = requests.get(f"{node.web}/trace-api/Traces/$count", {"$filter": filter})
    assert counted.text == str(len(expected))


def test_hashes_ids_and_times_find_traces(node, traces):
    shared = traces[0]["product"]["contents"][0]["hash"]
    found = ask(node, filter=f"Hash eq '{shared.upper()}' and Event eq 'CREATE'", orderby="Timestamp")["value"]
    assert [one["Id"] for one in found] == [trace["id"] for trace in traces[:5]]
    assert ask(node, filter=f"Id eq {traces[3]['id']}")["value"][0]["Name"] == "S2A_03.zip"
    first, last = traces[2]["timestamp"], traces[7]["timestamp"]
    within = ask(node, filter=f"Timestamp ge {first} and Timestamp lt {last}", orderby="Timestamp asc")["value"]
    assert [one["Id"] for one in within] == [trace["id"] for trace in traces[2:7]]
    found = ask(node, filter=f"Timestamp gt {last} and not (Hash eq '{shared}')", top=50)["value"]
    assert {one["Id"] for one in found} >= {traces[8]["id"], traces[9]["id"]}


def test_pages_go_on_where_the_one_before_ended(node, traces):
    seen, url = [], f"{node.web}/trace-api/Traces?$filter=startswith(Name,'S2')&$top=5&$orderby=Timestamp asc&$select=Name"
    while url:
        answer = requests.get(url).json()
        assert all(set(one) == {"Id", "Name"} for one in answer["value"])
        seen += [one["Id"] for one in answer["value"]]
        url = answer.get("@odata.nextLink")
    assert seen == [trace["id"] for trace in traces]
    skipped = ask(node, filter="startswith(Name,'S2')", orderby="Timestamp asc", skip=10, top=1)["value"]
    assert [one["Id"] for one in skipped] == [traces[10]["id"]]


def test_one_trace_is_whole_and_says_of_what_quality_it_is(node, traces):
    trace = traces[1]
    one = ask(node, f"Traces({trace['id']})")
    assert one["Signature"]["Message"] == trace["signature"]["message"]
    assert [(content["Path"], content["Hash"]) for content in one["Contents"]] == [
        (content["path"], content["hash"]) for content in trace["product"]["contents"]
    ]
    quality = [ask(node, f"Traces({trace['id']})/Datac.Quality()") for trace in traces]
    assert [one["IsValid"] for one in quality] == [number in (1, 2, 3, 4, 11) for number in range(12)]
    assert quality[0]["IsObsolete"] and quality[5]["SignatureStatus"] == "unsigned" and quality[5]["Faults"]
    assert all(one["IsLogged"] for one in quality)
    assert ask(node, f"Traces({secrets.token_hex(16)})", status=404)["error"]["message"]


@pytest.mark.parametrize(
    "options",
    [
        {"filter": "Name"}, {"filter": "Nothing eq 'x'"}, {"filter": "Hash eq 'xyz'"}, {"filter": "Size eq 'x'"},
        {"orderby": "Name"}, {"top": "-1"}, {"top": "1001"}, {"skip": "x"}, {"format": "xml"}, {"select": "Nothing"},
        {"count": "maybe"}, {"apply": "x"}, {"skiptoken": "x"},
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_told(node, options):
    assert ask(node, status=400, **options)["error"]["message"]


def test_the_schema_is_there(node):
    root = xml.etree.ElementTree.fromstring(requests.get(f"{node.web}/trace-api/$metadata").content)
    names = {element.attrib.get("Name") for element in root.iter() if element.tag.endswith("}Property")}
    assert {"Id", "Timestamp", "SignatureStatus"} <= names
    assert ask(node, "")["value"] == [{"name": "Traces", "url": "Traces"}]
