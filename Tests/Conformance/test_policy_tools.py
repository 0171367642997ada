"""Policies explained and imported: martlet policy simulate and import, and IAM's own simulation."""

import json
import secrets

import boto3
import botocore.config
import pytest

RULES = """\
# Who publishes what.
rules:
  - user: {ada}
    collections: [eo-{mark}, 'climate-{mark}']
    storages:
      - https://s3.example.org/eo-{mark}/2026
  - group: {group}
    storages: ["https://s3.example.org/shared-{mark}"]   # a whole bucket
"""


class People:
    def __init__(self, node):
        self.node, self.mark = node, secrets.token_hex(3)
        self.ada, self.group = f"ada-{self.mark}", f"science-{self.mark}"
        node.cli_json("account", "create", self.ada, "--json")
        assert node.cli("group", "create", self.group).returncode == 0

    def policy(self, folder, name, to, *statements):
        file = folder / "policy.json"
        file.write_text(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
        assert self.node.cli("policy", "put", name, file).returncode == 0
        assert self.node.cli("policy", "attach", name, "--to", to).returncode == 0

    def simulate(self, action, resource, *options, principal=None):
        done = self.node.cli("policy", "simulate", principal or self.ada, action, resource, "--json", *options)
        assert done.returncode in (0, 2), done.stderr
        answer = json.loads(done.stdout)
        assert answer["allowed"] == (done.returncode == 0)
        return answer


@pytest.fixture
def people(any_node):
    return People(any_node)


def test_simulate(people, tmp_path):
    node, name = people.node, f"readers-{people.mark}"
    assert node.cli("group", "add", people.group, people.ada).returncode == 0
    people.policy(tmp_path, name, f"group:{people.group}", {
        "Sid": "Near", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::near/*",
        "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, {
        "Sid": "NotThis", "Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::near/secret/*"}, {
        "Sid": "Strong", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::near/*",
        "Condition": {"StringEquals": {"martlet:AuthenticationMethod": "certificate"}}})
    allowed = people.simulate("s3:GetObject", "arn:aws:s3:::near/a", "--address", "10.1.2.3")
    assert allowed["allowed"] and '"Near"' in allowed["reason"]
    assert (allowed["policy"], allowed["from"]) == (name, [f"group:{people.group}"])
    # What would have to be otherwise is said.
    far = people.simulate("s3:GetObject", "arn:aws:s3:::near/a", "--address", "203.0.113.9")
    assert not far["allowed"] and any("aws:sourceip" in miss and '"Near"' in miss for miss in far["missing"])
    other = people.simulate("s3:GetObject", "arn:aws:s3:::far/a", "--address", "10.1.2.3")
    assert any("other resources" in miss for miss in other["missing"]) and "from" not in other
    denied = people.simulate("s3:GetObject", "arn:aws:s3:::near/secret/a", "--address", "10.1.2.3")
    assert "Denied by" in denied["reason"] and '"NotThis"' in denied["reason"]
    assert not people.simulate("s3:PutObject", "arn:aws:s3:::near/a")["allowed"]
    assert people.simulate("s3:PutObject", "arn:aws:s3:::near/a", "--method", "certificate")["allowed"]
    assert not people.simulate("s3:GetObject", "arn:aws:s3:::near/a", principal="anonymous")["allowed"]
    everything = people.simulate("s3:GetObject", "arn:aws:s3:::near/a", principal="admin")
    assert everything["from"] == ["group:administrators"]
    text = node.cli("policy", "simulate", people.ada, "s3:GetObject", "arn:aws:s3:::far/a")
    assert text.returncode == 2 and "no statement allows it" in text.stdout and "Near" not in text.stdout.splitlines()[0]
    assert node.cli("policy", "simulate", "nobody-here", "s3:GetObject", "*").returncode == 4


def iam(node):
    key, secret = node.access_key()
    return boto3.client("iam", endpoint_url=node.s3_url, region_name="us-east-1", aws_access_key_id=key,
                        aws_secret_access_key=secret, verify=node.verify,
                        config=botocore.config.Config(retries={"total_max_attempts": 1}))


def test_simulation_by_boto3(people, tmp_path):
    people.policy(tmp_path, f"own-{people.mark}", f"user:{people.ada}", {
        "Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::a/*",
        "Condition": {"StringEquals": {"aws:RequestedRegion": "eu"}}})
    client = iam(people.node)
    arn = f"arn:aws:iam::martlet:user/{people.ada}"
    asked = {"PolicySourceArn": arn, "ActionNames": ["s3:GetObject", "s3:PutObject"], "ResourceArns": ["arn:aws:s3:::a/b"]}
    first, second = client.simulate_principal_policy(**asked)["EvaluationResults"]
    assert (first["EvalDecision"], second["EvalDecision"]) == ("implicitDeny", "implicitDeny")
    assert first["MissingContextValues"] == ["aws:requestedregion"]
    first, second = client.simulate_principal_policy(**asked, ContextEntries=[{
        "ContextKeyName": "aws:RequestedRegion", "ContextKeyValues": ["eu"], "ContextKeyType": "string"}])["EvaluationResults"]
    assert (first["EvalDecision"], second["EvalDecision"]) == ("allowed", "implicitDeny")
    assert first["MatchedStatements"][0]["SourcePolicyId"] == f"own-{people.mark}"
    document = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}]})
    custom = client.simulate_custom_policy(PolicyInputList=[document], ActionNames=["s3:GetObject", "s3:PutObject"])
    assert [one["EvalDecision"] for one in custom["EvaluationResults"]] == ["allowed", "explicitDeny"]
    with pytest.raises(client.exceptions.ClientError, match="ValidationError"):
        client.simulate_principal_policy(PolicySourceArn="arn:aws:iam::martlet:group/x", ActionNames=["s3:GetObject"])


def test_import(people, tmp_path):
    node, file = people.node, tmp_path / "policies.yaml"
    text = RULES.format(ada=people.ada, group=people.group, mark=people.mark)
    file.write_text(text)
    names = {f"rules-user-{people.ada}", f"rules-group-{people.group}"}

    def present():
        return {line.split()[0] for line in node.cli("policy", "list").stdout.splitlines() if line.startswith("rules-")}

    dry = node.cli("policy", "import", file, "--dry-run")
    assert dry.returncode == 0 and "2 would change" in dry.stdout and not names & present(), dry.stderr
    assert "+ s3:AbortMultipartUpload" in dry.stdout and f"arn:aws:s3:::eo-{people.mark}/2026/*" in dry.stdout
    done = node.cli("policy", "import", file)
    assert done.returncode == 0 and "2 changed" in done.stdout and names <= present(), done.stderr
    assert "nothing to change" in node.cli("policy", "import", file).stdout
    for action, resource, allowed in (
        ("s3:PutObject", f"arn:aws:s3:::eo-{people.mark}/2026/a.tif", True),
        ("s3:PutObject", f"arn:aws:s3:::eo-{people.mark}/2027/a.tif", False),
        ("s3:PutObject", f"arn:aws:s3:::eo-{people.mark}/20260/a.tif", False),
        ("stac:Search", f"arn:martlet:stac:::climate-{people.mark}", True),
        ("stac:Search", f"arn:martlet:stac:::other-{people.mark}", False),
    ):
        assert people.simulate(action, resource)["allowed"] == allowed, (action, resource)
    listing = ("s3:ListBucket", f"arn:aws:s3:::eo-{people.mark}")
    assert people.simulate(*listing, "--context", "s3:prefix=2026/x")["allowed"]
    assert not people.simulate(*listing, "--context", "s3:prefix=")["allowed"]
    # What the file does not say any more is taken back; to read is less than to write.
    file.write_text(text.split("  - group")[0])
    done = node.cli("policy", "import", file, "--read-only")
    assert f"- rules-group-{people.group}" in done.stdout and present() & names == {f"rules-user-{people.ada}"}
    assert not people.simulate("s3:PutObject", f"arn:aws:s3:::eo-{people.mark}/2026/a.tif")["allowed"]
    assert people.simulate("s3:GetObject", f"arn:aws:s3:::eo-{people.mark}/2026/a.tif")["allowed"]
    file.write_text("rules: []\n")
    assert node.cli("policy", "import", file).returncode == 0 and not names & present()
    for wrong in ("rules:\n  - user: a\n    storage: [x]\n", "rules:\n\t- user: a\n", "- user: a\n", "rules:\n  - user: &x a\n",
                  "rules:\n  - user: a\n    storages: [ftp://x/y]\n", "rules:\n  - user: a\n    collections: ['*']\n"):
        file.write_text(wrong)
        refused = node.cli("policy", "import", file)
        assert refused.returncode == 1 and "policies.yaml" in refused.stderr, (wrong, refused.stderr)
