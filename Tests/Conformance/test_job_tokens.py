"""Tokens for jobs that wait in a queue: granted at submission, claimed once, renewed while they run."""

import json
import secrets
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
import requests
from nodes import BINARY
from oidc import PASSWORD, lend_account


@pytest.fixture
def person(node):
    """Somebody with a password and all rights."""
    yield from lend_account(node, "administrators")


def grant(node, person, *options, scope):
    return node.cli_json("job-token", "grant", "--scope", scope, *options, "--json", user=person, password=PASSWORD)


def ask(node, path, **fields):
    return requests.post(f"{node.web}/oidc/jobs/{path}", data=fields, verify=node.verify)


def reads(node, bucket, token):
    answer = requests.get(
        f"{node.s3_url}/{bucket}/in", headers={"Authorization": "Bearer " + token}, verify=node.verify
    )
    return answer.status_code


def job_environment(node, claim, folder):
    environment = node.client_environment()
    for name in ("MARTLET_USER", "MARTLET_PASSWORD"):
        del environment[name]
    return {**environment, "MARTLET_JOB_CLAIM": claim, "XDG_RUNTIME_DIR": str(folder)}


def test_a_job_claims_once_renews_and_ends(node, s3, bucket, person):
    s3.put_object(Bucket=bucket, Key="in", Body=b"data")
    made = grant(node, person, scope=f"storage.read:/{bucket}")
    first = ask(node, "claim", claim=made["claim"], job="4711")
    assert first.ok, first.text
    token = first.json()["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["job_id"] == "4711" and claims["act"]["sub"].startswith("job:") and claims["exp"] - claims["iat"] <= 3600
    assert reads(node, bucket, token) == 200
    again = ask(node, "claim", claim=made["claim"])
    assert again.status_code == 400 and again.json()["error"] == "invalid_grant", "a claim is for once"
    renewal = first.json()["renewal"]
    second = ask(node, "renew", renewal=renewal).json()
    assert second["renewal"] != renewal
    assert ask(node, "renew", renewal=renewal).json()["renewal"] == second["renewal"], "a lost answer ends no job"
    third = ask(node, "renew", renewal=second["renewal"]).json()
    assert ask(node, "renew", renewal=renewal).status_code == 400, "two steps back is nobody's"
    assert 0 < third["renew_after"] < third["expires_in"]
    assert ask(node, "end", renewal=third["renewal"]).status_code == 204
    assert ask(node, "renew", renewal=third["renewal"]).status_code == 400
    assert reads(node, bucket, third["access_token"]) in (400, 401, 403)


def test_a_grant_is_never_more_than_the_token_it_was_made_of(node, bucket, person):
    refused = node.cli("job-token", "grant", "--scope", "storage.read", user=person, password=PASSWORD)
    assert refused.returncode != 0 and "path" in refused.stderr
    made = grant(node, person, scope=f"storage.read:/{bucket}/a")
    token = ask(node, "claim", claim=made["claim"]).json()["access_token"]
    bearer = {"Authorization": "Bearer " + token}
    for scope in (f"storage.read:/{bucket}/a/b", f"storage.read:/{bucket}", "martlet"):
        answer = requests.post(node.web + "/oidc/jobs", data={"scope": scope}, headers=bearer, verify=node.verify)
        assert answer.status_code == 403, "a job's token makes nothing that lasts longer than itself"
    assert requests.get(node.web + "/oidc/jobs", headers=bearer, verify=node.verify).status_code == 403
    for claim in ("", "x", "mjc-x-y", made["claim"][:-2] + "zz", made["claim"].replace("mjc", "abc")):
        assert ask(node, "claim", claim=claim).status_code == 400


def test_who_is_suspended_or_takes_it_back_ends_the_job(node, s3, bucket, person):
    s3.put_object(Bucket=bucket, Key="in", Body=b"data")
    made = grant(node, person, "--count", "3", scope=f"storage.read:/{bucket}")
    jobs = [ask(node, "claim", claim=made["claim"], index=index).json() for index in range(2)]
    listed = [
        json.loads(line)
        for line in node.cli("job-token", "list", "--json", user=person, password=PASSWORD).stdout.splitlines()
    ]
    assert [entry["claimed"] for entry in listed if entry["id"] == made["id"]] == [2]
    node.cli_json("account", "disable", person, "--json")
    time.sleep(1)
    assert reads(node, bucket, jobs[0]["access_token"]) in (400, 401, 403)
    assert ask(node, "renew", renewal=jobs[0]["renewal"]).json()["error"] == "invalid_grant"
    node.cli_json("account", "enable", person, "--json")
    time.sleep(1)
    renewed = ask(node, "renew", renewal=jobs[0]["renewal"]).json()
    assert reads(node, bucket, renewed["access_token"]) == 200
    node.cli_json("job-token", "revoke", made["id"], "--json", user=person, password=PASSWORD)
    for token in (renewed["access_token"], jobs[1]["access_token"]):
        assert reads(node, bucket, token) in (400, 401, 403)
    assert ask(node, "renew", renewal=renewed["renewal"]).status_code == 400
    assert ask(node, "claim", claim=made["claim"], index=2).status_code == 400


def test_an_array_claims_side_by_side_and_each_number_once(node, person):
    count = 200
    made = grant(node, person, "--count", str(count), scope="storage.read:/eo")
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda number: ask(node, "claim", claim=made["claim"], index=number % count), range(count + 50))
        )
    good = [answer.json() for answer in answers if answer.ok]
    assert len(good) == count
    assert len({answer["renewal"] for answer in good}) == count
    spread = [answer["renew_after"] for answer in good]
    assert max(spread) - min(spread) > 600, "an array does not renew at once"
    assert ask(node, "claim", claim=made["claim"], index=count).status_code == 400


def test_the_command_line_keeps_a_token_where_programs_look(node, s3, bucket, person, tmp_path):
    s3.put_object(Bucket=bucket, Key="in", Body=b"data")
    made = grant(node, person, scope=f"storage.read:/{bucket}")
    environment = job_environment(node, made["claim"], tmp_path)
    script = 'test "$(stat -c %a "$BEARER_TOKEN_FILE")" = 600 && cat "$BEARER_TOKEN_FILE" && exit 7'
    ran = subprocess.run(
        [BINARY, "job-token", "run", "--", "sh", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 7, ran.stderr
    assert jwt.decode(ran.stdout, options={"verify_signature": False})["job_id"]
    assert reads(node, bucket, ran.stdout) in (400, 401, 403), "it was given up at the end"
    assert not list(tmp_path.glob("bt_u*"))

    made = grant(node, person, scope=f"storage.read:/{bucket}")
    environment = job_environment(node, made["claim"], tmp_path)

    def martlet(*arguments):
        return subprocess.run(
            [BINARY, *arguments], env=environment, capture_output=True, text=True, timeout=60, cwd=tmp_path
        )

    claimed = martlet("job-token", "claim", "--json")
    assert claimed.returncode == 0, claimed.stderr
    file = json.loads(claimed.stdout)["file"]
    assert file.startswith(str(tmp_path / "bt_u"))
    first = open(file).read()
    assert reads(node, bucket, first) == 200
    copied = martlet("cp", f"s3://{bucket}/in", "out")
    assert copied.returncode == 0 and (tmp_path / "out").read_bytes() == b"data", copied.stderr
    assert martlet("job-token", "renew").returncode == 0
    assert open(file).read() != first
    assert martlet("job-token", "claim").returncode != 0, "a claim is for once"
    assert martlet("job-token", "end").returncode == 0
