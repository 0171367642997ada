import ProductMetadata
import TestSupport
import Testing
import Wire

@Suite struct ZarrMetadataTests {
    private static let array = """
        {"zarr_format": 3, "node_type": "array", "shape": [2, 6, 10], "data_type": "float32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 6, 10]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}}, "fill_value": "NaN",
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}},
        {"name": "zstd", "configuration": {"level": 3, "checksum": false}}],
        "attributes": {"units": "K"}, "dimension_names": ["time", "lat", "lon"]}
        """

    private func metadata(_ changes: (String, String)...) -> ZarrMetadata? {
        var text = Self.array
        for (old, new) in changes {
            #expect(text.contains(old))
            text = text.replacing(old, with: new)
        }
        return ZarrMetadata(zarrJSON: Array(text.utf8))
    }

    private func file(_ name: String, of metadata: ZarrMetadata?) throws -> JSONValue {
        try JSONValue(parsing: try #require(metadata?.files.first { $0.name == name }?.bytes))
    }

    @Test("an array is told in the words of version 2")
    func array() throws {
        let found = metadata()
        #expect(
            try file(".zarray", of: found) == [
                "zarr_format": 2, "shape": [2, 6, 10], "chunks": [1, 6, 10], "dtype": "<f4",
                "compressor": ["id": "zstd", "level": 3], "filters": nil, "order": "C", "fill_value": "NaN",
            ])
        #expect(
            try file(".zattrs", of: found) == ["units": "K", "_ARRAY_DIMENSIONS": ["time", "lat", "lon"]])
    }

    @Test("chunks get the names that they have in version 2, other files none")
    func chunks() throws {
        let slashes = try #require(metadata())
        #expect(slashes.chunkName("c/1/0/12") == "1.0.12" && slashes.chunkName("c") == "0")
        for name in ["zarr.json", "c/", "c/1/x", "c/1//2", "1/0/0", "cc/1", ""] {
            #expect(slashes.chunkName(name) == nil, "\(name)")
        }
        let dots = try #require(metadata((#""separator": "/""#, #""separator": ".""#)))
        #expect(dots.chunkName("c.1.0.12") == "1.0.12" && dots.chunkName("c/1/0/12") == nil)
        let old = try #require(metadata((#""default", "configuration": {"separator": "/"}"#, #""v2""#)))
        #expect(old.chunkName("1.0.12") == "1.0.12" && old.chunkName("zarr.json") == nil)
    }

    @Test("codecs become an order, an order of bytes and one compressor")
    func codecs() throws {
        let blosc = metadata(
            (
                #""zstd", "configuration": {"level": 3, "checksum": false}"#,
                #""blosc", "configuration": {"cname": "lz4", "clevel": 5, "shuffle": "bitshuffle", "typesize": 4, "blocksize": 0}"#
            ))
        #expect(
            try file(".zarray", of: blosc)["compressor"] == [
                "id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 2, "blocksize": 0,
            ])
        let big = metadata(
            (#""little""#, #""big""#),
            (#"{"name": "bytes""#, #"{"name": "transpose", "configuration": {"order": [2, 1, 0]}}, {"name": "bytes""#))
        #expect(try file(".zarray", of: big)["dtype"] == ">f4")
        #expect(try file(".zarray", of: big)["order"] == "F")
        for unsaid in ["sharding_indexed", "crc32c", "numcodecs.delta"] {
            #expect(metadata((#""zstd""#, "\"\(unsaid)\"")) == nil, "\(unsaid)")
        }
    }

    @Test("a group, and what is neither")
    func others() throws {
        let group = ZarrMetadata(
            zarrJSON: Array(#"{"zarr_format": 3, "node_type": "group", "attributes": {"title": "t"}}"#.utf8))
        #expect(try file(".zgroup", of: group) == ["zarr_format": 2])
        #expect(try file(".zattrs", of: group) == ["title": "t"])
        #expect(group?.chunkName("c/0") == nil)
        for text in [
            "", "{}", "[]", #"{"zarr_format": 2, "node_type": "group"}"#, #"{"zarr_format": 3, "node_type": "x"}"#,
        ] {
            #expect(ZarrMetadata(zarrJSON: Array(text.utf8)) == nil)
        }
    }

    @Test("random changes never crash")
    func fuzz() {
        var random = SeededGenerator(seed: 19)
        for _ in 0..<3000 {
            let found = ZarrMetadata(zarrJSON: Array(Self.array.utf8).mutated(&random))
            _ = found?.chunkName("c/1/2")
        }
    }
}
