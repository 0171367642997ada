"""Subscriptions, as the Data Space has them: products that come, change and go, read and acknowledged."""

import secrets
import time

import pytest
import requests
from test_odata import lend_collection, square


@pytest.fixture(scope="module")
def base(node):
    return node.web + "/odata/v1"


@pytest.fixture
def collection(node):
    name = lend_collection(node)
    yield name
    http = node.http()
    for item in http.get(f"{node.web}/stac/collections/{name}/items?limit=1000").json()["features"]:
        http.delete(f"{node.web}/stac/collections/{name}/items/{item['id']}")
    http.delete(f"{node.web}/stac/collections/{name}")


class Reader:
    """What a client of subscriptions does."""

    def __init__(self, http, base):
        self.http, self.base = http, base
        self.made = []

    def subscribe(self, **terms):
        answer = self.http.post(f"{self.base}/Subscriptions", json={"SubscriptionType": "pull", **terms})
        assert answer.status_code == 201, answer.text
        self.made.append(answer.json()["Id"])
        return answer.json()["Id"]

    def address(self, id, rest=""):
        return f"{self.base}/Subscriptions({id}){rest}"

    def read(self, id, top=20):
        answer = self.http.get(self.address(id, f"/Read?$top={top}"))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait(self, id, count):
        """Waits until so much can be read."""
        for _ in range(200):
            if len(found := self.read(id)) >= count:
                return found
            time.sleep(0.1)
        raise AssertionError(f"only this came: {found}")

    def ack(self, id, notice):
        answer = self.http.post(self.address(id, f"/Ack?$ackid={notice['AckId']}"))
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def reader(http, base):
    reader = Reader(http, base)
    yield reader
    for id in reader.made:
        http.delete(reader.address(id))


def item(number, **properties):
    geometry, bbox = square(number, 45)
    return {
        "type": "Feature", "stac_version": "1.1.0", "id": f"scene-{number:02}", "geometry": geometry, "bbox": bbox, "links": [],
        "assets": {}, "properties": {"datetime": f"2020-06-{number + 1:02}T10:00:00Z", "eo:cloud_cover": number * 10.0, **properties},
    }


def put(http, node, collection, number, **properties):
    address = f"{node.web}/stac/collections/{collection}/items/scene-{number:02}"
    answer = http.put(address, json=item(number, **properties))
    if answer.status_code == 404:
        answer = http.post(f"{node.web}/stac/collections/{collection}/items", json=item(number, **properties))
    assert answer.status_code in (200, 201, 204), answer.text


def told(notices):
    return [(notice["SubscriptionEvent"], notice["ProductName"]) for notice in notices]


def test_what_comes_changes_and_goes(node, http, base, collection, reader):
    before = f"Collection/Name eq '{collection}'"
    id = reader.subscribe(FilterParam=before, SubscriptionEvent=["created", "modified", "deleted"], StageOrder=True, Priority=1)
    only = reader.subscribe(FilterParam=before)
    cloud = "Attributes/OData.CSC.DoubleAttribute/any(att:att/Name eq 'cloudCover' and att/OData.CSC.DoubleAttribute/Value le 10)"
    clear = reader.subscribe(FilterParam=f"{before} and {cloud}", SubscriptionEvent=["created, deleted"])
    for number in range(3):
        put(http, node, collection, number)
    put(http, node, collection, 1, title="changed")
    http.delete(f"{node.web}/stac/collections/{collection}/items/scene-00")
    expected = [("created", f"scene-0{number}") for number in range(3)] + [("modified", "scene-01"), ("deleted", "scene-00")]
    notices = reader.wait(id, 5)
    assert told(notices) == expected
    assert told(reader.wait(only, 3)) == expected[:3]
    assert told(reader.wait(clear, 3)) == [expected[0], expected[1], expected[4]]
    first, last = notices[1], notices[4]
    assert http.get(reader.address(id)).json()["LastNotificationDate"] == last["NotificationDate"]
    assert first["SubscriptionId"] == id and first["ProductId"] == first["value"]["Id"]
    same = http.get(f"{base}/Products({first['ProductId']})?$expand=Attributes").json()
    same.pop("@odata.context")
    assert first["value"] == same
    assert last["value"]["DeletionCause"] == "Obsolete product or Other" and notices[0]["ProductId"] == last["ProductId"]
    assert [notice["NotificationDate"] for notice in notices] == sorted(notice["NotificationDate"] for notice in notices)
    # Reading takes nothing away, acknowledging one takes all before it as well.
    assert reader.read(id, top=2) == notices[:2]
    assert reader.read(id, top=0) == [] and len(http.get(reader.address(id, "/Read")).json()) == 1
    done = reader.ack(id, notices[3])
    assert done == {"AckMessagesNum": 4, "CurrentQueueLength": 1, "MaxQueueLength": 100000}
    assert told(reader.read(id)) == expected[4:]
    assert reader.ack(id, notices[0])["AckMessagesNum"] == 0
    assert http.get(reader.address(id)).json()["CurrentQueueLength"] == 1


def test_a_subscription_outlives_its_node(node, http, collection, reader):
    id = reader.subscribe(FilterParam=f"Collection/Name eq '{collection}'")
    put(http, node, collection, 1)
    reader.wait(id, 1)
    node.restart()
    http = node.http()
    again = Reader(http, node.web + "/odata/v1")
    put(http, node, collection, 2)
    assert told(again.wait(id, 2)) == [("created", "scene-01"), ("created", "scene-02")]
    assert http.delete(again.address(id)).status_code == 204


def test_pausing_changing_and_ending(node, http, base, collection, reader):
    filter = f"Collection/Name eq '{collection}'"
    made = http.post(f"{base}/Subscriptions", json={"FilterParam": filter, "SubscriptionEvent": ["created"], "Priority": 5})
    assert made.status_code == 201
    one = made.json()
    id = one["Id"]
    reader.made.append(id)
    assert one.pop("@odata.context").endswith("$metadata#Subscriptions/$entity")
    assert one["Status"] == "running" and one["SubscriptionType"] == "pull" and one["SubscriptionEvent"] == ["created"]
    assert one["FilterParam"] == filter and one["Priority"] == 5 and one["StageOrder"] is True
    assert one in http.get(f"{base}/Subscriptions/Info").json()
    assert one in http.get(f"{base}/Subscriptions").json()["value"]
    put(http, node, collection, 1)
    reader.wait(id, 1)
    assert http.patch(reader.address(id), json={"Status": "paused"}).json()["Status"] == "paused"
    put(http, node, collection, 2)
    changed = http.patch(reader.address(id), json={"Status": "running", "FilterParam": filter + " and Name ne 'scene-03'"})
    assert changed.status_code == 200 and changed.json()["Status"] == "running"
    put(http, node, collection, 3)
    put(http, node, collection, 4)
    assert told(reader.wait(id, 2)) == [("created", "scene-01"), ("created", "scene-04")]
    assert http.patch(reader.address(id), json={"Status": "cancelled"}).json()["CurrentQueueLength"] == 0
    assert http.patch(reader.address(id), json={"Status": "running"}).status_code == 400
    assert http.delete(reader.address(id)).status_code == 204
    assert http.get(reader.address(id)).status_code == 404 and http.delete(reader.address(id)).status_code == 404


@pytest.mark.parametrize(
    "terms",
    [
        [], {"FilterParam": "Foo eq 1"}, {"FilterParam": "Name eq 'a"}, {"FilterParam": 5}, {"FilterParam": "Name eq 'a\0'"},
        {"SubscriptionEvent": []}, {"SubscriptionEvent": ["made"]}, {"Status": "cancelled"}, {"Status": "asleep"},
        {"SubscriptionType": "push"}, {"SubscriptionType": "letter"}, {"Priority": -1}, {"StageOrder": "yes"},
        {"SubscriptionType": "pull", "NotificationEndpoint": "https://a.example/"}, {"NotificationEndpoint": "ftp://a.example/"},
        {"NotificationEndpoint": "https://a.example/", "NotificationEpUsername": "a:b"}, {"FilterParam": "Name eq '" + "a" * 20000 + "'"},
    ],
)
def test_what_cannot_be_subscribed(http, base, terms):
    answer = http.post(f"{base}/Subscriptions", json=terms)
    assert answer.status_code == 400 and answer.json()["error"]["message"], answer.text


def test_an_account_has_a_few(http, base, reader):
    have = len(http.get(f"{base}/Subscriptions/Info").json())
    for _ in range(10 - have):
        reader.subscribe()
    assert http.post(f"{base}/Subscriptions", json={}).status_code == 400


def test_nobody_reads_what_is_not_theirs(node, http, base, collection, reader):
    assert requests.get(f"{base}/Subscriptions", verify=node.verify).status_code == 401
    assert requests.post(f"{base}/Subscriptions", json={}, verify=node.verify).status_code == 401
    mine = reader.subscribe(FilterParam=f"Collection/Name eq '{collection}'")
    name = "odata-" + secrets.token_hex(4)
    node.cli_json("account", "create", name, "--password-from-stdin", "--json", input="a long pass phrase 1\n")
    policy = node.home / f"{name}.json"
    policy.write_text(
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "stac:*", "Resource": "*"}, '
        '{"Effect": "Deny", "Action": "stac:*", "Resource": "*", "Condition": '
        '{"StringEquals": {"martlet:Product/secret": "yes"}}}]}'
    )
    try:
        theirs = Reader(node.http(user=name, password="a long pass phrase 1"), base)
        for method, rest in (("GET", ""), ("GET", "/Read"), ("POST", "/Ack?$ackid=1-1"), ("PATCH", ""), ("DELETE", "")):
            assert theirs.http.request(method, theirs.address(mine, rest), json={}).status_code == 404, (method, rest)
        blind = theirs.subscribe(FilterParam=f"Collection/Name eq '{collection}'")
        put(http, node, collection, 1)
        reader.wait(mine, 1)
        assert theirs.read(blind) == [] and theirs.http.get(theirs.address(blind)).json()["CurrentQueueLength"] == 0
        node.cli_json("policy", "put", name, policy, "--json")
        node.cli_json("policy", "attach", name, "--to", f"user:{name}", "--json")
        time.sleep(1.5)
        put(http, node, collection, 2)
        put(http, node, collection, 3, secret="yes")
        put(http, node, collection, 4)
        assert told(theirs.wait(blind, 2)) == [("created", "scene-02"), ("created", "scene-04")]
        # What is hidden after it was put among what waits is not told either.
        put(http, node, collection, 2, secret="yes")
        time.sleep(1.5)
        assert told(theirs.read(blind)) == [("created", "scene-04")]
        node.cli_json("policy", "detach", name, "--from", f"user:{name}", "--json")
        time.sleep(1.5)
        assert theirs.read(blind) == []
    finally:
        node.cli("policy", "detach", name, "--from", f"user:{name}")
        node.cli("policy", "delete", name)
        node.cli("account", "delete", name)


def test_a_push_does_not_reach_into_the_node_s_network(node, http, base, collection, reader):
    terms = {
        "SubscriptionType": "push", "NotificationEndpoint": "http://127.0.0.1:9/hook", "NotificationEpUsername": "ada",
        "NotificationEpPassword": "open sesame", "FilterParam": f"Collection/Name eq '{collection}'",
    }
    made = http.post(f"{base}/Subscriptions", json=terms)
    assert made.status_code == 201, made.text
    id = made.json()["Id"]
    reader.made.append(id)
    assert made.json()["SigningKey"].startswith("whsec_")
    put(http, node, collection, 1)
    for _ in range(200):
        one = http.get(reader.address(id)).json()
        if "LastError" in one:
            break
        time.sleep(0.1)
    assert "no public address" in one["LastError"] and one["CurrentQueueLength"] == 1
    assert "SigningKey" not in one and "sesame" not in str(one)
    assert http.get(reader.address(id, "/Read")).status_code == 400
