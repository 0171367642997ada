"""Tokens of other issuers on every face, and what tokens let their bearers create."""

import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from issuers import IdP, mac
from nodes import told_within
from oidc import PASSWORD, Browser, lend_account, lend_registrar, log_in

AUDIENCE = "https://node.example.org"


@pytest.fixture
def idp():
    idp = IdP(AUDIENCE)
    yield idp
    idp.close()


@pytest.fixture
def visitors(node, idp, bucket, s3):
    """A role for an issuer's tokens: it reads and writes below the folder of their group."""
    iam = client(node, "iam")
    name = "visitors-" + secrets.token_hex(4)
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::martlet:oidc-provider/{idp.name}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{idp.name}:aud": AUDIENCE, f"{idp.name}:groups": "readers"}},
    }
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))
    rights = [
        {"Effect": "Allow", "Action": ["s3:*", "stac:*"], "Resource": [
            f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/shared/*",
            f"arn:aws:s3:::{bucket}/${{{idp.name}:sub}}/*", f"arn:martlet:stac:::{bucket}", f"arn:martlet:stac:::{bucket}/*",
        ]}
    ]
    iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=document(*rights))
    for key in ("shared/a", "job-7/a", "job-8/a", "secret"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    yield name
    iam.delete_role_policy(RoleName=name, PolicyName="rights")
    iam.delete_role(RoleName=name)


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def client(node, service):
    access, secret = node.access_key()
    return boto3.session.Session().client(
        service, endpoint_url=node.s3_url, region_name="us-east-1", aws_access_key_id=access,
        aws_secret_access_key=secret, verify=node.verify,
    )


@pytest.fixture
def trusted(node, idp, visitors):
    node.cli_json("issuer", "trust", idp.issuer, "--audience", AUDIENCE, "--role", visitors, "--json")
    yield visitors
    node.cli("issuer", "forget", idp.issuer)


def ask(node, token, url, method="GET", **more):
    headers = {"Authorization": "Bearer " + token, **more.pop("headers", {})}
    return requests.request(method, url, headers=headers, verify=node.verify, **more)


def faces(node, bucket):
    return (f"{node.s3_url}/{bucket}", f"{node.web}/dav/{bucket}")


def test_a_token_of_a_trusted_issuer_opens_what_its_role_may(node, idp, trusted, bucket):
    token = idp.token()
    for face in faces(node, bucket):
        assert ask(node, token, f"{face}/shared/a").content == b"shared/a"
        assert ask(node, token, f"{face}/job-7/a").content == b"job-7/a", "policy knows its claims"
        assert ask(node, token, f"{face}/job-8/a").status_code == 403
        assert ask(node, token, f"{face}/secret").status_code == 403
    assert ask(node, token, f"{node.web}/stac/collections/{bucket}").status_code == 200
    assert ask(node, token, f"{node.web}/admin/v1/accounts").status_code == 403
    assert ask(node, token, f"{node.web}/oidc/jobs", "POST", data={"scope": "storage.read:/"}).status_code in (400, 401)
    signed = ask(node, token, f"{node.web}/sign?href=s3://{bucket}/shared/a")
    assert signed.status_code == 200, signed.text
    assert requests.get(signed.json()["href"], verify=node.verify).content == b"shared/a"
    assert ask(node, token, f"{node.web}/sign?href=s3://{bucket}/secret").status_code == 403
    # Its first use is an event, and so is what it was denied.
    events = node.cli("audit", "--what", "token.accepted", "--json").stdout
    assert idp.issuer in events and "job-7" in events


def test_only_the_capabilities_of_a_token_count(node, idp, trusted, bucket):
    token = idp.token(scope=f"openid martlet storage.read:/{bucket}/shared")
    for face in faces(node, bucket):
        assert ask(node, token, f"{face}/shared/a").status_code == 200
        assert ask(node, token, f"{face}/job-7/a").status_code == 403
        assert ask(node, token, f"{face}/shared/b", "PUT", data=b"x").status_code == 403
    # No capability gives what the role may not.
    token = idp.token(scope="storage.modify:/ storage.read:/")
    assert ask(node, token, f"{node.s3_url}/{bucket}/secret").status_code == 403
    assert ask(node, token, f"{node.s3_url}/{bucket}/shared/b", "PUT", data=b"x").status_code == 200
    for scope in ("storage.read", "storage.read:shared", "storage.read:/a/../b"):
        refused = ask(node, idp.token(scope=scope), f"{node.s3_url}/{bucket}/shared/a")
        assert refused.status_code == 401, "a broken capability breaks the token"


def test_capabilities_count_below_the_issuer_s_path(node, idp, visitors, bucket):
    path = f"/{bucket}/shared"
    node.cli_json("issuer", "trust", idp.issuer, "--audience", AUDIENCE, "--role", visitors, "--path", path, "--json")
    try:
        for scope, granted in (("storage.read:/", 200), ("storage.read:/a", 200), ("storage.read:/b", 403)):
            assert ask(node, idp.token(scope=scope), f"{node.s3_url}/{bucket}/shared/a").status_code == granted
        # Without a capability there is nothing to stand below it, and its role's policy decides.
        assert ask(node, idp.token(), f"{node.s3_url}/{bucket}/job-7/a").status_code == 200
    finally:
        node.cli("issuer", "forget", idp.issuer)


def test_nothing_opens_without_a_rule(node, idp, visitors, bucket):
    url = f"{node.s3_url}/{bucket}/shared/a"
    assert ask(node, idp.token(), url).status_code == 401, "nobody trusts it"
    node.cli_json("issuer", "trust", idp.issuer, "--audience", AUDIENCE, "--json")
    try:
        refused = ask(node, idp.token(), url)
        assert refused.status_code == 401 and 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    finally:
        node.cli("issuer", "forget", idp.issuer)


def test_tokens_that_do_not_hold_open_nothing(node, idp, trusted, bucket):
    now = int(time.time())
    other = ec.generate_private_key(ec.SECP256R1())
    claims = {"iss": idp.issuer, "sub": "job-7", "aud": AUDIENCE, "exp": now + 60, "groups": ["readers"]}
    public = json.dumps(idp.documents["/keys"])
    wrong = {
        "another audience": idp.token(aud="somebody"),
        "no audience": idp.token(aud=None),
        "expired": idp.token(exp=now - 1),
        "not yet": idp.token(nbf=now + 600),
        "another key": idp.token(key=other),
        "no group": idp.token(groups=["others"]),
        "a logout token": idp.token(headers={"typ": "logout+jwt"}),
        "a proof": idp.token(headers={"typ": "dpop+jwt"}),
        "bound to a key": idp.token(cnf={"jkt": "x"}),
        "bound to something else": idp.token(cnf={"odd": "x"}),
        "bound to nothing": idp.token(cnf={}),
        "alg none": jwt.encode(claims, None, algorithm="none"),
        "its public key as a secret": mac(claims, public, kid="one"),
        "another algorithm": jwt.encode(
            claims, rsa.generate_private_key(65537, 2048), algorithm="RS256", headers={"kid": "one"}
        ),
        "a key at an address": idp.token(key=other, headers={"kid": idp.url + "/keys"}),
        "a key in a file": idp.token(key=other, headers={"kid": "../../../../dev/null"}),
        "a key of its own": idp.token(key=other, headers={"jwk": {"kty": "EC"}, "jku": idp.url + "/keys"}),
    }
    for face in (f"{node.s3_url}/{bucket}/shared/a", f"{node.web}/dav/{bucket}/shared/a"):
        assert ask(node, idp.token(), face).status_code == 200
        for why, token in wrong.items():
            answer = ask(node, token, face)
            assert answer.status_code == (403 if why == "no group" else 401), (why, answer.status_code, answer.text)
    assert len(idp.fetched) <= 3, "no token sends the node anywhere"


def test_tokens_end_with_the_trust_in_their_issuer(node, idp, trusted, bucket):
    """Within a second, and so do signed addresses and temporary keys that came of them."""
    token = idp.token()
    url = f"{node.s3_url}/{bucket}/shared/a"
    assert ask(node, token, url).status_code == 200
    signed = ask(node, token, f"{node.web}/sign?href=s3://{bucket}/shared/a").json()["href"]
    assert requests.get(signed, verify=node.verify).status_code == 200
    assumed = requests.post(
        node.s3_url, verify=node.verify,
        data={"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "WebIdentityToken": token,
              "RoleArn": f"arn:aws:iam::martlet:role/{trusted}", "RoleSessionName": "job"},
    )
    assert assumed.status_code == 200, assumed.text
    node.cli("issuer", "forget", idp.issuer)
    deadline = time.monotonic() + 1.5
    while ask(node, token, url).status_code == 200 or requests.get(signed, verify=node.verify).status_code == 200:
        assert time.monotonic() < deadline, "refused within a second"
        time.sleep(0.05)
    assert ask(node, token, url).status_code == 401
    node.cli_json("issuer", "trust", idp.issuer, "--audience", AUDIENCE, "--role", trusted, "--json")


@pytest.fixture
def account(node):
    yield from lend_account(node, "administrators")


@pytest.fixture
def creator(node, account, bucket, s3):
    """A token that lets its bearer create below one folder."""
    s3.put_object(Bucket=bucket, Key="in/old", Body=b"old")
    registrar = lend_registrar(node)
    app = next(registrar)("--redirect", "https://app.example.org/callback", "--trusted")
    _, token = log_in(node, app, Browser(node, account, PASSWORD), f"openid storage.create:/{bucket}/in")
    yield token["access_token"]
    next(registrar, None)


def test_who_may_create_replaces_nothing(node, creator, account, bucket, s3):
    """Without a word about it in the request: the transaction of the write looks."""
    for number, face in enumerate(faces(node, bucket)):
        made = ask(node, creator, f"{face}/in/new-{number}", "PUT", data=b"1")
        assert made.status_code in (200, 201), made.text
        for key in (f"in/new-{number}", "in/old"):
            assert ask(node, creator, f"{face}/{key}", "PUT", data=b"2").status_code == 403
        assert s3.get_object(Bucket=bucket, Key=f"in/new-{number}")["Body"].read() == b"1"
        assert ask(node, creator, f"{face}/elsewhere", "PUT", data=b"1").status_code == 403
        assert ask(node, creator, f"{face}/inside/x", "PUT", data=b"1").status_code == 403
        assert ask(node, creator, f"{face}/in/old", "DELETE").status_code == 403
        assert ask(node, creator, f"{face}/in/old").status_code == 403
    assert s3.get_object(Bucket=bucket, Key="in/old")["Body"].read() == b"old"
    dav = f"{node.web}/dav/{bucket}"
    assert ask(node, creator, f"{dav}/in/folder", "MKCOL").status_code == 201
    assert ask(node, creator, f"{dav}/in/folder/x", "PUT", data=b"x").status_code == 201
    for method in ("MOVE", "COPY"):
        target = {"Destination": f"{dav}/in/old", "Overwrite": "T"}
        assert ask(node, creator, f"{dav}/in/folder/x", method, headers=target).status_code == 403
    copied = ask(node, creator, f"{node.s3_url}/{bucket}/in/old", "PUT", headers={"x-amz-copy-source": f"/{bucket}/in/new-0"})
    assert copied.status_code == 403
    told_within(node, "there is one already", "--who", account, "--what", "policy.denied")


def test_who_may_create_uploads_in_parts(node, creator, bucket, s3):
    url = f"{node.s3_url}/{bucket}/in/large"

    def upload(body):
        begun = ask(node, creator, url + "?uploads", "POST")
        assert begun.status_code == 200, begun.text
        upload = begun.text.split("<UploadId>")[1].split("<")[0]
        part = ask(node, creator, f"{url}?uploadId={upload}&partNumber=1", "PUT", data=body)
        assert part.status_code == 200, part.text
        parts = f"<Part><PartNumber>1</PartNumber><ETag>{part.headers['ETag']}</ETag></Part>"
        return ask(
            node, creator, f"{url}?uploadId={upload}", "POST",
            data=f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>",
        )

    assert upload(b"first").status_code == 200
    assert upload(b"second").status_code == 403
    assert s3.get_object(Bucket=bucket, Key="in/large")["Body"].read() == b"first"


def test_of_many_who_create_at_once_one_does(node, creator, bucket, s3):
    def put(number):
        face = faces(node, bucket)[number % 2]
        return ask(node, creator, f"{face}/in/raced", "PUT", data=str(number).encode()).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(put, range(16)))
    assert sorted(answers)[0] in (200, 201) and answers.count(403) == 15, answers
    winner = next(number for number, status in enumerate(answers) if status != 403)
    assert s3.get_object(Bucket=bucket, Key="in/raced")["Body"].read() == str(winner).encode()
