"""A mail server of a test, and the letters that came."""

import email
import email.policy
import re

from aiosmtpd.controller import Controller
from nodes import free_port
from products import wait_for


class Sink:
    """A mail server that keeps what it is given."""

    def __init__(self):
        self.letters = []
        self.refusing = False
        self.controller = Controller(self, hostname="127.0.0.1", port=free_port())

    @classmethod
    def lend(cls):
        sink = cls()
        sink.controller.start()
        yield sink
        sink.controller.stop()

    def lend_node(self, nodes, variant):
        """A node that sends its letters here, and lets people register."""
        node = nodes.new(variant)
        node.options += ["--web-url", f"http://localhost:{node.ports['web']}", "--registration", "approval"]
        node.options += ["--smtp", f"smtp://127.0.0.1:{self.controller.port}", "--mail-from", "node@example.org"]
        node.start()
        yield node
        node.stop()
        node.remove()

    async def handle_DATA(self, server, session, envelope):
        if self.refusing:
            return "451 not now"
        self.letters.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 taken"

    def to(self, address, subject=""):
        """The newest letter to an address, once it has come."""

        def find():
            found = [one for one in self.letters if address in one["To"] and subject in one["Subject"]]
            return found[-1] if found else None

        return wait_for(f"a letter to {address}", find, seconds=30)


def link(letter):
    return re.search(r"^http\S+$", letter.get_content(), re.M)[0]
