"""Martlet nodes and PostgreSQL servers for the suites: real processes on loopback, each in a folder of its own."""

import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import boto3
import botocore.config
import requests

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
BINARY = os.environ.get("MARTLET_BIN") or str(REPOSITORY / ".build" / "debug" / "martlet")
POSTGRES_BIN = pathlib.Path(os.environ.get("POSTGRES_BIN", "/usr/lib/postgresql/15/bin"))
READY_SECONDS = 60
STOP_SECONDS = 30
# Buckets have host names below it. No resolver knows it: see test_s3_virtual_hosts.py.
S3_DOMAIN = "s3.localhost"


def clean_environment():
    """The tester's environment without what would lead nodes and clients elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MARTLET_", "RCLONE_"))}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


# Domains whose addresses the SDKs of STAC catalogues sign; they sign no others.
S3_ALIASES = ("https://s3-data.meso.umontpellier.fr", "https://martlet.blob.core.windows.net")


class Node:
    """One node: `martlet serve` on a data folder that outlives the process, so that it can be killed and go on."""

    def __init__(self, name, metadata="sqlite", tls=False, data=None, options=(), environment=None):
        self.name = name
        self.metadata = metadata
        self.tls = tls
        self.home = pathlib.Path(tempfile.mkdtemp(prefix=f"martlet-{name}-"))
        self.data = pathlib.Path(data) if data else self.home / "data"
        self.options = list(options)
        self.environment = environment or {}
        self.password = "conformance " + secrets.token_hex(8)
        # Chosen once: a node that starts again must be found where it was.
        self.ports = {face: free_port() for face in ("web", "s3", "ldap", "ldaps")}
        self.process = None
        self.ready = None
        self.key = None
        self._tokens = {}

    @property
    def log(self):
        return self.home / "stderr.log"

    def start(self):
        command = [
            BINARY,
            "serve",
            "--data",
            str(self.data),
            "--metadata",
            self.metadata,
            "--settle-seconds",
            "1",
            # So that no test waits for minutes until what it deleted is gone.
            "--history-seconds",
            "5",
            "--s3-domain",
            S3_DOMAIN,
            "--access-log-seconds",
            "1",
            "--storage-classes",
            f"STANDARD_IA={self.home}/standard_ia GLACIER={self.home}/glacier",
            *(f"--s3-alias={alias}" for alias in S3_ALIASES),
            "--json",
        ]
        for face, port in self.ports.items():
            command += [f"--{face}", f"127.0.0.1:{port}"]
        if self.tls:
            command.append("--tls")
        environment = {**clean_environment(), "HOME": str(self.home), **self.environment}
        if self.password is not None:
            environment["MARTLET_ADMIN_PASSWORD"] = self.password
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command + self.options, stdout=subprocess.PIPE, stderr=log, cwd=self.home, env=environment
            )
        self.ready = self._read_ready()
        return self

    def _read_ready(self):
        """Reads standard output up to the line that says ready; what may follow is too little to fill the pipe."""
        deadline = time.monotonic() + READY_SECONDS
        os.set_blocking(self.process.stdout.fileno(), False)
        text = b""
        while time.monotonic() < deadline:
            text += self.process.stdout.read() or b""
            for line in text.splitlines():
                event = json.loads(line)
                if event.get("event") == "ready":
                    return event
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode} at start:\n{self.tail()}")
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"{self.name} was not ready after {READY_SECONDS} s:\n{self.tail()}")

    def stop(self):
        """SIGTERM; a node that does not end by itself with status 0 is a failure."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.terminate()
        try:
            status = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{self.name} had not ended {STOP_SECONDS} s after SIGTERM:\n{self.tail()}") from None
        finally:
            process.stdout.close()
        assert status == 0, f"{self.name} ended with {status} on SIGTERM:\n{self.tail()}"

    def kill(self):
        """SIGKILL, as a power cut would end the process."""
        process, self.process = self.process, None
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()

    def verify_offline(self):
        """`martlet verify` on the stopped node: its exit code, its findings, and its last line, the summary."""
        command = [BINARY, "verify", "--data", str(self.data), "--metadata", self.metadata, "--json"]
        done = subprocess.run(
            command + self.options,
            env={**clean_environment(), "HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=600,
            cwd=self.home,
        )
        assert done.returncode in (0, 2), done.stderr
        *findings, summary = [json.loads(line) for line in done.stdout.splitlines()]
        assert summary["findings"] == len(findings)
        assert (done.returncode == 2) == bool(findings)
        return findings, summary

    def restart(self):
        self.stop()
        return self.start()

    def remove(self):
        if self.process is not None:
            self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def tail(self, lines=60):
        """The end of the log; of a crash, its beginning, because what follows are the threads that did nothing."""
        if not self.log.exists():
            return ""
        log = self.log.read_text(errors="replace").splitlines()
        crashes = [number for number, line in enumerate(log) if "Fatal error" in line or "Program crashed" in line]
        begin = crashes[-1] - 5 if crashes else len(log) - lines
        return "\n".join(log[max(0, begin) :][:lines])

    # Addresses and credentials

    @property
    def web(self):
        return self.ready["web"].rstrip("/")

    @property
    def s3_url(self):
        return self.ready["s3"].rstrip("/")

    @property
    def authority(self):
        """The file that clients check the node's certificate with; None without TLS."""
        return self.ready["authority"] if self.tls else None

    @property
    def ldap(self):
        """The directory's addresses: without TLS, which a client may ask for, and with it."""
        return f"ldap://127.0.0.1:{self.ports['ldap']}", f"ldaps://127.0.0.1:{self.ports['ldaps']}"

    @property
    def ldap_authority(self):
        """The file that clients check the directory's certificate with; it always has one."""
        return self.ready["authority"]

    @property
    def verify(self):
        """What `requests` and botocore take for `verify`."""
        return self.authority or True

    def access_key(self):
        """An S3 access key of the administrator, made once."""
        if self.key is None:
            self.key = self.create_key("admin")
        return self.key

    def create_key(self, account):
        made = self.cli_json("key", "create", "--account", account, "--json")
        return made["accessKeyId"], made["secretAccessKey"]

    def token(self, user="admin", password=None):
        token, made = self._tokens.get(user, (None, 0.0))
        # It is good for an hour; long runs take longer.
        if token is None or time.monotonic() - made > 1800:
            login = self.cli("login", "--token", user=user, password=password)
            assert login.returncode == 0, login.stderr
            token = login.stdout.strip()
            self._tokens[user] = token, time.monotonic()
        return token

    # Clients

    def client_environment(self, user="admin", password=None):
        """What the command line finds the node by. HOME is the node's own, so that nothing is left in the tester's."""
        environment = {
            **clean_environment(),
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "MARTLET_URL": self.web,
            "MARTLET_USER": user,
            "MARTLET_PASSWORD": password or self.password,
        }
        if self.tls:
            environment["MARTLET_CA"] = self.authority
        return environment

    def cli(self, *arguments, user="admin", password=None, timeout=120, environment=None, **options):
        return subprocess.run(
            [BINARY, *map(str, arguments)],
            env={**self.client_environment(user, password), **(environment or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=self.home,
            **options,
        )

    def cli_json(self, *arguments, **options):
        done = self.cli(*arguments, **options)
        assert done.returncode == 0, f"{arguments} ended with {done.returncode}: {done.stderr}"
        return json.loads(done.stdout)

    def s3(self, key=None, retries=0, **config):
        """A boto3 client, which does not retry unless told to: a retry would hide a wrong answer."""
        access, secret = key or self.access_key()
        config = {"s3": {"addressing_style": "path"}, "retries": {"total_max_attempts": retries + 1}, **config}
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.s3_url,
            region_name="us-east-1",
            aws_access_key_id=access,
            aws_secret_access_key=secret,
            verify=self.verify,
            config=botocore.config.Config(**config),
        )

    def files_with(self, needles):
        """The log and the stored files that hold one of these byte strings."""
        found = []
        for path in [self.log, *(path for path in self.data.rglob("*") if path.is_file())]:
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                continue  # The Janitor was quicker.
            if any(needle in data for needle in needles):
                found.append(path)
        return found

    def http(self, token=True, user="admin", password=None):
        """A `requests` session on the node's certificate, with a bearer token unless told otherwise."""
        session = requests.Session()
        session.trust_env = False
        session.verify = self.verify
        if token:
            session.headers["Authorization"] = "Bearer " + self.token(user, password)
        return session


class Postgres:
    """A PostgreSQL server on a Unix socket, with one database for each node."""

    def __init__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="martlet-postgres-"))
        shutil.chown(self.home, "postgres", "postgres")
        self.count = 0
        self.process = None

    def _as_postgres(self, *command):
        # PostgreSQL refuses to run as root.
        prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        return [*prefix, *map(str, command)]

    def start(self):
        data = self.home / "data"
        subprocess.run(
            self._as_postgres(
                POSTGRES_BIN / "initdb",
                "-D",
                data,
                "-U",
                "postgres",
                "-A",
                "trust",
                "--no-sync",
                "-E",
                "UTF8",
                "--locale",
                "C.UTF-8",
            ),
            check=True,
            capture_output=True,
            cwd=self.home,
        )
        with open(self.home / "postgres.log", "wb") as log:
            # The server itself is never killed here, so it need not wait for the disk; what is tested is the node.
            self.process = subprocess.Popen(
                self._as_postgres(
                    POSTGRES_BIN / "postgres",
                    "-D",
                    data,
                    "-k",
                    self.home,
                    "-c",
                    "listen_addresses=",
                    "-c",
                    "fsync=off",
                    "-c",
                    "max_connections=300",
                ),
                stdout=log,
                stderr=log,
                cwd=self.home,
            )
        deadline = time.monotonic() + READY_SECONDS
        while self._run("SELECT 1", check=False).returncode != 0:
            assert time.monotonic() < deadline, (self.home / "postgres.log").read_text()
            time.sleep(0.1)
        return self

    def _run(self, statement, check=True):
        return subprocess.run(
            [POSTGRES_BIN / "psql", "-h", self.home, "-U", "postgres", "-d", "postgres", "-c", statement],
            check=check,
            capture_output=True,
        )

    def database(self):
        """Makes an empty database and returns its URL."""
        self.count += 1
        name = f"martlet{self.count}"
        self._run(f"CREATE DATABASE {name}")
        return f"postgres:///{name}?host={self.home}&user=postgres"

    def stop(self):
        # Not a signal to the process that was started: that is `runuser`, which does not pass it on.
        subprocess.run(
            self._as_postgres(POSTGRES_BIN / "pg_ctl", "-D", self.home / "data", "-m", "immediate", "-w", "stop"),
            check=True,
            capture_output=True,
            cwd=self.home,
        )
        self.process.wait(STOP_SECONDS)
        shutil.rmtree(self.home, ignore_errors=True)


def told_within(node, text, *options, seconds=10):
    """Waits until a search of the audit trail tells something: accesses are written once a second."""
    deadline = time.monotonic() + seconds
    while text not in (told := node.cli("audit", *options, "--json").stdout):
        assert time.monotonic() < deadline, told
        time.sleep(0.2)


class Nodes:
    """The nodes of a session, each started when it is first asked for."""

    def __init__(self):
        self._postgres = None
        self._shared = {}

    def metadata(self, engine):
        if engine == "sqlite":
            return "sqlite"
        if self._postgres is None:
            self._postgres = Postgres().start()
        return self._postgres.database()

    def new(self, kind, **options):
        """A node of its own for a test that kills or fills it; the test removes it. `kind` is like `sqlite-https`."""
        engine, scheme = kind.split("-")
        return Node(kind, metadata=self.metadata(engine), tls=scheme == "https", **options)

    def shared(self, kind):
        if kind not in self._shared:
            node = self.new(kind)
            try:
                self._shared[kind] = node.start()
            except RuntimeError as failure:
                # Every test that needs it says why; none waits for it again.
                self._shared[kind] = failure
                node.remove()
        if isinstance(self._shared[kind], RuntimeError):
            raise self._shared[kind]
        return self._shared[kind]

    def revive(self):
        """Starts shared nodes again that have ended, and returns what each of them said at its end."""
        said = []
        for node in self._shared.values():
            if isinstance(node, Node) and node.process is not None and not node.is_alive():
                said.append(f"{node.name} ended with {node.process.returncode}:\n{node.tail()}")
                node.process.stdout.close()
                node.start()
        return said

    def close(self):
        failures = []
        for node in self._shared.values():
            if isinstance(node, RuntimeError):
                continue
            try:
                node.stop()
            except AssertionError as failure:
                failures.append(str(failure))
            node.remove()
        if self._postgres is not None:
            self._postgres.stop()
        assert not failures, "\n".join(failures)
