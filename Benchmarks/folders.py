"""The row of WebDAV: a PROPFIND of a folder of 10,000 files, against Apache's mod_dav."""

import os
import shutil
import time

import load
from report import Claim
from runs import say
from servers import BUCKET, Martlet, Server

FILES = 10_000
FILL_CLIENTS = 32
BODY = b"12345678"
FOLDER = "folder"
DEPTH = ("Depth: 1", "Content-Type: application/xml")
# What rclone asks of each file, and its ETag.
WANTED = b"""<?xml version="1.0"?><D:propfind xmlns:D="DAV:"><D:prop><D:displayname/><D:getlastmodified/>
<D:getcontentlength/><D:resourcetype/><D:getetag/></D:prop></D:propfind>"""


class Apache(Server):
    """mod_dav on a folder: no login, no sync, no encryption."""

    name = "apache"
    modules = "mpm_event authz_core dav dav_fs mime"

    def __init__(self, home):
        super().__init__(home)
        folder = self.data / BUCKET / FOLDER
        folder.mkdir(parents=True)
        for number in range(FILES):
            (folder / f"file-{number:06}.txt").write_bytes(BODY)
        program = shutil.which("apache2", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if program is None:
            raise RuntimeError("Apache is not installed (Debian's apache2-bin)")
        (self.home / "types").write_text("text/plain txt\n")
        loads = "\n".join(
            f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in self.modules.split())
        user = "User www-data\nGroup www-data\n" if os.getuid() == 0 else ""
        configuration = self.home / "apache.conf"
        configuration.write_text(f"""{loads}
ServerRoot {self.home}
ServerName localhost
{user}Listen 127.0.0.1:{self.port}
PidFile {self.home}/pid
ErrorLog {self.home}/log
TypesConfig {self.home}/types
DocumentRoot {self.data}
DavLockDB {self.home}/locks
MaxKeepAliveRequests 0
<Directory {self.data}>
    Dav On
    Require all granted
</Directory>
""")
        if user:
            # Its workers are another user, who has to come as far as the files.
            for parent in (self.data, self.home, *list(self.home.parents)[:2]):
                parent.chmod(parent.stat().st_mode | 0o755)
        self._start([program, "-f", str(configuration), "-D", "FOREGROUND"])


def measure(bench):
    """Fills a node of its own, measures the listing, stops the servers."""
    martlet = Martlet(bench.home / "dav", bench.binary)
    apache = None
    try:
        martlet.make_bucket()
        jobs = [martlet.request("PUT", f"{FOLDER}/file-{number:06}.txt") for number in range(FILES)]
        load.in_parallel(martlet.port, FILL_CLIENTS, jobs, lambda connection, job: connection.ask(job, BODY))
        martlet.settle(60)
        apache = Apache(bench.home / "dav")
        row = bench.row(
            f"PROPFIND {FILES:,} files", "entries/s", "one entry", "Depth 1, five properties, one client",
            claims=(Claim("rate", "apache", at_least=3), Claim("cpu_us", "apache", at_most=1)))
        for _, server in bench.in_turns([martlet, apache]):
            listings(bench, row, server)
        bench.note_memory(martlet, "martlet_dav")
        say("PROPFIND is measured")
    finally:
        for server in (martlet, apache):
            if server is not None:
                server.stop()


def propfind(server, folder):
    """The port and the request for a folder with what is in it."""
    if isinstance(server, Martlet):
        return server.web, load.Request("PROPFIND", f"/dav/{BUCKET}/{folder}/", (*DEPTH, server.bearer()))
    return server.port, load.Request("PROPFIND", f"/{BUCKET}/{folder}/", DEPTH)


def listings(bench, row, server):
    port, request = propfind(server, FOLDER)
    connection, count = load.Connection(port), 0
    before, begin = server.cpu_seconds(), time.monotonic()
    while time.monotonic() - begin < bench.plan.seconds or count == 0:
        answer = connection.ask(request, WANTED)
        if (found := answer.count(b"getcontentlength>") // 2) != FILES:
            raise RuntimeError(f"{server.name} listed {found} of {FILES} files")
        count += 1
    seconds, used = time.monotonic() - begin, server.cpu_seconds() - before
    connection.close()
    row.add(server.name, count * FILES / seconds, 1e6 * used / (count * FILES), listing_ms=1e3 * seconds / count)
