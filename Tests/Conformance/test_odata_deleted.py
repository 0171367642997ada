"""DeletedProducts: what was in the catalogue and is not any more, told to those who could see it."""

import datetime
import secrets
import time

import pytest
from products import LEVEL_2A, shared, upload, wait_for_item
from test_odata import attribute, lend_collection, square


@pytest.fixture(scope="module")
def base(node):
    return node.web + "/odata/v1"


@pytest.fixture(scope="module")
def gone(node):
    """Twelve items of which nine were removed, the first first; returns their collection."""
    http = node.http()
    name = lend_collection(node)
    items = {}
    for number in range(12):
        geometry, bbox = square(number, 45)
        items[f"scene-{number:02}"] = {
            "type": "Feature", "stac_version": "1.1.0", "id": f"scene-{number:02}", "geometry": geometry, "bbox": bbox,
            "links": [], "assets": {},
            "properties": {
                "datetime": f"2020-06-{number + 1:02}T10:00:00Z", "eo:cloud_cover": number * 3.0, "constellation": "sentinel-2",
                **({"martlet:deletion_cause": "Duplicated product"} if number == 4 else {}),
            },
        }
    put = http.post(f"{node.web}/stac/collections/{name}/bulk_items", json={"method": "insert", "items": items})
    assert put.status_code == 200, put.text
    for number in range(9):
        assert http.delete(f"{node.web}/stac/collections/{name}/items/scene-{number:02}").status_code in (200, 204)
    yield name
    for number in range(9, 12):
        http.delete(f"{node.web}/stac/collections/{name}/items/scene-{number:02}")
    http.delete(f"{node.web}/stac/collections/{name}")


def ask(http, base, collection, filter=None, **options):
    condition = f"Collection/Name eq '{collection}'" + (f" and ({filter})" if filter else "")
    parameters = {"$filter": condition, "$top": 1000, **{f"${name}": value for name, value in options.items()}}
    answer = http.get(f"{base}/DeletedProducts", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def numbers(*arguments, **options):
    return [int(product["Name"].removeprefix("scene-")) for product in ask(*arguments, **options)["value"]]


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        (None, range(8, -1, -1)),
        ("Name eq 'scene-07'", [7]),
        ("Name eq 'scene-07.SAFE'", [7]),
        ("Name eq 'scene-10'", []),
        ("Name in ('scene-02','scene-03','scene-11')", [3, 2]),
        ("startswith(Name,'scene-0') and not endswith(Name,'8')", range(7, -1, -1)),
        ("DeletionDate gt 2020-01-01T00:00:00.000Z and DeletionDate lt 2100-01-01T00:00:00.000Z", range(8, -1, -1)),
        ("DeletionDate lt 2020-01-01T00:00:00.000Z", []),
        ("DeletionCause eq 'Duplicated product'", [4]),
        ("DeletionCause eq 'Obsolete product or Other'", [8, 7, 6, 5, 3, 2, 1, 0]),
        ("ContentDate/Start ge 2020-06-03T10:00:00Z and ContentDate/End lt 2020-06-05T10:00:00Z", [3, 2]),
        ("Online eq false", range(8, -1, -1)),
        ("Online eq true", []),
        ("OData.CSC.Intersects(area=geography'SRID=4326;POINT(7.5 45.5)')", [7]),
        (attribute("cloudCover", "DoubleAttribute", "Value le 6.00"), [2, 1, 0]),
        (attribute("platformShortName", "StringAttribute", "Value eq 'SENTINEL-2'") + " and Name eq 'scene-00'", [0]),
    ],
)
def test_deleted_products_are_found(http, base, gone, filter, expected):
    assert numbers(http, base, gone, filter) == list(expected)


def test_pages_orders_and_counts(http, base, gone):
    assert numbers(http, base, gone, orderby="DeletionDate asc") == list(range(9))
    assert numbers(http, base, gone, orderby="Name desc", top=3) == [8, 7, 6]
    assert numbers(http, base, gone, orderby="ContentDate/Start", skip=7) == [7, 8]
    assert numbers(http, base, gone, skip=9) == [] and numbers(http, base, gone, top=0) == []
    page = ask(http, base, gone, top=4, count="true", orderby="DeletionDate")
    seen = []
    while True:
        assert page["@odata.count"] == 9
        seen += [product["Name"] for product in page["value"]]
        if "@odata.nextLink" not in page:
            break
        page = http.get(page["@odata.nextLink"]).json()
    assert seen == [f"scene-{number:02}" for number in range(9)]
    count = http.get(f"{base}/DeletedProducts/$count", params={"$filter": f"Collection/Name eq '{gone}'"})
    assert count.text == "9"


def test_what_is_told_of_one(http, base, gone):
    one = ask(http, base, gone, "Name eq 'scene-05'", expand="Attributes")["value"][0]
    assert one["DeletionCause"] == "Obsolete product or Other" and one["Online"] is False
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(one["DeletionDate"])
    assert abs(age) < datetime.timedelta(hours=1)
    assert one["ContentDate"] == {"Start": "2020-06-06T10:00:00Z", "End": "2020-06-06T10:00:00Z"}
    assert one["GeoFootprint"] == square(5, 45)[0] and one["Footprint"].startswith("geography'SRID=4326;POLYGON")
    assert {"cloudCover": 15.0}.items() <= {entry["Name"]: entry["Value"] for entry in one["Attributes"]}.items()
    same = http.get(f"{base}/DeletedProducts({one['Id']})?$expand=Attributes").json()
    assert same.pop("@odata.context").endswith("$metadata#DeletedProducts/$entity") and same == one
    assert http.get(f"{base}/DeletedProducts({one['Id']})/Attributes").json()["value"] == one["Attributes"]
    assert numbers(http, base, gone, f"Id eq {one['Id']}") == [5]
    assert numbers(http, base, gone, f"Id in ({one['Id']})") == [5]
    assert http.get(f"{base}/Products({one['Id']})").status_code == 404
    there = {"$filter": f"Collection/Name eq '{gone}'", "$top": 1}
    product = http.get(f"{base}/Products", params=there).json()["value"][0]
    assert http.get(f"{base}/DeletedProducts({product['Id']})").status_code == 404
    assert numbers(http, base, gone, f"Id eq {product['Id']}") == []
    few = http.get(f"{base}/DeletedProducts({one['Id']})?$select=Name,DeletionCause").json()
    assert set(few) == {"@odata.context", "Id", "Name", "DeletionCause"}


@pytest.mark.parametrize(
    "query",
    ["$filter=DeletionDate gt 'a'", "$filter=DeletionCause gt 'a'", "$filter=Foo eq 1", "$orderby=PublicationDate", "$orderby=Name,DeletionDate",
     "$top=1001", "$skiptoken=x", "$skiptoken=1.a"],
)
def test_what_cannot_be_asked(http, base, query):
    assert http.get(f"{base}/DeletedProducts?{query}").status_code == 400


def test_a_product_whose_files_are_deleted(node, http, base, s3, bucket):
    folder = shared() / "products" / f"{LEVEL_2A}.SAFE"
    upload(s3, bucket, folder, f"{LEVEL_2A}.SAFE")
    wait_for_item(http, node, bucket, LEVEL_2A)
    before = http.get(f"{base}/Products", params={"$filter": f"Collection/Name eq '{bucket}'", "$expand": "Attributes"}).json()["value"][0]
    for file in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        s3.delete_object(Bucket=bucket, Key=file["Key"])
    for _ in range(200):
        found = ask(http, base, bucket, expand="Attributes")["value"]
        if found:
            break
        time.sleep(0.2)
    assert [product["Id"] for product in found] == [before["Id"]]
    for member in ("Name", "ContentDate", "Footprint", "Attributes", "PublicationDate"):
        assert found[0][member] == before[member], member


def test_nobody_sees_what_they_could_not_see(node, http, base, gone):
    name = "odata-" + secrets.token_hex(4)
    node.cli_json("account", "create", name, "--password-from-stdin", "--json", input="a long pass phrase 1\n")
    try:
        stranger = node.http(user=name, password="a long pass phrase 1")
        assert ask(stranger, base, gone, count="true")["@odata.count"] == 0
        known = ask(http, base, gone)["value"][0]["Id"]
        assert stranger.get(f"{base}/DeletedProducts({known})").status_code == 404
        assert stranger.get(f"{base}/DeletedProducts({known})/Attributes").status_code == 404
    finally:
        node.cli_json("account", "delete", name, "--json")
