"""What traces can name, what is checked of it, and whose keys count: the registry and requests for keys."""

import json
import secrets
import subprocess
import textwrap

import pytest
import requests
from authorities import TestAuthority
from nodes import Node
from signers import Nobody, TraceSigner

PASSWORD = "correct horse battery staple"
SCHEMA = {
    "type": "object",
    "required": ["station", "orbit"],
    "additionalProperties": False,
    "properties": {"station": {"type": "string", "maxLength": 20}, "orbit": {"type": "integer", "minimum": 1}},
}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def node(nodes, request):
    node = Node("trace-registry", metadata=nodes.metadata(request.param)).start()
    for name in ("ada", "eve"):
        node.cli_json("account", "create", name, "--password-from-stdin", "--json", input=PASSWORD + "\n")
    yield node
    node.stop()
    node.remove()


def api(node, path):
    return f"{node.web}/traces/api/v1/{path}"


@pytest.fixture(scope="module")
def registry(node):
    for path, body in [
        ("service-owners/esa", {"title": "European Space Agency", "url": "https://www.esa.int"}),
        ("service-providers/dlr", {"title": "DLR", "owner": "esa"}),
        ("service-contexts/s2", {"description": "Sentinel-2"}),
        ("event-types/downlink", {"event": "CREATE", "schema": SCHEMA}),
    ]:
        answer = node.http().put(api(node, path), json=body)
        assert answer.status_code == 201, answer.text
        name = path.split("/")[1]
        assert {**answer.json(), **body, "name": name} == answer.json()


def submit(node, service, user="admin", password=None, signer=None, **further):
    trace = {**(signer or Nobody()).trace(**further), "service": service}
    http = node.http(user=user, password=password)
    return trace, http.put(api(node, "traces"), json=[trace])


def test_everybody_reads_what_is_registered_and_nobody_else_writes(node, registry):
    read = requests.get(api(node, "event-types/downlink"))
    assert read.status_code == 200 and read.json()["schema"] == SCHEMA
    assert [one["name"] for one in requests.get(api(node, "service-owners")).json()] == ["esa"]
    assert requests.get(api(node, "service-owners/nobody")).status_code == 404
    for user in (None, "eve"):
        http = node.http(token=user is not None, user=user or "admin", password=PASSWORD)
        assert http.put(api(node, "service-owners/nasa"), json={}).status_code == (403 if user else 401)
        assert http.delete(api(node, "service-owners/esa")).status_code == (403 if user else 401)
    assert node.http().put(api(node, "service-owners/esa"), json={"title": "ESA"}).status_code == 200
    assert node.http().delete(api(node, "service-owners/esa")).status_code == 409


def test_lists_have_pages(node, registry):
    names = [f"page-{number}" for number in range(5)]
    for name in names:
        assert node.http().put(api(node, f"service-contexts/{name}"), json={}).status_code == 201
    url, seen = api(node, "service-contexts?limit=2"), []
    while url:
        answer = requests.get(url)
        seen += [one["name"] for one in answer.json()]
        url = answer.links.get("next", {}).get("url")
    assert seen == sorted(names + ["s2"])
    for name in names:
        assert node.http().delete(api(node, f"service-contexts/{name}")).status_code == 204


@pytest.mark.parametrize(
    "path, body",
    [
        ("service-owners/a", {"titel": "x"}), ("service-owners/a", {"title": 7}), ("service-owners/a", {"owner": "esa"}),
        ("service-owners/a b", {}), ("service-owners/a", {"name": "b"}), ("service-providers/a", {}),
        ("service-providers/a", {"owner": "nobody"}), ("event-types/a", {"event": "MAKE"}),
        ("event-types/a", {"schema": {"pattern": "(a+)+$"}}), ("event-types/a", {"schema": 7}), ("event-types/a", []),
    ],
)  # fmt: skip
def test_what_cannot_be_registered_is_refused_with_its_reason(node, registry, path, body):
    answer = node.http().put(api(node, path), json=body)
    assert answer.status_code in (400, 422) and len(str(answer.json()["detail"])) > 10


def test_traces_name_the_registry_and_are_found_by_it(node, registry):
    service = {
        "owner": "esa", "provider": "dlr", "context": "s2", "event_type": "downlink",
        "attributes": {"station": f"Neustrelitz {secrets.token_hex(3)}", "orbit": 46},
    }  # fmt: skip
    given, answer = submit(node, service)
    assert answer.json()["success"] == 1, answer.text
    found = requests.get(api(node, f"traces/{answer.json()['traces'][0]['id']}")).json()
    assert found["service"] == service and found["product"] == given["product"]
    words = requests.get(api(node, "traces"), {"q": service["attributes"]["station"]}).json()
    assert [trace["id"] for trace in words] == [found["id"]]
    # The same again is the same trace; with another attribute it is another.
    again = node.http().put(api(node, "traces"), json=[given]).json()["traces"][0]
    assert again["id"] == found["id"]
    other = {**given, "service": {**service, "attributes": {"station": "Svalbard", "orbit": 46}}}
    assert node.http().put(api(node, "traces"), json=[other]).json()["traces"][0]["id"] != found["id"]


@pytest.mark.parametrize(
    "service, why",
    [
        ({"owner": "nasa"}, "no service owner 'nasa'"), ({"context": "dlr"}, "no service context"),
        ({"event_type": "unheard"}, "no event type"), ({"event_type": "downlink"}, "'station' is missing"),
        ({"event_type": "downlink", "attributes": {"station": "x", "orbit": 0}}, "orbit: it is to be at least 1"),
        ({"event_type": "downlink", "attributes": {"station": "x", "orbit": 1, "y": 1}}, "y: nothing is allowed"),
    ],
)  # fmt: skip
def test_what_is_not_as_registered_is_refused_alone(node, registry, service, why):
    good = Nobody().trace()
    batch = [good, {**Nobody().trace(), "service": service}]
    answer = node.http().put(api(node, "traces"), json=batch)
    assert answer.status_code == 201 and (answer.json()["success"], answer.json()["error"]) == (1, 1)
    assert why in answer.json()["traces"][1]["message"]


@pytest.mark.parametrize(
    "service", [7, {"other": 1}, {"owner": 1}, {"owner": "a b"}, {"attributes": {}}, {"event_type": "x", "attributes": []}]
)
def test_a_service_of_another_form_is_refused_with_its_place(node, registry, service):
    answer = submit(node, service)[1]
    assert answer.status_code == 422 and answer.json()["detail"][0]["loc"] == ["body", 0, "service"]


def test_policy_knows_the_service(node, registry):
    name = f"ledger-{secrets.token_hex(3)}"
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow", "Action": "ledger:Register", "Resource": "*",
                "Condition": {"StringEquals": {"ledger:ServiceProvider": "dlr", "ledger:EventType": "downlink"}},
            }
        ],
    }  # fmt: skip
    file = node.data.parent / f"{name}.json"
    file.write_text(json.dumps(document))
    assert node.cli("policy", "put", name, str(file)).returncode == 0
    assert node.cli("policy", "attach", name, "--to", "user:ada").returncode == 0
    right = {"provider": "dlr", "event_type": "downlink", "attributes": {"station": "x", "orbit": 1}}
    assert submit(node, right, user="ada", password=PASSWORD)[1].status_code == 201
    assert submit(node, {"provider": "dlr"}, user="ada", password=PASSWORD)[1].status_code == 403


def test_the_command_signs_what_is_said_of_the_service(node, registry, tmp_path):
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(SCHEMA))
    for arguments in (
        ("put", "service-owners", "cli", "--title", "An owner"), ("put", "service-providers", "runner", "--owner", "cli"),
        ("put", "event-types", "pass", "--schema", str(schema), "--event", "CREATE"),
    ):  # fmt: skip
        assert node.cli("trace", "registry", *arguments).returncode == 0
    assert json.loads(node.cli("trace", "registry", "show", "event-types", "pass").stdout)["schema"] == SCHEMA
    assert "runner" in node.cli("trace", "registry", "list", "service-providers").stdout
    # A key of one's own, with a certificate that somebody else has approved.
    key = tmp_path / "me"
    ada = {"user": "ada", "password": PASSWORD}
    asked = json.loads(node.cli("trace", "key", "request", str(key), "--note", "processor", "--json", **ada).stdout)
    assert asked["state"] == "pending" and asked["account"] == "ada"
    assert node.cli("trace", "key", "fetch", asked["id"], str(key), **ada).returncode == 1
    assert asked["id"] in node.cli("trace", "key", "list", "--pending").stdout
    assert node.cli("trace", "key", "approve", asked["id"], "--days", "30").returncode == 0
    assert node.cli("trace", "key", "fetch", asked["id"], str(key), **ada).returncode == 0
    issued = json.loads(node.cli("ca", "list", "--account", "ada", "--json").stdout.splitlines()[-1])
    assert issued["account"] == "ada"
    file = tmp_path / f"scene-{secrets.token_hex(4)}.tif"
    file.write_bytes(secrets.token_bytes(100))
    attributes = json.dumps({"station": "Kiruna", "orbit": 3})
    options = ("--key", f"{key}.key", "--cert", f"{key}.pem", "--service-provider", "runner", "--event-type", "pass")
    made = node.cli("trace", "register", str(file), *options, "--attributes", attributes, "--json")
    assert made.returncode == 0, made.stderr
    trace = requests.get(api(node, f"traces/{json.loads(made.stdout)['id']}")).json()
    assert trace["signature_status"] == "trusted"
    assert trace["service"] == json.loads(trace["signature"]["message"])["service"]
    assert node.cli("trace", "verify", str(file)).returncode == 0
    # What was signed of it cannot be told otherwise.
    lie = {name: trace[name] for name in ("event", "hash_algorithm", "product", "signature")}
    lie["service"] = {**trace["service"], "provider": "dlr"}
    answer = node.http().put(api(node, "traces"), json=[lie]).json()["traces"][0]
    assert not answer["success"] and "another service" in answer["message"]
    assert node.cli("trace", "registry", "rm", "event-types", "pass").returncode == 0


def test_a_strangers_certificate_counts_once_somebody_has_approved_it(node, registry):
    signer = TraceSigner("p-256", TestAuthority("Authority of nobody that the node knows"))
    lines = textwrap.fill(signer.certificate, 64)
    certificate = f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"
    ada, eve = (node.http(user=name, password=PASSWORD) for name in ("ada", "eve"))

    def status():
        answer = node.http().put(api(node, "traces"), json=[signer.trace()])
        return requests.get(api(node, f"traces/{answer.json()['traces'][0]['id']}")).json()["signature_status"]

    assert status() == "unknown"
    asked = ada.post(api(node, "key-requests"), json={"certificate": certificate, "note": "our partner"})
    assert asked.status_code == 201, asked.text
    request = api(node, f"key-requests/{asked.json()['id']}")
    # Others neither see it nor answer it.
    assert eve.get(request).status_code == 404 and eve.get(api(node, "key-requests")).json() == []
    assert eve.post(f"{request}/approve", json={}).status_code == 403
    assert eve.delete(request).status_code == 404
    assert ada.post(f"{request}/approve", json={}).status_code == 403
    assert requests.get(request).status_code == 401
    assert status() == "unknown"
    assert node.http().post(f"{request}/approve").json()["state"] == "approved"
    assert ada.get(request).json()["decided_by"] == "admin"
    assert status() == "trusted"
    keys = requests.get(api(node, "keys")).json()
    assert signer.certificate in [key["certificate"] for key in keys]
    assert node.http().post(f"{request}/refuse", json={"reason": "late"}).status_code == 409
    digest = next(key["certificate_sha256"] for key in keys if key["certificate"] == signer.certificate)
    assert node.cli("trace", "revoke", digest).returncode == 0
    answer = node.http().put(api(node, "traces"), json=[signer.trace()]).json()
    assert answer["error"] == 1 and "revoked" in answer["traces"][0]["message"]


def test_requests_that_are_none_are_refused_and_answers_are_audited(node, registry):
    ada = node.http(user="ada", password=PASSWORD)
    for body in ({}, {"certificate": "x"}, {"certificate-request": "x"}, {"certificate": "x", "certificate-request": "y"}):
        assert ada.post(api(node, "key-requests"), json=body).status_code in (400, 422), body
    made = subprocess.run(
        ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
         "/dev/null", "-subj", "/CN=whatever"], capture_output=True, text=True, check=True)  # fmt: skip
    asked = ada.post(api(node, "key-requests"), json={"certificate-request": made.stdout}).json()
    refused = node.http().post(api(node, f"key-requests/{asked['id']}/refuse"), json={"reason": "who are you?"})
    assert refused.json()["reason"] == "who are you?" and "certificate" not in refused.json()
    told = node.cli("audit", "--on", asked["id"]).stdout
    assert "ledger.key-requested" in told and "ledger.key-refused" in told
    withdrawn = ada.post(api(node, "key-requests"), json={"certificate-request": made.stdout}).json()
    assert ada.delete(api(node, f"key-requests/{withdrawn['id']}")).status_code == 204
    assert ada.get(api(node, f"key-requests/{withdrawn['id']}")).status_code == 404
