import Catalogue
import Geometry
import Glibc
import TestSupport
import Testing
import Wire

@Suite struct RealItemTests {
    static let folder: String? = {
        let places = [getenv("MARTLET_SHARED").map { String(cString: $0) }, "../shared", "/work/shared"]
        return places.compactMap { $0 }.first { access($0 + "/data/sentinel-2-l2a.ndjson.gz", R_OK) == 0 }
    }()

    @Test(
        "real items are taken as they are and found again", .enabled(if: folder != nil),
        arguments: ["sentinel-2-l2a", "real-landsat", "real-s2-cogs-e84", "pc-naip"])
    func realItems(file: String) async throws {
        let folder = try #require(Self.folder)
        let lines = try unpacked("\(folder)/data/\(file).ndjson.gz").split(separator: UInt8(ascii: "\n")).prefix(40)
        #expect(lines.count == 40)
        for engine in TestEngine.allCases {
            try await engine.withCatalogue { catalogue in
                for line in lines {
                    let given = try JSONValue(parsing: Array(line))
                    let stored = try await catalogue.put(item: Array(line), collection: "eo", by: "ada").item
                    let kept = try JSONValue(parsing: stored.document)
                    #expect(kept["properties"] == given["properties"])
                    #expect(kept["assets"] == given["assets"])
                    var query = SearchQuery(visible: try await catalogue.directory())
                    query.area = .box(try BoundingBox(parsing: try #require(given["bbox"])))
                    let moment = try #require(Timestamp(rfc3339: given["properties"]?["datetime"]?.string ?? ""))
                    query.interval = SearchInterval(from: moment, to: moment)
                    query.limit = 100
                    #expect(try await catalogue.search(query).items.contains { $0.id == given["id"]?.string })
                }
                let ids = Set(try lines.map { try JSONValue(parsing: Array($0))["id"] })
                #expect(try await catalogue.collection("eo").itemCount == Int64(ids.count))
            }
        }
    }

    /// What `gunzip` makes of a file.
    private func unpacked(_ path: String) throws -> [UInt8] {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw Failure() }
        defer { close(ends[0]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_addclose(&actions, ends[0])
        let arguments = ["gunzip", "-c", path].map { (text: String) in strdup(text) }
        defer { for argument in arguments { free(argument) } }
        var process = pid_t()
        let outcome = posix_spawnp(&process, "gunzip", &actions, nil, arguments + [nil], environ)
        close(ends[1])
        guard outcome == 0 else { throw Failure() }
        var out: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(ends[0], &buffer, buffer.count)
            guard count > 0 else { break }
            out += buffer[..<count]
        }
        var status: Int32 = 0
        waitpid(process, &status, 0)
        guard status == 0 else { throw Failure() }
        return out
    }

    private struct Failure: Error {}
}
