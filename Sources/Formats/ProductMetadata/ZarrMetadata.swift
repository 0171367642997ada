package import Wire

/// One `zarr.json` of a Zarr 3 store (Zarr core specification, version 3), told in the words of version 2, which is
/// what GDAL reads: the metadata files that version 2 has in its place, and the names of its chunks.
///
/// What version 2 cannot say (shards, checksums behind the codecs, other grids) is not translated.
package struct ZarrMetadata: Sendable, Equatable {
    /// Names and contents: `.zgroup` or `.zarray`, and `.zattrs`.
    package let files: [(name: String, bytes: [UInt8])]
    /// What stands before the indices in a chunk's name, and between them; nil for a group.
    private let chunks: (prefix: String, separator: String)?

    package static func == (a: ZarrMetadata, b: ZarrMetadata) -> Bool {
        a.files.elementsEqual(b.files) { $0 == $1 } && a.chunks?.prefix == b.chunks?.prefix
            && a.chunks?.separator == b.chunks?.separator
    }

    /// Nil for what is no such file, or cannot be said in version 2.
    package init?(zarrJSON bytes: [UInt8]) {
        guard let json = try? JSONValue(parsing: bytes), json["zarr_format"]?.integer == 3 else { return nil }
        var attributes = json["attributes"]?.object ?? JSONObject()
        switch json["node_type"]?.string {
        case "group":
            files = [(".zgroup", Array(#"{"zarr_format":2}"#.utf8)), (".zattrs", JSONValue.object(attributes).bytes)]
            chunks = nil
        case "array":
            guard let shape = json["shape"]?.array, let array = Self.array(json, rank: shape.count),
                let chunks = Self.chunkNames(json["chunk_key_encoding"])
            else { return nil }
            if let names = json["dimension_names"]?.array, names.count == shape.count,
                names.allSatisfy({ $0.string != nil })
            {
                // How xarray says it in version 2.
                attributes["_ARRAY_DIMENSIONS"] = .array(names)
            }
            files = [(".zarray", JSONValue.object(array).bytes), (".zattrs", JSONValue.object(attributes).bytes)]
            self.chunks = chunks
        default: return nil
        }
    }

    /// The name that a file of this array has in version 2, by its name relative to the array; nil for what is no
    /// chunk.
    package func chunkName(_ name: String) -> String? {
        guard let chunks else { return nil }
        // An array without dimensions has one chunk.
        if name == "c", chunks.prefix == "c" { return "0" }
        guard name.hasPrefix(chunks.prefix) else { return nil }
        var rest = name.dropFirst(chunks.prefix.count)
        if !chunks.prefix.isEmpty {
            guard rest.hasPrefix(chunks.separator) else { return nil }
            rest = rest.dropFirst(chunks.separator.count)
        }
        let indices = rest.split(separator: Character(chunks.separator), omittingEmptySubsequences: false)
        guard !indices.isEmpty, indices.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } })
        else { return nil }
        return indices.joined(separator: ".")
    }

    private static func chunkNames(_ encoding: JSONValue?) -> (prefix: String, separator: String)? {
        let separator = encoding?["configuration"]?["separator"]?.string
        guard separator == nil || separator == "/" || separator == "." else { return nil }
        switch encoding?["name"]?.string {
        case "default": return ("c", separator ?? "/")
        case "v2": return ("", separator ?? ".")
        default: return nil
        }
    }

    private static func array(_ json: JSONValue, rank: Int) -> JSONObject? {
        guard json["chunk_grid"]?["name"]?.string == "regular",
            let chunks = json["chunk_grid"]?["configuration"]?["chunk_shape"]?.array, chunks.count == rank,
            let shape = json["shape"]?.array, (shape + chunks).allSatisfy({ ($0.integer ?? -1) >= 0 }),
            let codecs = Codecs(json["codecs"]?.array ?? [], rank: rank),
            let type = type(json["data_type"]?.string ?? "", endian: codecs.isBigEndian ? ">" : "<")
        else { return nil }
        var out = JSONObject()
        out["zarr_format"] = 2
        out["shape"] = .array(shape)
        out["chunks"] = .array(chunks)
        out["dtype"] = .string(type)
        out["compressor"] = codecs.compressor
        out["filters"] = .null
        out["order"] = codecs.isTransposed ? "F" : "C"
        out["fill_value"] = fill(json["fill_value"])
        return out
    }

    /// Numbers and words stay; the bits of a number in hexadecimal have no place in version 2.
    private static func fill(_ value: JSONValue?) -> JSONValue {
        guard let value, value.string?.hasPrefix("0x") != true, value.array == nil else { return .null }
        return value
    }

    private static func type(_ name: String, endian: String) -> String? {
        switch name {
        case "bool": "|b1"
        case "int8": "|i1"
        case "uint8": "|u1"
        case "int16", "int32", "int64": "\(endian)i\(bytes(name))"
        case "uint16", "uint32", "uint64": "\(endian)u\(bytes(name))"
        case "float16", "float32", "float64": "\(endian)f\(bytes(name))"
        case "complex64", "complex128": "\(endian)c\(bytes(name))"
        default: nil
        }
    }

    private static func bytes(_ name: String) -> Int { (Int(name.drop { !$0.isNumber }) ?? 0) / 8 }

    /// What version 2 makes of the list of codecs: an order, an order of bytes, one compressor.
    private struct Codecs {
        var isTransposed = false
        var isBigEndian = false
        var compressor = JSONValue.null

        init?(_ list: [JSONValue], rank: Int) {
            for codec in list {
                let configuration = codec["configuration"]
                switch codec["name"]?.string {
                case "transpose":
                    let order = configuration?["order"]?.array?.compactMap(\.integer) ?? []
                    guard order == Array((0..<Int64(rank)).reversed()) else { return nil }
                    isTransposed = true
                case "bytes": isBigEndian = configuration?["endian"]?.string == "big"
                case "gzip" where compressor == .null:
                    compressor = ["id": "gzip", "level": configuration?["level"] ?? 5]
                case "zstd" where compressor == .null:
                    compressor = ["id": "zstd", "level": configuration?["level"] ?? 0]
                case "blosc" where compressor == .null:
                    guard
                        let shuffle = ["noshuffle", "shuffle", "bitshuffle"].firstIndex(
                            of: configuration?["shuffle"]?.string)
                    else { return nil }
                    compressor = [
                        "id": "blosc", "cname": configuration?["cname"] ?? "lz4",
                        "clevel": configuration?["clevel"] ?? 5,
                        "shuffle": .integer(Int64(shuffle)), "blocksize": configuration?["blocksize"] ?? 0,
                    ]
                default: return nil
                }
            }
        }
    }
}
