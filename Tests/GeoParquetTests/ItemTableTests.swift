import GeoParquet
import Parquet
import TestSupport
import Testing
import Wire

@Suite struct ItemTableTests {
    private func file(_ items: [JSONValue]) throws -> [UInt8] {
        var columns = ItemColumns()
        for item in items { columns.add(item) }
        var writer = try ItemTableWriter(columns)
        var bytes: [UInt8] = []
        for item in items {
            try writer.append(item)
            bytes += writer.take()
        }
        return bytes + (try writer.finish())
    }

    private func reader(_ bytes: [UInt8]) throws -> ItemTableReader {
        try ItemTableReader(size: Int64(bytes.count)) { offset, count in
            guard offset >= 0, count >= 0, offset + Int64(count) <= Int64(bytes.count) else {
                throw ParquetError("outside")
            }
            return Array(bytes[Int(offset)..<(Int(offset) + count)])
        }
    }

    private func items(_ bytes: [UInt8]) throws -> [JSONValue] {
        var reader = try reader(bytes)
        var out: [JSONValue] = []
        while let item = try reader.next() { out.append(item) }
        return out
    }

    /// In one order of members, and numbers as doubles.
    private func plain(_ value: JSONValue) -> JSONValue {
        switch value {
        case .object(let object):
            return .object(
                JSONObject(
                    object.members.map { .init(name: $0.name, value: plain($0.value)) }.sorted { $0.name < $1.name }))
        case .array(let items): return .array(items.map(plain))
        case .integer(let number): return Int64(exactly: Double(number)) == number ? .double(Double(number)) : value
        default: return value
        }
    }

    private func expectSame(_ texts: [String]) throws {
        let given = try texts.map { try JSONValue(parsing: $0) }
        let back = try items(try file(given))
        #expect(back.count == given.count)
        for (back, given) in zip(back, given) { #expect(plain(back).text == plain(given).text) }
    }

    private func item(
        _ id: String, properties: String = "", geometry: String = #"{"type":"Point","coordinates":[5.5,45]}"#,
        bbox: String = "[5.5,45,5.5,45]", assets: String = "{}", links: String = "[]", more: String = ""
    ) -> String {
        """
        {"type":"Feature","stac_version":"1.1.0","stac_extensions":[],"id":"\(id)","geometry":\(geometry),"bbox":\(bbox),
        "properties":{"datetime":"2024-05-06T07:08:09.123456Z"\(properties)},"links":\(links),"assets":\(assets)\(more)}
        """
    }

    @Test("items come back equal, whatever they hold")
    func same() throws {
        try expectSame([
            item(
                "a",
                properties:
                    #","eo:cloud_cover":5,"gsd":10,"n":9007199254740993,"ok":true,"created":"2020-01-01T00:00:00Z""#,
                assets: #"{"B1":{"href":"x","roles":["data"],"raster:bands":[{"nodata":0},{"nodata":"nan"}]}}"#,
                links: #"[{"rel":"x","href":"y","title":"ü"}]"#, more: #","collection":"c""#),
            item(
                "b", properties: #","eo:cloud_cover":5.5,"n":-1,"empty":{},"list":[],"mixed":[1,"a",{"b":null}]"#,
                geometry: #"{"type":"MultiPolygon","coordinates":[[[[0,0,1],[1,0,1],[1,1,1],[0,0,1]]]]}"#,
                bbox: "[0,0,1,1,1,1]", assets: #"{"B2":{"href":"z"}}"#, more: #","note":{"mine":[1]}"#),
            item(
                "c",
                properties:
                    #","gsd":"ten","id":"mine","_rest":7,"created":"yesterday","mixed":3,"deep":{"a":{"b":[[1],[]]}}"#,
                geometry: "null"),
            item(
                "d", properties: #","proj:geometry":{"type":"Point","coordinates":[500000,1]}"#,
                geometry: #"{"type":"LineString","coordinates":[[0,0],[1,1,5]]}"#,
                assets: #"{"B1":{"href":"x","proj:geometry":{"type":"Point","coordinates":[1,2]}}}"#),
            item(
                "e",
                geometry:
                    #"{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[1,2]},{"type":"MultiPoint","coordinates":[[1,2]]}]}"#
            ),
            item("f", geometry: #"{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]],"crs":{"a":1}}"#),
        ])
        try expectSame([])
        try expectSame([item("only", properties: #","list":[null,1],"all":[[],[null]]"#)])
    }

    @Test("an item with a time range keeps its datetime of null")
    func range() throws {
        let text = item("a").replacing(
            #""datetime":"2024-05-06T07:08:09.123456Z""#,
            with: #""datetime":null,"start_datetime":"2024-01-01T00:00:00Z","end_datetime":"2024-02-01T00:00:00Z""#)
        try expectSame([text])
    }

    @Test("objects with ever different members do not make columns without end")
    func wide() throws {
        let assets = (0..<40).map { index in
            item(
                "i\(index)",
                properties: (0..<60).map { ",\"p\(index)x\($0)\":{\"q\($0)\":\(index)}" }.joined(),
                assets: "{" + (0..<20).map { "\"a\(index)-\($0)\":{\"href\":\"x\"}" }.joined(separator: ",") + "}")
        }
        let bytes = try file(try assets.map { try JSONValue(parsing: $0) })
        try expectSame(assets)
        var parquet = try ParquetReader(size: Int64(bytes.count)) { Array(bytes[Int($0)..<(Int($0) + $1)]) }
        #expect(parquet.fields.count < 1100)
        #expect(parquet.fields.first { $0.name == "assets" }?.type == .json)
        #expect(parquet.fields.last == ParquetField("_rest", .json))
        #expect(try parquet.next()?.count == parquet.fields.count)
    }

    @Test("the file's metadata names geometries and their types")
    func metadata() throws {
        let bytes = try file([
            try JSONValue(parsing: item("a")),
            try JSONValue(parsing: item("b", geometry: #"{"type":"LineString","coordinates":[[0,0,1],[1,1,1]]}"#)),
        ])
        let parquet = try ParquetReader(size: Int64(bytes.count)) { Array(bytes[Int($0)..<(Int($0) + $1)]) }
        let geo = try JSONValue(parsing: try #require(parquet.metadata["geo"]))
        #expect(geo["version"] == "1.1.0")
        #expect(geo["columns"]?["geometry"]?["geometry_types"] == ["LineString Z", "Point"])
        #expect(geo["columns"]?["geometry"]?["covering"]?["bbox"]?["xmax"] == ["bbox", "xmax"])
        #expect(parquet.metadata["stac-geoparquet"] == #"{"version":"1.1.0"}"#)
        #expect(parquet.fields.first { $0.name == "datetime" }?.type == .timestamp)
    }

    @Test("what is no table of items is refused with a reason")
    func refused() throws {
        var writer = try ParquetWriter([ParquetField("name", .text)])
        try writer.append([.null])
        let other = try writer.finish(metadata: [])
        #expect(throws: ParquetError("it has no column 'id', so it has no STAC Items")) { try items(other) }
        #expect(throws: ParquetError.self) { try items(Array("PAR1 no table PAR1".utf8)) }
        #expect(throws: ParquetError.self) { try items([]) }
        var arrow = try ParquetWriter([ParquetField("id", .text)])
        let native = try arrow.finish(metadata: [
            (key: "geo", value: #"{"columns":{"geometry":{"encoding":"polygon"}}}"#)
        ])
        #expect(throws: ParquetError.self) { try items(native) }
    }

    @Test("changed bytes give items or an error that says what is wrong", arguments: 1...40)
    func mutated(seed: UInt64) throws {
        let whole = try file([
            try JSONValue(parsing: item("a", assets: #"{"B1":{"href":"x","roles":["data","b"]}}"#)),
            try JSONValue(
                parsing: item(
                    "b", geometry: #"{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}"#, more: #","n":1"#)),
        ])
        var random = SeededGenerator(seed: seed)
        for _ in 0..<50 {
            do {
                _ = try items(random.mutate(whole))
            } catch let error as ParquetError {
                #expect(!error.message.isEmpty)
            }
        }
    }
}
