"""IAM and STS on the S3 port with an unmodified boto3: users, policies, roles, and credentials that end."""

import base64
import json
import secrets
import time

import boto3
import botocore.config
import jwt
import pytest
import requests
from botocore import UNSIGNED
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from errors import refused
from issuers import IdP

AUDIENCE = "martlet-jobs"


def client(node, service, key=None, token=None, config=None):
    access, secret = key or node.access_key()
    return boto3.session.Session().client(
        service,
        endpoint_url=node.s3_url,
        region_name="us-east-1",
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        aws_session_token=token,
        verify=node.verify,
        config=config
        or botocore.config.Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def unsigned(node, service="sts"):
    return boto3.session.Session().client(
        service,
        endpoint_url=node.s3_url,
        region_name="us-east-1",
        verify=node.verify,
        config=botocore.config.Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}),
    )


def temporary(node, service, credentials):
    return client(
        node,
        service,
        (credentials["AccessKeyId"], credentials["SecretAccessKey"]),
        credentials["SessionToken"],
    )


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def trust(principal, action="sts:AssumeRole", **more):
    return document({"Effect": "Allow", "Principal": principal, "Action": action, **more})


def name(prefix):
    return f"{prefix}-{secrets.token_hex(4)}"


@pytest.fixture
def iam(node):
    return client(node, "iam")


@pytest.fixture
def sts(node):
    return client(node, "sts")


def remove(iam, kind, who):
    """What a careful client does before it deletes somebody: takes away what they have."""
    parameter = {kind + "Name": who}
    lower = kind.lower()
    for page in iam.get_paginator(f"list_attached_{lower}_policies").paginate(**parameter):
        for attached in page["AttachedPolicies"]:
            getattr(iam, f"detach_{lower}_policy")(**parameter, PolicyArn=attached["PolicyArn"])
    for page in iam.get_paginator(f"list_{lower}_policies").paginate(**parameter):
        for policy in page["PolicyNames"]:
            getattr(iam, f"delete_{lower}_policy")(**parameter, PolicyName=policy)
    if kind == "User":
        for key in iam.list_access_keys(UserName=who)["AccessKeyMetadata"]:
            iam.delete_access_key(UserName=who, AccessKeyId=key["AccessKeyId"])
        for group in iam.list_groups_for_user(UserName=who)["Groups"]:
            iam.remove_user_from_group(GroupName=group["GroupName"], UserName=who)
    getattr(iam, f"delete_{lower}")(**parameter)


@pytest.fixture
def user(iam):
    """A new user without rights: its name and key."""
    who = name("ada")
    iam.create_user(UserName=who)
    made = iam.create_access_key(UserName=who)["AccessKey"]
    yield who, (made["AccessKeyId"], made["SecretAccessKey"])
    remove(iam, "User", who)


@pytest.fixture
def role(iam):
    """Makes roles with an inline policy, and takes them away at the end."""
    made = []

    def make(trusting, *statements, **more):
        called = name("role")
        arn = iam.create_role(RoleName=called, AssumeRolePolicyDocument=trusting, **more)["Role"]["Arn"]
        made.append(called)
        if statements:
            iam.put_role_policy(RoleName=called, PolicyName="what", PolicyDocument=document(*statements))
        return called, arn

    yield make
    for called in made:
        try:
            remove(iam, "Role", called)
        except iam.exceptions.NoSuchEntityException:
            pass


def read_and_write(bucket):
    return allow("s3:*", [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"])


# Users, keys, groups


def test_a_user_and_its_keys_live_and_end(node, iam, bucket):
    who = name("robot")
    made = iam.create_user(UserName=who)["User"]
    assert made["UserName"] == who and made["Arn"].endswith(f":user/{who}") and made["Path"] == "/"
    with refused("EntityAlreadyExists", 409):
        iam.create_user(UserName=who)
    assert iam.get_user(UserName=who)["User"]["UserId"] == made["UserId"]
    assert who in [u["UserName"] for p in iam.get_paginator("list_users").paginate() for u in p["Users"]]
    key = iam.create_access_key(UserName=who)["AccessKey"]
    assert key["Status"] == "Active" and key["UserName"] == who
    theirs = (key["AccessKeyId"], key["SecretAccessKey"])
    iam.put_user_policy(UserName=who, PolicyName="s3", PolicyDocument=document(read_and_write(bucket)))
    client(node, "s3", theirs).put_object(Bucket=bucket, Key="k", Body=b"x")
    iam.update_access_key(UserName=who, AccessKeyId=theirs[0], Status="Inactive")
    assert iam.list_access_keys(UserName=who)["AccessKeyMetadata"][0]["Status"] == "Inactive"
    with refused("InvalidAccessKeyId", 403):
        client(node, "s3", theirs).list_objects_v2(Bucket=bucket)
    with refused("InvalidClientTokenId", 403):
        client(node, "sts", theirs).get_caller_identity()
    iam.update_access_key(UserName=who, AccessKeyId=theirs[0], Status="Active")
    client(node, "s3", theirs).list_objects_v2(Bucket=bucket)
    with refused("DeleteConflict", 409):
        iam.delete_user(UserName=who)
    with refused("NoSuchEntity", 404):
        iam.delete_access_key(UserName="admin", AccessKeyId=theirs[0])
    iam.delete_access_key(UserName=who, AccessKeyId=theirs[0])
    with refused("DeleteConflict", 409):
        iam.delete_user(UserName=who)
    iam.delete_user_policy(UserName=who, PolicyName="s3")
    iam.delete_user(UserName=who)
    with refused("NoSuchEntity", 404):
        iam.get_user(UserName=who)


def test_who_takes_a_name_does_not_get_its_policies(node, iam, bucket):
    who = name("heir")
    iam.create_user(UserName=who)
    iam.put_user_policy(UserName=who, PolicyName="s3", PolicyDocument=document(read_and_write(bucket)))
    assert node.cli("account", "delete", who).returncode == 0
    iam.create_user(UserName=who)
    assert iam.list_user_policies(UserName=who)["PolicyNames"] == []
    iam.delete_user(UserName=who)


def test_groups_and_managed_policies_are_those_of_the_node(node, iam, bucket, user, s3):
    who, key = user
    group, policy = name("science"), name("read")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    iam.create_group(GroupName=group)
    made = iam.create_policy(
        PolicyName=policy,
        PolicyDocument=document(allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*")),
        Description="reading",
    )["Policy"]
    arn = made["Arn"]
    try:
        with refused("EntityAlreadyExists", 409):
            iam.create_policy(PolicyName=policy, PolicyDocument=document(allow("s3:*")))
        iam.add_user_to_group(GroupName=group, UserName=who)
        assert [u["UserName"] for u in iam.get_group(GroupName=group)["Users"]] == [who]
        assert [g["GroupName"] for g in iam.list_groups_for_user(UserName=who)["Groups"]] == [group]
        assert group in [g["GroupName"] for g in iam.list_groups()["Groups"]]
        theirs = client(node, "s3", key)
        with refused("AccessDenied", 403):
            theirs.get_object(Bucket=bucket, Key="k")
        iam.attach_group_policy(GroupName=group, PolicyArn=arn)
        assert theirs.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
        shown = node.cli_json("policy", "show", policy, "--json")
        assert f"group:{group}" in json.dumps(shown)
        found = iam.get_policy(PolicyArn=arn)["Policy"]
        assert found["AttachmentCount"] == 1 and found["Description"] == "reading"
        version = iam.get_policy_version(PolicyArn=arn, VersionId=found["DefaultVersionId"])["PolicyVersion"]
        assert version["Document"]["Statement"][0]["Action"] == "s3:GetObject"
        assert arn in [p["Arn"] for p in iam.list_policies(Scope="Local", OnlyAttached=True)["Policies"]]
        assert iam.list_policies(Scope="AWS")["Policies"] == []
        with refused("DeleteConflict", 409):
            iam.delete_policy(PolicyArn=arn)
        with refused("DeleteConflict", 409):
            iam.delete_group(GroupName=group)
        # An inline denial beats what the group has.
        iam.put_user_policy(
            UserName=who,
            PolicyName="not",
            PolicyDocument=document({"Sid": "NotMe", "Effect": "Deny", "Action": "s3:*", "Resource": "*"}),
        )
        with refused("AccessDenied", 403) as failure:
            theirs.get_object(Bucket=bucket, Key="k")
        assert "NotMe" in failure.value.response["Error"]["Message"]
        read = iam.get_user_policy(UserName=who, PolicyName="not")
        assert read["PolicyDocument"]["Statement"][0]["Sid"] == "NotMe"
        iam.delete_user_policy(UserName=who, PolicyName="not")
        assert theirs.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
        iam.detach_group_policy(GroupName=group, PolicyArn=arn)
        with refused("AccessDenied", 403):
            theirs.get_object(Bucket=bucket, Key="k")
        with refused("NoSuchEntity", 404):
            iam.detach_group_policy(GroupName=group, PolicyArn=arn)
        iam.put_group_policy(GroupName=group, PolicyName="in", PolicyDocument=document(read_and_write(bucket)))
        assert iam.list_group_policies(GroupName=group)["PolicyNames"] == ["in"]
        assert theirs.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    finally:
        iam.remove_user_from_group(GroupName=group, UserName=who)
        remove(iam, "Group", group)
        iam.delete_policy(PolicyArn=arn)


def test_lists_come_in_pages(iam):
    names = [name("page") for _ in range(5)]
    for one in names:
        iam.create_group(GroupName=one)
    try:
        pages = list(iam.get_paginator("list_groups").paginate(PaginationConfig={"PageSize": 2}))
        assert len(pages) > 2 and all(len(page["Groups"]) <= 2 for page in pages)
        found = [group["GroupName"] for page in pages for group in page["Groups"]]
        assert set(names) <= set(found) and found == sorted(found) and len(set(found)) == len(found)
        with refused("ValidationError", 400):
            iam.list_groups(Marker="%%%")
    finally:
        for one in names:
            iam.delete_group(GroupName=one)


def test_who_has_no_rights_manages_nobody_not_even_their_own_keys(node, iam, user):
    who, key = user
    theirs = client(node, "iam", key)
    for call, arguments in (
        ("create_user", {"UserName": name("mallory")}),
        ("create_access_key", {}),
        ("create_access_key", {"UserName": "admin"}),
        ("list_users", {}),
        ("get_user", {}),
        ("put_user_policy", {"UserName": who, "PolicyName": "p", "PolicyDocument": document(allow("*"))}),
        ("create_role", {"RoleName": "r", "AssumeRolePolicyDocument": trust("*")}),
        ("create_open_id_connect_provider", {"Url": "https://idp.example", "ClientIDList": ["a"]}),
    ):
        with refused("AccessDenied", 403):
            getattr(theirs, call)(**arguments)
    # AWS's own way to let everybody manage their own keys, in AWS's names.
    iam.put_user_policy(
        UserName=who,
        PolicyName="own-keys",
        PolicyDocument=document(
            allow(["iam:*AccessKey*", "iam:GetUser"], "arn:aws:iam::*:user/${aws:username}"),
        ),
    )
    assert theirs.get_user()["User"]["UserName"] == who
    extra = theirs.create_access_key()["AccessKey"]["AccessKeyId"]
    assert {k["AccessKeyId"] for k in theirs.list_access_keys()["AccessKeyMetadata"]} == {key[0], extra}
    theirs.delete_access_key(AccessKeyId=extra)
    with refused("AccessDenied", 403):
        theirs.create_access_key(UserName="admin")


# The protocol


def test_errors_have_the_form_of_the_query_protocol(node):
    session = node.http(token=False)
    answer = session.post(node.s3_url, data={"Action": "MakeCoffee", "Version": "2010-05-08"})
    assert answer.status_code == 400 and "<Code>InvalidAction</Code>" in answer.text
    assert '<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">' in answer.text
    assert "<Type>Sender</Type>" in answer.text and "<RequestId>" in answer.text
    answer = session.get(node.s3_url, params={"Action": "GetCallerIdentity", "Version": "2011-06-15"})
    assert answer.status_code == 403 and "<Code>MissingAuthenticationToken</Code>" in answer.text
    assert "https://sts.amazonaws.com/doc/2011-06-15/" in answer.text
    answer = session.post(node.s3_url, data={"Version": "2010-05-08"})
    assert answer.status_code == 400 and "<Code>MissingAction</Code>" in answer.text
    answer = session.post(node.s3_url, data={"Action": "GetUser", "Version": "2011-06-15"})
    assert answer.status_code == 400 and "<Code>InvalidAction</Code>" in answer.text
    answer = session.post(
        node.s3_url, data=b"Action=ListUsers" + b"&x=y" * 40000, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code in (400, 413)


def test_a_body_that_was_changed_is_refused(node):
    sts = client(node, "sts")

    def change(request, **_):
        first, second = request.body.split("&")
        request.body = f"{second}&{first}"

    sts.meta.events.register("before-send.sts.GetCallerIdentity", change)
    with refused("SignatureDoesNotMatch", 403):
        sts.get_caller_identity()


def test_wrong_secrets_and_unknown_keys_are_refused(node):
    access, secret = node.access_key()
    with refused("SignatureDoesNotMatch", 403):
        client(node, "iam", (access, secret[::-1])).list_users()
    with refused("InvalidClientTokenId", 403):
        client(node, "sts", ("MRTNOSUCHKEY", secret)).get_caller_identity()


def test_parameters_that_are_not_kept_are_refused(iam, sts, role):
    with refused("ValidationError", 400):
        iam.create_user(UserName=name("x"), Path="/division/")
    with refused("NoSuchEntity", 404):
        iam.create_user(UserName=name("x"), PermissionsBoundary="arn:aws:iam::martlet:policy/some")
    _, arn = role(trust({"AWS": "*"}))
    with refused("ValidationError", 400) as failure:
        sts.assume_role(RoleArn=arn, RoleSessionName="tagged", Tags=[{"Key": "a", "Value": "b"}])
    assert "Tags" in failure.value.response["Error"]["Message"]
    with refused("ValidationError", 400):
        iam.update_user(UserName="admin", NewUserName="root")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        document(allow("s3:*")),
        document({"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*"}),
        document({"Effect": "Allow", "Principal": "*", "Action": "s3:*"}),
        document({"Effect": "Allow", "Principal": "*", "Action": "*"}),
        document({"Effect": "Allow", "NotPrincipal": {"AWS": "x"}, "Action": "sts:AssumeRole"}),
    ],
)
def test_a_trust_policy_that_is_none_makes_no_role(iam, text):
    with refused("MalformedPolicyDocument", 400):
        iam.create_role(RoleName=name("bad"), AssumeRolePolicyDocument=text)


# STS


def test_everybody_can_ask_who_they_are(node, sts, user):
    who, key = user
    found = client(node, "sts", key).get_caller_identity()
    assert found["Arn"] == f"arn:aws:iam::martlet:user/{who}" and found["Account"] == "martlet"
    assert sts.get_caller_identity()["Arn"].endswith(":user/admin")
    # A presigned query, as Kubernetes' authenticators send it.
    url = client(node, "sts", key).generate_presigned_url("get_caller_identity", HttpMethod="GET")
    answer = requests.get(url, verify=node.verify)
    assert answer.status_code == 200 and f"user/{who}" in answer.text


def test_a_session_of_an_account_has_its_rights_and_ends_with_it(node, iam, bucket, user):
    who, key = user
    iam.put_user_policy(UserName=who, PolicyName="s3", PolicyDocument=document(read_and_write(bucket)))
    credentials = client(node, "sts", key).get_session_token(DurationSeconds=900)["Credentials"]
    assert credentials["AccessKeyId"].startswith("ASIA")
    assert 880 < credentials["Expiration"].timestamp() - time.time() < 920
    s3 = temporary(node, "s3", credentials)
    s3.put_object(Bucket=bucket, Key="k", Body=b"temporary")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"temporary"
    modern = botocore.config.Config(signature_version="s3v4", s3={"addressing_style": "path"})
    theirs = (credentials["AccessKeyId"], credentials["SecretAccessKey"])
    url = client(node, "s3", theirs, credentials["SessionToken"], modern).generate_presigned_url(
        "get_object", {"Bucket": bucket, "Key": "k"}
    )
    assert "security-token" in url.lower() and requests.get(url, verify=node.verify).content == b"temporary"
    assert temporary(node, "sts", credentials).get_caller_identity()["Arn"].endswith(f":user/{who}")
    with refused("AccessDenied", 403):
        temporary(node, "sts", credentials).get_session_token()
    with refused("ValidationError", 400):
        client(node, "sts", key).get_session_token(DurationSeconds=129601)
    # Every face that takes signatures takes these.
    signed = requests.get(url.replace(f"/{bucket}/k?", f"/{bucket}/other?"), verify=node.verify)
    assert signed.status_code == 403
    node.cli_json("account", "disable", who, "--json")
    time.sleep(1)
    with refused("AccessDenied", 403):
        s3.get_object(Bucket=bucket, Key="k")
    assert requests.get(url, verify=node.verify).status_code == 403
    node.cli_json("account", "enable", who, "--json")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"temporary"


def test_tampered_and_borrowed_tokens_are_refused(node, sts, bucket):
    one = sts.get_session_token()["Credentials"]
    two = sts.get_session_token()["Credentials"]
    raw = bytearray(base64.b64decode(one["SessionToken"]))
    for place in (0, 1, len(raw) // 2, len(raw) - 1):
        changed = bytes(raw[:place]) + bytes([raw[place] ^ 1]) + bytes(raw[place + 1 :])
        with refused("InvalidToken", 400):
            temporary(node, "s3", one | {"SessionToken": base64.b64encode(changed).decode()}).list_buckets()
    for token in (two["SessionToken"], "x", "A" * 40000 if node.tls else "A" * 30000):
        with refused("InvalidToken", 400):
            temporary(node, "s3", one | {"SessionToken": token}).list_buckets()
    with refused("InvalidToken", 400):
        client(node, "s3", (one["AccessKeyId"], one["SecretAccessKey"])).list_buckets()
    access, secret = node.access_key()
    with refused("InvalidToken", 400):
        client(node, "s3", (access, secret), one["SessionToken"]).list_buckets()
    with refused("SignatureDoesNotMatch", 403):
        temporary(node, "s3", one | {"SecretAccessKey": two["SecretAccessKey"]}).list_buckets()
    with refused("InvalidClientTokenId", 403):
        temporary(node, "sts", one | {"SessionToken": two["SessionToken"]}).get_caller_identity()
    temporary(node, "s3", one).list_buckets()


def test_a_role_gives_its_own_rights_and_no_others(node, iam, sts, bucket, user, role):
    who, key = user
    iam.put_user_policy(UserName=who, PolicyName="s3", PolicyDocument=document(allow("s3:ListAllMyBuckets")))
    called, arn = role(
        trust({"AWS": f"arn:aws:iam::martlet:user/{who}"}),
        allow(["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{bucket}/in/*"),
    )
    opened = client(node, "sts", key).assume_role(RoleArn=arn, RoleSessionName="night-run")
    assert opened["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::martlet:assumed-role/{called}/night-run"
    theirs = temporary(node, "s3", opened["Credentials"])
    theirs.put_object(Bucket=bucket, Key="in/k", Body=b"by a role")
    assert theirs.get_object(Bucket=bucket, Key="in/k")["Body"].read() == b"by a role"
    with refused("AccessDenied", 403) as failure:
        theirs.put_object(Bucket=bucket, Key="out/k", Body=b"")
    assert f"{called}/night-run" in failure.value.response["Error"]["Message"]
    found = temporary(node, "sts", opened["Credentials"]).get_caller_identity()
    assert found["Arn"].endswith(f"assumed-role/{called}/night-run") and found["UserId"].endswith(":night-run")
    # The administrator is not in the trust policy, and being one does not help.
    with refused("AccessDenied", 403):
        sts.assume_role(RoleArn=arn, RoleSessionName="night-run")
    with refused("AccessDenied", 403):
        client(node, "sts", key).assume_role(RoleArn="arn:aws:iam::martlet:role/no-such", RoleSessionName="x1")
    # A role is gone, and so are its sessions.
    iam.delete_role_policy(RoleName=called, PolicyName="what")
    time.sleep(1)
    with refused("AccessDenied", 403):
        theirs.get_object(Bucket=bucket, Key="in/k")
    iam.delete_role(RoleName=called)
    time.sleep(1)
    with refused("InvalidToken", 400):
        theirs.get_object(Bucket=bucket, Key="in/k")


def test_a_session_policy_narrows_and_never_widens(node, iam, sts, bucket, role):
    _, arn = role(trust({"AWS": "arn:aws:iam::martlet:user/admin"}), read_and_write(bucket))
    narrow = document(allow(["s3:GetObject", "s3:CreateBucket"]))
    opened = sts.assume_role(RoleArn=arn, RoleSessionName="narrow", Policy=narrow)
    assert opened["PackedPolicySize"] < 100
    full = temporary(node, "s3", sts.assume_role(RoleArn=arn, RoleSessionName="full")["Credentials"])
    full.put_object(Bucket=bucket, Key="k", Body=b"x")
    theirs = temporary(node, "s3", opened["Credentials"])
    assert theirs.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    with refused("AccessDenied", 403) as failure:
        theirs.put_object(Bucket=bucket, Key="k", Body=b"y")
    assert "session policy" in failure.value.response["Error"]["Message"]
    with refused("AccessDenied", 403):
        theirs.create_bucket(Bucket=name("not-the-roles"))
    with refused("MalformedPolicyDocument", 400):
        sts.assume_role(RoleArn=arn, RoleSessionName="bad", Policy="{}")
    with refused("PackedPolicyTooLarge", 400):
        sts.assume_role(RoleArn=arn, RoleSessionName="bad", Policy=document(allow("s3:" + "x" * 2030)))
    # An administrator's own session, narrowed.
    federated = sts.get_federation_token(Name="narrow", Policy=document(allow("s3:GetObject")))["Credentials"]
    theirs = temporary(node, "s3", federated)
    assert theirs.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    with refused("AccessDenied", 403):
        theirs.put_object(Bucket=bucket, Key="k", Body=b"y")
    with refused("AccessDenied", 403):
        temporary(node, "iam", federated).create_access_key(UserName="admin")
    # Lent credentials make none that last, not even an administrator's.
    lent = sts.get_session_token()["Credentials"]
    assert temporary(node, "iam", lent).list_users()["Users"]
    with refused("AccessDenied", 403):
        temporary(node, "iam", lent).create_access_key(UserName="admin")


def test_trust_in_everybody_here_needs_their_own_policies_too(node, iam, bucket, user, role):
    who, key = user
    theirs = client(node, "sts", key)
    called, arn = role(trust({"AWS": "arn:aws:iam::martlet:root"}), read_and_write(bucket))
    with refused("AccessDenied", 403):
        theirs.assume_role(RoleArn=arn, RoleSessionName="one")
    iam.put_user_policy(UserName=who, PolicyName="assume", PolicyDocument=document(allow("sts:AssumeRole", arn)))
    opened = theirs.assume_role(RoleArn=arn, RoleSessionName="two")["Credentials"]
    # A role may be assumed from a role, for an hour at most.
    _, second = role(trust({"AWS": f"arn:aws:iam::martlet:role/{called}"}), MaxSessionDuration=43200)
    chained = temporary(node, "sts", opened)
    assert chained.assume_role(RoleArn=second, RoleSessionName="chain")["Credentials"]
    with refused("ValidationError", 400):
        chained.assume_role(RoleArn=second, RoleSessionName="chain", DurationSeconds=7200)
    # Named by the trust policy, the user's own denial still counts.
    iam.update_assume_role_policy(
        RoleName=called, PolicyDocument=trust({"AWS": f"arn:aws:iam::martlet:user/{who}"})
    )
    theirs.assume_role(RoleArn=arn, RoleSessionName="three")
    iam.put_user_policy(
        UserName=who,
        PolicyName="assume",
        PolicyDocument=document({"Effect": "Deny", "Action": "sts:*", "Resource": "*"}),
    )
    with refused("AccessDenied", 403):
        theirs.assume_role(RoleArn=arn, RoleSessionName="four")


def test_conditions_and_groups_of_a_trust_policy_count(node, iam, user, role):
    who, key = user
    theirs = client(node, "sts", key)
    group = name("ops")
    iam.create_group(GroupName=group)
    try:
        _, arn = role(
            trust({"Martlet": f"group:{group}"}, Condition={"StringEquals": {"sts:ExternalId": "between us"}})
        )
        with refused("AccessDenied", 403):
            theirs.assume_role(RoleArn=arn, RoleSessionName="one", ExternalId="between us")
        iam.add_user_to_group(GroupName=group, UserName=who)
        theirs.assume_role(RoleArn=arn, RoleSessionName="one", ExternalId="between us")
        with refused("AccessDenied", 403):
            theirs.assume_role(RoleArn=arn, RoleSessionName="one")
    finally:
        iam.remove_user_from_group(GroupName=group, UserName=who)
        iam.delete_group(GroupName=group)


def test_a_roles_sessions_last_as_long_as_it_lets_them(iam, sts, role):
    called, arn = role(trust({"AWS": "*"}), MaxSessionDuration=43200)
    assert iam.get_role(RoleName=called)["Role"]["MaxSessionDuration"] == 43200
    for seconds in (900, 43200):
        opened = sts.assume_role(RoleArn=arn, RoleSessionName="long", DurationSeconds=seconds)["Credentials"]
        assert abs(opened["Expiration"].timestamp() - time.time() - seconds) < 20
    iam.update_role(RoleName=called, MaxSessionDuration=3600)
    for seconds in (3601, 43200):
        with refused("ValidationError", 400):
            sts.assume_role(RoleArn=arn, RoleSessionName="long", DurationSeconds=seconds)
    document = iam.get_role(RoleName=called)["Role"]["AssumeRolePolicyDocument"]
    assert document["Statement"][0]["Action"] == "sts:AssumeRole"
    assert called in [r["RoleName"] for p in iam.get_paginator("list_roles").paginate() for r in p["Roles"]]


def test_the_signing_face_signs_with_a_sessions_own_rights(node, sts, bucket, role, s3):
    s3.put_object(Bucket=bucket, Key="k", Body=b"signed")
    _, arn = role(trust({"AWS": "*"}), allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*"))
    credentials = sts.assume_role(RoleArn=arn, RoleSessionName="signing")["Credentials"]
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    address = f"{node.web}/sign?href=s3%3A%2F%2F{bucket}%2Fk"
    request = AWSRequest("GET", address, headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    SigV4Auth(
        Credentials(credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"]),
        "s3",
        "us-east-1",
    ).add_auth(request)
    answer = requests.get(address, headers=dict(request.headers), verify=node.verify)
    assert answer.status_code == 200, answer.text
    href = answer.json()["href"]
    assert "X-Amz-Security-Token" in href and requests.get(href, verify=node.verify).content == b"signed"


# Tokens of this node and of others


@pytest.fixture
def idp(iam):
    idp = IdP(AUDIENCE)
    arn = iam.create_open_id_connect_provider(Url=idp.issuer, ClientIDList=[AUDIENCE, "other"])[
        "OpenIDConnectProviderArn"
    ]
    assert arn == f"arn:aws:iam::martlet:oidc-provider/{idp.name}"
    idp.arn = arn
    yield idp
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    idp.close()


def federated(idp, **conditions):
    return trust(
        {"Federated": idp.arn},
        "sts:AssumeRoleWithWebIdentity",
        Condition={"StringEquals": {f"{idp.name}:aud": AUDIENCE, **conditions}},
    )


def test_a_job_assumes_a_role_with_a_token_of_a_trusted_issuer(node, iam, bucket, idp, role):
    called, arn = role(federated(idp, **{f"{idp.name}:sub": "job-7"}), read_and_write(bucket))
    opened = unsigned(node).assume_role_with_web_identity(
        RoleArn=arn, RoleSessionName="job", WebIdentityToken=idp.token(), DurationSeconds=900
    )
    assert opened["SubjectFromWebIdentityToken"] == "job-7" and opened["Audience"] == AUDIENCE
    assert opened["Provider"] == idp.arn
    s3 = temporary(node, "s3", opened["Credentials"])
    s3.put_object(Bucket=bucket, Key="k", Body=b"by a job")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"by a job"
    fetched = len(idp.fetched)
    for _ in range(3):
        unsigned(node).assume_role_with_web_identity(RoleArn=arn, RoleSessionName="job", WebIdentityToken=idp.token())
    assert len(idp.fetched) == fetched, "keys are remembered"
    # Claims are known to the role's own policies too.
    iam.put_role_policy(
        RoleName=called,
        PolicyName="what",
        PolicyDocument=document(allow("s3:GetObject", f"arn:aws:s3:::{bucket}/${{{idp.name}:sub}}/*")),
    )
    time.sleep(1)
    node.s3().put_object(Bucket=bucket, Key="job-7/k", Body=b"mine")
    assert s3.get_object(Bucket=bucket, Key="job-7/k")["Body"].read() == b"mine"
    with refused("AccessDenied", 403):
        s3.get_object(Bucket=bucket, Key="k")


def test_boto3_takes_a_token_from_a_file_by_itself(node, bucket, idp, role, tmp_path, monkeypatch):
    _, arn = role(federated(idp), read_and_write(bucket))
    (tmp_path / "token").write_text(idp.token())
    for variable, value in {
        "AWS_ROLE_ARN": arn,
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
        "AWS_ENDPOINT_URL": node.s3_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        **({"AWS_CA_BUNDLE": node.authority} if node.tls else {}),
    }.items():
        monkeypatch.setenv(variable, value)
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    s3 = boto3.session.Session().client("s3", config=botocore.config.Config(s3={"addressing_style": "path"}))
    s3.put_object(Bucket=bucket, Key="k", Body=b"found its way")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"found its way"


def test_tokens_that_do_not_hold_open_nothing(node, idp, role):
    _, arn = role(federated(idp))
    sts = unsigned(node)

    def assume(token, role_arn=arn):
        return sts.assume_role_with_web_identity(RoleArn=role_arn, RoleSessionName="job", WebIdentityToken=token)

    assume(idp.token())
    assume(idp.token(aud=["somebody", AUDIENCE]))
    now = int(time.time())
    other = ec.generate_private_key(ec.SECP256R1())
    good = idp.token()
    head, body, signature = good.split(".")
    for token in (
        idp.token(aud="somebody"),
        idp.token(aud=None),
        idp.token(sub=None),
        idp.token(exp=None),
        idp.token(nbf=now + 600),
        idp.token(iss="https://idp.example"),
        idp.token(key=other),
        f"{head}.{body}.{signature[:-4]}AAAA",
        f"{head}.{body}.",
        jwt.encode({"iss": idp.issuer, "sub": "x", "aud": AUDIENCE, "exp": now + 60}, None, algorithm="none"),
        jwt.encode({"iss": idp.issuer, "sub": "x", "aud": AUDIENCE, "exp": now + 60}, "secret" * 8, algorithm="HS256"),
        idp.token(**{"SUB": "job-8"}),
        "xxxx",
    ):
        with refused("InvalidIdentityToken", 400):
            assume(token)
    with refused("ExpiredTokenException", 400):
        assume(idp.token(exp=now - 1))
    with refused("AccessDenied", 403):
        assume(idp.token(aud="other"))
    with refused("AccessDenied", 403):
        assume(idp.token(), "arn:aws:iam::martlet:role/no-such")


def test_trust_conditions_on_claims_decide(node, idp, role):
    def opens(arn, **claims):
        try:
            unsigned(node).assume_role_with_web_identity(
                RoleArn=arn, RoleSessionName="job", WebIdentityToken=idp.token(**claims)
            )
            return True
        except unsigned(node).exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "AccessDenied"
            return False

    _, by_subject = role(federated(idp, **{f"{idp.name}:sub": "job-8"}))
    assert not opens(by_subject) and opens(by_subject, sub="job-8")
    _, by_group = role(
        trust(
            {"Federated": idp.issuer},
            "sts:AssumeRoleWithWebIdentity",
            Condition={"ForAnyValue:StringEquals": {"jwt:groups": ["makers"]}},
        )
    )
    assert opens(by_group) and not opens(by_group, groups=["readers"]) and not opens(by_group, groups=None)
    # Other issuers, other actions and accounts of this node are not meant.
    _, elsewhere = role(trust({"Federated": "arn:aws:iam::martlet:oidc-provider/x.example"}, "sts:AssumeRoleWithWebIdentity"))
    _, for_keys = role(trust({"AWS": "*"}, "sts:*"))
    _, other_action = role(trust({"Federated": idp.arn}, "sts:AssumeRole"))
    assert not opens(elsewhere) and not opens(for_keys) and not opens(other_action)


def test_an_issuer_may_change_its_keys(node, idp, role):
    _, arn = role(federated(idp))
    idp.keys["two"] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    idp.publish()
    sts = unsigned(node)
    opened = sts.assume_role_with_web_identity(
        RoleArn=arn, RoleSessionName="job", WebIdentityToken=idp.token(kid="two", algorithm="RS256")
    )
    assert opened["Credentials"]
    # Unknown names do not make the node ask again and again.
    fetched = len(idp.fetched)
    for number in range(5):
        with refused("InvalidIdentityToken", 400):
            sts.assume_role_with_web_identity(
                RoleArn=arn,
                RoleSessionName="job",
                WebIdentityToken=idp.token(kid=f"no-{number}", key=idp.keys["one"]),
            )
    assert len(idp.fetched) == fetched


@pytest.mark.parametrize("answer", [None, b"<html>", b"[" * 10000, b"x" * (300 << 10), {"issuer": "https://other.example"}])
def test_an_issuer_that_does_not_answer_well_is_told(node, iam, idp, role, answer):
    _, arn = role(federated(idp))
    idp.documents["/realms/eo/.well-known/openid-configuration"] = answer
    with refused("IDPCommunicationError", 400):
        unsigned(node).assume_role_with_web_identity(RoleArn=arn, RoleSessionName="job", WebIdentityToken=idp.token())


@pytest.mark.parametrize("url", ["http://idp.example", "ftp://x.example", "https://", "https://a b", "https://aws", "x"])
def test_issuers_are_addresses_with_tls(iam, url):
    with refused("ValidationError", 400):
        iam.create_open_id_connect_provider(Url=url, ClientIDList=["a"])


def test_providers_are_listed_and_forgotten(node, iam):
    url = f"https://{name('idp')}.example/realms/eo"
    arn = iam.create_open_id_connect_provider(Url=url, ClientIDList=["a", "b"], ThumbprintList=["0" * 40])[
        "OpenIDConnectProviderArn"
    ]
    with refused("EntityAlreadyExists", 409):
        iam.create_open_id_connect_provider(Url=url + "/", ClientIDList=["a"])
    found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert found["ClientIDList"] == ["a", "b"] and found["Url"] == url.removeprefix("https://")
    assert arn in [p["Arn"] for p in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    with refused("NoSuchEntity", 404):
        iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)


def test_tokens_of_this_node_open_roles_until_the_account_is_disabled(node, iam, bucket, role):
    who, password = name("ada"), "a long pass phrase 1"
    node.cli_json("account", "create", who, "--password-from-stdin", "--json", input=password + "\n")
    try:
        bearer = requests.post(
            f"{node.web}/oidc/token",
            data={"grant_type": "password", "username": who, "password": password},
            verify=node.verify,
        ).json()["access_token"]
        issuer = jwt.decode(bearer, options={"verify_signature": False})["iss"]
        _, arn = role(
            trust(
                {"Federated": issuer},
                "sts:AssumeRoleWithWebIdentity",
                Condition={"StringEquals": {"jwt:preferred_username": who}},
            ),
            allow("s3:*", f"arn:aws:s3:::{bucket}/${{jwt:preferred_username}}/*"),
        )
        opened = unsigned(node).assume_role_with_web_identity(
            RoleArn=arn, RoleSessionName="job", WebIdentityToken=bearer
        )
        s3 = temporary(node, "s3", opened["Credentials"])
        s3.put_object(Bucket=bucket, Key=f"{who}/k", Body=b"mine")
        with refused("AccessDenied", 403):
            s3.put_object(Bucket=bucket, Key="admin/k", Body=b"not mine")
        node.cli_json("account", "disable", who, "--json")
        time.sleep(1)
        with refused("AccessDenied", 403):
            s3.put_object(Bucket=bucket, Key=f"{who}/k", Body=b"mine")
        with refused("AccessDenied", 403):
            unsigned(node).assume_role_with_web_identity(RoleArn=arn, RoleSessionName="job", WebIdentityToken=bearer)
    finally:
        node.cli("account", "delete", who)


def test_nothing_of_a_session_is_stored(node, sts, bucket):
    credentials = sts.get_session_token()["Credentials"]
    temporary(node, "s3", credentials).put_object(Bucket=bucket, Key="k", Body=b"x")
    needles = [credentials["SecretAccessKey"].encode(), credentials["SessionToken"].encode()[:200]]
    assert node.files_with(needles) == []


def test_the_command_line_of_aws_works(node, bucket):
    import pathlib
    import subprocess
    import sys

    aws = pathlib.Path(sys.executable).with_name("aws")
    if not aws.exists():
        pytest.skip("there is no aws command line here")
    access, secret = node.access_key()
    environment = {
        "HOME": str(node.home),
        "PATH": "/usr/bin:/bin",
        "AWS_ACCESS_KEY_ID": access,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": node.s3_url,
        **({"AWS_CA_BUNDLE": node.authority} if node.tls else {}),
    }

    def run(*arguments):
        done = subprocess.run(
            [aws, *arguments, "--output", "json"], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    assert run("sts", "get-caller-identity")["Arn"].endswith(":user/admin")
    who = name("cli")
    assert run("iam", "create-user", "--user-name", who)["User"]["UserName"] == who
    assert who in [user["UserName"] for user in run("iam", "list-users")["Users"]]
    run("iam", "delete-user", "--user-name", who)
