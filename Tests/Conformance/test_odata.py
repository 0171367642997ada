"""OData, as clients of the Copernicus Data Space speak it: products found, browsed, downloaded."""

import concurrent.futures
import io
import json
import secrets
import subprocess
import urllib.parse
import xml.etree.ElementTree as ElementTree
import zipfile

import pytest
import requests
from products import LEVEL_2A, real_items, shared, upload, wait_for_item


@pytest.fixture(scope="module")
def base(node):
    return node.web + "/odata/v1"


def lend_collection(node):
    name = "odata-" + secrets.token_hex(4)
    made = node.http().post(
        f"{node.web}/stac/collections",
        json={"type": "Collection", "stac_version": "1.1.0", "id": name, "description": "x", "license": "CC0-1.0", "links": []},
    )
    assert made.status_code == 201, made.text
    return name


def square(west, south):
    ring = [[west, south], [west + 1, south], [west + 1, south + 1], [west, south + 1], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}, [west, south, west + 1, south + 1]


@pytest.fixture(scope="module")
def scenes(node):
    """Thirty items put by hand; returns their collection."""
    name = lend_collection(node)
    items = {}
    for number in range(30):
        geometry, bbox = square(number, 45)
        items[f"scene-{number:02}"] = {
            "type": "Feature", "stac_version": "1.1.0", "id": f"scene-{number:02}", "geometry": geometry, "bbox": bbox,
            "links": [], "assets": {},
            "properties": {
                "datetime": f"2020-06-{number + 1:02}T10:00:00Z", "eo:cloud_cover": number * 3.0, "constellation": "sentinel-2",
                "s2:product_type": "S2MSI2A" if number % 2 else "S2MSI1C", "instruments": ["msi"], "grid:code": "MGRS-33UVP",
                "sat:relative_orbit": number, "sat:orbit_state": "descending", "created": f"2021-01-{number + 1:02}T00:00:00Z",
                "own:text": f"it's {number}",
            },
        }
    http = node.http()
    put = http.post(f"{node.web}/stac/collections/{name}/bulk_items", json={"method": "insert", "items": items})
    assert put.status_code == 200, put.text
    yield name
    for number in range(30):
        http.delete(f"{node.web}/stac/collections/{name}/items/scene-{number:02}")
    http.delete(f"{node.web}/stac/collections/{name}")


def attribute(name, kind, condition):
    value = condition.replace("Value", f"att/OData.CSC.{kind}/Value")
    return f"Attributes/OData.CSC.{kind}/any(att:att/Name eq '{name}' and {value})"


def names(http, base, collection, filter=None, **options):
    condition = f"Collection/Name eq '{collection}'" + (f" and ({filter})" if filter else "")
    parameters = {"$filter": condition, "$orderby": "Name asc", "$top": 1000, **{f"${name}": value for name, value in options.items()}}
    answer = http.get(f"{base}/Products", params=parameters)
    assert answer.status_code == 200, answer.text
    return [int(product["Name"].removeprefix("scene-")) for product in answer.json()["value"]]


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ("Name eq 'scene-07'", [7]),
        ("Name eq 'scene-07.SAFE'", [7]),
        ("Name in ('scene-07','scene-09')", [7, 9]),
        ("Name in ('scene-07','no-such')", [7]),
        ("Id eq 00000000-0000-8000-8000-000000000001", []),
        ("Id in (00000000-0000-8000-8000-000000000001)", []),
        ("Name eq 'scene-07' and Id ne 00000000-0000-8000-8000-000000000001", [7]),
        (attribute("productType", "StringAttribute", "Value in ('S2MSI2A','x')") + " and endswith(Name,'5')", [5, 15, 25]),
        (attribute("tileId", "StringAttribute", "Value in ('33UVP','x')") + " and Name eq 'scene-00'", [0]),
        (attribute("relativeOrbitNumber", "IntegerAttribute", "Value in (3,12)"), [3, 12]),
        ("Attributes/OData.CSC.IntegerAttribute/any(att:att/Name eq 'relativeOrbitNumber' and att/OData.CSC.StringAttribute/Value eq 3)", [3]),
        ("Collection/Name in ('no-such') and Name eq 'scene-07'", []),
        ("contains(Name,'e-1')", range(10, 20)),
        ("startswith(Name,'scene-2')", range(20, 30)),
        ("endswith(Name,'5')", [5, 15, 25]),
        ("contains(Name,'%')", []),
        ("ContentDate/Start gt 2020-06-10T10:00:00.000Z and ContentDate/Start lt 2020-06-13T10:00:00.000Z", [10, 11]),
        ("ContentDate/Start ge 2020-06-10T10:00:00Z and ContentDate/End le 2020-06-11T10:00:00Z", [9, 10]),
        ("PublicationDate ge 2021-01-29T00:00:00Z", [28, 29]),
        ("not (Name ne 'scene-01')", [1]),
        ("Online eq true and Name eq 'scene-03'", [3]),
        ("Online eq false", []),
        ("OData.CSC.Intersects(area=geography'SRID=4326;POLYGON((3.5 45.5,5.5 45.5,5.5 45.6,3.5 45.6,3.5 45.5))')", [3, 4, 5]),
        ("OData.CSC.Intersects(area=geography'SRID=4326;POINT(7.5 45.5)')", [7]),
        (attribute("cloudCover", "DoubleAttribute", "Value le 6.00"), [0, 1, 2]),
        (attribute("cloudCover", "DoubleAttribute", "Value gt 3 and Value lt 9"), [2]),
        (attribute("productType", "StringAttribute", "Value eq 'S2MSI2A'") + " and contains(Name,'-0')", [1, 3, 5, 7, 9]),
        (attribute("platformShortName", "StringAttribute", "Value eq 'SENTINEL-2'") + " and Name eq 'scene-00'", [0]),
        (attribute("instrumentShortName", "StringAttribute", "Value eq 'MSI'") + " and Name eq 'scene-00'", [0]),
        (attribute("instrumentShortName", "StringAttribute", "Value ne 'MSI'"), []),
        (attribute("orbitDirection", "StringAttribute", "Value eq 'ASCENDING'"), []),
        (attribute("tileId", "StringAttribute", "Value eq '33UVP'") + " and Name eq 'scene-00'", [0]),
        (attribute("tileId", "StringAttribute", "Value eq 'T33UVP'") + " and Name eq 'scene-00'", [0]),
        (attribute("relativeOrbitNumber", "IntegerAttribute", "Value eq 12"), [12]),
        (attribute("sat:relative_orbit", "IntegerAttribute", "Value ge 28"), [28, 29]),
        (attribute("beginningDateTime", "DateTimeOffsetAttribute", "Value ge 2020-06-30T00:00:00Z"), [29]),
        (attribute("own:text", "StringAttribute", "Value eq 'it''s 4'"), [4]),
        ("Attributes/OData.CSC.StringAttribute/any(a:a/Name eq 'nothing')", []),
        (f"not {attribute('cloudCover', 'DoubleAttribute', 'Value le 81')}", [28, 29]),
    ],
)
def test_products_are_found(http, base, scenes, filter, expected):
    assert names(http, base, scenes, filter) == list(expected)


def test_a_collection_is_found_in_capitals(http, base, scenes):
    assert names(http, base, scenes.upper()) == list(range(30))
    assert names(http, base, "no-such") == []


def test_pages_orders_and_counts(http, base, scenes):
    assert names(http, base, scenes, orderby="ContentDate/Start desc", top=3) == [29, 28, 27]
    assert names(http, base, scenes, orderby="Name desc", skip=28) == [1, 0]
    assert names(http, base, scenes, skip=40) == [] and names(http, base, scenes, top=0) == []
    url = f"{base}/Products?" + urllib.parse.urlencode(
        {"$filter": f"Collection/Name eq '{scenes}'", "$count": "true", "$top": 7, "$skip": 2, "$orderby": "PublicationDate asc"}
    )
    seen = []
    while url:
        page = http.get(url).json()
        assert page["@odata.count"] == 30 and len(page["value"]) <= 7
        seen += [product["Name"] for product in page["value"]]
        url = page.get("@odata.nextLink")
    assert seen == [f"scene-{number:02}" for number in range(2, 30)]
    count = http.get(f"{base}/Products/$count", params={"$filter": f"Collection/Name eq '{scenes}'"})
    assert count.text == "30"


def test_what_is_told_of_a_product(http, base, scenes):
    query = {"$filter": f"Collection/Name eq '{scenes}' and Name eq 'scene-05'"}
    listed = http.get(f"{base}/Products?$expand=Attributes&$expand=Assets,Locations", params=query).json()["value"][0]
    one = http.get(f"{base}/Products({listed['Id']})?$expand=Attributes,Assets,Locations").json()
    assert one.pop("@odata.context").endswith("$metadata#Products/$entity") and one == listed
    assert one["ContentDate"] == {"Start": "2020-06-06T10:00:00Z", "End": "2020-06-06T10:00:00Z"}
    assert one["PublicationDate"] == "2021-01-06T00:00:00Z" and one["Online"] is True
    assert one["Footprint"].startswith("geography'SRID=4326;POLYGON") and one["GeoFootprint"] == square(5, 45)[0]
    values = {attribute["Name"]: attribute for attribute in one["Attributes"]}
    assert values["cloudCover"] == {
        "@odata.type": "#OData.CSC.DoubleAttribute", "Name": "cloudCover", "Value": 15.0, "ValueType": "Double"
    }
    told = {name: values[name]["Value"] for name in ("productType", "platformShortName", "instrumentShortName", "tileId", "own:text")}
    assert told == {
        "productType": "S2MSI2A", "platformShortName": "SENTINEL-2", "instrumentShortName": "MSI", "tileId": "T33UVP",
        "own:text": "it's 5",
    }
    assert http.get(f"{base}/Products({one['Id']})/Attributes").json()["value"] == one["Attributes"]
    few = http.get(f"{base}/Products({one['Id']})?$select=Name,Online").json()
    assert set(few) == {"@odata.context", "Id", "Name", "Online"}
    kinds = {entry["Name"]: entry.get("ValueType") for entry in http.get(f"{base}/Attributes({scenes})").json()}
    assert kinds["cloudCover"] == "Double" and "own:text" in kinds


def test_products_are_found_by_their_ids(http, base, scenes):
    query = {"$filter": f"Collection/Name eq '{scenes}'", "$orderby": "Name asc", "$top": 4}
    ids = [product["Id"] for product in http.get(f"{base}/Products", params=query).json()["value"]]
    assert names(http, base, scenes, f"Id eq {ids[2]}") == [2]
    assert names(http, base, scenes, f"Id eq '{ids[2].upper()}'") == [2]
    assert names(http, base, scenes, f"Id in ({ids[0]},{ids[3]})") == [0, 3]
    assert names(http, base, scenes, f"Id in ({ids[0]},{ids[3]}) and not Id eq {ids[0]}") == [3]
    assert names(http, base, scenes, f"Id eq {ids[1]} or Name eq 'scene-29'") == [1, 29]

    def count(filter):
        answer = http.get(f"{base}/Products/$count", params={"$filter": filter})
        assert answer.status_code == 200, answer.text
        return int(answer.text)

    assert count(f"Id eq {ids[2]}") == 1 and count(f"Id in ({','.join(ids)})") == 4
    assert count(f"Id in ({','.join(ids)}) and Collection/Name eq 'no-such'") == 0
    for filter in ("Id gt " + ids[0], "Id eq 5", f"contains(Id,'{ids[0]}')"):
        assert http.get(f"{base}/Products", params={"$filter": filter}).status_code == 400, filter


def test_a_list_of_names(node, http, base, scenes):
    asked = {"FilterProducts": [{"Name": "scene-01"}, {"Name": "scene-29"}, {"Name": "not there"}]}
    found = http.post(f"{base}/Products/OData.CSC.FilterList", json=asked).json()["value"]
    assert {product["Name"] for product in found} >= {"scene-01", "scene-29"}
    # What is found is not cut off: the names of many products, in several collections.
    other = lend_collection(node)
    try:
        items = {
            f"scene-{number:04}": {
                "type": "Feature", "stac_version": "1.1.0", "id": f"scene-{number:04}", "geometry": None, "links": [], "assets": {},
                "properties": {"datetime": "2020-06-01T10:00:00Z"},
            }
            for number in range(700)
        }
        for name in (other, third := lend_collection(node)):
            put = http.post(f"{node.web}/stac/collections/{name}/bulk_items", json={"method": "insert", "items": items})
            assert put.status_code == 200, put.text
        asked = {"FilterProducts": [{"Name": name} for name in items]}
        answer = http.post(f"{base}/Products/OData.CSC.FilterList?$count=true", json=asked).json()
        assert answer["@odata.count"] == 1400 and len({product["Id"] for product in answer["value"]}) == 1400
    finally:
        for name in (other, third):
            for id in items:
                http.delete(f"{node.web}/stac/collections/{name}/items/{id}")
            http.delete(f"{node.web}/stac/collections/{name}")
    for body in ({}, {"FilterProducts": []}, {"FilterProducts": [{"Name": 1}]}, {"FilterProducts": [{"Name": "a"}] * 1001}, {"FilterProducts": [{"Name": "\0"}]}):
        assert http.post(f"{base}/Products/OData.CSC.FilterList", json=body).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "$filter=Name", "$filter=Name eq 5", "$filter=Foo eq 'a'", "$filter=ContentDate/Start gt 'a'", "$filter=contains(S3Path,'a')",
        "$filter=OData.CSC.Intersects(area=geography'SRID=4326;POINT(1 2)) OR (1=1')",
        "$filter=OData.CSC.Intersects(area=geography'SRID=4326;POLYGON((0 0,1 1,1 0,0 1))')",
        "$filter=" + attribute("cloudCover", "DoubleAttribute", "Value eq 'a'"), "$filter=" + "(" * 9000,
        "$top=1001", "$top=-1", "$top=x", "$skip=10001", "$orderby=Foo", "$orderby=Name up", "$orderby=", "$expand=Nodes", "$count=2",
        "$format=xml", "$unknown=1", "$filter=DeletionDate gt 2020-01-01", "$orderby=DeletionDate", "$top=1&$top=2", "$skiptoken=abc",
    ],
)
def test_what_cannot_be_asked(http, base, query):
    answer = http.get(f"{base}/Products?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.headers["Content-Type"] == "application/json" and answer.headers["OData-Version"] == "4.0"
    assert set(answer.json()["error"]) == {"code", "message"}


def test_what_is_not_there(http, base):
    for path in ("Products(x)", "Products(00000000-0000-8000-8000-000000000001)", "Products(a)/$value", "Foo", "Products/Nodes"):
        answer = http.get(f"{base}/{path}")
        assert answer.status_code == 404 and answer.json()["error"]["message"], path
    assert http.delete(f"{base}/Products").status_code == 405


def test_the_service_and_its_model(http, base):
    document = http.get(base + "/").json()
    assert {entry["name"] for entry in document["value"]} >= {"Products", "DeletedProducts", "Subscriptions", "Attributes"}
    model = ElementTree.fromstring(http.get(f"{base}/$metadata").content)
    kinds = {element.get("Name") for element in model.iter("{http://docs.oasis-open.org/odata/ns/edm}EntityType")}
    assert {"Product", "DeletedProduct", "Subscription", "Attribute", "StringAttribute", "Node"} <= kinds


def test_nobody_sees_what_is_not_theirs(node, http, base, scenes):
    nobody = requests.get(f"{base}/Products", verify=node.verify)
    assert nobody.status_code == 401
    node.cli_json("account", "create", "odata-stranger", "--password-from-stdin", "--json", input="a long pass phrase 1\n")
    try:
        stranger = node.http(user="odata-stranger", password="a long pass phrase 1")
        seen = stranger.get(f"{base}/Products", params={"$filter": f"Collection/Name eq '{scenes}'", "$count": "true"}).json()
        assert seen["value"] == [] and seen["@odata.count"] == 0
        query = {"$filter": f"Collection/Name eq '{scenes}'", "$top": 1}
        known = http.get(f"{base}/Products", params=query).json()["value"][0]["Id"]
        for path in ("", "/Nodes", "/$value", "/$zip", "/Attributes"):
            assert stranger.get(f"{base}/Products({known}){path}").status_code == 403
    finally:
        node.cli("account", "delete", "odata-stranger")


# Files


@pytest.fixture
def safe(node, s3, bucket):
    """A Sentinel-2 product as it came from the Copernicus Data Space; its files, and it as a product."""
    folder = shared() / "products" / f"{LEVEL_2A}.SAFE"
    files = upload(s3, bucket, folder, f"{LEVEL_2A}.SAFE")
    wait_for_item(node.http(), node, bucket, LEVEL_2A)
    query = {"$filter": f"Name eq '{LEVEL_2A}.SAFE' and Collection/Name eq '{bucket}'", "$expand": "Assets"}
    product = node.http().get(f"{node.web}/odata/v1/Products", params=query).json()["value"][0]
    return files, product


def test_a_product_is_browsed_and_downloaded(node, http, base, bucket, safe):
    files, product = safe
    assert product["Name"] == f"{LEVEL_2A}.SAFE" and product["S3Path"] == f"/{bucket}/{LEVEL_2A}.SAFE/"
    here = f"{base}/Products({product['Id']})"
    top = http.get(f"{here}/Nodes").json()["result"]
    assert [node_["Name"] for node_ in top] == [product["Name"]]
    found = {}

    def browse(uri, path):
        for entry in http.get(uri).json()["result"]:
            if entry["ChildrenNumber"]:
                browse(entry["Nodes"]["uri"], path + [entry["Name"]])
            else:
                found["/".join(path + [entry["Name"]])] = (entry["ContentLength"], entry["Nodes"]["uri"].removesuffix("/Nodes"))

    browse(top[0]["Nodes"]["uri"], [])
    assert {name: size for name, (size, _) in found.items()} == {name: path.stat().st_size for name, path in files.items()}
    content = files["manifest.safe"].read_bytes()
    manifest = found["manifest.safe"][1] + "/$value"
    whole = http.get(manifest)
    assert whole.content == content and whole.headers["Accept-Ranges"] == "bytes"
    part = http.get(manifest, headers={"Range": "bytes=10-19"})
    assert part.status_code == 206 and part.content == content[10:20]
    assert http.get(manifest, headers={"Range": f"bytes={len(content)}-"}).status_code == 416
    assert http.get(manifest, headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304
    assert http.get(f"{here}/Nodes({product['Name']})/Nodes(no-such)/Nodes").status_code == 404
    assert http.get(f"{here}/Nodes(other)/Nodes").status_code == 404


@pytest.mark.parametrize("what", ["$value", "$zip"])
def test_a_product_comes_as_an_archive(node, http, base, safe, tmp_path, what):
    files, product = safe
    answer = http.get(f"{base}/Products({product['Id']})/{what}")
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/zip", answer.text
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(f"{product['Name']}/{name}") for name in files} == {
            name: path.read_bytes() for name, path in files.items()
        }
    (tmp_path / "a.zip").write_bytes(answer.content)
    listed = subprocess.run(["python3", "-m", "zipfile", "-t", "a.zip"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Done testing" in listed.stdout


def test_a_product_of_one_file_is_that_file(node, http, base, s3, bucket):
    s3.put_object(Bucket=bucket, Key="towns.csv", Body=b"lon,lat,name\n4.8,45.7,Lyon\n", ContentType="text/csv")
    wait_for_item(http, node, bucket, "towns")
    product = http.get(f"{base}/Products", params={"$filter": f"Collection/Name eq '{bucket}'"}).json()["value"][0]
    value = http.get(f"{base}/Products({product['Id']})/$value")
    assert value.content.startswith(b"lon,lat") and value.headers["Content-Type"] == "text/csv"
    assert product["ContentLength"] == len(value.content) and product["Checksum"][0]["Algorithm"] == "BLAKE3"
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        parts = pool.map(lambda at: http.get(f"{base}/Products({product['Id']})/$value", headers={"Range": f"bytes={at}-{at}"}).content, range(5))
        assert b"".join(parts) == b"lon,l"


def test_real_items_of_others(node, http, base):
    """Items as public catalogues serve them, whose files are elsewhere."""
    name = lend_collection(node)
    try:
        items = {item["id"]: item for item in real_items("sentinel-2-l2a.ndjson.gz", 20)}
        put = http.post(f"{node.web}/stac/collections/{name}/bulk_items", json={"method": "insert", "items": items})
        assert put.status_code == 200, put.text
        cloudy = attribute("cloudCover", "DoubleAttribute", "Value lt 50")
        found = http.get(
            f"{base}/Products", params={"$filter": f"Collection/Name eq '{name}' and {cloudy}", "$expand": "Attributes", "$top": 100}
        ).json()["value"]
        expected = {id for id, item in items.items() if item["properties"]["eo:cloud_cover"] < 50}
        assert {product["Name"] for product in found} == expected and expected
        assert http.get(f"{base}/Products({found[0]['Id']})/$zip").status_code == 404
    finally:
        for id in items:
            http.delete(f"{node.web}/stac/collections/{name}/items/{id}")
        http.delete(f"{node.web}/stac/collections/{name}")


def test_sizes_that_cannot_be(node, http, base):
    name = lend_collection(node)
    try:
        for id, sizes, expected in (("huge", (2**63 - 1, 2**63 - 1), 2**63 - 1), ("less", (-5, 7), 7), ("most", (-(2**63), 3), 3)):
            assets = {f"a{number}": {"href": f"https://x.example/{number}", "file:size": size} for number, size in enumerate(sizes)}
            item = {
                "type": "Feature", "stac_version": "1.1.0", "id": id, "geometry": None, "links": [], "assets": assets,
                "properties": {"datetime": "2020-06-01T10:00:00Z"},
            }
            assert http.post(f"{node.web}/stac/collections/{name}/items", json=item).status_code == 201
            query = {"$filter": f"Collection/Name eq '{name}' and Name eq '{id}'"}
            assert [one["ContentLength"] for one in http.get(f"{base}/Products", params=query).json()["value"]] == [expected]
    finally:
        for id in ("huge", "less", "most"):
            http.delete(f"{node.web}/stac/collections/{name}/items/{id}")
        http.delete(f"{node.web}/stac/collections/{name}")


def test_files_that_somebody_may_not_read_are_not_told(node, http, base, s3, bucket, tmp_path):
    """An item put by hand may name any object of the node; who sees the item learns nothing of that."""
    s3.put_object(Bucket=bucket, Key="secret/plan.bin", Body=b"x" * 4321)
    s3.put_object(Bucket=bucket, Key="open/a.bin", Body=b"y" * 12)
    name = lend_collection(node)
    reader = "odata-" + secrets.token_hex(4)
    node.cli_json("account", "create", reader, "--password-from-stdin", "--json", input="a long pass phrase 1\n")
    statements = [
        {"Effect": "Allow", "Action": ["stac:Search", "stac:GetItem"], "Resource": "*"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/open/*"},
    ]
    (tmp_path / "policy.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": statements}))
    node.cli_json("policy", "put", reader, tmp_path / "policy.json", "--json")
    node.cli_json("policy", "attach", reader, "--to", f"user:{reader}", "--json")
    try:
        assets = {
            key.replace("/", "-"): {"href": f"{node.s3_url}/{bucket}/{key}", "roles": ["thumbnail"]}
            for key in ("secret/plan.bin", "open/a.bin", "secret/no-such.bin")
        }
        item = {
            "type": "Feature", "stac_version": "1.1.0", "id": "named", "geometry": None, "links": [], "assets": assets,
            "properties": {"datetime": "2020-06-01T10:00:00Z"},
        }
        assert http.post(f"{node.web}/stac/collections/{name}/items", json=item).status_code == 201
        query = {"$filter": f"Collection/Name eq '{name}'", "$expand": "Assets"}
        product = http.get(f"{base}/Products", params=query).json()["value"][0]
        here = f"{base}/Products({product['Id']})"

        def files(client):
            found = client.get(f"{here}/Nodes(named)/Nodes").json()["result"]
            return {entry["Name"]: entry["ContentLength"] for entry in found}

        assert files(http) == {"plan.bin": 4321, "a.bin": 12}
        theirs = node.http(user=reader, password="a long pass phrase 1")
        assert files(theirs) == {"a.bin": 12}
        assert theirs.get(f"{here}/Nodes(named)/Nodes(a.bin)/$value").content == b"y" * 12
        assert theirs.get(f"{here}/Nodes(named)/Nodes(plan.bin)/$value").status_code == 404
        for what in ("$value", "$zip"):
            assert theirs.get(f"{here}/{what}").status_code == 403
        statuses = [theirs.get(asset["DownloadLink"]).status_code for asset in product["Assets"]]
        assert statuses == [403, 200, 403]
    finally:
        http.delete(f"{node.web}/stac/collections/{name}/items/named")
        http.delete(f"{node.web}/stac/collections/{name}")
        node.cli_json("policy", "detach", reader, "--from", f"user:{reader}", "--json")
        node.cli_json("policy", "delete", reader, "--json")
        node.cli_json("account", "delete", reader, "--json")
