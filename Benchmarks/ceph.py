"""Ceph's RADOS Gateway as a peer: a monitor, a manager, one OSD and the gateway, as processes on loopback."""

import json
import shutil
import subprocess
import time
import uuid

import procfs
from load import Signer
from servers import KEY_ID, READY_SECONDS, SECRET, S3Server, clean_environment, end, free_port

# BlueStore's file: it grows as it is written to.
BLOCK_BYTES = 12 << 30
PROGRAMS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-mgr", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")

ALL = "allow *"
KEYS = {
    "mon.": {"mon": ALL}, "client.admin": {"mon": ALL, "osd": ALL, "mgr": ALL},
    "mgr.x": {"mon": "allow profile mgr", "osd": ALL}, "osd.0": {"mon": "allow profile osd", "osd": ALL, "mgr": ALL},
    "client.rgw": {"mon": "allow rw", "osd": "allow rwx"}}


class RGW(S3Server):
    """RGW over one OSD on BlueStore, without replicas: durable like Martlet, encrypts nothing."""

    name = "rgw"

    def __init__(self, home):
        super().__init__(home)
        missing = [program for program in PROGRAMS if shutil.which(program) is None]
        if missing:
            raise RuntimeError(f"{', '.join(missing)} not installed (Debian's radosgw, ceph-osd, ceph-mon, ceph-mgr)")
        self.configuration = self.home / "ceph.conf"
        self.daemons = []
        self.sign = Signer(f"127.0.0.1:{self.port}", KEY_ID, SECRET)
        try:
            self._begin_cluster()
        except (RuntimeError, OSError, subprocess.SubprocessError):
            self.stop()
            raise

    def _begin_cluster(self):
        cluster, port = str(uuid.uuid4()), free_port()
        for name in ("mon", "mgr", "osd", "run"):
            (self.home / name).mkdir()
        self.configuration.write_text(f"""[global]
fsid = {cluster}
mon_host = v2:127.0.0.1:{port}/0
mon_initial_members = a
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_warn_on_pool_no_redundancy = false
mon_data_avail_crit = 1
mgr_initial_modules =
admin_socket =
log_file =
log_to_stderr = false
err_to_stderr = true
run_dir = {self.home}/run
crash_dir = {self.home}/run
keyring = {self.home}/keyring
mon_data = {self.home}/mon
mgr_data = {self.home}/mgr
osd_data = {self.home}/osd
osd_objectstore = bluestore
bluestore_block_create = true
bluestore_block_size = {BLOCK_BYTES}
rgw_frontends = beast endpoint=127.0.0.1:{self.port} tcp_nodelay=1
rgw_enable_apis = s3
""")
        self._tool("monmaptool", "--create", "--addv", "a", f"[v2:127.0.0.1:{port}]", "--fsid", cluster, "monmap")
        for name, allowed in KEYS.items():
            capabilities = [word for daemon, what in allowed.items() for word in ("--cap", daemon, what)]
            created = () if (self.home / "keyring").exists() else ("--create-keyring",)
            self._tool("ceph-authtool", *created, "keyring", "--gen-key", "--name", name, *capabilities)
        self._tool("ceph-mon", "--mkfs", "-i", "a", "--monmap", "monmap", "--keyring", "keyring")
        self._daemon("ceph-mon", "-f", "-i", "a")
        # A monitor that is not ready yet refuses.
        self._wait(lambda: self._tool("ceph", "status"))
        self._daemon("ceph-mgr", "-f", "-i", "x")
        disk = str(uuid.uuid4())
        self._tool("ceph", "osd", "new", disk)
        self._tool("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        self._daemon("ceph-osd", "-f", "-i", "0")
        self._wait(lambda: json.loads(self._tool("ceph", "osd", "stat", "-f", "json"))["num_up_osds"])
        self._tool("radosgw-admin", "user", "create", "--uid", "bench", "--display-name", "bench",
                   "--access-key", KEY_ID, "--secret-key", SECRET)
        self._start(["radosgw", "-f", "--name", "client.rgw", "-c", str(self.configuration)])

    def _tool(self, program, *arguments):
        configuration = () if program in ("monmaptool", "ceph-authtool") else ("-c", str(self.configuration))
        done = subprocess.run(
            [program, *configuration, *arguments], capture_output=True, text=True, timeout=READY_SECONDS, cwd=self.home,
            env={**clean_environment(), "HOME": str(self.home)})
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr[-500:]}")
        return done.stdout

    def _wait(self, condition):
        deadline, reason = time.monotonic() + READY_SECONDS, ""
        while time.monotonic() < deadline:
            try:
                if condition():
                    return
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                reason = str(error)
            time.sleep(0.2)
        raise RuntimeError(f"{self.name} does not come up: {reason}\n{self.log_tail()}")

    def _daemon(self, program, *arguments):
        self.daemons.append(self._spawn([program, *arguments, "-c", str(self.configuration)]))

    def _all(self):
        return [*self.daemons, self.process]

    def cpu_seconds(self):
        return sum(procfs.cpu_seconds(process.pid) for process in self._all())

    def peak_rss_mib(self):
        return sum(procfs.peak_rss_mib(process.pid) for process in self._all())

    def stop(self):
        super().stop()
        while self.daemons:
            end(self.daemons.pop())
