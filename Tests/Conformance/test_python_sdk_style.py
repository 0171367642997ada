"""The SDK in clients/python: its types and its style."""

import subprocess
import sys

import pytest
from nodes import REPOSITORY, clean_environment


@pytest.mark.parametrize("command", [["mypy"], ["ruff", "check"], ["ruff", "format", "--check", "--line-length", "120"]])
def test_types_and_style(command, tmp_path):
    cache = {"MYPY_CACHE_DIR": str(tmp_path), "RUFF_NO_CACHE": "true"}
    done = subprocess.run(
        [sys.executable, "-m", *command, *([] if command == ["mypy"] else ["."])], cwd=REPOSITORY / "clients/python",
        env={**clean_environment(), **cache}, capture_output=True, text=True, timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
