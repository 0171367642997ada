"""Martlet and its peers as processes on loopback, each in a folder of its own on the same disk."""

import json
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import sys
import time

import procfs
from load import Connection, Request, Signer

READY_SECONDS = 60
BUCKET = "bench"
# What rclone takes as keys: an id of 20 characters, a secret of 40.
KEY_ID, SECRET = secrets.token_hex(10).upper(), secrets.token_hex(20)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A process that answers on a port. `request` is how it is asked for a key; an empty one is the bucket's."""

    name = ""
    process = None

    def __init__(self, home):
        self.home = home / self.name
        self.data = self.home / "data"
        self.data.mkdir(parents=True)
        self.port = free_port()

    def _spawn(self, command, environment=None):
        with open(self.home / "log", "ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.home,
                env={**clean_environment(), "HOME": str(self.home), **(environment or {})})

    def _start(self, command, environment=None):
        self.process = self._spawn(command, environment)
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not answer:\n{self.log_tail()}")

    def log_tail(self):
        return (self.home / "log").read_text(errors="replace")[-1000:]

    def request(self, method, key, query=()):
        return Request(method, f"/{BUCKET}/{key}")

    def cpu_seconds(self):
        return procfs.cpu_seconds(self.process.pid)

    def peak_rss_mib(self):
        return procfs.peak_rss_mib(self.process.pid)

    def settle(self, seconds_max=20):
        """Waits until the server does next to nothing, so that its late work disturbs nobody's run."""
        deadline = time.monotonic() + seconds_max
        while time.monotonic() < deadline:
            before = self.cpu_seconds()
            time.sleep(0.3)
            if self.cpu_seconds() - before <= 0.02:
                return

    def stop(self):
        if self.process is not None:
            end(self.process)
        self.process = None


class S3Server(Server):
    """One that checks the signature of each request."""

    sign = None

    def request(self, method, key, query=()):
        return self.sign(method, f"/{BUCKET}/{key}" if key else f"/{BUCKET}", query)

    def make_bucket(self):
        connection = Connection(self.port)
        connection.ask(self.request("PUT", ""), b"")
        connection.close()


def end(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def clean_environment():
    """The user's environment without what would lead servers and clients elsewhere."""
    others = ("AWS_", "CEPH_", "MARTLET_", "RCLONE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(others)}


class Martlet(S3Server):
    """A node with its defaults: durable, encrypted at rest, authenticated, policy checked, journalled."""

    name = "martlet"

    def __init__(self, home, binary, options=()):
        super().__init__(home)
        self.binary = str(pathlib.Path(binary).resolve())
        self.web = free_port()
        self.password = secrets.token_urlsafe(18)
        self.options = options
        self.start()
        key = json.loads(self._cli("key", "create", "--account", "admin", "--json"))
        self.sign = Signer(f"127.0.0.1:{self.port}", key["accessKeyId"], key["secretAccessKey"])

    def start(self):
        self._start(
            [self.binary, "serve", "--data", str(self.data), "--web", f"127.0.0.1:{self.web}",
             "--s3", f"127.0.0.1:{self.port}", "--json", *self.options], {"MARTLET_ADMIN_PASSWORD": self.password})

    def _cli(self, *arguments):
        environment = {
            **clean_environment(), "HOME": str(self.home), "MARTLET_URL": f"http://127.0.0.1:{self.web}",
            "MARTLET_USER": "admin", "MARTLET_PASSWORD": self.password}
        for attempt in range(20):
            done = subprocess.run([self.binary, *arguments], capture_output=True, text=True, env=environment)
            if done.returncode == 0:
                return done.stdout
            time.sleep(0.2)
        raise RuntimeError(f"martlet {arguments[0]} failed: {done.stderr[-500:]}")

    def bearer(self):
        """The header of a login, which is good for an hour."""
        return f"Authorization: Bearer {self._cli('login', '--token').strip()}"


class Rclone(S3Server):
    """`rclone serve s3` on a folder: it checks signatures, encrypts nothing and does not sync."""

    name = "rclone"

    def __init__(self, home, keys, body):
        """`keys` stand in the bucket from the start: as files, which is quicker than to send them, and before the
        program begins, because it looks at a folder only once in five minutes."""
        super().__init__(home)
        for folder in sorted({key.rpartition("/")[0] for key in keys}):
            (self.data / BUCKET / folder).mkdir(parents=True)
        for key in keys:
            (self.data / BUCKET / key).write_bytes(body)
        # The program itself, not the launcher that a package may put before it.
        program = shutil.which("rclone", path=os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", ""))
        if program is None:
            raise RuntimeError("rclone is not installed; Benchmarks/requirements.txt names the package")
        self.sign = Signer(f"127.0.0.1:{self.port}", KEY_ID, SECRET)
        self._start([program, "serve", "s3", str(self.data), "--addr", f"127.0.0.1:{self.port}", "--config", "",
                     "--auth-key", f"{KEY_ID},{SECRET}"])


class Nginx(Server):
    """nginx on a folder: static files by sendfile, PUT by its WebDAV module; no checksums, no sync, no access rules."""

    name = "nginx"

    def __init__(self, home):
        super().__init__(home)
        (self.data / BUCKET).mkdir()
        program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if program is None:
            raise RuntimeError("nginx is not installed (Debian's nginx-light)")
        user = "user root;" if os.getuid() == 0 else ""
        configuration = self.home / "nginx.conf"
        configuration.write_text(f"""{user}
worker_processes auto;
daemon off;
pid {self.home}/pid;
error_log {self.home}/log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 1000000000;
    default_type application/octet-stream;
    client_max_body_size 0;
    client_body_temp_path {self.home}/temp;
    proxy_temp_path {self.home}/temp; fastcgi_temp_path {self.home}/temp;
    uwsgi_temp_path {self.home}/temp; scgi_temp_path {self.home}/temp;
    server {{
        listen 127.0.0.1:{self.port};
        root {self.data};
        dav_methods PUT;
        create_full_put_path on;
    }}
}}
""")
        self._start([program, "-c", str(configuration), "-p", str(self.home), "-e", str(self.home / "log")])
