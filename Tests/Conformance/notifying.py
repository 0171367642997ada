"""What the suites of notifications share: subscribers, traces and objects to be told of."""

import secrets
import time

from products import wait_for
from signers import Nobody

BASE = "/notifications/v1"


class Subscriber:
    """An account that subscribes."""

    def __init__(self, node, http, name="admin", password=None):
        self.node, self.http, self.name, self.password = node, http, name, password
        self.made = []

    @classmethod
    def person(cls, node, **options):
        """Somebody with an account and no policy."""
        name = "ada-" + secrets.token_hex(4)
        password = "a long pass phrase 1"
        arguments = [part for key, value in options.items() for part in (f"--{key}", value)]
        node.cli_json("account", "create", name, *arguments, "--password-from-stdin", "--json", input=password + "\n")
        return cls(node, node.http(user=name, password=password), name, password)

    @classmethod
    def lend(cls, node):
        """The administrator, whose subscriptions end with the test."""
        subscriber = cls(node, node.http())
        yield subscriber
        subscriber.leave()

    @classmethod
    def lend_person(cls, node, **options):
        """A person who is gone after the test, with their subscriptions and the policy of their name."""
        subscriber = cls.person(node, **options)
        yield subscriber
        subscriber.leave()
        node.cli("policy", "detach", subscriber.name, "--from", f"user:{subscriber.name}")
        node.cli("policy", "delete", subscriber.name)
        node.cli("account", "delete", subscriber.name)

    def url(self, path=""):
        return self.node.web + BASE + path

    def call(self, method, path="", status=200, **options):
        answer = self.http.request(method, self.url(path), timeout=60, **options)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def subscribe(self, topic, filter="", **terms):
        terms = {"delivery": {"type": "pull"}, **terms}
        made = self.call("POST", "/subscriptions", 201, json={"topic": topic, "filter": filter, **terms})
        self.made.append(made["id"])
        return made

    def show(self, id):
        return self.call("GET", f"/subscriptions/{id}")

    def waiting(self, id, **query):
        return self.call("GET", f"/subscriptions/{id}/deliveries", params={"limit": 100, **query})["deliveries"]

    def wait(self, id, count):
        """What waits, as soon as it is so much."""

        def find():
            found = self.waiting(id)
            return found if len(found) >= count else None

        return wait_for(f"{count} deliveries", find, seconds=30)

    def dead(self, id):
        return self.call("GET", f"/subscriptions/{id}/dead-letters")["deadLetters"]

    def leave(self):
        for id in self.made:
            self.http.delete(self.url(f"/subscriptions/{id}"))
        self.made.clear()


def put_policy(node, name, *statements):
    """Gives an account what the statements say; more than one can be given at a time, each in a policy of its own."""
    policy = {"Version": "2012-10-17", "Statement": list(statements)}
    assert node.http().put(f"{node.web}/admin/v1/policies/{name}", json=policy).ok
    assert node.http().put(f"{node.web}/admin/v1/policies/{name}/attachments/user:{name}").ok
    # What was read of policies counts for a second.
    time.sleep(1.2)


def trace(node, name, event="CREATE", hash=None):
    """Registers an unsigned trace; returns its id."""
    one = Nobody().trace({"name": name, "size": 7, "hash": hash or secrets.token_hex(32)}, event)
    answer = node.http().put(f"{node.web}/traces/api/v1/traces", json=[one])
    assert answer.status_code == 201, answer.text
    return answer.json()["traces"][0]["id"]


def subjects(found):
    """Whom events are about, whichever way they were told."""
    return [(one.get("event") or one)["subject"] for one in found]
