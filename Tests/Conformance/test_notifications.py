"""Subscriptions to traces, products, objects and rules: what waits, webhooks, dead letters, and who may hear of what."""

import base64
import json
import secrets
import time

import pytest
import requests
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from notifying import Subscriber, put_policy, subjects, trace
from products import wait_for
from standardwebhooks import Webhook, WebhookVerificationError
from test_odata import lend_collection
from test_odata_subscriptions import put
from webhooks import receiver as lend_receiver


@pytest.fixture
def me(node):
    yield from Subscriber.lend(node)


@pytest.fixture
def ada(node):
    yield from Subscriber.lend_person(node)


@pytest.fixture
def receiver():
    with lend_receiver() as receiver:
        yield receiver


@pytest.fixture
def hook(node, http, receiver):
    """A webhook of the operator, which leads to the receiver."""
    name = "hook-" + secrets.token_hex(4)
    assert http.put(f"{node.web}/admin/v1/webhooks/{name}", json={"url": receiver.address(), "secret": "token7"}).ok
    yield name
    http.delete(f"{node.web}/admin/v1/webhooks/{name}")


def lines(node, *arguments):
    """What a command lists, a line of JSON each."""
    done = node.cli(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


# Topics


def test_traces_are_told_that_fulfil_a_filter(node, me):
    mark = secrets.token_hex(5)
    made = me.subscribe("traces", f"startswith(Name,'{mark}') and Event eq 'CREATE'")
    everything = me.subscribe("traces")
    assert made["status"] == "running" and made["delivery"] == {"type": "pull"} and "signingKey" not in made
    hash = secrets.token_hex(32)
    id = trace(node, f"{mark}-1.zip", hash=hash)
    trace(node, f"{mark}-1.zip", "COPY", hash)
    trace(node, "other-" + mark)
    trace(node, f"{mark}-2.zip")
    found = me.wait(made["id"], 2)
    assert subjects(found) == [f"{mark}-1.zip", f"{mark}-2.zip"]
    event = found[0]["event"]
    assert (event["specversion"], event["type"], event["source"]) == ("1.0", "martlet.trace.registered", node.web)
    data = event["data"]
    assert (data["id"], data["event"], data["hash"], data["size"]) == (id, "CREATE", hash, 7)
    assert requests.get(data["url"], verify=node.verify).json()["id"] == id
    assert found[0]["id"] == event["id"] and len(me.wait(everything["id"], 4)) >= 4
    # Reading takes nothing away; what was seen is acknowledged with all before it.
    assert me.waiting(made["id"], limit=1) == found[:1]
    assert me.waiting(made["id"], after=found[0]["id"]) == found[1:]
    path = f"/subscriptions/{made['id']}/deliveries/ack"
    assert me.call("POST", path, json={"id": found[0]["id"]}) == {"acknowledged": 1, "waiting": 1}
    assert me.waiting(made["id"]) == found[1:]


def test_products_are_told_in_both_forms(node, http, me):
    collection = lend_collection(node)
    made = me.subscribe("products", f"Collection/Name eq '{collection}'", events=["created", "deleted"])
    put(http, node, collection, 1)
    put(http, node, collection, 1, title="changed")
    http.delete(f"{node.web}/stac/collections/{collection}/items/scene-01")
    found = me.wait(made["id"], 2)
    assert [one["event"]["type"] for one in found] == ["martlet.product.created", "martlet.product.deleted"]
    assert subjects(found) == ["scene-01", "scene-01"]
    assert found[1]["event"]["data"]["value"]["DeletionCause"]
    # What was subscribed to here is not shown where only products are known, and the other way round it is.
    assert made["id"] not in [one["Id"] for one in http.get(f"{node.web}/odata/v1/Subscriptions/Info").json()]
    assert http.get(f"{node.web}/odata/v1/Subscriptions({made['id']})").status_code == 404
    theirs = http.post(f"{node.web}/odata/v1/Subscriptions", json={"FilterParam": "Name eq 'x'"}).json()
    me.made.append(theirs["Id"])
    assert me.show(theirs["Id"])["form"] == "odata" and "LastNotificationDate" not in theirs
    http.delete(f"{node.web}/stac/collections/{collection}")


def test_objects_are_told_by_collection_prefix_suffix_and_event(me, bucket, s3):
    some = me.subscribe("objects", f"collection={bucket}&prefix=a/&prefix=b/&suffix=.tif&event=s3:ObjectCreated:*")
    all = me.subscribe("objects", f"collection={bucket}")
    for key in ("a/1.tif", "a/2.txt", "b/3.tif", "c/4.tif"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"seven..")
    s3.delete_object(Bucket=bucket, Key="a/1.tif")
    found = me.wait(some["id"], 2)
    assert subjects(found) == [f"{bucket}/a/1.tif", f"{bucket}/b/3.tif"]
    assert found[0]["event"]["type"] == "s3:ObjectCreated:Put"
    assert found[0]["event"]["data"]["key"] == "a/1.tif" and found[0]["event"]["data"]["size"] == 7
    types = [one["event"]["type"] for one in me.wait(all["id"], 5)]
    assert types == ["s3:ObjectCreated:Put"] * 4 + ["s3:ObjectRemoved:Delete"]


def test_rules_are_told_when_they_change(node, http, me, bucket, s3):
    name = "rules-" + secrets.token_hex(4)
    policies = me.subscribe("rules", f"kind=policy.*&subject={name}")
    buckets = me.subscribe("rules", f"kind=collection.configured&subject={bucket}")
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    address = f"{node.web}/admin/v1/policies/{name}"
    assert http.put(address, json={"Version": "2012-10-17", "Statement": [statement]}).ok
    assert http.put(f"{address}/attachments/user:admin").ok
    assert http.delete(f"{address}/attachments/user:admin").ok
    assert http.delete(address).ok
    found = me.wait(policies["id"], 4)
    kinds = [one["event"]["data"]["kind"] for one in found]
    assert kinds == ["policy.stored", "policy.attached", "policy.detached", "policy.deleted"]
    assert found[0]["event"]["data"]["actor"] == "admin" and found[1]["event"]["data"]["detail"]["to"] == "user:admin"
    # Where somebody was when they did it is not told.
    assert "client" not in found[0]["event"]["data"]["detail"]
    policy = {"Version": "2012-10-17", "Statement": [{**statement, "Principal": "*"}]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]})
    assert [one["event"]["data"]["detail"]["setting"] for one in me.wait(buckets["id"], 1)] == ["policy"]


# Who may hear of what


def test_a_subscriber_hears_only_of_what_they_may_read(node, me, ada, bucket, s3):
    objects = ada.subscribe("objects", f"collection={bucket}")
    rules = ada.subscribe("rules")
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    me_too = me.subscribe("objects", f"collection={bucket}")
    s3.put_object(Bucket=bucket, Key="b", Body=b"b")
    me.wait(me_too["id"], 1)
    assert ada.waiting(objects["id"]) == [] and ada.show(objects["id"])["waiting"] == 0
    read = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/open/*"}
    put_policy(node, ada.name, read)
    for key in ("open/1", "closed/2", "open/3"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    assert subjects(ada.wait(objects["id"], 2)) == [f"{bucket}/open/1", f"{bucket}/open/3"]
    # What waited is not told any more when the permission is lost, nor is what comes.
    put_policy(node, ada.name, {**read, "Resource": f"arn:aws:s3:::{bucket}/open/3"})
    s3.put_object(Bucket=bucket, Key="open/1", Body=b"y")
    s3.put_object(Bucket=bucket, Key="open/3", Body=b"y")
    assert subjects(ada.wait(objects["id"], 2)) == [f"{bucket}/open/3"] * 2
    # Rules belong to those who may read them.
    assert ada.waiting(rules["id"]) == []
    # Somebody else's subscription is not there.
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/deliveries"), ("GET", "/dead-letters"),
                         ("POST", "/dead-letters/retry"), ("DELETE", "/dead-letters"), ("GET", "/events"),
                         ("POST", "/deliveries/ack")):
        answer = ada.http.request(method, ada.url(f"/subscriptions/{me_too['id']}{path}"), json={})
        assert answer.status_code == 404, (method, path)


def test_a_disabled_account_hears_nothing_meanwhile_and_a_removed_one_never(node, http, me, ada):
    mark = secrets.token_hex(5)
    made = ada.subscribe("traces", f"startswith(Name,'{mark}')")
    mine = me.subscribe("traces", f"startswith(Name,'{mark}')")
    node.cli_json("account", "disable", ada.name, "--json")
    time.sleep(1.2)
    trace(node, mark + "-1")
    me.wait(mine["id"], 1)
    assert ada.http.get(ada.url("/subscriptions")).status_code in (401, 403)
    node.cli_json("account", "enable", ada.name, "--json")
    time.sleep(1.2)
    trace(node, mark + "-2")
    assert subjects(ada.wait(made["id"], 1)) == [mark + "-2"]


def test_nobody_in_particular_and_tokens_with_less_manage_nothing(node, me, ada):
    assert requests.get(me.url("/subscriptions"), verify=node.verify).status_code == 401
    narrow = requests.post(
        f"{node.web}/oidc/token", verify=node.verify,
        data={"grant_type": "password", "username": ada.name, "password": ada.password, "scope": "storage.read:/x"})
    headers = {"Authorization": "Bearer " + narrow.json()["access_token"]}
    answer = requests.get(me.url("/subscriptions"), headers=headers, verify=node.verify)
    assert answer.status_code == 403 and answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "terms",
    [
        {}, {"topic": "weather"}, {"topic": "traces", "filter": "Name eq"}, {"topic": "traces", "filter": "Colour eq 'red'"},
        {"topic": "products", "filter": "Name is 'x'"}, {"topic": "objects", "filter": "bucket=eo"},
        {"topic": "objects", "filter": "prefix"}, {"topic": "rules", "filter": "kind=%zz"}, {"topic": "rules", "filter": 7},
        {"topic": "traces", "delivery": {"type": "pigeon"}}, {"topic": "traces", "delivery": {"type": "webhook"}},
        {"topic": "traces", "delivery": {"type": "webhook", "url": "ftp://a.example/"}},
        {"topic": "traces", "delivery": {"type": "webhook", "url": "arn:martlet:webhook:::x"}},
        {"topic": "traces", "delivery": {"type": "mail"}}, {"topic": "traces", "status": "cancelled"},
        {"topic": "products", "events": []}, {"topic": "products", "events": ["born"]},
        {"topic": "traces", "filter": "Name eq '" + "a" * 20000 + "'"},
    ],
)
def test_what_cannot_be_subscribed_is_told(me, terms):
    terms = {"delivery": {"type": "pull"}, **terms}
    answer = me.http.post(me.url("/subscriptions"), json=terms)
    assert answer.status_code == 400 and answer.json()["detail"], answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_subscriptions_are_changed_paused_and_ended(node, me):
    mark = secrets.token_hex(5)
    made = me.subscribe("traces", f"startswith(Name,'{mark}')")
    path = f"/subscriptions/{made['id']}"
    assert me.call("PATCH", path, json={"status": "paused"})["status"] == "paused"
    trace(node, mark + "-1")
    changed = me.call("PATCH", path, json={"status": "running", "filter": f"Name eq '{mark}-2'"})
    assert changed["status"] == "running" and changed["filter"] == f"Name eq '{mark}-2'"
    trace(node, mark + "-2")
    trace(node, mark + "-3")
    assert subjects(me.wait(made["id"], 1)) == [mark + "-2"]
    for wrong in ({"filter": "Name"}, {"topic": "objects"}, {"delivery": {"type": "webhook", "url": "https://a.example/"}}):
        assert me.http.patch(me.url(path), json=wrong).status_code == 400, wrong
    assert made["id"] in [one["id"] for one in me.call("GET", "/subscriptions")["subscriptions"]]
    me.call("DELETE", path, 204)
    me.call("GET", path, 404)


# Webhooks


def verified(posts, key, type="application/cloudevents+json"):
    """The messages, each with a signature that counts for another's library."""
    for _, headers, message in posts:
        assert headers["Content-Type"] == type
        given = {name.lower(): value for name, value in headers.items()}
        # As the node writes it: the signature is over the bytes.
        body = json.dumps(message, separators=(",", ":"), ensure_ascii=False)
        Webhook(key).verify(body, given)
        with pytest.raises(WebhookVerificationError):
            Webhook(key).verify(body + " ", given)
    return [message for _, _, message in posts]


def test_a_webhook_is_posted_signed_again_until_it_takes_it(node, me, hook, receiver):
    mark = secrets.token_hex(5)
    made = me.subscribe("traces", f"startswith(Name,'{mark}')", delivery={"type": "webhook", "webhook": hook})
    assert made["delivery"] == {"type": "webhook", "webhook": hook} and made["signingKey"].startswith("whsec_")
    receiver.status = 503
    trace(node, mark + "-1")
    trace(node, mark + "-2")
    receiver.wait(lambda: len(receiver.posts) >= 2)
    shown = me.show(made["id"])
    assert shown["waiting"] == 2 and "signingKey" not in shown
    assert wait_for("the error", lambda: me.show(made["id"]).get("error")) == "it answered with status 503"
    receiver.status = 200
    receiver.wait(lambda: subjects(m for _, _, m in receiver.posts)[-1] == mark + "-2", 60)
    told = verified(receiver.posts, made["signingKey"])
    # The first again and again under the same name, and only then what followed.
    assert set(subjects(told)[:-1]) == {mark + "-1"}
    assert len({headers["webhook-id"] for _, headers, _ in receiver.posts[:-1]}) == 1
    assert receiver.posts[0][1]["Authorization"] == "Bearer token7"
    wait_for("that nothing waits", lambda: me.show(made["id"])["waiting"] == 0)
    event = from_http_event(HTTPMessage({"content-type": "application/cloudevents+json"}, json.dumps(told[0]).encode()))
    assert event.get_type() == "martlet.trace.registered" and event.get_subject() == mark + "-1"


def test_what_is_given_up_is_a_dead_letter_to_be_retried_or_discarded(node, me, hook, receiver):
    mark = secrets.token_hex(5)
    delivery = {"type": "webhook", "webhook": hook}
    id = me.subscribe("traces", f"startswith(Name,'{mark}')", delivery=delivery)["id"]
    # Gone for good: no use in trying again.
    receiver.status = 410
    for number in range(3):
        trace(node, f"{mark}-{number}")
    letters = wait_for("dead letters", lambda: me.dead(id) if len(me.dead(id)) == 3 else None, seconds=60)
    assert [letter["event"]["subject"] for letter in letters] == [f"{mark}-{number}" for number in range(3)]
    assert letters[0]["reason"] == "it answered with status 410" and me.show(id)["deadLetters"] == 3
    page = me.call("GET", f"/subscriptions/{id}/dead-letters", params={"limit": 2})
    rest = me.call("GET", f"/subscriptions/{id}/dead-letters", params={"after": page["next"]})
    assert page["deadLetters"] + rest["deadLetters"] == letters
    receiver.status = 200
    seen = len(receiver.posts)
    path = f"/subscriptions/{id}/dead-letters"
    assert me.call("POST", path + "/retry", json={"ids": [letters[1]["id"]]}) == {"retried": 1}
    receiver.wait(lambda: len(receiver.posts) == seen + 1)
    assert subjects(m for _, _, m in receiver.posts)[-1] == f"{mark}-1"
    assert me.call("DELETE", path, params={"id": letters[0]["id"]}) == {"discarded": 1}
    # The command line does the same.
    listed = lines(node, "notify", "dead-letters", id)
    assert [letter["id"] for letter in listed] == [letters[2]["id"]]
    assert node.cli("notify", "retry", id).stdout == "1 are tried again\n"
    receiver.wait(lambda: subjects(m for _, _, m in receiver.posts)[-1] == f"{mark}-2")
    wait_for("that nothing is left", lambda: me.show(id)["deadLetters"] == 0 and me.show(id)["waiting"] == 0)
    me.call("POST", path + "/retry", 400, json={"ids": ["x"]})
    assert me.call("POST", path + "/retry") == {"retried": 0}


def test_the_operator_sees_dead_letters_of_buckets_events(node, http, me, ada, hook, receiver, bucket, s3):
    receiver.status = 410
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [
            {"Id": "n-e-w", "QueueArn": f"arn:martlet:webhook:::{hook}", "Events": ["s3:ObjectCreated:*"]}]})
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    path = f"/destinations/{hook}/dead-letters"

    def find():
        found = me.call("GET", path)["deadLetters"]
        return found if len(found) == 2 else None

    letters = wait_for("dead letters", find, seconds=30)
    assert letters[1]["id"].endswith("-n-e-w") and letters[1]["event"]["Records"][0]["s3"]["object"]["key"] == "a"
    ada.call("GET", path, 403)
    ada.call("POST", path + "/retry", 403)
    receiver.status = 200
    assert me.call("POST", path + "/retry", json={"ids": [letters[1]["id"]]}) == {"retried": 1}
    receiver.wait(lambda: len(receiver.posts) >= 3 and receiver.records())
    assert node.cli("notify", "discard", "--destination", hook, "--all").stdout == "1 are discarded\n"
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})


def test_a_webhook_of_the_operator_needs_a_permission_and_an_address_is_public(node, ada, hook):
    terms = {"topic": "traces", "delivery": {"type": "webhook", "webhook": hook}}
    ada.call("POST", "/subscriptions", 403, json=terms)
    put_policy(node, ada.name, {
        "Effect": "Allow", "Action": "martlet:UseWebhook", "Resource": f"arn:martlet:webhook:::{hook}"})
    assert ada.subscribe("traces", delivery=terms["delivery"])["delivery"]["webhook"] == hook
    mark = secrets.token_hex(5)
    made = ada.subscribe(
        "traces", f"Name eq '{mark}'", delivery={"type": "webhook", "url": "http://127.0.0.1:9/", "username": "a", "password": "b"})
    trace(node, mark)
    error = wait_for("the error", lambda: ada.show(made["id"]).get("error"))
    assert "no public address" in error


def test_nothing_is_lost_when_the_node_is_killed(nodes, tmp_path):
    """What was answered before a kill -9 is told after it."""
    for kind in ("sqlite-http", "postgres-http"):
        node = nodes.new(kind).start()
        try:
            with lend_receiver() as receiver:
                assert node.http().put(f"{node.web}/admin/v1/webhooks/hook", json={"url": receiver.address()}).ok
                me = Subscriber(node, node.http())
                posted = me.subscribe("traces", delivery={"type": "webhook", "webhook": "hook"})
                kept = me.subscribe("traces")
                names = []
                for round in range(3):
                    for number in range(15):
                        names.append(f"{round}-{number}")
                        trace(node, names[-1])
                    node.kill()
                    node.start()
                def told():
                    return list(dict.fromkeys(subjects(m for _, _, m in receiver.posts if not m["subject"].startswith("audit/"))))
                receiver.wait(lambda: len(told()) >= len(names), 90)
                # In order, each at least once.
                assert told() == names
                me.http = node.http()
                found = wait_for(
                    "all that waits",
                    lambda: (f := [s for s in subjects(me.waiting(kept["id"])) if not s.startswith("audit/")]) and len(f) >= 45 and f,
                    seconds=60)
                assert found == names and posted["id"] != kept["id"]
        finally:
            node.remove()


# The command line


def test_the_command_line_subscribes_and_lists(node, me):
    mark = secrets.token_hex(5)
    made = node.cli_json("notify", "subscribe", "traces", "--filter", f"Name eq '{mark}'", "--json")
    me.made.append(made["id"])
    listed = {one["id"]: one for one in lines(node, "notify", "list")}
    assert listed[made["id"]]["filter"] == f"Name eq '{mark}'"
    assert made["id"] in node.cli("notify", "list").stdout
    refused = node.cli("notify", "subscribe", "traces", "--filter", "Name")
    assert refused.returncode == 1 and "filter" in refused.stderr
    assert node.cli("notify", "delete", made["id"]).returncode == 0
    assert node.cli("notify", "delete", made["id"]).returncode == 4


def test_base64_of_the_key_is_a_standard_webhooks_secret(me, hook):
    key = me.subscribe("traces", delivery={"type": "webhook", "webhook": hook})["signingKey"]
    assert len(base64.b64decode(key.removeprefix("whsec_"))) == 32
