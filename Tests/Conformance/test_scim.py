"""SCIM 2.0: programs that manage accounts elsewhere keep them here the same. scim2-client and scim2-tester are real ones."""

import secrets
import ssl

import httpx2
import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@pytest.fixture
def scim(node):
    """Requests as programs send them; what a test made goes again."""
    http = node.http()
    http.headers["Content-Type"] = "application/scim+json"
    made = []

    class Face:
        def __call__(self, method, path, status=200, headers=None, **options):
            answer = http.request(method, f"{node.web}/scim/v2{path}", headers=headers, **options)
            assert answer.status_code == status, f"{answer.status_code} {answer.text}"
            if status == 201:
                made.append(answer.headers["Location"])
            return answer

        def user(self, **more):
            name = more.pop("userName", "scim-" + secrets.token_hex(5))
            return self("POST", "/Users", 201, json={"schemas": [USER], "userName": name, **more}).json()

    yield Face()
    for location in made:
        http.delete(location)


def test_a_user_comes_changes_and_goes(node, scim):
    made = scim.user(
        displayName="Ada Lovelace",
        externalId="x-1",
        name={"givenName": "Ada", "familyName": "Lovelace"},
        emails=[{"value": f"{secrets.token_hex(4)}@example.org", "primary": True}],
        password="a long pass phrase",
    )
    path = "/Users/" + made["id"]
    shown = scim("GET", path)
    assert shown.json() == made and shown.headers["ETag"] == made["meta"]["version"]
    assert shown.headers["Content-Type"].startswith("application/scim+json") and "password" not in made
    account = node.cli_json("account", "show", made["userName"], "--json")
    assert account["displayName"] == "Ada Lovelace" and account["email"] == made["emails"][0]["value"]
    assert account["attributes"]["externalId"] == "x-1"
    login = node.cli("login", "--token", user=made["userName"], password="a long pass phrase")
    assert login.returncode == 0
    scim("GET", path, 304, headers={"If-None-Match": made["meta"]["version"]})
    off = {"schemas": [PATCH], "Operations": [{"op": "Replace", "path": "active", "value": "False"}]}
    changed = scim("PATCH", path, json=off, headers={"If-Match": made["meta"]["version"]}).json()
    assert changed["active"] is False and changed["meta"]["version"] != made["meta"]["version"]
    assert node.cli("login", "--token", user=made["userName"], password="a long pass phrase").returncode == 3
    scim("PATCH", path, 412, json=off, headers={"If-Match": made["meta"]["version"]})
    replaced = scim("PUT", path, json={"schemas": [USER], "userName": made["userName"], "displayName": "A. L."}).json()
    assert replaced["active"] and replaced["displayName"] == "A. L." and "emails" not in replaced
    assert "externalId" not in replaced and "givenName" not in replaced["name"]
    refused = scim("PUT", path, 400, json={"schemas": [USER], "userName": "another"}).json()
    assert refused["scimType"] == "mutability" and refused["status"] == "400"
    assert scim("POST", "/Users", 409, json={"userName": made["userName"]}).json()["scimType"] == "uniqueness"
    scim("DELETE", path, 204)
    scim("GET", path, 404)


def test_groups_have_members_and_groups(scim):
    ada, bob = scim.user(), scim.user()
    inner = scim(
        "POST", "/Groups", 201, json={"displayName": "in-" + secrets.token_hex(4), "members": [{"value": ada["id"]}]}
    ).json()
    outer = scim(
        "POST", "/Groups", 201, json={"displayName": "out-" + secrets.token_hex(4), "members": [{"value": inner["id"]}]}
    ).json()
    assert [m["type"] for m in inner["members"] + outer["members"]] == ["User", "Group"]
    path = "/Groups/" + inner["id"]
    add = [{"op": "add", "path": "members", "value": [{"value": bob["id"]}, {"value": ada["id"]}]}]
    members = scim("PATCH", path, json={"schemas": [PATCH], "Operations": add}).json()["members"]
    assert {m["value"] for m in members} == {ada["id"], bob["id"]}
    assert scim("GET", "/Users/" + bob["id"]).json()["groups"][0]["value"] == inner["id"]
    less = [{"op": "remove", "path": f'members[value eq "{ada["id"]}"]'}]
    members = scim("PATCH", path, json={"schemas": [PATCH], "Operations": less}).json()["members"]
    assert [m["value"] for m in members] == [bob["id"]]
    # A group is in no group that is in it, and nobody is made up.
    loop = [{"op": "add", "path": "members", "value": [{"value": outer["id"]}]}]
    scim("PATCH", path, 400, json={"schemas": [PATCH], "Operations": loop})
    nobody = {"displayName": "no-" + secrets.token_hex(4), "members": [{"value": "0" * 32}]}
    scim("POST", "/Groups", 400, json=nobody)
    assert scim("GET", "/Groups", params={"filter": f'displayName eq "{nobody["displayName"]}"'}).json()[
        "totalResults"
    ] == 0


def test_lists_are_filtered_sorted_and_paged(scim):
    mark = "mark" + secrets.token_hex(4)
    names = [f"{mark}-{number}" for number in range(5)]
    for number, name in enumerate(names):
        scim.user(userName=name, displayName=f"N{9 - number}", active=number != 2)

    def listed(**params):
        return scim("GET", "/Users", params={"filter": f'userName sw "{mark}"', **params}).json()

    def shown(page):
        return [user["userName"] for user in page["Resources"]]

    assert shown(listed()) == names and listed()["totalResults"] == 5
    assert shown(listed(sortBy="displayName")) == names[::-1]
    assert shown(listed(sortBy="displayName", sortOrder="descending", startIndex=2, count=2)) == names[1:3]
    page = listed(startIndex=4, count=10)
    assert shown(page) == names[3:] and page["totalResults"] == 5 and page["itemsPerPage"] == 2
    assert listed(count=0)["Resources"] == [] and listed(count=0)["totalResults"] == 5
    found, cursor = [], ""
    while cursor is not None:
        page = listed(cursor=cursor, count=2)
        assert len(page["Resources"]) <= 2
        found += shown(page)
        cursor = page.get("nextCursor")
    assert found == names
    everybody, cursor = [], ""
    while cursor is not None:
        page = scim("GET", "/Users", params={"cursor": cursor, "count": 3}).json()
        everybody += shown(page)
        cursor = page.get("nextCursor")
    assert len(everybody) == len(set(everybody)) == scim("GET", "/Users").json()["totalResults"]
    off = scim("GET", "/Users", params={"filter": f'userName sw "{mark}" and not (active eq true)'}).json()
    assert shown(off) == [names[2]]
    only = listed(attributes="userName")["Resources"][0]
    assert set(only) == {"schemas", "id", "userName"}
    assert "meta" not in listed(excludedAttributes="meta")["Resources"][0]
    body = {"filter": f'userName eq "{names[1].upper()}"', "attributes": ["userName"]}
    assert shown(scim("POST", "/Users/.search", json=body).json()) == [names[1]]


@pytest.mark.parametrize(
    "filter", ["(" * 10_000, "not (" * 1000, "userName eq", 'userName is "x"', "a pr or " * 300 + "a pr", "userName[" * 500]
)
def test_a_filter_that_is_none_is_refused(scim, filter):
    assert scim("POST", "/Users/.search", 400, json={"filter": filter}).json()["scimType"] == "invalidFilter"


def test_wrong_requests_are_told_what_is_wrong(node, scim):
    scim("GET", "/Users", 400, params={"cursor": "no"})
    scim("GET", "/Users", 400, params={"count": "many"})
    scim("GET", "/Nothing", 404)
    scim("GET", "/Users/" + "0" * 32, 404)
    scim("POST", "/Users", 400, data="{")
    scim("POST", "/Users", 400, json=[])
    scim("POST", "/Users", 400, json={"userName": "a b"})
    ada = scim.user(password="a long pass phrase")
    answer = node.http(token=False).get(f"{node.web}/scim/v2/Users")
    assert answer.status_code == 401 and answer.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    theirs = node.http(user=ada["userName"], password="a long pass phrase")
    assert theirs.get(f"{node.web}/scim/v2/Users").status_code == 403
    assert theirs.get(f"{node.web}/scim/v2/Me").json()["id"] == ada["id"]


def test_many_acts_go_in_one_request(scim):
    name = "bulk-" + secrets.token_hex(4)
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": "u", "data": {"userName": name}},
        {
            "method": "POST",
            "path": "/Groups",
            "bulkId": "g",
            "data": {"displayName": name, "members": [{"value": "bulkId:u"}]},
        },
        {"method": "POST", "path": "/Users", "data": {"userName": name}},
        {"method": "DELETE", "path": "/Groups/bulkId:g"},
        {"method": "DELETE", "path": "/Users/bulkId:u"},
        {"method": "DELETE", "path": "/Users/bulkId:nothing"},
    ]
    done = scim("POST", "/Bulk", json={"Operations": operations}).json()["Operations"]
    assert [one["status"] for one in done] == ["201", "201", "409", "204", "204", "409"]
    stopped = scim("POST", "/Bulk", json={"failOnErrors": 1, "Operations": operations[5:] + operations[:1]}).json()
    assert len(stopped["Operations"]) == 1


def test_a_program_that_checks_scim_servers_is_content(node):
    http = httpx2.Client(
        base_url=f"{node.web}/scim/v2",
        headers={"Authorization": f"Bearer {node.token()}"},
        verify=ssl.create_default_context(cafile=node.authority) if node.tls else True,
    )
    client = SyncSCIMClient(http)
    client.discover()
    results = check_server(client)
    assert len(results) > 20
    failed = [f"{one.title}: {one.reason}" for one in results if one.status in (Status.ERROR, Status.CRITICAL)]
    assert not failed, "\n".join(failed)
