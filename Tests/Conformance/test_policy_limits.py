"""What policies leave of rights: boundaries of users, roles and the space, and conditions on products' properties."""

import json
import secrets

import pytest
import requests
from conftest import empty_bucket, new_bucket
from errors import refused
from products import put_items, real_items, wait_for
from signers import Nobody
from test_iam_sts import allow, client, document, name, remove, temporary, trust


@pytest.fixture(scope="module")
def iam(any_node):
    return client(any_node, "iam")


@pytest.fixture
def limit(iam):
    """Managed policies: what may be done at most."""
    made = []

    def make(*statements):
        made.append(iam.create_policy(PolicyName=name("limit"), PolicyDocument=document(*statements))["Policy"]["Arn"])
        return made[-1]

    yield make
    for arn in made:
        iam.delete_policy(PolicyArn=arn)


@pytest.fixture(scope="module")
def place(any_node):
    s3 = any_node.s3()
    bucket = new_bucket(s3, "limits")
    s3.put_object(Bucket=bucket, Key="a/x", Body=b"x")
    yield bucket
    empty_bucket(s3, bucket)
    s3.delete_bucket(Bucket=bucket)


def test_boundaries_of_users_and_roles_by_boto3(any_node, iam, limit, place):
    who, read = name("ada"), limit(allow("s3:Get*"))
    made = iam.create_user(UserName=who, PermissionsBoundary=read)["User"]
    assert made["PermissionsBoundary"] == {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": read}
    iam.put_user_policy(UserName=who, PolicyName="all", PolicyDocument=document(allow("s3:*")))
    made = iam.create_access_key(UserName=who)["AccessKey"]
    s3 = any_node.s3((made["AccessKeyId"], made["SecretAccessKey"]))
    assert s3.get_object(Bucket=place, Key="a/x")["Body"].read() == b"x"
    with refused("AccessDenied", 403) as failure:
        s3.put_object(Bucket=place, Key="a/y", Body=b"y")
    assert "boundary" in failure.value.response["Error"]["Message"]
    # Another one takes its place at once; without any, the policies alone count.
    iam.put_user_permissions_boundary(UserName=who, PermissionsBoundary=limit(allow("s3:Put*")))
    s3.put_object(Bucket=place, Key="a/y", Body=b"y")
    with refused("AccessDenied", 403):
        s3.get_object(Bucket=place, Key="a/x")
    with refused("DeleteConflict", 409):
        iam.delete_policy(PolicyArn=iam.get_user(UserName=who)["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"])
    iam.delete_user_permissions_boundary(UserName=who)
    assert "PermissionsBoundary" not in iam.get_user(UserName=who)["User"]
    s3.get_object(Bucket=place, Key="a/x")
    with refused("NoSuchEntity", 404):
        iam.delete_user_permissions_boundary(UserName=who)
    with refused("NoSuchEntity", 404):
        iam.put_user_permissions_boundary(UserName=who, PermissionsBoundary="arn:aws:iam::martlet:policy/none")

    role = name("batch")
    shown = iam.create_role(
        RoleName=role, PermissionsBoundary=read, AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::martlet:user/{who}"})
    )["Role"]
    assert shown["PermissionsBoundary"]["PermissionsBoundaryArn"] == read
    iam.put_role_policy(RoleName=role, PolicyName="all", PolicyDocument=document(allow("s3:*")))
    sts = client(any_node, "sts", (made["AccessKeyId"], made["SecretAccessKey"]))
    lent = sts.assume_role(RoleArn=shown["Arn"], RoleSessionName="run")["Credentials"]
    s3 = temporary(any_node, "s3", lent)
    s3.get_object(Bucket=place, Key="a/x")
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=place, Key="a/y")
    iam.delete_role_permissions_boundary(RoleName=role)
    s3.delete_object(Bucket=place, Key="a/y")
    iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=read)
    # Boundaries go with those whom they bind, so that their policies can go as well.
    remove(iam, "Role", role)
    iam.put_user_permissions_boundary(UserName=who, PermissionsBoundary=read)
    remove(iam, "User", who)
    iam.create_user(UserName=who)
    assert "PermissionsBoundary" not in iam.get_user(UserName=who)["User"]
    remove(iam, "User", who)


def test_somebody_may_make_users_only_within_a_boundary(any_node, iam, limit):
    boss, read = name("boss"), limit(allow("s3:Get*"))
    iam.create_user(UserName=boss)
    iam.put_user_policy(UserName=boss, PolicyName="hire", PolicyDocument=document(
        allow("iam:CreateUser", Condition={"StringEquals": {"iam:PermissionsBoundary": read}})))
    made = iam.create_access_key(UserName=boss)["AccessKey"]
    theirs, hired = client(any_node, "iam", (made["AccessKeyId"], made["SecretAccessKey"])), name("hired")
    with refused("AccessDenied", 403):
        theirs.create_user(UserName=hired)
    theirs.create_user(UserName=hired, PermissionsBoundary=read)
    for who in (hired, boss):
        remove(iam, "User", who)


def test_the_boundary_of_the_space_binds_administrators(any_node, place, tmp_path):
    node, keep = any_node, name("keep")
    file = tmp_path / "keep.json"
    file.write_text(document(allow("*"), {"Sid": "Keep", "Effect": "Deny", "Action": ["s3:DeleteObject*", "ledger:Register"], "Resource": "*"}))
    assert node.cli("policy", "put", keep, file).returncode == 0
    try:
        assert node.cli("policy", "boundary", "set", "space:main", keep).returncode == 0
        assert "space:main" in node.cli("policy", "boundary", "list").stdout
        with refused("AccessDenied", 403) as failure:
            node.s3().delete_object(Bucket=place, Key="a/x")
        assert '"Keep"' in failure.value.response["Error"]["Message"]
        # What the ledger has is the space's too.
        trace = Nobody().trace({"name": "kept", "size": 7, "hash": secrets.token_hex(32)}, "CREATE")
        refusal = node.http().put(f"{node.web}/traces/api/v1/traces", json=[trace])
        assert refusal.status_code == 403 and "Keep" in refusal.text, refusal.text
        asked = ("policy", "simulate", "admin", "s3:DeleteObject", f"arn:aws:s3:::{place}/a/x", "--json")
        answer = json.loads(node.cli(*asked).stdout)
        assert not answer["allowed"] and answer["from"] == ["space:main"] and keep in answer["policy"]
        assert json.loads(node.cli("policy", "simulate", "admin", "s3:PutObject", f"arn:aws:s3:::{place}/b", "--json").stdout)["allowed"]
        refusal = node.cli("policy", "delete", keep)
        assert refusal.returncode != 0 and "space:main" in refusal.stderr
    finally:
        assert node.cli("policy", "boundary", "remove", "space:main").returncode == 0
    node.s3().put_object(Bucket=place, Key="a/z", Body=b"z")
    node.s3().delete_object(Bucket=place, Key="a/z")
    assert node.cli("policy", "delete", keep).returncode == 0
    assert node.cli("policy", "boundary", "set", "space:none", keep).returncode != 0
    assert node.cli("policy", "boundary", "set", "group:x", keep).returncode != 0


CLOUDS = "eo:cloud_cover"


def test_conditions_on_properties_of_products(node, tmp_path):
    """Only what is clear may be seen: in the catalogue, over S3, over WebDAV and by signed addresses."""
    s3, mark = node.s3(max_pool_connections=8), secrets.token_hex(4)
    bucket, who = new_bucket(s3, "clear"), f"ada-{mark}"
    items = {item["id"]: item for item in real_items("sentinel-2-l2a.ndjson.gz", 24)}
    covers = sorted(item["properties"][CLOUDS] for item in items.values())
    wanted = covers[len(covers) // 2]
    clear = {key for key, item in items.items() if item["properties"][CLOUDS] < wanted}
    assert 0 < len(clear) < len(items)
    put_items(s3, bucket, items.values())
    for key in items:
        s3.put_object(Bucket=bucket, Key=f"{key}/B02.tif", Body=key.encode())
    search = f"{node.web}/stac/search"
    wait_for("all items", lambda: len(
        node.http().get(search, params={"collections": bucket, "limit": 100}).json()["features"]) == len(items))
    node.cli_json("account", "create", who, "--password-from-stdin", "--json", input="a long enough word")
    file = tmp_path / "clear.json"
    statements = (
        allow(["s3:GetObject", "stac:Search", "stac:GetItem"],
              [f"arn:aws:s3:::{bucket}/*", f"arn:martlet:stac:::{bucket}", f"arn:martlet:stac:::{bucket}/*"],
              Condition={"NumericLessThan": {f"martlet:Product/{CLOUDS}": str(wanted)}, "StringLike": {"martlet:Product/platform": "Sentinel-2?"}}),
        allow("s3:ListBucket", f"arn:aws:s3:::{bucket}"),
    )
    file.write_text(document(*statements))
    assert node.cli("policy", "put", f"clear-{mark}", file).returncode == 0
    assert node.cli("policy", "attach", f"clear-{mark}", "--to", f"user:{who}").returncode == 0

    mine = node.http(user=who, password="a long enough word")
    page = mine.get(search, params={"collections": bucket, "limit": 100}).json()
    assert {item["id"] for item in page["features"]} == clear and page["numberMatched"] == len(clear)
    assert page["numberReturned"] == len(clear)
    # Page by page, each once, and in the collection's own list.
    found, url = [], f"{node.web}/stac/collections/{bucket}/items?limit=3"
    while url:
        page = mine.get(url).json()
        found += [item["id"] for item in page["features"]]
        url = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
    assert sorted(found) == sorted(clear)
    mine_s3 = node.s3(node.create_key(who))
    for key in items:
        one = mine.get(f"{node.web}/stac/collections/{bucket}/items/{key}")
        signed = mine.get(f"{node.web}/sign", params={"href": f"s3://{bucket}/{key}/B02.tif"})
        dav = mine.get(f"{node.web}/dav/{bucket}/{key}/B02.tif")
        expected = 200 if key in clear else 403
        assert (one.status_code, signed.status_code, dav.status_code) == (expected,) * 3, (key, one.text, signed.text)
        if key in clear:
            assert mine_s3.get_object(Bucket=bucket, Key=f"{key}/B02.tif")["Body"].read() == key.encode()
            assert requests.get(signed.json()["href"], verify=node.verify).content == key.encode()
        else:
            with refused("AccessDenied", 403):
                mine_s3.get_object(Bucket=bucket, Key=f"{key}/B02.tif")
    # Why not: the policy tool looks the product up as the gate does.
    dull = next(key for key in items if key not in clear)
    asked = ("policy", "simulate", who, "s3:GetObject", f"arn:aws:s3:::{bucket}/{dull}/B02.tif", "--json")
    assert any("cloud_cover" in miss for miss in json.loads(node.cli(*asked).stdout)["missing"])
    # As the product changes, so does who may read it.
    items[dull]["properties"][CLOUDS] = 0
    put_items(s3, bucket, [items[dull]])
    wait_for("the new cloud cover", lambda: mine.get(f"{node.web}/dav/{bucket}/{dull}/B02.tif").status_code == 200)
    empty_bucket(s3, bucket)
    s3.delete_bucket(Bucket=bucket)
