import ArgumentParser
import NIOHTTP1
import Wire

struct History: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tells what happened in a collection, or to one object: when, by whom, in which transaction.",
        discussion: """
            The newest comes first. Its TID is what --as-of and the header x-martlet-as-of take.

            Examples:
                martlet history s3://eo
                martlet history s3://eo/2020/a.tif
                martlet history -r s3://eo/2020/ --limit 20 --json
            """)

    @Argument(help: "s3://COLLECTION, or s3://COLLECTION/KEY.") var place: String
    @Flag(name: .shortAndLong, help: "The place is a prefix: everything below it.") var recursive = false
    @Option(help: "At most so many.") var limit = 1000
    @Flag(help: "Print a line of JSON for each.") var json = false

    func run() async throws {
        let place = place.hasPrefix("s3://") ? place : "s3://" + place
        guard case .remote(let collection, let key) = try Location(place) else { return }
        try await NodeClient.with { client in
            var left = limit
            var before = ""
            repeat {
                var query = QueryItems([("limit", String(min(left, 1000)))])
                if !key.isEmpty { query.items.append((recursive ? "prefix" : "key", key)) }
                if !before.isEmpty { query.items.append(("before", before)) }
                let path = "/history/\(PercentEncoding.encode(collection))?\(query.encoded)"
                let page = try await client.json(.GET, path)
                if !json, before.isEmpty, let earliest = page["earliest"]?.integer, let newest = page["newest"]?.integer
                {
                    Console.write("readable as of TID \(earliest) to \(newest)")
                }
                for event in page["events"]?.array ?? [] {
                    left -= 1
                    Console.write(json ? event.text : Self.line(event))
                }
                before = left > 0 ? page["next"]?.string ?? "" : ""
            } while !before.isEmpty
        }
    }

    private static func line(_ event: JSONValue) -> String {
        let time = (event["time"]?.string ?? "").prefix(19).replacing("T", with: " ")
        let size = event["detail"]?["size"]?.integer.map { Size.text($0) } ?? ""
        return "\(String(event["tid"]?.integer ?? 0).padded(10)) \(time)  \((event["actor"]?.string ?? "").padded(12)) "
            + "\((event["kind"]?.string ?? "").padded(20)) \(size.padded(9)) \(event["subject"]?.string ?? "")"
    }
}
