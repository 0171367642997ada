import ArgumentParser
import GeoParquet
import NIOHTTP1
import Wire

struct Search: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Searches the catalogue.",
        discussion: """
            Example: martlet search --collection eo --bbox 5,45,10,50 --datetime 2023-08-01/2023-08-31
            Example: martlet search --collection eo --filter 'eo:cloud_cover < 10' --sortby -eo:cloud_cover
            Example: martlet search --collection eo --limit 100000 --format parquet --output eo.parquet
            """)

    @Option(help: "Collection; may be repeated.") var collection: [String] = []
    @Option(help: "Id of an item; may be repeated.") var id: [String] = []
    @Option(help: "west,south,east,north in degrees.") var bbox: String?
    @Option(help: "A date and time, or an interval A/B; '..' for an open end.") var datetime: String?
    @Option(help: "File with a GeoJSON geometry that items must touch.") var intersects: String?
    @Option(help: "A condition on properties, in CQL2 text.") var filter: String?
    @Option(help: "Properties to sort by with commas between them, each with '-' before it for the greatest first.")
    var sortby: String?
    @Option(name: .customShort("q"), help: "Words in the texts of items.") var words: String?
    @Option(help: "How many items at most.") var limit = 100
    @Option(help: "text, ndjson (each item as a line of JSON) or parquet (one GeoParquet file).") var format = "text"
    @Option(name: .shortAndLong, help: "File to write to, instead of the terminal.") var output: String?
    @Flag(help: "Print each item as a line of JSON: the same as --format ndjson.") var json = false

    func validate() throws {
        guard ["text", "ndjson", "parquet"].contains(format) else {
            throw ValidationError("--format is text, ndjson or parquet, not '\(format)'")
        }
        guard format != "parquet" || output != nil && !json else {
            throw ValidationError("--format parquet goes into a file: --output items.parquet")
        }
    }

    func run() async throws {
        var body = JSONObject()
        if !collection.isEmpty { body["collections"] = .array(collection.map { .string($0) }) }
        if !id.isEmpty { body["ids"] = .array(id.map { .string($0) }) }
        if let bbox {
            let numbers = bbox.split(separator: ",").compactMap { Double($0) }
            guard numbers.count == 4 || numbers.count == 6 else {
                throw Failure(.failed, "--bbox is west,south,east,north, not '\(bbox)'")
            }
            body["bbox"] = .array(numbers.map { .double($0) })
        }
        if let datetime {
            // A bare date means the whole day.
            body["datetime"] = .string(
                datetime.split(separator: "/", omittingEmptySubsequences: false).enumerated().map { index, part in
                    part.count == 10
                        ? part + (index == 0 && datetime.contains("/") ? "T00:00:00Z" : "T23:59:59Z") : String(part)
                }.joined(separator: "/"))
            if datetime.count == 10 { body["datetime"] = .string("\(datetime)T00:00:00Z/\(datetime)T23:59:59Z") }
        }
        if let intersects { body["intersects"] = try JSONValue(parsing: try File.read(intersects, limit: 16 << 20)) }
        if let filter { (body["filter"], body["filter-lang"]) = (.string(filter), "cql2-text") }
        if let sortby {
            body["sortby"] = .array(
                sortby.split(separator: ",").map { field in
                    let isSigned = field.hasPrefix("-") || field.hasPrefix("+")
                    return [
                        "field": .string(String(isSigned ? field.dropFirst() : field)),
                        "direction": field.hasPrefix("-") ? "desc" : "asc",
                    ]
                })
        }
        if let words { body["q"] = .string(words) }
        body["limit"] = .integer(Int64(min(limit, 250)))
        if format == "parquet", let output { return try await table(body, output) }
        let file = try output.map { try NewFile($0) }
        let isJSON = json || format == "ndjson"
        try await forEachItem(body) { item in
            let line = isJSON ? item.text : Self.text(of: item)
            if let file { try file.append(Array((line + "\n").utf8)) } else { Console.write(line) }
        }
        try file?.finish()
    }

    /// Writes a GeoParquet file. Its columns are known when all items have come: until then these are in a file beside.
    private func table(_ body: JSONObject, _ output: String) async throws {
        let file = try NewFile(output)
        let lines = try NewFile(output + ".lines")
        var columns = ItemColumns()
        try await forEachItem(body) { item in
            columns.add(item)
            try lines.append(item.bytes + [0x0A])
        }
        var table = try ItemTableWriter(columns)
        try await ItemFiles.forEachLine(of: try ReadableFile(lines.temporary)) { line, _ in
            try table.append(try JSONValue(parsing: line))
            try file.append(table.take())
        }
        try file.append(try table.finish())
        try file.finish()
    }

    /// Calls `write` with each item that is found, page after page.
    private func forEachItem(_ body: JSONObject, _ write: (JSONValue) throws -> Void) async throws {
        try await NodeClient.with { client in
            var left = limit
            var request: JSONValue? = .object(body)
            while let current = request, left > 0 {
                let page = try await client.json(.POST, "/stac/search", body: current)
                let items = page["features"]?.array ?? []
                for item in items.prefix(left) { try write(item) }
                left -= items.count
                let next = page["links"]?.array?.first { $0["rel"]?.string == "next" }
                guard !items.isEmpty, let more = next?["body"]?.object else { break }
                // The link's body holds what changes; `merge` says that the rest stays.
                var merged = next?["merge"]?.bool == true ? body : JSONObject()
                for member in more.members { merged[member.name] = member.value }
                request = .object(merged)
            }
        }
    }

    private static func text(of item: JSONValue) -> String {
        let properties = item["properties"]
        let time = properties?["datetime"]?.string ?? properties?["start_datetime"]?.string ?? ""
        let cloud = properties?["eo:cloud_cover"]?.number.map { "  \(Int($0)) % cloud" } ?? ""
        return
            "\(time.prefix(19).replacing("T", with: " ").padded(19))  \((item["collection"]?.string ?? "").padded(16))  \(item["id"]?.string ?? "")\(cloud)"
    }
}
