"""Tokens for jobs that wait in a queue: granted at submission, claimed once, renewed while they run."""

import datetime
import json
import secrets
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
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


def test_a_claim_whose_answer_was_lost_is_repeated_by_who_made_it(node, s3, bucket, person):
    s3.put_object(Bucket=bucket, Key="in", Body=b"data")
    made = grant(node, person, scope=f"storage.read:/{bucket}")
    nonce = secrets.token_hex(16)
    first = ask(node, "claim", claim=made["claim"], nonce=nonce)
    again = ask(node, "claim", claim=made["claim"], nonce=nonce)
    assert first.ok and again.ok and again.json()["renewal"] == first.json()["renewal"], again.text
    assert reads(node, bucket, again.json()["access_token"]) == 200
    for other in ({}, {"nonce": secrets.token_hex(16)}, {"nonce": "short"}):
        assert ask(node, "claim", claim=made["claim"], **other).status_code == 400, other
    # Once it was renewed or ended, the job has had its answer.
    renewed = ask(node, "renew", renewal=first.json()["renewal"]).json()
    assert ask(node, "claim", claim=made["claim"], nonce=nonce).status_code == 400
    assert ask(node, "end", renewal=renewed["renewal"]).ok
    assert ask(node, "claim", claim=made["claim"], nonce=nonce).status_code == 400


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
    assert martlet("job-token", "claim").returncode != 0, "it was renewed since"
    assert martlet("job-token", "end").returncode == 0


READ = """
import sys, boto3
s3 = boto3.client("s3")
print(s3.get_object(Bucket=sys.argv[1], Key=sys.argv[2])["Body"].read().decode())
"""


@pytest.fixture
def readers(node, bucket):
    """A role that reads a bucket, for whom this node's own tokens speak for."""
    iam = s3_role_client(node)
    name = "readers-" + secrets.token_hex(4)
    host = node.web.split("//")[1]
    trust = {
        "Effect": "Allow", "Principal": {"Federated": f"arn:aws:iam::martlet:oidc-provider/{host}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
    }
    rights = {"Effect": "Allow", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))
    iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=document(rights))
    yield name
    iam.delete_role_policy(RoleName=name, PolicyName="rights")
    iam.delete_role(RoleName=name)


def document(statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def s3_role_client(node):
    access, secret = node.access_key()
    return boto3.session.Session().client(
        "iam", endpoint_url=node.s3_url, region_name="us-east-1", aws_access_key_id=access,
        aws_secret_access_key=secret, verify=node.verify,
    )


def test_boto3_reads_with_the_job_s_token_file(node, s3, bucket, person, readers, tmp_path):
    """Inside the job nothing is configured: role, token file and node stand in its environment."""
    s3.put_object(Bucket=bucket, Key="a/in", Body=b"data")
    s3.put_object(Bucket=bucket, Key="b", Body=b"more")
    made = grant(node, person, scope=f"storage.read:/{bucket}/a")
    environment = {**job_environment(node, made["claim"], tmp_path), "HOME": str(tmp_path)}

    def job(*command):
        return subprocess.run(
            [BINARY, "job-token", "run", "--role", readers, "--", *command], env=environment, capture_output=True,
            text=True, timeout=100,
        )

    ran = job(sys.executable, "-c", READ, bucket, "a/in")
    assert ran.returncode == 0 and ran.stdout == "data\n", ran.stderr
    again = grant(node, person, scope=f"storage.read:/{bucket}/a")
    environment["MARTLET_JOB_CLAIM"] = again["claim"]
    refused = job(sys.executable, "-c", READ, bucket, "b")
    assert refused.returncode != 0 and "AccessDenied" in refused.stderr, "the role may, and the job's token may not"


def assume(node, role, token, seconds=3600):
    fields = {
        "Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": "arn:aws:iam::martlet:role/" + role,
        "RoleSessionName": "job", "WebIdentityToken": token, "DurationSeconds": seconds,
    }
    answer = requests.post(node.s3_url, data=fields, verify=node.verify)
    assert answer.status_code == 200, answer.text

    def found(name):
        return answer.text.split(f"<{name}>")[1].split("<")[0]

    keys = boto3.session.Session().client(
        "s3", endpoint_url=node.s3_url, region_name="us-east-1", aws_access_key_id=found("AccessKeyId"),
        aws_secret_access_key=found("SecretAccessKey"), aws_session_token=found("SessionToken"), verify=node.verify,
    )
    expires = datetime.datetime.fromisoformat(found("Expiration").replace("Z", "+00:00")).timestamp()
    return keys, expires - time.time()


def test_what_a_job_s_token_opened_ends_with_the_job(node, s3, bucket, person, readers):
    """Temporary keys, and addresses signed with them, are no way to go on after the end, and last no longer."""
    s3.put_object(Bucket=bucket, Key="a", Body=b"data")
    made = grant(node, person, scope=f"storage.read:/{bucket}")
    job = ask(node, "claim", claim=made["claim"]).json()
    keys, seconds = assume(node, readers, job["access_token"])
    assert seconds <= 3600
    signed = keys.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a"}, ExpiresIn=3600)
    assert requests.get(signed, verify=node.verify).content == b"data"
    assert ask(node, "end", renewal=job["renewal"]).status_code == 204
    deadline = time.monotonic() + 1.5
    while requests.get(signed, verify=node.verify).status_code == 200:
        assert time.monotonic() < deadline, "it ends within a second"
        time.sleep(0.05)
    # Nor does a session last longer than the job's own token, but for the quarter of an hour that STS has at least.
    bearer = {"Authorization": "Bearer " + person_token(node, person)}
    short = requests.post(
        node.web + "/oidc/jobs", data={"scope": f"storage.read:/{bucket}", "seconds": "600"}, headers=bearer,
        verify=node.verify,
    ).json()
    job = ask(node, "claim", claim=short["claim"]).json()
    assert job["expires_in"] <= 600
    assert assume(node, readers, job["access_token"])[1] <= 900


def person_token(node, person):
    fields = {"grant_type": "password", "username": person, "password": PASSWORD}
    return requests.post(f"{node.web}/oidc/token", data=fields, verify=node.verify).json()["access_token"]
