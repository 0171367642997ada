"""The directory over LDAP: OpenLDAP's tools, python-ldap, Apache's mod_authnz_ldap, and bytes that no client sends."""

import base64
import os
import pathlib
import secrets
import shutil
import socket
import ssl
import statistics
import subprocess
import time

import ldap
import ldap.controls
import ldap.schema
import pytest
import requests
from ldap.controls import SimplePagedResultsControl
from nodes import free_port

BASE = "dc=martlet"
PASSWORD = "a long pass phrase 1"
APACHE_MODULES = pathlib.Path("/usr/lib/apache2/modules")


class Directory:
    """Accounts and groups of one node under names that no other test has, and a service that may search."""

    def __init__(self, node):
        self.node, self.mark = node, secrets.token_hex(3)
        self.ada, self.bob, self.service = f"ada-{self.mark}", f"bob-{self.mark}", f"app-{self.mark}"
        self.group, self.outer = f"science-{self.mark}", f"all-{self.mark}"
        for name, shown in [(self.ada, "Ada King Lovelace"), (self.bob, "Bob Émile")]:
            self.account(name, "--display-name", shown, "--email", f"{name}@example.org")
        for group in (self.group, self.outer):
            assert node.cli("group", "create", group).returncode == 0
        assert node.cli("group", "add", self.group, self.ada).returncode == 0
        assert node.cli("group", "add", self.outer, "--group", self.group).returncode == 0
        connected = node.cli_json("ldap", "connect", self.service, "--json")
        assert connected["base"] == BASE and list(node.ldap) == connected["urls"]
        self.bind_dn, self.bind_password = connected["bindDN"], connected["password"]

    def account(self, name, *options):
        self.node.cli_json("account", "create", name, "--password-from-stdin", "--json", *options, input=PASSWORD + "\n")

    def dn(self, name, branch="people"):
        return f"{'cn' if branch == 'groups' else 'uid'}={name},ou={branch},{BASE}"

    def connect(self, url=None, secure=False):
        connection = ldap.initialize(url or self.node.ldap[0])
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 20)
        connection.set_option(ldap.OPT_TIMEOUT, 60)
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, self.node.ldap_authority)
        connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        if secure:
            connection.start_tls_s()
        return connection

    def bound(self, name=None, password=PASSWORD, branch="people"):
        connection = self.connect()
        if name is None:
            connection.simple_bind_s(self.bind_dn, self.bind_password)
        else:
            connection.simple_bind_s(self.dn(name, branch), password)
        return connection

    def names(self, text, base=BASE, connection=None):
        """The names of the entries of this directory that a filter finds."""
        found = (connection or self.bound()).search_s(base, ldap.SCOPE_SUBTREE, text, ["1.1"])
        names = [dn.split(",")[0].split("=")[1] for dn, _ in found]
        return sorted(name for name in names if self.mark in name)

    def tool(self, *arguments, secure="", dn=None, password=None):
        program, *rest = arguments
        environment = {**os.environ, "LDAPTLS_CACERT": self.node.ldap_authority, "LDAPTLS_REQCERT": "demand"}
        url = self.node.ldap[1] if secure == "ldaps" else self.node.ldap[0]
        starts = ["-ZZ"] if secure == "starttls" else []
        who = ["-D", dn or self.bind_dn, "-w", password or self.bind_password]
        return subprocess.run(
            [program, "-x", "-H", url, *starts, *who, *rest], env=environment, capture_output=True, text=True, timeout=60
        )


@pytest.fixture(scope="module")
def directory(node):
    return Directory(node)


# What anybody sees


def test_root_and_schema_are_shown_to_anybody_and_nothing_else(directory):
    connection = directory.connect()
    ((_, root),) = connection.search_s("", ldap.SCOPE_BASE, attrlist=["*", "+"])
    assert root["namingContexts"] == [BASE.encode()] and root["supportedLDAPVersion"] == [b"3"]
    place = connection.search_subschemasubentry_s()
    schema = ldap.schema.SubSchema(connection.read_subschemasubentry_s(place))
    must, may = schema.attribute_types(["inetOrgPerson", "posixAccount"])
    names = {name for attribute in [*must.values(), *may.values()] for name in attribute.names}
    assert {"uid", "cn", "sn", "mail", "uidNumber", "gidNumber", "homeDirectory", "userid"} <= names
    assert schema.get_obj(ldap.schema.AttributeType, "mail").equality == "caseIgnoreIA5Match"
    assert not schema.get_obj(ldap.schema.ObjectClass, "groupOfNames").must == ("member",)
    for base in (BASE, f"ou=people,{BASE}", directory.dn(directory.ada), directory.dn("nobody"), "dc=elsewhere"):
        with pytest.raises(ldap.INSUFFICIENT_ACCESS):
            connection.search_s(base, ldap.SCOPE_SUBTREE)
    with pytest.raises(ldap.INSUFFICIENT_ACCESS):
        connection.compare_s(directory.dn(directory.ada), "uid", directory.ada.encode())
    assert connection.whoami_s() == ""


# Logging in


@pytest.mark.parametrize("way", ["plain", "starttls", "ldaps"])
def test_bind_and_search_as_redmine_does_it(directory, way):
    """As a service by its own password, then as the person that was found: over loopback, StartTLS and ldaps."""
    url = directory.node.ldap[1 if way == "ldaps" else 0]
    connection = directory.connect(url, secure=way == "starttls")
    connection.simple_bind_s(directory.bind_dn, directory.bind_password)
    found = connection.search_s(
        BASE, ldap.SCOPE_SUBTREE, f"(&(objectClass=*)(uid={directory.ada}))", ["dn", "givenName", "sn", "mail"]
    )
    ((dn, values),) = found
    assert dn == directory.dn(directory.ada)
    assert values == {
        "givenName": [b"Ada King"],
        "sn": [b"Lovelace"],
        "mail": [f"{directory.ada}@example.org".encode()],
    }
    person = directory.connect(url, secure=way == "starttls")
    person.simple_bind_s(dn, PASSWORD)
    assert person.whoami_s() == f"dn:{dn}"
    with pytest.raises(ldap.INVALID_CREDENTIALS):
        person.simple_bind_s(dn, PASSWORD + "!")
    # The login before is over.
    assert person.whoami_s() == ""


@pytest.mark.parametrize("secure", ["", "starttls", "ldaps"])
def test_openldaps_tools(directory, secure):
    search = directory.tool("ldapsearch", "-LLL", "-b", BASE, f"(uid={directory.ada})", "uid", "memberOf", secure=secure)
    assert search.returncode == 0, search.stderr
    assert search.stdout.split("\n")[:4] == [
        f"dn: {directory.dn(directory.ada)}",
        f"uid: {directory.ada}",
        f"memberOf: {directory.dn(directory.outer, 'groups')}",
        f"memberOf: {directory.dn(directory.group, 'groups')}",
    ]
    who = directory.tool("ldapwhoami", secure=secure)
    assert who.stdout.strip() == f"dn:{directory.bind_dn}", who.stderr
    group = directory.dn(directory.outer, "groups")
    member = directory.tool("ldapcompare", group, f"member:{directory.dn(directory.ada)}", secure=secure)
    assert member.stdout.strip() == "TRUE" and member.returncode == 6
    stranger = directory.tool("ldapcompare", group, f"member:{directory.dn(directory.bob)}", secure=secure)
    assert stranger.stdout.strip() == "FALSE" and stranger.returncode == 5


def test_wrong_unknown_suspended_and_misplaced_get_one_answer_in_one_time(directory):
    gone, guessed = f"gone-{directory.mark}", f"target-{directory.mark}"
    for name in (gone, guessed):
        directory.account(name)
    assert directory.node.cli("account", "disable", gone).returncode == 0
    tries = {
        "wrong": [directory.dn(guessed)] * 3,
        "unknown": [directory.dn(f"nobody{number}-{directory.mark}") for number in range(3)],
        "suspended": [directory.dn(gone)] * 3,
        "misplaced": [directory.dn(guessed, "services")] * 2 + [f"cn={directory.mark},{BASE}"],
    }
    times, answers = {}, set()
    for kind, names in tries.items():
        times[kind] = []
        for dn in names:
            connection, begin = directory.connect(), time.monotonic()
            with pytest.raises(ldap.INVALID_CREDENTIALS) as failure:
                # The right password of the suspended one.
                connection.simple_bind_s(dn, PASSWORD if kind == "suspended" else "wrong horse")
            times[kind].append(time.monotonic() - begin)
            answers.add((failure.value.args[0]["info"], failure.value.args[0].get("matched", "")))
    assert answers == {("the name or the password is wrong", "")}
    medians = {kind: statistics.median(values) for kind, values in times.items()}
    # A password takes its time to check; what is refused without a check would be quicker by a hundred times.
    assert max(medians.values()) < 4 * min(medians.values()), medians


def test_guessing_is_slowed_down_whatever_the_case_of_the_name(directory):
    name = f"guessed-{directory.mark}"
    directory.account(name)
    for number in range(5):
        with pytest.raises(ldap.INVALID_CREDENTIALS):
            directory.connect().simple_bind_s(directory.dn(name), f"guess {number}")
    for spelled in (name, name.upper()):
        # As what it is to a program; people are told what to do.
        with pytest.raises(ldap.INVALID_CREDENTIALS) as failure:
            directory.connect().simple_bind_s(directory.dn(spelled), PASSWORD)
        assert "try again in" in failure.value.args[0]["info"]


def test_binds_that_say_nothing_are_refused(directory):
    connection = directory.connect()
    with pytest.raises(ldap.UNWILLING_TO_PERFORM):
        connection.simple_bind_s(directory.dn(directory.ada), "")
    with pytest.raises(ldap.INVALID_DN_SYNTAX):
        connection.simple_bind_s("ada", PASSWORD)
    connection.simple_bind_s("", "")
    assert connection.whoami_s() == ""
    connection.protocol_version = 2
    with pytest.raises(ldap.PROTOCOL_ERROR):
        connection.simple_bind_s(directory.dn(directory.ada), PASSWORD)
    connection = directory.connect()
    with pytest.raises((ldap.AUTH_METHOD_NOT_SUPPORTED, ldap.AUTH_UNKNOWN)):
        connection.sasl_external_bind_s()


# Who sees what


def test_a_person_without_rights_sees_themselves(directory):
    connection = directory.bound(directory.ada)
    assert directory.names("(objectClass=*)", connection=connection) == [directory.ada]
    assert directory.names(f"(uid={directory.bob})", connection=connection) == []
    assert directory.names("(sn=Lovelace)", connection=connection) == [directory.ada]
    ((_, own),) = connection.search_s(directory.dn(directory.ada), ldap.SCOPE_BASE, attrlist=["memberOf"])
    assert own["memberOf"] == [directory.dn(name, "groups").encode() for name in (directory.outer, directory.group)]
    # What is there and what is not are the same to them.
    for dn in (directory.dn(directory.bob), directory.dn("nobody"), directory.dn(directory.group, "groups")):
        with pytest.raises(ldap.NO_SUCH_OBJECT):
            connection.search_s(dn, ldap.SCOPE_BASE)
        with pytest.raises(ldap.NO_SUCH_OBJECT):
            connection.compare_s(dn, "cn", b"x")


def test_policy_opens_single_branches(directory, tmp_path):
    name = f"groups-{directory.mark}"
    directory.account(name)
    document = tmp_path / "policy.json"
    document.write_text(
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ldap:Search", '
        '"Resource": "arn:martlet:directory:::groups"}]}'
    )
    assert directory.node.cli("policy", "put", name, document).returncode == 0
    assert directory.node.cli("policy", "attach", name, "--to", f"user:{name}").returncode == 0
    connection = directory.bound(name)
    assert directory.names("(objectClass=*)", connection=connection) == sorted(
        [directory.outer, directory.group, name]
    )
    assert directory.node.cli("policy", "delete", name).returncode == 0


def test_passwords_are_never_shown(directory):
    ((_, values),) = directory.bound("admin", directory.node.password).search_s(
        directory.dn(directory.ada), ldap.SCOPE_BASE, attrlist=["*", "+", "userPassword"]
    )
    assert not [name for name in values if "password" in name.lower()]
    assert directory.names("(userPassword=*)") == []
    with pytest.raises(ldap.NO_SUCH_ATTRIBUTE):
        directory.bound().compare_s(directory.dn(directory.ada), "userPassword", PASSWORD.encode())


def refused_within(seconds, connection, begin):
    while True:
        try:
            connection.search_s(BASE, ldap.SCOPE_BASE)
        except ldap.INSUFFICIENT_ACCESS:
            return
        assert time.monotonic() - begin < seconds, "the connection still works"
        time.sleep(0.05)


def test_whoever_is_suspended_is_refused_on_open_connections_too(directory):
    name = f"leaver-{directory.mark}"
    directory.account(name)
    connection = directory.bound(name)
    assert connection.whoami_s()
    begin = time.monotonic()
    assert directory.node.cli("account", "disable", name).returncode == 0
    refused_within(3, connection, begin)
    ((_, values),) = directory.bound().search_s(
        directory.dn(name), ldap.SCOPE_BASE, attrlist=["loginShell", "nsAccountLock", "pwdAccountLockedTime"]
    )
    assert values == {
        "loginShell": [b"/usr/sbin/nologin"],
        "nsAccountLock": [b"TRUE"],
        "pwdAccountLockedTime": [b"000001010000Z"],
    }
    assert name in directory.names("(nsAccountLock=TRUE)")


def test_an_app_password_that_is_deleted_ends_its_connections(directory):
    made = directory.node.cli_json("app-password", "create", "--account", directory.bob, "--json")
    connection = directory.bound(directory.bob, made["password"])
    assert connection.whoami_s() == f"dn:{directory.dn(directory.bob)}"
    begin = time.monotonic()
    assert directory.node.cli("app-password", "delete", made["id"]).returncode == 0
    refused_within(3, connection, begin)
    with pytest.raises(ldap.INVALID_CREDENTIALS):
        directory.bound(directory.bob, made["password"])


# Searching


def test_every_kind_of_filter(directory):
    ada, bob, service = directory.ada, directory.bob, directory.service
    mark, everyone = directory.mark, "(objectClass=inetOrgPerson)"
    number = directory.node.cli_json("account", "show", ada, "--json")["uidNumber"]
    group = directory.dn(directory.outer, "groups")
    both = sorted([ada, bob])
    for text, expected in {
        f"(uid={ada.upper()})": [ada],
        f"(userid={ada})": [ada],
        f"(0.9.2342.19200300.100.1.1={ada})": [ada],
        f"(mail={bob}@EXAMPLE.org)": [bob],
        f"(&(cn=ada  king lovelace)(uid=*{mark}))": [ada],
        f"(&(cn=BOB ÉMILE)(uid=*{mark}))": [bob],
        f"(|(uid={ada})(mail={bob}@example.org)(cn={directory.group}))": [ada, bob, directory.group],
        f"(&{everyone}(|(uid={ada})(uid={bob}))(!(sn=Lovelace)))": [bob],
        f"(&{everyone}(uid=a*{mark}))": [ada],
        f"(&(uid=*-{mark})(cn=*king*))": [ada],
        f"(uid=a*d*-*{mark[-2:]})": [ada],
        f"(&(uidNumber>={number})(uidNumber<={number}))": [ada],
        f"(uidNumber={number})": [ada],
        f"(gidNumber={number})": [ada],
        f"(&(sn~=lovelace)(uid={ada}))": [ada],
        f"(uid:caseIgnoreMatch:={ada.upper()})": [ada],
        f"(&(ou:dn:=services)(uid={service}))": [service],
        f"(memberOf={group})": [ada],
        f"(memberOf:1.2.840.113556.1.4.1941:={group})": [ada],
        f"(member={directory.dn(ada)})": sorted([directory.group, directory.outer]),
        f"(memberUid={ada})": sorted([directory.group, directory.outer]),
        f"(&(objectClass=posixGroup)(cn={directory.group}))": [directory.group],
        f"(&(objectClass=posixAccount)(uid=*{mark})(createTimestamp>=20200101000000Z)(!(ou=x)))": None,
        "(uid=nobody*)": [],
        f"(nonsense={ada})": [],
        f"(!(nonsense={ada}))": [],
        "(|)": [],
        f"(&(&)(uid={ada}))": [ada],
        f"(uid={ada}\\00)": [],
        f"(uid=\\ff{ada})": [],
        "(uidNumber=abc)": [],
    }.items():
        found = directory.names(text)
        if expected is None:
            assert set(both + [service]) <= set(found), text
        else:
            assert found == sorted(expected), text


def test_scopes_and_names(directory):
    connection, ada = directory.bound(), directory.dn(directory.ada)

    def search(base, scope):
        return [dn for dn, _ in connection.search_s(base, scope, attrlist=["1.1"])]

    assert search(BASE, ldap.SCOPE_BASE) == [BASE]
    assert search(BASE, ldap.SCOPE_ONELEVEL) == [f"ou={name},{BASE}" for name in ("people", "groups", "services")]
    people = f"ou=people,{BASE}"
    assert people not in search(people, ldap.SCOPE_ONELEVEL) and ada in search(people, ldap.SCOPE_ONELEVEL)
    assert people in search(people, ldap.SCOPE_SUBTREE)
    assert ada in search(people, ldap.SCOPE_SUBORDINATE) and people not in search(people, ldap.SCOPE_SUBORDINATE)
    for spelled in (ada, ada.upper(), ada.replace(",", " ; "), ada.replace("uid", "0.9.2342.19200300.100.1.1")):
        assert search(spelled, ldap.SCOPE_SUBTREE) == [ada]
    assert search(ada, ldap.SCOPE_ONELEVEL) == []
    with pytest.raises(ldap.NO_SUCH_OBJECT) as failure:
        search(directory.dn("nobody"), ldap.SCOPE_BASE)
    assert failure.value.args[0]["matched"] == people
    with pytest.raises(ldap.NO_SUCH_OBJECT):
        search("dc=elsewhere", ldap.SCOPE_BASE)
    with pytest.raises(ldap.INVALID_DN_SYNTAX):
        search("nonsense", ldap.SCOPE_BASE)


def test_attributes_are_those_that_were_asked_for(directory):
    connection, dn = directory.bound(), directory.dn(directory.ada)

    def read(attributes, types=0):
        ((_, values),) = connection.search_s(dn, ldap.SCOPE_BASE, attrlist=attributes, attrsonly=types)
        return values

    user = {"objectClass", "uid", "cn", "sn", "givenName", "displayName", "mail", "uidNumber", "gidNumber",
            "homeDirectory", "loginShell"}
    assert set(read(None)) == user == set(read(["*"]))
    operational = read(["+"])
    assert {"entryUUID", "entryDN", "memberOf", "createTimestamp", "modifyTimestamp", "hasSubordinates"} <= set(operational)
    assert not user & set(operational) and operational["entryDN"] == [dn.encode()]
    assert set(read(["*", "+"])) == user | set(operational)
    assert read(["1.1"]) == {}
    assert set(read(["CN", "entryuuid", "nonsense"])) == {"cn", "entryUUID"}
    assert read(["uid"], types=1) == {"uid": []}
    assert read(["displayName"])["displayName"] == [b"Ada King Lovelace"]
    uuid = operational["entryUUID"][0].decode()
    assert directory.names(f"(entryUUID={uuid.upper()})") == [directory.ada]


def test_pages_and_limits(directory):
    connection = directory.bound()
    for text in ("(objectClass=*)", "(!(sn=nobody))"):
        expected = [dn for dn, _ in connection.search_s(BASE, ldap.SCOPE_SUBTREE, text, ["1.1"])]
        found, pages, cookie = [], 0, b""
        while True:
            control = SimplePagedResultsControl(True, size=3, cookie=cookie)
            message = connection.search_ext(BASE, ldap.SCOPE_SUBTREE, text, ["1.1"], serverctrls=[control])
            _, entries, _, controls = connection.result3(message)
            assert 0 < len(entries) <= 3
            found, pages = found + [dn for dn, _ in entries], pages + 1
            cookie = next(control.cookie for control in controls if control.controlType == SimplePagedResultsControl.controlType)
            if not cookie:
                break
        assert found == expected and pages == -(-len(expected) // 3)
        with pytest.raises(ldap.SIZELIMIT_EXCEEDED):
            connection.search_ext_s(BASE, ldap.SCOPE_SUBTREE, text, ["1.1"], sizelimit=len(expected) - 1)
        assert len(connection.search_ext_s(BASE, ldap.SCOPE_SUBTREE, text, ["1.1"], sizelimit=len(expected))) == len(
            expected
        )
    with pytest.raises(ldap.UNWILLING_TO_PERFORM):
        connection.search_ext_s(
            BASE, ldap.SCOPE_SUBTREE, serverctrls=[SimplePagedResultsControl(True, size=3, cookie=b"mine")]
        )
    unknown = ldap.controls.RequestControl("1.2.3.4", True, b"x")
    with pytest.raises(ldap.UNAVAILABLE_CRITICAL_EXTENSION):
        connection.search_ext_s(BASE, ldap.SCOPE_BASE, serverctrls=[unknown])
    unknown.criticality = False
    assert connection.search_ext_s(BASE, ldap.SCOPE_BASE, serverctrls=[unknown])


def test_the_directory_is_not_changed_over_ldap(directory):
    connection, dn = directory.bound("admin", directory.node.password), directory.dn(directory.ada)
    for change in (
        lambda: connection.modify_s(dn, [(ldap.MOD_REPLACE, "mail", b"x@y")]),
        lambda: connection.add_s(directory.dn("new"), [("objectClass", b"account")]),
        lambda: connection.delete_s(dn),
        lambda: connection.rename_s(dn, "uid=other"),
    ):
        with pytest.raises(ldap.UNWILLING_TO_PERFORM) as failure:
            change()
        assert "martlet account" in failure.value.args[0]["info"]


# Passwords


def test_passwords_are_changed_by_their_owner_and_by_who_may(directory):
    name = f"changer-{directory.mark}"
    directory.account(name)
    dn, new = directory.dn(name), "another pass phrase 2"
    changed = directory.tool("ldappasswd", "-s", new, dn=dn, password=PASSWORD)
    assert changed.returncode == 0, changed.stderr
    directory.bound(name, new)
    with pytest.raises(ldap.INVALID_CREDENTIALS):
        directory.bound(name, PASSWORD)
    made = directory.tool("ldappasswd", "-a", new, dn=dn, password=new)
    assert made.returncode == 0 and "New password:" in made.stdout, made.stderr
    made = made.stdout.split(":")[1].strip()
    connection = directory.bound(name, made)
    with pytest.raises(ldap.CONSTRAINT_VIOLATION):
        connection.passwd_s(None, None, "short")
    # An app password alone is not enough to change the account's own.
    app = directory.node.cli_json("app-password", "create", "--account", name, "--json")["password"]
    with pytest.raises(ldap.INSUFFICIENT_ACCESS):
        directory.bound(name, app).passwd_s(None, None, new)
    with pytest.raises(ldap.INVALID_CREDENTIALS):
        directory.bound(name, app).passwd_s(None, "wrong horse", new)
    directory.bound(name, app).passwd_s(None, made, new)
    # Others may not, administrators may, and nobody learns who there is.
    for other in (dn, directory.dn("nobody")):
        with pytest.raises(ldap.INSUFFICIENT_ACCESS):
            directory.bound(directory.bob).passwd_s(other, None, "stolen pass phrase")
    admin = directory.bound("admin", directory.node.password)
    admin.passwd_s(dn, None, "third pass phrase 3")
    directory.bound(name, "third pass phrase 3")
    with pytest.raises(ldap.NO_SUCH_OBJECT):
        admin.passwd_s(directory.dn("nobody"), None, "third pass phrase 3")


# Apache


@pytest.mark.parametrize("way", ["plain", "starttls", "ldaps"])
def test_apache_lets_members_of_a_group_in(directory, tmp_path, way):
    program = shutil.which("apache2", path=os.environ.get("PATH", "") + ":/usr/sbin")
    assert program, "Apache is not installed (Debian's apache2-bin)"
    url = directory.node.ldap[1 if way == "ldaps" else 0]
    port, home = free_port(), tmp_path / "apache"
    home.mkdir()
    (home / "index.html").write_text("inside\n")
    (home / "types").write_text("text/html html\n")
    for folder in [home, *list(home.parents)[:4]]:
        folder.chmod(folder.stat().st_mode | 0o755)
    loads = "\n".join(
        f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so"
        for name in ("mpm_event", "authn_core", "authz_core", "authz_user", "auth_basic", "ldap", "authnz_ldap", "mime",
                     "dir")
    )
    user = "User www-data\nGroup www-data\n" if os.getuid() == 0 else ""
    (home / "authority.pem").write_text(pathlib.Path(directory.node.ldap_authority).read_text())
    (home / "apache.conf").write_text(f"""{loads}
ServerRoot {home}
ServerName localhost
{user}Listen 127.0.0.1:{port}
PidFile {home}/pid
ErrorLog {home}/log
TypesConfig {home}/types
DocumentRoot {home}
LDAPTrustedGlobalCert CA_BASE64 {home}/authority.pem
<Location />
    AuthType Basic
    AuthName Directory
    AuthBasicProvider ldap
    AuthLDAPURL "{url}/ou=people,{BASE}?uid?sub?(objectClass=inetOrgPerson)"{" STARTTLS" if way == "starttls" else ""}
    AuthLDAPBindDN "{directory.bind_dn}"
    AuthLDAPBindPassword "{directory.bind_password}"
    Require ldap-group {directory.dn(directory.outer, "groups")}
</Location>
""")
    process = subprocess.Popen([program, "-f", str(home / "apache.conf"), "-D", "FOREGROUND"])
    try:
        deadline, page = time.monotonic() + 20, f"http://127.0.0.1:{port}/index.html"
        while True:
            try:
                assert requests.get(page).status_code == 401
                break
            except requests.ConnectionError:
                assert time.monotonic() < deadline and process.poll() is None, (home / "log").read_text()
                time.sleep(0.05)
        inside = requests.get(page, auth=(directory.ada, PASSWORD))
        assert (inside.status_code, inside.text) == (200, "inside\n"), (home / "log").read_text()
        assert requests.get(page, auth=(directory.ada, "wrong horse")).status_code == 401
        assert requests.get(page, auth=(directory.bob, PASSWORD)).status_code in (401, 403)
        assert requests.get(page, auth=(f"nobody-{directory.mark}", PASSWORD)).status_code == 401
    finally:
        process.terminate()
        process.wait(20)


# What no client sends


def ber(tag, *parts):
    content = b"".join(parts)
    size = len(content)
    head = bytes([size]) if size < 128 else bytes([0x80 + (size.bit_length() + 7) // 8]) + size.to_bytes(
        (size.bit_length() + 7) // 8, "big"
    )
    return bytes([tag]) + head + content


def message(number, *parts):
    return ber(0x30, ber(2, number.to_bytes(2, "big")), *parts)


def text(value, tag=4):
    return ber(tag, value.encode())


def bind(number, dn, password):
    return message(number, ber(0x60, ber(2, b"\3"), text(dn), text(password, 0x80)))


def search(number, base, scope, filter_bytes, attributes=()):
    return message(
        number,
        ber(
            0x63, text(base), ber(10, bytes([scope])), ber(10, b"\0"), ber(2, b"\0"), ber(2, b"\0"), ber(1, b"\0"),
            filter_bytes, ber(0x30, *[text(name) for name in attributes]),
        ),
    )


WHO_AM_I = text("1.3.6.1.4.1.4203.1.11.3", 0x80)
EVERYTHING = text("objectClass", 0x87)


class Raw:
    """A connection on which anything can be said."""

    def __init__(self, directory):
        self.socket = socket.create_connection(("127.0.0.1", directory.node.ports["ldap"]), timeout=30)
        self.unread = b""

    def send(self, *messages):
        try:
            self.socket.sendall(b"".join(messages))
        except OSError:
            pass  # It was closed for what came first; the answer is still there to be read.
        return self

    def answer(self):
        """The number, the tag and the content of the next message; None where the connection ends."""
        while True:
            if len(self.unread) >= 2:
                first, head = self.unread[1], 2
                size = first
                if first >= 128:
                    head = 2 + first - 128
                    size = int.from_bytes(self.unread[2:head], "big")
                if len(self.unread) >= head + size:
                    content, self.unread = self.unread[head : head + size], self.unread[head + size :]
                    length = content[1]
                    number, rest = int.from_bytes(content[2 : 2 + length], "big"), content[2 + length :]
                    skip = 2 if rest[1] < 128 else 2 + rest[1] - 128
                    return number, rest[0], rest[skip:]
            try:
                more = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return None
            if not more:
                return None
            self.unread += more

    def code(self):
        number, tag, content = self.answer()
        return number, tag, content[2]


NOTICE = (0, 0x78, ldap.PROTOCOL_ERROR.errnum)


def test_oversized_and_broken_bytes_end_the_connection_with_a_notice(directory):
    for sent in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x30\x84\x7f\xff\xff\xff",
        b"\x30\x84\x00\x02\x00\x00" + b"x" * 200_000,
        b"\x30\x80\x02\x01\x01",
        b"\x30\x85\x00\x00\x00\x00\x01",
        b"\x30\x05\x02\x01\x01\x7f\x00",
        message(1, b"\x63\x03\x04\x05a")[:-1] + b"\xff" * 4,
    ):
        raw = Raw(directory).send(sent)
        first = raw.code()
        assert first == NOTICE or first[1:] == (0x65, ldap.PROTOCOL_ERROR.errnum), sent[:20]
        if first == NOTICE:
            assert raw.answer() is None
    # Somebody who has said nothing yet gets no room for a megabyte either.
    assert Raw(directory).send(message(1, ber(0x77, WHO_AM_I, b"x" * (1 << 20)))).code() == NOTICE


def test_filters_ten_thousand_deep_and_wide_are_refused(directory):
    deep = EVERYTHING
    for _ in range(10_000):
        deep = ber(0xA2, deep)
    wide = ber(0xA1, *[EVERYTHING] * 4000)
    raw = Raw(directory).send(bind(1, directory.bind_dn, directory.bind_password))
    assert raw.code() == (1, 0x61, 0)
    raw.send(search(2, BASE, 2, deep), search(3, BASE, 2, wide), message(4, ber(0x77, WHO_AM_I)))
    assert raw.code() == (2, 0x65, ldap.PROTOCOL_ERROR.errnum)
    assert raw.code() == (3, 0x65, ldap.ADMINLIMIT_EXCEEDED.errnum)
    assert raw.code() == (4, 0x78, 0)


def test_thousands_of_operations_in_one_go_are_answered_in_order(directory):
    count = 3000
    raw = Raw(directory).send(*[message(number, ber(0x77, WHO_AM_I)) for number in range(1, count + 1)])
    assert [raw.code() for _ in range(count)] == [(number, 0x78, 0) for number in range(1, count + 1)]
    # The same of what waits for the database, and of what is abandoned.
    raw.send(bind(1, directory.bind_dn, directory.bind_password))
    assert raw.code() == (1, 0x61, 0)
    raw.send(*[search(number, BASE, 0, EVERYTHING, ["1.1"]) for number in range(2, 300)])
    for number in range(2, 300):
        assert raw.answer()[:2] == (number, 0x64) and raw.code() == (number, 0x65, 0)
    raw.send(
        *[search(number, BASE, 2, EVERYTHING) for number in range(60)],
        *[message(70, ber(0x50, bytes([0, number]))) for number in range(5, 60)],
        message(71, ber(0x77, WHO_AM_I)),
    )
    ended = set()
    while (answer := raw.answer())[1] != 0x78:
        if answer[1] == 0x65:
            ended.add(answer[0])
    # What was done before it was abandoned may be answered; the last of sixty was not even begun.
    assert answer[0] == 71 and {0, 1, 2, 3, 4} <= ended and 59 not in ended


def test_what_comes_behind_starttls_in_the_clear_is_not_taken_for_encrypted(directory):
    start = message(1, ber(0x77, text("1.3.6.1.4.1.1466.20037", 0x80)))
    raw = Raw(directory).send(start + message(2, ber(0x77, WHO_AM_I)))
    assert raw.code() == NOTICE and raw.answer() is None
    # Alone it is answered, and then TLS begins; a second time there is nothing to begin.
    raw = Raw(directory).send(start)
    assert raw.code() == (1, 0x78, 0)
    context = ssl.create_default_context(cafile=directory.node.ldap_authority)
    raw.socket = context.wrap_socket(raw.socket, server_hostname="127.0.0.1")
    assert raw.send(start).code() == (1, 0x78, ldap.OPERATIONS_ERROR.errnum)
    assert raw.send(message(2, ber(0x77, WHO_AM_I))).code() == (2, 0x78, 0)


def test_connecting_an_application_twice_and_what_it_says(directory):
    shown = directory.node.cli("ldap", "connect", directory.service)
    assert shown.returncode == 0, shown.stderr
    assert directory.bind_dn in shown.stdout and BASE in shown.stdout
    refused = directory.node.cli("ldap", "connect", directory.ada)
    assert refused.returncode == 1 and "person" in refused.stderr
    # Both passwords open it.
    password = shown.stdout.split("Password:")[1].split()[0]
    connection = directory.connect()
    for known in (directory.bind_password, password):
        connection.simple_bind_s(directory.bind_dn, known)
    # And no secret is in the log.
    needles = [password.encode(), PASSWORD.encode(), base64.b64encode(PASSWORD.encode())]
    assert directory.node.log not in directory.node.files_with(needles)
