"""Applications that log people in, as they are: oidc-agent, Apache's mod_auth_openidc, JupyterHub."""

import os
import pathlib
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse

import jwt
import pytest
import requests
from nodes import clean_environment, free_port
from oidc import PASSWORD, Browser, lend_account, lend_registrar

APACHE_MODULES = pathlib.Path("/usr/lib/apache2/modules")


@pytest.fixture
def person(any_node):
    yield from lend_account(any_node)


@pytest.fixture
def group(any_node, person):
    name = "science-" + secrets.token_hex(3)
    any_node.cli("group", "create", name)
    any_node.cli("group", "add", name, person)
    yield name
    any_node.cli("group", "delete", name)


@pytest.fixture
def register(any_node):
    yield from lend_registrar(any_node)


def wait_for(url, process, log, **options):
    deadline = time.monotonic() + 60
    while True:
        try:
            return requests.get(url, allow_redirects=False, **options)
        except requests.ConnectionError:
            assert time.monotonic() < deadline and process.poll() is None, log.read_text()
            time.sleep(0.1)


# oidc-agent


@pytest.fixture
def agent(any_node, tmp_path):
    """A running oidc-agent with a home of its own, and a way to call its tools."""
    assert shutil.which("oidc-agent"), "oidc-agent is not installed (Debian's oidc-agent-cli)"
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        **clean_environment(),
        "HOME": str(home),
        "OIDC_CONFIG_DIR": str(home),
        "TMPDIR": str(tmp_path),
        "OIDC_ENCRYPTION_PW": "a long pass phrase",
    }
    started = subprocess.run(["oidc-agent"], env=environment, capture_output=True, text=True, timeout=30)
    told = dict(re.findall(r"(OIDC_SOCK|OIDCD_PID)=([^;]+);", started.stdout))
    environment |= told
    yield environment
    os.kill(int(told["OIDCD_PID"]), signal.SIGTERM)


def generate(any_node, agent, person, tmp_path, *options):
    """`oidc-gen` by the device flow; somebody lets it in with a browser."""
    out = tmp_path / "oidc-gen.log"
    with open(out, "wb") as log:
        process = subprocess.Popen(
            [
                "oidc-gen",
                "node",
                "--issuer",
                any_node.web,
                "--cp",
                any_node.authority,
                "--flow=device",
                "--no-url-call",
                "--pw-env=OIDC_ENCRYPTION_PW",
                "--prompt=none",
                "--confirm-default",
                *options,
            ],
            env=agent,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    deadline = time.monotonic() + 40
    while not (found := re.search(r"\b([B-Z]{4}-[B-Z]{4})\b", out.read_text(errors="replace"))):
        assert time.monotonic() < deadline and process.poll() is None, out.read_text(errors="replace")
        time.sleep(0.1)
    browser = Browser(any_node, person, PASSWORD)
    browser.login()
    page = browser.get(f"{any_node.web}/device?user_code={found.group(1)}")
    assert "Connected" in browser.agree(page).text
    assert process.wait(60) == 0, out.read_text(errors="replace")


def agent_token(agent, *options):
    done = subprocess.run(["oidc-token", *options, "node"], env=agent, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_oidc_agent_renews_and_narrows_its_token(any_node, agent, person, register, tmp_path):
    client = register(
        "--public", "--grant", "device", "--grant", "refresh_token", "--audience", "https://se.example.org"
    )
    generate(
        any_node, agent, person, tmp_path,
        "--client-id", client["client_id"], "--client-secret", "",
        "--scope", "openid profile offline_access storage.read:/",
    )  # fmt: skip
    first = jwt.decode(agent_token(agent), options={"verify_signature": False})
    assert first["preferred_username"] == person and first["iss"] == any_node.web
    narrow = agent_token(
        agent, "--force-new", "-s", "openid storage.read:/data/a", "--aud", "https://se.example.org"
    )
    claims = jwt.decode(narrow, options={"verify_signature": False})
    assert claims["scope"].split() == ["openid", "storage.read:/data/a"]
    assert claims["aud"] == "https://se.example.org" and claims["wlcg.ver"] == "1.0"
    for _ in range(3):
        agent_token(agent, "--force-new")


# Apache


def test_apache_logs_people_in_and_lets_members_of_a_group_pass(any_node, person, group, register, tmp_path):
    program = shutil.which("apache2", path=os.environ.get("PATH", "") + ":/usr/sbin")
    assert program and (APACHE_MODULES / "mod_auth_openidc.so").exists(), "libapache2-mod-auth-openidc is missing"
    port, home = free_port(), tmp_path / "apache"
    home.mkdir()
    (home / "index.html").write_text("inside\n")
    (home / "types").write_text("text/html html\n")
    (home / "authority.pem").write_text(pathlib.Path(any_node.authority).read_text())
    for folder in [home, *list(home.parents)[:4]]:
        folder.chmod(folder.stat().st_mode | 0o755)
    page = f"http://127.0.0.1:{port}/index.html"
    callback = f"http://127.0.0.1:{port}/callback"
    client = register("--redirect", callback, "--trusted")
    loads = "\n".join(
        f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so"
        for name in ("mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc", "mime", "dir")
    )
    user = "User www-data\nGroup www-data\n" if os.getuid() == 0 else ""
    (home / "apache.conf").write_text(f"""{loads}
ServerRoot {home}
ServerName 127.0.0.1
{user}Listen 127.0.0.1:{port}
PidFile {home}/pid
ErrorLog {home}/log
TypesConfig {home}/types
DocumentRoot {home}
OIDCProviderMetadataURL {any_node.web}/.well-known/openid-configuration
OIDCCABundlePath {home}/authority.pem
OIDCClientID {client["client_id"]}
OIDCClientSecret {client["client_secret"]}
OIDCRedirectURI {callback}
OIDCCryptoPassphrase {secrets.token_hex(16)}
OIDCPKCEMethod S256
OIDCScope "openid profile groups"
OIDCRemoteUserClaim preferred_username
<Location />
    AuthType openid-connect
    Require claim groups:{group}
</Location>
""")
    process = subprocess.Popen([program, "-f", str(home / "apache.conf"), "-D", "FOREGROUND"])
    try:
        first = wait_for(page, process, home / "log")
        assert first.status_code == 302 and first.headers["Location"].startswith(any_node.web)
        assert visit(any_node, page, person) == (200, "inside\n"), (home / "log").read_text()
        any_node.cli("group", "remove", group, person)
        assert visit(any_node, page, person)[0] in (401, 403)
    finally:
        process.terminate()
        process.wait(20)


def visit(node, page, person):
    """Goes to a page of an application, logs in on the way, and says what is there."""
    there = requests.Session()
    there.trust_env = False
    asked = there.get(page, allow_redirects=False)
    browser = Browser(node, person, PASSWORD)
    back = browser.authorize(asked.headers["Location"]).application
    end = there.get(back)
    return end.status_code, end.text


# JupyterHub


def test_jupyterhub_logs_people_in_by_their_groups(any_node, person, group, register, tmp_path):
    port, hub_port, api_port = free_port(), free_port(), free_port()
    base = f"http://127.0.0.1:{port}"
    client = register("--redirect", f"{base}/hub/oauth_callback", "--trusted")
    web = any_node.web
    (tmp_path / "jupyterhub_config.py").write_text(f"""
import sys
from oauthenticator.generic import GenericOAuthenticator
c = get_config()
c.JupyterHub.bind_url = "{base}"
c.JupyterHub.hub_port = {hub_port}
c.JupyterHub.db_url = "sqlite:///:memory:"
c.JupyterHub.cookie_secret_file = "{tmp_path}/cookie"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.command = ["{pathlib.Path(sys.executable).parent / "configurable-http-proxy"}"]
c.ConfigurableHTTPProxy.pid_file = "{tmp_path}/proxy.pid"
c.JupyterHub.authenticator_class = GenericOAuthenticator
a = c.GenericOAuthenticator
a.client_id, a.client_secret = {client["client_id"]!r}, {client["client_secret"]!r}
a.oauth_callback_url = "{base}/hub/oauth_callback"
a.authorize_url, a.token_url = "{web}/oidc/authorize", "{web}/oidc/token"
a.userdata_url = "{web}/oidc/userinfo"
a.scope = ["openid", "profile", "groups"]
a.username_claim = "preferred_username"
a.enable_pkce = True
a.manage_groups = True
a.auth_state_groups_key = "oauth_user.groups"
a.enable_auth_state = True
a.allowed_groups = {{"{group}"}}
a.http_request_kwargs = {{"ca_certs": "{any_node.authority}"}}
""")
    log = tmp_path / "hub.log"
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", str(tmp_path / "jupyterhub_config.py")],
            env={**clean_environment(), "JUPYTERHUB_CRYPT_KEY": secrets.token_hex(32)},
            cwd=tmp_path,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(f"http://127.0.0.1:{hub_port}/hub/api", process, log)
        wait_for(f"{base}/hub/api", process, log)
        there = requests.Session()
        there.trust_env = False
        asked = there.get(f"{base}/hub/oauth_login", allow_redirects=False)
        assert "code_challenge=" in asked.headers["Location"], asked.headers
        back = Browser(any_node, person, PASSWORD).authorize(asked.headers["Location"]).application
        assert urllib.parse.urlsplit(back).path == "/hub/oauth_callback"
        end = there.get(back, allow_redirects=False)
        assert end.status_code == 302, log.read_text()[-3000:]
        home = there.get(f"{base}/hub/home")
        assert home.ok and person in home.text, log.read_text()[-3000:]
        stranger = "bob-" + secrets.token_hex(3)
        any_node.cli_json("account", "create", stranger, "--password-from-stdin", "--json", input=PASSWORD + "\n")
        elsewhere = requests.Session()
        asked = elsewhere.get(f"{base}/hub/oauth_login", allow_redirects=False)
        back = Browser(any_node, stranger, PASSWORD).authorize(asked.headers["Location"]).application
        assert elsewhere.get(back).status_code == 403, "who is in no allowed group stays outside"
        any_node.cli("account", "delete", stranger)
    finally:
        process.terminate()
        process.wait(30)
