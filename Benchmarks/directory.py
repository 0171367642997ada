"""The rows of the directory: LDAP searches over 10,000 people, against OpenLDAP's slapd."""

import json
import os
import shutil
import socket
import subprocess
import time

import load
from report import Claim
from runs import say
from servers import Martlet, Server, free_port

PEOPLE = 10_000
BASE = "dc=martlet"
ATTRIBUTES = 11
LOOKUPS_IN_FLIGHT = 8
CHUNK_BYTES = 1 << 18


class Slapd(Server):
    """slapd on its own engine (MDB), indexed by what is looked for; the root account searches, which no rule holds up."""

    name = "slapd"
    dn, password = f"cn=admin,{BASE}", "secret"

    def __init__(self, home, entries):
        super().__init__(home)
        path = os.environ.get("PATH", "") + ":/usr/sbin"
        program = shutil.which("slapd", path=path)
        if program is None:
            raise RuntimeError("OpenLDAP is not installed (Debian's slapd)")
        schemas = "\n".join(
            f"include /etc/ldap/schema/{name}.schema" for name in ("core", "cosine", "nis", "inetorgperson"))
        configuration = self.home / "slapd.conf"
        configuration.write_text(f"""{schemas}
pidfile {self.home}/pid
modulepath /usr/lib/ldap
moduleload back_mdb
sizelimit unlimited
database mdb
maxsize 1073741824
suffix {BASE}
rootdn {self.dn}
rootpw {self.password}
directory {self.data}
index objectClass,uid,mail,uidNumber eq
""")
        ldif = self.home / "people.ldif"
        ldif.write_text(
            f"dn: {BASE}\nobjectClass: organization\nobjectClass: dcObject\ndc: martlet\no: Martlet\n\n"
            f"dn: ou=people,{BASE}\nobjectClass: organizationalUnit\nou: people\n\n" + "\n".join(entries))
        subprocess.run(
            [shutil.which("slapadd", path=path), "-q", "-f", str(configuration), "-l", str(ldif)], check=True,
            capture_output=True)
        self._start([program, "-f", str(configuration), "-h", f"ldap://127.0.0.1:{self.port}/", "-d", "0"])


def person(number):
    return {
        "uid": f"person-{number:05}", "displayName": f"Given{number % 97} Family{number}",
        "email": f"person-{number:05}@example.org"}


def ldif(number):
    known = person(number)
    given, family = known["displayName"].split()
    lines = [f"dn: uid={known['uid']},ou=people,{BASE}"]
    lines += [f"objectClass: {name}" for name in (
        "top", "person", "organizationalPerson", "inetOrgPerson", "posixAccount")]
    lines += [
        f"uid: {known['uid']}", f"cn: {known['displayName']}", f"sn: {family}", f"givenName: {given}",
        f"displayName: {known['displayName']}", f"mail: {known['email']}", f"uidNumber: {200_000 + number}",
        f"gidNumber: {200_000 + number}", f"homeDirectory: /home/{known['uid']}", "loginShell: /bin/bash"]
    return "\n".join(lines) + "\n"


def ber(tag, *parts):
    content = b"".join(parts)
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    count = (size.bit_length() + 7) // 8
    return bytes([tag, 0x80 + count]) + size.to_bytes(count, "big") + content


class Connection:
    """As little of an LDAP client as it takes to count what comes: it shares the processors with the servers."""

    def __init__(self, port, dn, password):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread = bytearray()
        self.place = 0
        self.send(ber(0x60, ber(2, b"\3"), ber(4, dn.encode()), ber(0x80, password.encode())))
        self.entries_until_end(0x61)

    def send(self, *operations):
        self.socket.sendall(b"".join(
            ber(0x30, ber(2, bytes([number])), operation) for number, operation in enumerate(operations, 1)))

    def entries_until_end(self, end=0x65):
        """Reads messages up to the end of an operation, and says how many came before it."""
        count = 0
        while True:
            while (size := self._next()) is None:
                if self.place:
                    del self.unread[: self.place]
                    self.place = 0
                received = self.socket.recv(CHUNK_BYTES)
                if not received:
                    raise RuntimeError("the directory has closed the connection")
                self.unread += received
            head, length = size
            # The message's number has one byte.
            tag = self.unread[self.place + head + 3]
            if tag == end:
                body = self.unread[self.place + head : self.place + head + length]
                code = body[body.index(b"\x0a\x01") + 2]
                self.place += head + length
                if code:
                    raise RuntimeError(f"the directory answers {code}")
                return count
            self.place += head + length
            count += 1

    def _next(self):
        """The bytes of the next message's head and of what follows; None where not all of it has come."""
        have = len(self.unread) - self.place
        if have < 2:
            return None
        head, length = 2, self.unread[self.place + 1]
        if length >= 128:
            head += length - 128
            if have < head:
                return None
            length = int.from_bytes(self.unread[self.place + 2 : self.place + head], "big")
        return (head, length) if have >= head + length else None


def search(*filter_bytes):
    return ber(
        0x63, ber(4, f"ou=people,{BASE}".encode()), ber(10, b"\2"), ber(10, b"\0"), ber(2, b"\0"), ber(2, b"\0"),
        ber(1, b"\0"), *filter_bytes, ber(0x30))


EVERYBODY = search(ber(0xA3, ber(4, b"objectClass"), ber(4, b"inetOrgPerson")))


def measure(bench):
    """Fills a node of its own, measures the searches, stops the servers."""
    port = free_port()
    martlet = Martlet(bench.home / "directory", bench.binary, ["--ldap", f"127.0.0.1:{port}"])
    slapd = None
    try:
        fill(martlet)
        connected = json.loads(martlet._cli("ldap", "connect", "bench", "--json"))
        martlet.settle(60)
        slapd = Slapd(bench.home / "directory", [ldif(number) for number in range(PEOPLE)])
        logins = {
            martlet: (port, connected["bindDN"], connected["password"]), slapd: (slapd.port, slapd.dn, slapd.password)}
        all_row = bench.row(
            f"LDAP search of {PEOPLE:,}", "entries/s", "one entry", f"{ATTRIBUTES} attributes each, one client",
            claims=(Claim("rate", "slapd", at_least=0.7),))
        one_row = bench.row(
            "LDAP search by uid", "searches/s", "a search", f"one of {PEOPLE:,}, one client, {LOOKUPS_IN_FLIGHT} in flight")
        for _, server in bench.in_turns([martlet, slapd]):
            connection = Connection(*logins[server])
            everybody(bench, all_row, server, connection)
            lookups(bench, one_row, server, connection)
            connection.socket.close()
        bench.note_memory(martlet, "martlet_directory")
        say("the directory is measured")
    finally:
        for server in (martlet, slapd):
            if server is not None:
                server.stop()


def fill(martlet):
    connection = load.Connection(martlet.web)
    headers = (martlet.bearer(), "Content-Type: application/json")
    for number in range(PEOPLE):
        known = person(number)
        body = {"name": known["uid"], "displayName": known["displayName"], "email": known["email"]}
        connection.ask(load.Request("POST", "/admin/v1/accounts", headers), json.dumps(body).encode())
    connection.close()


def everybody(bench, row, server, connection):
    count, before, begin = 0, server.cpu_seconds(), time.monotonic()
    while time.monotonic() - begin < bench.plan.seconds or count == 0:
        connection.send(EVERYBODY)
        if (found := connection.entries_until_end()) < PEOPLE:
            raise RuntimeError(f"{server.name} found {found} of {PEOPLE} people")
        count += found
    seconds, used = time.monotonic() - begin, server.cpu_seconds() - before
    row.add(server.name, count / seconds, 1e6 * used / count)


def lookups(bench, row, server, connection):
    count, before, begin = 0, server.cpu_seconds(), time.monotonic()
    while time.monotonic() - begin < bench.plan.seconds:
        numbers = [(count + number) * 7919 % PEOPLE for number in range(LOOKUPS_IN_FLIGHT)]
        connection.send(*[
            search(ber(0xA3, ber(4, b"uid"), ber(4, person(number)["uid"].encode()))) for number in numbers])
        # slapd works on several at once, so that their answers are mixed.
        if (found := sum(connection.entries_until_end() for _ in numbers)) != len(numbers):
            raise RuntimeError(f"{server.name} found {found} people by {len(numbers)} names")
        count += found
    seconds, used = time.monotonic() - begin, server.cpu_seconds() - before
    row.add(server.name, count / seconds, 1e6 * used / count)
