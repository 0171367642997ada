"""SCIM 2.0: the client and the tester of PyPI, and what large directories send."""

import concurrent.futures
import secrets
import ssl

import pytest
import requests
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

import httpx2

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
PASSWORD = "a long pass phrase 1"


@pytest.fixture
def http(node):
    with node.http() as session:
        session.headers["Content-Type"] = "application/scim+json"
        yield session


@pytest.fixture
def base(node):
    return node.web + "/scim/v2"


@pytest.fixture
def made(http, base):
    """Addresses of resources to remove at the end."""
    addresses = []
    yield addresses
    for address in reversed(addresses):
        http.delete(address)


def name(prefix="ada"):
    return f"{prefix}-{secrets.token_hex(4)}"


@pytest.fixture
def create(http, base, made):
    def create(kind, **attributes):
        answer = http.post(f"{base}/{kind}", json={"schemas": [USER if kind == "Users" else GROUP], **attributes})
        assert answer.status_code == 201, answer.text
        resource = answer.json()
        assert answer.headers["Location"] == resource["meta"]["location"]
        assert answer.headers["ETag"] == resource["meta"]["version"]
        made.append(resource["meta"]["location"])
        return resource

    return create


def patch(http, resource, *operations, **headers):
    return http.patch(
        resource["meta"]["location"], json={"schemas": [PATCH], "Operations": list(operations)}, headers=headers)


def error(answer, status, kind=None):
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert body["status"] == str(status) and body["detail"]
    assert body.get("scimType") == kind, body
    return body


def test_the_tester_finds_nothing(node, base):
    client = SyncSCIMClient(httpx2.Client(
        base_url=base, headers={"Authorization": "Bearer " + node.token()}, timeout=30,
        verify=ssl.create_default_context(cafile=node.authority)))
    results = check_server(client)
    found = [f"{one.title}: {one.reason}" for one in results if one.status in (Status.ERROR, Status.CRITICAL)]
    # An account opens something or it does not: there is no third state to go to.
    never = "check_remove_attribute: PATCH modify() did not remove attribute 'active'"
    found = [one for one in found if one != never]
    assert not found, "\n".join(found)
    assert sum(one.status == Status.SUCCESS for one in results) > 50


def test_an_account_lives_through_scim_and_elsewhere(node, http, base, create):
    user = name()
    ada = create(
        "Users", userName=user, externalId="701984", password=PASSWORD, title="Countess", userType="Employee",
        name={"givenName": "Ada", "familyName": "Lovelace"},
        emails=[{"value": f"{user}@example.org", "type": "work", "primary": True},
                {"value": f"{user}@home.example", "type": "home"}],
        **{ENTERPRISE: {"employeeNumber": "1", "department": "Analysis"}})
    assert "password" not in ada and ada["active"] is True and ada["displayName"] == "Ada Lovelace"
    assert ada["schemas"] == [USER, ENTERPRISE] and ada[ENTERPRISE]["department"] == "Analysis"
    assert http.get(ada["meta"]["location"]).json() == ada
    # The same account on the other faces.
    shown = node.http().get(f"{node.web}/admin/v1/accounts/{user}").json()
    assert shown["email"] == f"{user}@example.org" and shown["displayName"] == "Ada Lovelace"
    own = node.http(user=user, password=PASSWORD)
    assert own.get(f"{base}/Me").json()["id"] == ada["id"]
    # Suspended here, it is refused everywhere at once.
    answer = patch(http, ada, {"op": "Replace", "path": "active", "value": "False"})
    assert answer.status_code == 200 and answer.json()["active"] is False
    assert own.get(f"{base}/Me").status_code == 401
    assert node.cli("login", "--token", user=user, password=PASSWORD).returncode != 0
    # What another face changes is told here, and changes the version.
    node.http().patch(f"{node.web}/admin/v1/accounts/{user}", json={"email": f"new-{user}@example.org"})
    after = http.get(ada["meta"]["location"]).json()
    assert after["emails"][0] == {"value": f"new-{user}@example.org", "primary": True}
    assert after["meta"]["version"] != answer.json()["meta"]["version"]
    assert http.delete(ada["meta"]["location"]).status_code == 204
    error(http.get(ada["meta"]["location"]), 404)
    error(http.delete(ada["meta"]["location"]), 404)


def test_what_is_not_taken(http, base, create):
    user = name()
    ada = create("Users", userName=user, emails=[{"value": f"{user}@example.org"}])
    post = lambda body: http.post(f"{base}/Users", json=body)
    error(post({"userName": user}), 409, "uniqueness")
    error(post({"userName": name(), "emails": [{"value": f"{user}@EXAMPLE.org"}]}), 409, "uniqueness")
    error(post({"userName": "a b"}), 400, "invalidValue")
    error(post({"displayName": "nobody"}), 400, "invalidValue")
    error(post({"userName": name(), "password": "x"}), 400, "invalidValue")
    error(post({"userName": name(), "emails": [{"value": "none"}]}), 400, "invalidValue")
    error(post([]), 400, "invalidSyntax")
    error(http.post(f"{base}/Users", data="{"), 400, "invalidSyntax")
    error(http.put(ada["meta"]["location"], json={"userName": name()}), 400, "mutability")
    error(patch(http, ada, {"op": "replace", "path": "id", "value": "x"}), 400, "mutability")
    error(patch(http, ada, {"op": "replace", "path": "emails[type eq \"no\"].value", "value": "x"}), 400, "noTarget")
    error(patch(http, ada, {"op": "add", "path": "unheardOf", "value": "x"}), 400, "invalidPath")
    error(http.get(f"{base}/Users", params={"filter": "userName is x"}), 400, "invalidFilter")
    error(http.get(f"{base}/Users", params={"filter": "(" * 10_000}), 400, "invalidFilter")
    error(http.get(f"{base}/Nothing"), 404)
    error(http.put(f"{base}/Users", json={}), 405)


def test_versions_hold_off_who_did_not_look(http, create):
    ada = create("Users", userName=name())
    first = ada["meta"]["version"]
    answer = patch(http, ada, {"op": "add", "path": "title", "value": "A"}, **{"If-Match": first})
    assert answer.status_code == 200
    error(patch(http, ada, {"op": "add", "path": "title", "value": "B"}, **{"If-Match": first}), 412)
    error(http.delete(ada["meta"]["location"], headers={"If-Match": first}), 412)
    second = answer.headers["ETag"]
    assert http.get(ada["meta"]["location"], headers={"If-None-Match": second}).status_code == 304
    assert http.get(ada["meta"]["location"]).json()["title"] == "A"


def test_patches_at_once_all_count(http, create, node):
    ada = create("Users", userName=name())

    def add(number):
        with node.http() as session:
            return patch(session, ada, {"op": "add", "path": "phoneNumbers", "value": [{"value": str(number)}]})

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(add, range(8)))
    counted = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    found = http.get(ada["meta"]["location"]).json()["phoneNumbers"]
    assert {one["value"] for one in found} == {str(number) for number in counted}
    assert len(counted) >= 4


def test_filters_sorting_and_pages(http, base, create):
    mark = name("list")
    for number in range(7):
        create(
            "Users", userName=f"{mark}-{number}", externalId=f"{mark}-x{number}", title=f"T{number % 3}",
            active=number != 3, emails=[{"value": f"{mark}-{number}@example.org", "type": "work"}])

    def ask(filter, **options):
        answer = http.get(f"{base}/Users", params={"filter": filter, **options})
        assert answer.status_code == 200, answer.text
        return answer.json()

    mine = f'userName sw "{mark}"'
    assert ask(mine)["totalResults"] == 7
    assert ask(f'userName eq "{mark}-2"')["Resources"][0]["externalId"] == f"{mark}-x2"
    assert ask(f'userName eq "{mark.upper()}-2"')["totalResults"] == 1
    assert ask(f'externalId eq "{mark}-x5" and active eq true')["totalResults"] == 1
    assert ask(f"{mine} and not (active eq true)")["Resources"][0]["userName"] == f"{mark}-3"
    assert ask(f'{mine} and emails[type eq "work" and value co "-6@"]')["totalResults"] == 1
    assert ask(f'{mine} and meta.created gt "2100-01-01T00:00:00Z"')["totalResults"] == 0
    page = ask(mine, sortBy="userName", sortOrder="descending", startIndex=2, count=3, attributes="userName")
    assert [one["userName"][-1] for one in page["Resources"]] == ["5", "4", "3"]
    assert page["totalResults"] == 7 and page["startIndex"] == 2 and page["itemsPerPage"] == 3
    assert set(page["Resources"][0]) == {"schemas", "id", "userName"}
    assert ask(mine, count=0)["Resources"] == [] and ask(mine, count=0)["totalResults"] == 7
    assert "emails" not in ask(mine, excludedAttributes="emails")["Resources"][0]
    # By cursor (RFC 9865), filtered and not.
    for options in ({"filter": mine}, {"filter": mine, "sortBy": "userName"}, {}):
        seen, cursor = [], ""
        while cursor is not None:
            page = http.get(f"{base}/Users", params={**options, "count": 3, "cursor": cursor}).json()
            seen += [one["userName"] for one in page["Resources"] if one["userName"].startswith(mark)]
            cursor = page.get("nextCursor")
        assert sorted(seen) == [f"{mark}-{number}" for number in range(7)]
    error(http.get(f"{base}/Users", params={"cursor": "!"}), 400, "invalidCursor")
    both = http.post(f"{base}/.search", json={"filter": f'displayName pr and {mine}'}).json()
    assert both["totalResults"] == 0
    assert http.post(f"{base}/.search", json={"filter": 'displayName eq "administrators"'}).json()["totalResults"] == 1
    search = http.post(f"{base}/Users/.search", json={"filter": mine, "count": 2, "attributes": ["userName"]}).json()
    assert search["totalResults"] == 7 and len(search["Resources"]) == 2


def test_groups_and_their_members(node, http, base, create):
    users = [create("Users", userName=name("member")) for _ in range(3)]
    inner = create("Groups", displayName=name("inner"), members=[{"value": users[0]["id"]}])
    group = create("Groups", displayName=f"Équipe {name()} & friends", externalId="g-1")
    # As large directories send it: one by one, then several, then some gone by filter and by value.
    for member in (users[1], users[2], inner):
        answer = patch(http, group, {"op": "Add", "path": "members", "value": [{"value": member["id"]}]})
        assert answer.status_code == 200, answer.text
    found = {one["value"]: one["type"] for one in answer.json()["members"]}
    assert found == {users[1]["id"]: "User", users[2]["id"]: "User", inner["id"]: "Group"}
    shown = http.get(f"{base}/Users/{users[1]['id']}").json()
    assert shown["groups"] == [{
        "value": group["id"], "$ref": group["meta"]["location"], "display": group["displayName"], "type": "direct"}]
    assert http.get(f"{base}/Groups", params={"filter": f'members eq "{inner["id"]}"'}).json()["totalResults"] == 1
    by_name = {"filter": f'displayName eq "{group["displayName"]}"', "excludedAttributes": "members"}
    listed = http.get(f"{base}/Groups", params=by_name).json()["Resources"]
    assert [one["id"] for one in listed] == [group["id"]] and "members" not in listed[0]
    patch(http, group, {"op": "remove", "path": f'members[value eq "{users[1]["id"]}"]'})
    answer = patch(http, group, {"op": "Remove", "path": "members", "value": [{"value": users[2]["id"]}]})
    assert [one["value"] for one in answer.json()["members"]] == [inner["id"]]
    # The group is one on the other faces, by a name that policies can have.
    names = node.http().get(f"{node.web}/admin/v1/groups").json()["groups"]
    assert any(one.startswith("-quipe-ada-") for one in names)
    error(patch(http, inner, {"op": "add", "path": "members", "value": [{"value": group["id"]}]}), 400, "invalidValue")
    error(patch(http, inner, {"op": "add", "path": "members", "value": [{"value": "nobody"}]}), 400, "invalidValue")
    error(http.post(f"{base}/Groups", json={"displayName": group["displayName"].upper()}), 409, "uniqueness")
    renamed = http.put(group["meta"]["location"], json={"displayName": "Renamed " + name(), "members": []})
    assert renamed.status_code == 200 and "members" not in renamed.json()


def test_in_bulk(http, base, made):
    user, group = name("bulk"), name("bulk-group")
    answer = http.post(f"{base}/Bulk", json={"failOnErrors": 2, "Operations": [
        # The group names an account that comes after it.
        {"method": "POST", "path": "/Groups", "bulkId": "g",
         "data": {"displayName": group, "members": [{"value": "bulkId:u"}]}},
        {"method": "POST", "path": "/Users", "bulkId": "u", "data": {"userName": user}},
        {"method": "PATCH", "path": "/Users/bulkId:u",
         "data": {"Operations": [{"op": "add", "path": "title", "value": "Dr"}]}},
        {"method": "POST", "path": "/Users", "bulkId": "again", "data": {"userName": user}},
        {"method": "DELETE", "path": "/Users/bulkId:never"}]})
    assert answer.status_code == 200, answer.text
    results = answer.json()["Operations"]
    made += [one["location"] for one in results if one["status"] == "201"]
    assert [one["status"] for one in results] == ["201", "201", "200", "409", "409"]
    assert results[3]["response"]["scimType"] == "uniqueness" and results[0]["bulkId"] == "g"
    assert http.get(results[1]["location"]).json()["title"] == "Dr"
    assert len(http.get(results[0]["location"]).json()["members"]) == 1
    many = [{"method": "DELETE", "path": "/Users/x"}] * 1001
    assert http.post(f"{base}/Bulk", json={"Operations": many}).status_code == 413


def test_rights(node, base, create):
    user = create("Users", userName=name(), password=PASSWORD)
    own = node.http(user=user["userName"], password=PASSWORD)
    error(own.get(f"{base}/Users"), 403)
    error(own.post(f"{base}/Users", json={"userName": name()}), 403)
    error(own.patch(f"{base}/Me", json={"Operations": [{"op": "add", "path": "title", "value": "x"}]}), 403)
    error(own.delete(user["meta"]["location"]), 403)
    group = next(one for one in node.http().get(f"{base}/Groups").json()["Resources"]
                 if one["displayName"] == "administrators")
    error(patch(own, group, {"op": "add", "path": "members", "value": [{"value": user["id"]}]}), 403)
    error(requests.get(f"{base}/Users", verify=node.verify), 401)
    me = node.http().get(f"{base}/Me").json()
    error(node.http().delete(me["meta"]["location"]), 409)
    error(patch(node.http(), me, {"op": "replace", "path": "active", "value": False}), 409)
    # What the server says of itself, anybody may read.
    assert requests.get(f"{base}/ServiceProviderConfig", verify=node.verify).json()["pagination"]["cursor"] is True
    assert requests.get(f"{base}/Schemas/{USER}", verify=node.verify).json()["name"] == "User"
    assert requests.get(f"{base}/ResourceTypes", verify=node.verify).json()["totalResults"] == 2
