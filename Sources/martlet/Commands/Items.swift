import ArgumentParser
import AsyncHTTPClient
import NIOHTTP1
import Wire

struct ItemsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "items", abstract: "Items of the catalogue, many at once.",
        discussion: "Example: martlet items load landsat.ndjson --collection landsat", subcommands: [Load.self])

    struct Load: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Puts STAC Items from files into a collection.",
            discussion: """
                A file has an item a line (.ndjson, .jsonl) or a row (.parquet, as stac-geoparquet has it), or is one Item or a
                FeatureCollection; of folders all such files are taken. Items that are there are replaced, and those that are the same already are left alone: after an
                interruption, run the same command again.

                Example: martlet items load landsat.ndjson --collection landsat
                Example: martlet items load landsat.parquet --collection landsat
                Example: martlet items load scenes/ --collection scenes --json
                """)
        @Argument(help: "Files and folders.") var paths: [String]
        @Option(help: "The collection's name.") var collection: String
        @Option(help: "Requests at the same time, 1 to 16.") var clients = 4
        @Flag(help: "Print a line of JSON for each request, and no progress bar.") var json = false

        /// Items and bytes of one request: what one transaction holds is soon written.
        private static let countMax = 500
        private static let bytesMax = 8 << 20

        func validate() throws {
            guard (1...16).contains(clients) else { throw ValidationError("--clients is 1 to 16") }
        }

        private struct Batch: Sendable {
            var file = ""
            var first = 1
            var count = 0
            var fileBytes: Int64 = 0
            var lines: [UInt8] = []
        }

        func run() async throws {
            let files = try ItemFiles(paths)
            guard !files.files.isEmpty else { throw Failure(.notFound, "there are no files with items") }
            try await NodeClient.with { client in
                let progress = Progress(total: files.bytes, isShown: !json)
                defer { progress.finish() }
                var total = (stored: 0, changed: 0)
                try await withThrowingTaskGroup(of: (stored: Int, changed: Int).self) { group in
                    var running = 0
                    func send(_ batch: Batch) async throws {
                        guard batch.count > 0 else { return }
                        if running >= clients, let done = try await group.next() {
                            total = (total.stored + done.stored, total.changed + done.changed)
                            running -= 1
                        }
                        running += 1
                        group.addTask { try await put(batch, client, progress) }
                    }
                    for file in files.files {
                        var batch = Batch(file: file.path)
                        try await ItemFiles.forEachItem(in: file) { item, bytes in
                            if batch.count == Self.countMax || batch.lines.count + item.count > Self.bytesMax {
                                try await send(batch)
                                batch = Batch(file: file.path, first: batch.first + batch.count)
                            }
                            batch.lines += item
                            batch.lines.append(0x0A)
                            batch.count += 1
                            batch.fileBytes += bytes
                        }
                        try await send(batch)
                    }
                    for try await done in group {
                        total = (total.stored + done.stored, total.changed + done.changed)
                    }
                }
                progress.finish()
                if !json {
                    let same = total.stored - total.changed
                    Console.write(
                        "\(total.stored) item\(total.stored == 1 ? "" : "s") in \(collection)"
                            + (same > 0 ? ", \(same) of them the same as before" : ""))
                }
            }
        }

        private func put(
            _ batch: Batch, _ client: NodeClient, _ progress: Progress
        ) async throws -> (stored: Int, changed: Int) {
            let url = "\(client.web)/stac/collections/\(PercentEncoding.encode(collection))/bulk_items"
            let answer = try await client.send(
                .POST, url, headers: ["Content-Type": "application/x-ndjson"], body: .bytes(batch.lines))
            let last = batch.first + batch.count - 1
            guard answer.status == .ok else {
                var failure = NodeClient.failure(answer)
                failure.description = "\(batch.file), items \(batch.first) to \(last): \(failure.description)"
                throw failure
            }
            progress.add(batch.fileBytes, label: batch.file)
            let counts = try JSONValue(parsing: answer.bytes)
            let stored = Int(counts["numberStored"]?.integer ?? 0)
            let changed = Int(counts["numberChanged"]?.integer ?? 0)
            if json {
                Console.write(
                    JSONValue.object(
                        JSONObject([
                            .init(name: "file", value: .string(batch.file)),
                            .init(name: "first", value: .integer(Int64(batch.first))),
                            .init(name: "stored", value: .integer(Int64(stored))),
                            .init(name: "changed", value: .integer(Int64(changed))),
                        ])
                    ).text)
            }
            return (stored, changed)
        }
    }
}
