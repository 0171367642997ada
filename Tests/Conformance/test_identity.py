"""Who is who, and who may what: accounts, groups, policies, tokens, the end of rights."""

import json
import secrets
import time

import jwt
import pytest
import requests
from errors import refused

PASSWORD = "a long pass phrase 1"


@pytest.fixture
def account(node):
    """A new account with a password and no rights."""
    name = "ada-" + secrets.token_hex(4)
    node.cli_json("account", "create", name, "--password-from-stdin", "--json", input=PASSWORD + "\n")
    yield name
    node.cli("account", "delete", name)


@pytest.fixture
def policy(node, tmp_path):
    """Stores a policy and attaches it; takes it away at the end."""
    made = []

    def make(document, to):
        name = "test-" + secrets.token_hex(4)
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps({"Version": "2012-10-17", "Statement": document}))
        assert node.cli("policy", "put", name, file).returncode == 0
        done = node.cli("policy", "attach", name, "--to", to)
        assert done.returncode == 0, done.stderr
        made.append(name)
        return name

    yield make
    for name in made:
        node.cli("policy", "delete", name)


def allow(bucket, *actions):
    return [
        {
            "Sid": "Test",
            "Effect": "Allow",
            "Action": list(actions),
            "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        }
    ]


def token(node, user, password=PASSWORD):
    return requests.post(
        f"{node.web}/oidc/token",
        data={"grant_type": "password", "username": user, "password": password},
        verify=node.verify,
    )


def test_a_new_account_may_do_nothing_and_is_told_why(node, bucket, account):
    s3 = node.s3(key=node.create_key(account))
    with refused("AccessDenied", 403) as failure:
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    message = failure.value.response["Error"]["Message"]
    assert account in message and "s3:PutObject" in message and f"arn:aws:s3:::{bucket}/k" in message
    try:
        assert s3.list_buckets()["Buckets"] == []
    except s3.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDenied"


def test_a_policy_gives_exactly_what_it_says(node, s3, bucket, account, policy):
    s3.put_object(Bucket=bucket, Key="open/a", Body=b"a")
    s3.put_object(Bucket=bucket, Key="closed/b", Body=b"b")
    policy(
        [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/open/*"}], f"user:{account}"
    )
    theirs = node.s3(key=node.create_key(account))
    assert theirs.get_object(Bucket=bucket, Key="open/a")["Body"].read() == b"a"
    for call, arguments in (
        ("get_object", {"Key": "closed/b"}),
        ("put_object", {"Key": "open/c", "Body": b"c"}),
        ("delete_object", {"Key": "open/a"}),
        ("list_objects_v2", {}),
    ):
        with refused("AccessDenied", 403):
            getattr(theirs, call)(Bucket=bucket, **arguments)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 2


def test_a_denial_beats_an_allowance_and_names_itself(node, bucket, account, policy):
    policy(allow(bucket, "s3:*"), f"user:{account}")
    theirs = node.s3(key=node.create_key(account))
    theirs.put_object(Bucket=bucket, Key="k", Body=b"x")
    policy([{"Sid": "NotThat", "Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"}], "everyone")
    with refused("AccessDenied", 403) as failure:
        theirs.delete_object(Bucket=bucket, Key="k")
    assert "NotThat" in failure.value.response["Error"]["Message"]
    assert theirs.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_rights_come_and_go_with_nested_groups(node, s3, bucket, account, policy):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    inner, outer = "inner-" + secrets.token_hex(3), "outer-" + secrets.token_hex(3)
    for group in (inner, outer):
        node.cli_json("group", "create", group, "--json")
    try:
        node.cli_json("group", "add", inner, account, "--json")
        node.cli_json("group", "add", outer, "--group", inner, "--json")
        policy(allow(bucket, "s3:GetObject"), f"group:{outer}")
        theirs = node.s3(key=node.create_key(account))
        assert theirs.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
        assert node.cli_json("group", "show", inner, "--json")["accounts"] == [account]
        assert node.cli("group", "add", inner, "--group", outer).returncode != 0, "groups may not contain each other"
        node.cli_json("group", "remove", inner, account, "--json")
        with refused("AccessDenied", 403):
            theirs.get_object(Bucket=bucket, Key="k")
    finally:
        for group in (outer, inner):
            node.cli("group", "delete", group)


def test_variables_and_conditions_of_a_policy_count(node, s3, bucket, account, policy):
    s3.put_object(Bucket=bucket, Key=f"home/{account}/k", Body=b"mine")
    s3.put_object(Bucket=bucket, Key="home/other/k", Body=b"other")
    policy(
        [
            {
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{bucket}/home/${{aws:username}}/*",
                "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}},
            }
        ],
        "authenticated",
    )
    theirs = node.s3(key=node.create_key(account))
    assert theirs.get_object(Bucket=bucket, Key=f"home/{account}/k")["Body"].read() == b"mine"
    with refused("AccessDenied", 403):
        theirs.get_object(Bucket=bucket, Key="home/other/k")
    policy(
        [
            {
                "Effect": "Deny",
                "Action": "s3:GetObject",
                "Resource": "*",
                "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}},
            }
        ],
        f"user:{account}",
    )
    with refused("AccessDenied", 403):
        theirs.get_object(Bucket=bucket, Key=f"home/{account}/k")


@pytest.mark.parametrize(
    "document",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"Statement": 7}',
        '{"Version":"2012-10-17","Statement":[{"Effect":"Maybe","Action":"*","Resource":"*"}]}',
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*"}]}',
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NoSuch":{"a":"b"}}}]}',
    ],
)
def test_a_policy_that_is_none_is_not_stored(node, tmp_path, document):
    file = tmp_path / "policy.json"
    file.write_text(document)
    done = node.cli("policy", "put", "not-a-policy", file)
    assert done.returncode not in (0, 64) and done.stderr
    assert node.cli("policy", "show", "not-a-policy").returncode == 4


def test_a_disabled_account_is_out_within_a_second(node, s3, bucket, account, policy):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    policy(allow(bucket, "s3:GetObject"), f"user:{account}")
    theirs = node.s3(key=node.create_key(account))
    bearer = token(node, account).json()["access_token"]
    userinfo = f"{node.web}/oidc/userinfo"
    signed = requests.get(
        f"{node.web}/sign",
        params={"href": f"s3://{bucket}/k"},
        headers={"Authorization": f"Bearer {bearer}"},
        verify=node.verify,
    ).json()["href"]
    assert theirs.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    assert requests.get(userinfo, headers={"Authorization": f"Bearer {bearer}"}, verify=node.verify).status_code == 200
    assert requests.get(signed, verify=node.verify).status_code == 200
    assert node.cli_json("account", "disable", account, "--json")["disabled"] is True
    time.sleep(1)
    with pytest.raises(theirs.exceptions.ClientError) as failure:
        theirs.get_object(Bucket=bucket, Key="k")
    assert failure.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert requests.get(userinfo, headers={"Authorization": f"Bearer {bearer}"}, verify=node.verify).status_code == 401
    assert requests.get(signed, verify=node.verify).status_code == 403
    assert token(node, account).status_code == 400
    node.cli_json("account", "enable", account, "--json")
    assert theirs.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_a_new_password_ends_the_old_one(node, account):
    assert token(node, account).status_code == 200
    assert node.cli("account", "password", account, input="another long phrase\n").returncode == 0
    assert token(node, account).status_code == 400
    assert token(node, account, "another long phrase").status_code == 200


def test_logins_that_fail_are_slowed_down(node, account):
    answers = [token(node, account, f"wrong {number}") for number in range(30)]
    refusals = [answer for answer in answers if answer.status_code == 429]
    assert refusals, [answer.status_code for answer in answers]
    assert int(refusals[0].headers["Retry-After"]) >= 1
    assert all(answer.status_code in (400, 429) for answer in answers)
    # The right password does not help until the time is over; other people are not held up.
    assert token(node, account).status_code == 429
    assert token(node, "admin", node.password).status_code == 200


def test_an_unknown_name_is_refused_like_a_wrong_password(node, account):
    unknown, wrong = token(node, "nobody-of-that-name", "x" * 20), token(node, account, "x" * 20)
    assert unknown.status_code == wrong.status_code == 400
    assert unknown.json() == wrong.json()


def test_tokens_verify_with_the_published_keys(node, account):
    discovery = requests.get(f"{node.web}/.well-known/openid-configuration", verify=node.verify).json()
    keys = requests.get(discovery["jwks_uri"], verify=node.verify).json()["keys"]
    assert keys and all("d" not in key for key in keys), "only public halves are published"
    for text in (node.token(), token(node, account).json()["access_token"]):
        header = jwt.get_unverified_header(text)
        key = next(jwt.PyJWK(key) for key in keys if key["kid"] == header["kid"])
        claims = jwt.decode(
            text,
            key,
            algorithms=[header["alg"]],
            audience=jwt.decode(text, options={"verify_signature": False})["aud"],
            issuer=discovery["issuer"],
            options={"require": ["exp", "iat", "iss", "sub", "aud"]},
        )
        assert header["alg"] in ("ES256", "RS256", "EdDSA")
        assert 0 < claims["exp"] - time.time() <= 24 * 3600
    # RFC 9068: the type says that it is an access token.
    assert header["typ"].lower() in ("at+jwt", "application/at+jwt")
    assert claims["client_id"] and claims["jti"]


def test_forged_tokens_are_refused(node):
    text = node.token()
    head, body, signature = text.split(".")
    claims = jwt.decode(text, options={"verify_signature": False})
    forged = [
        f"{head}.{body}.{signature[:-4]}AAAA",
        f"{head}.{body}.",
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, "secret" * 8, algorithm="HS256", headers=jwt.get_unverified_header(text) | {"alg": "HS256"}),
    ]
    for one in forged:
        answer = requests.get(
            f"{node.web}/oidc/userinfo", headers={"Authorization": f"Bearer {one}"}, verify=node.verify
        )
        assert answer.status_code == 401, one


def test_tokens_outlive_a_restart(nodes):
    node = nodes.new("sqlite-http").start()
    try:
        text = node.token()
        node.restart()
        answer = requests.get(f"{node.web}/oidc/userinfo", headers={"Authorization": f"Bearer {text}"})
        assert answer.status_code == 200 and answer.json()["preferred_username"] == "admin"
        node.stop()
    finally:
        node.remove()


def test_the_password_is_generated_once_where_none_is_given(nodes):
    node = nodes.new("sqlite-http")
    node.password = None
    node.start()
    try:
        password = node.ready["adminPassword"]
        assert token(node, "admin", password).status_code == 200
        assert password not in node.log.read_text()
        node.restart()
        assert "adminPassword" not in node.ready
        assert token(node, "admin", password).status_code == 200
        node.stop()
    finally:
        node.remove()


def test_who_is_no_administrator_makes_no_accounts(node, account):
    done = node.cli("account", "create", "mallory", user=account, password=PASSWORD)
    assert done.returncode == 3 and "iam:CreateUser" in done.stderr
    assert node.cli("account", "show", "mallory").returncode == 4
    assert node.cli("key", "create", "--account", "admin", user=account, password=PASSWORD).returncode == 3


@pytest.mark.parametrize("name", ["", "a" * 65, "a b", "ü", "../x", "a/b", "a\nb", "<script>"])
def test_a_name_that_is_none_makes_no_account(node, name):
    answer = node.http().post(f"{node.web}/admin/v1/accounts", json={"name": name})
    assert answer.status_code == 400, answer.text


def test_secrets_stand_in_no_log_and_in_no_database(node, account):
    access, secret = node.create_key(account)
    node.s3(key=(access, secret))
    assert token(node, account).status_code == 200
    needles = [secret.encode(), PASSWORD.encode(), node.password.encode()]
    assert node.files_with(needles) == []
