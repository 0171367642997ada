"""Tables in buckets: DuckDB's httpfs and Arrow's file system."""

import pathlib
import re

import duckdb
import duckdb_extension_httpfs
import pyarrow
import pyarrow.dataset
import pyarrow.parquet
import pytest
from clients import keys
from pyarrow import fs

HTTPFS = next(pathlib.Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension"))


@pytest.fixture
def duck(client_node, place):
    access, secret = client_node.access_key()
    connection = duckdb.connect()
    connection.load_extension(str(HTTPFS))
    if client_node.tls:
        # GLOBAL, because ATTACH looks at no others.
        connection.execute("SET GLOBAL enable_server_cert_verification = true")
        connection.execute(f"SET GLOBAL ca_cert_file = '{client_node.authority}'")
    connection.execute(
        f"CREATE SECRET martlet (TYPE s3, KEY_ID '{access}', SECRET '{secret}', REGION 'us-east-1', URL_STYLE 'path', "
        f"ENDPOINT '{client_node.s3_url.split('//')[1]}', USE_SSL {client_node.tls}, SCOPE 's3://{place}')"
    )
    yield connection
    connection.close()


def test_duckdb_reads_only_what_a_query_needs(client_node, place, duck):
    duck.execute(
        f"COPY (SELECT range AS id, range % 100 AS station, md5(range::VARCHAR) AS noise FROM range(200000))"
        f" TO 's3://{place}/t/one.parquet' (ROW_GROUP_SIZE 20000)"
    )
    size = client_node.s3().head_object(Bucket=place, Key="t/one.parquet")["ContentLength"]
    assert size > 3 << 20
    query = f"SELECT sum(id) FROM read_parquet('s3://{place}/t/one.parquet') WHERE id BETWEEN 50000 AND 50099"
    assert duck.execute(query).fetchall() == [(sum(range(50000, 50100)),)]
    said = "\n".join(row[1] for row in duck.execute("EXPLAIN ANALYZE " + query).fetchall())
    number, unit = re.search(r"in: ([\d.]+) (bytes|KiB|MiB)", said).groups()
    # One column of one of ten groups, and the footer.
    assert float(number) * {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20}[unit] < size / 5, said


def test_duckdb_writes_folders_and_globs_them(client_node, place, duck):
    duck.execute(
        f"COPY (SELECT range AS id, range % 3 AS part FROM range(3000)) TO 's3://{place}/p'"
        " (FORMAT parquet, PARTITION_BY (part))"
    )
    assert sorted({key.rsplit("/", 1)[0] for key in keys(client_node, place)}) == [f"p/part={n}" for n in range(3)]
    found = duck.execute(
        f"SELECT part, count(*) FROM read_parquet('s3://{place}/p/*/*.parquet', hive_partitioning = true)"
        " WHERE part > 0 GROUP BY part ORDER BY part"
    )
    assert found.fetchall() == [(1, 1000), (2, 1000)]
    assert len(duck.execute(f"SELECT * FROM glob('s3://{place}/p/**')").fetchall()) == 3
    duck.execute(f"COPY (SELECT 1 AS a, 'ü,\"x' AS b) TO 's3://{place}/c d/é.csv' (HEADER)")
    assert duck.execute(f"SELECT * FROM read_csv('s3://{place}/c d/*.csv')").fetchall() == [(1, 'ü,"x')]
    duck.execute(f"COPY (SELECT 2 AS a) TO 's3://{place}/j.json'")
    assert duck.execute(f"SELECT a FROM 's3://{place}/j.json'").fetchall() == [(2,)]
    with pytest.raises(duckdb.Error, match="404"):
        duck.execute(f"SELECT * FROM 's3://{place}/absent.parquet'")


def test_duckdb_attaches_a_database_that_lies_in_a_bucket(client_node, place, duck, tmp_path):
    with duckdb.connect(str(tmp_path / "made.db")) as made:
        made.execute("CREATE TABLE numbers AS SELECT range AS n FROM range(100000)")
    client_node.s3().upload_file(str(tmp_path / "made.db"), place, "made.db")
    duck.execute(f"ATTACH 's3://{place}/made.db' AS far (READ_ONLY)")
    assert duck.execute("SELECT max(n) FROM far.numbers").fetchall() == [(99999,)]


def test_duckdb_copies_what_does_not_fit_one_part(client_node, place, duck):
    duck.execute("SET s3_uploader_max_filesize = '50GB'")
    duck.execute(
        f"COPY (SELECT range AS id, md5(range::VARCHAR) AS noise FROM range(1000000))"
        f" TO 's3://{place}/large.parquet' (COMPRESSION uncompressed)"
    )
    assert client_node.s3().head_object(Bucket=place, Key="large.parquet")["ContentLength"] > 20 << 20
    assert duck.execute(f"SELECT count(DISTINCT noise) FROM 's3://{place}/large.parquet'").fetchall() == [(1000000,)]


# Arrow


@pytest.fixture
def arrow(surrounded):
    trust = {"tls_ca_file_path": surrounded.authority} if surrounded.tls else {}
    return fs.S3FileSystem(
        endpoint_override=surrounded.s3_url, region="us-east-1", allow_bucket_creation=True, **trust
    )


def test_arrow_writes_and_filters_a_dataset(client_node, place, arrow):
    table = pyarrow.table({"station": [n % 4 for n in range(4000)], "value": [float(n) for n in range(4000)]})
    pyarrow.dataset.write_dataset(
        table, f"{place}/set", filesystem=arrow, format="parquet", partitioning=["station"], partitioning_flavor="hive"
    )
    found = pyarrow.dataset.dataset(f"{place}/set", filesystem=arrow, format="parquet", partitioning="hive")
    some = found.to_table(filter=(pyarrow.dataset.field("station") == 2) & (pyarrow.dataset.field("value") < 100))
    assert some["value"].to_pylist() == [float(n) for n in range(2, 100, 4)]
    pyarrow.parquet.write_table(table, f"{place}/one.parquet", filesystem=arrow)
    assert pyarrow.parquet.read_table(f"{place}/one.parquet", filesystem=arrow, columns=["value"]).num_rows == 4000


def test_arrow_treats_a_bucket_as_folders(client_node, place, arrow):
    arrow.create_dir(f"{place}/made/deep", recursive=True)
    assert arrow.get_file_info(f"{place}/made/deep").type == fs.FileType.Directory
    body = bytes(range(256)) * (44 << 10)
    with arrow.open_output_stream(f"{place}/made/large.bin", metadata={"Content-Type": "image/jp2"}) as out:
        for at in range(0, len(body), 1 << 20):
            out.write(body[at : at + (1 << 20)])
    assert client_node.s3().head_object(Bucket=place, Key="made/large.bin")["ContentType"] == "image/jp2"
    with arrow.open_input_file(f"{place}/made/large.bin") as file:
        assert file.size() == len(body) and file.read_at(7, 5 << 20) == body[5 << 20 :][:7]
    arrow.move(f"{place}/made/large.bin", f"{place}/made/moved.bin")
    arrow.copy_file(f"{place}/made/moved.bin", f"{place}/made/copy.bin")
    listed = arrow.get_file_info(fs.FileSelector(f"{place}/made", recursive=True))
    assert sorted(info.base_name for info in listed) == ["copy.bin", "deep", "moved.bin"]
    arrow.delete_file(f"{place}/made/copy.bin")
    arrow.delete_dir(f"{place}/made")
    assert arrow.get_file_info(f"{place}/made").type == fs.FileType.NotFound
    arrow.create_dir(f"{place}-arrow")
    client_node.s3().delete_bucket(Bucket=f"{place}-arrow")
