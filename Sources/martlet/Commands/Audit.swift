import ArgumentParser
import AsyncHTTPClient
import BLAKE3
import NIOCore
import NIOHTTP1
import TraceFormat
import Wire

struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "The audit trail: who did what, when and from where.",
        discussion: """
            Examples: martlet audit --who ada --since 2026-11-01
                      martlet audit --what 'login.*' --from 192.0.2.7
                      martlet audit --text eo-data --reads --format csv > accesses.csv
                      martlet audit verify
            """,
        subcommands: [Search.self, Batches.self, Export.self, Verify.self], defaultSubcommand: Search.self)

    struct Search: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Searches, the newest first.")
        @Option(help: "Who did it: an account's name, or system:WORKER.") var who: String?
        @Option(help: "What: a kind such as login.failed; login.* for all that begin so.") var what: String?
        @Option(help: "What it was done to.") var on: String?
        @Option(help: "The address that it came from.") var from: String?
        @Option(help: "A part of whatever a record says, from the beginning of a word on.") var text: String?
        @Option(help: "From when on: a day, or a time such as 2026-11-21T18:00:00Z.") var since: String?
        @Option(help: "Until when.") var until: String?
        @Flag(help: "Also what happened to data.") var data = false
        @Flag(help: "Also who was let in to read what.") var reads = false
        @Option(help: "Records at most; 0 for all (default 100).") var limit = 100
        @Option(help: "text, ndjson or csv (csv gives all).") var format = "text"
        @Flag(help: "Print JSON, one line each: the same as --format ndjson.") var json = false

        func run() async throws {
            var query = QueryItems()
            for (name, value) in [
                ("who", who), ("what", what), ("on", on), ("from", from), ("text", text), ("since", since),
                ("until", until), ("data", data ? "1" : nil), ("reads", reads ? "1" : nil),
            ] where value != nil {
                query.items.append((name: name, value: value))
            }
            guard ["text", "ndjson", "csv"].contains(format) else {
                throw ValidationError("--format is text, ndjson or csv, not '\(format)'")
            }
            try await NodeClient.with { [query] client in
                if format == "csv" { return try await Self.stream(client, query) }
                var (query, count, next) = (query, 0, "")
                repeat {
                    query.items.removeAll { $0.name == "before" || $0.name == "limit" }
                    let wanted = limit == 0 ? 1000 : min(1000, limit - count)
                    query.items += [(name: "limit", value: String(wanted)), (name: "before", value: next)]
                    let page = try await client.json(.GET, "/admin/v1/audit?" + query.encoded)
                    for record in page["records"]?.array ?? [] {
                        count += 1
                        if json || format == "ndjson" { Console.write(record.text) } else { Self.write(record) }
                    }
                    next = page["next"]?.string ?? ""
                } while !next.isEmpty && (limit == 0 || count < limit)
            }
        }

        private static func stream(_ client: NodeClient, _ query: QueryItems) async throws {
            let response = try await client.start(.GET, client.web + "/admin/v1/audit?format=csv&" + query.encoded)
            guard response.status == .ok else {
                let bytes = Array(try await response.body.collect(upTo: 1 << 20).readableBytesView)
                throw NodeClient.failure(
                    NodeClient.Answer(status: response.status, headers: response.headers, bytes: bytes))
            }
            for try await part in response.body { Console.raw(Array(part.readableBytesView)) }
        }

        private static func write(_ record: JSONValue) {
            var detail = record["detail"]?.object ?? JSONObject()
            let address = detail["client"]?.string ?? detail["address"]?.string ?? ""
            for name in ["client", "address", "request"] { detail[name] = nil }
            let rest = detail.members.isEmpty ? "" : "  " + JSONValue.object(detail).text
            Console.write(
                "\(record["time"]?.string?.prefix(19) ?? "")  \((record["kind"]?.string ?? "").padded(26))  \((record["actor"]?.string ?? "").padded(16))  \(record["subject"]?.string ?? "")  \(address)\(rest)"
            )
        }
    }

    struct Batches: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the stretches that are sealed in the log of traces.")
        @Flag(help: "Print JSON, one line each.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.auditBatches { batch in
                    guard !json else { return Console.write(batch.text) }
                    Console.write(
                        "\(batch["number"]?.integer ?? 0)  \(batch["from"]?.string?.prefix(19) ?? "") to \(batch["until"]?.string?.prefix(19) ?? "")  \(batch["count"]?.integer ?? 0) events  \(batch["blake3"]?.string?.prefix(16) ?? "")…"
                    )
                }
            }
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints a sealed stretch, exactly as it was sealed.",
            discussion:
                "Example: martlet audit export 12 > 12.ndjson; anybody checks it with martlet audit verify 12.ndjson.")
        @Argument(help: "Its number.") var number: Int64

        func run() async throws {
            try await NodeClient.with { client in
                let answer = try await client.send(.GET, client.web + "/admin/v1/audit/batches/\(number)")
                guard answer.status == .ok else { throw NodeClient.failure(answer) }
                Console.raw(answer.bytes)
            }
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Says whether sealed stretches are what was sealed.",
            discussion: """
                Without files, all that the node still has are fetched. Digests are computed here, and the proofs and the
                log's signed checkpoint are checked here; only the log's key is believed: what --vkey gives, or else what
                the node says. Exit code 2: something is not as it was.
                """)
        @Argument(help: "Files that `martlet audit export` wrote, named NUMBER.ndjson.") var files: [String] = []
        @Option(help: "The log's verifier key (NAME+ID+KEY), got over a way that you trust.") var vkey: String?
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            var counts = (genuine: 0, gone: 0, wrong: 0)
            func report(_ name: String, _ outcome: String, _ reasons: [String]) {
                if json {
                    Console.json {
                        $0.member("name", name)
                        $0.member("verdict", outcome)
                        $0.member("reasons", reasons)
                    }
                } else if outcome != "genuine" || !files.isEmpty {
                    Console.write("\(name): \(outcome)")
                    for reason in reasons { Console.write("  " + reason) }
                }
            }
            if !files.isEmpty {
                try await NodeClient.with(login: false) { client in
                    for file in files {
                        let name = "audit/" + (file.split(separator: "/").last.map(String.init) ?? file)
                        let verdict = try await client.verdict(
                            onAudit: name, try File.read(file, limit: 16 << 20), vkey: vkey)
                        if verdict.outcome == .genuine { counts.genuine += 1 } else { counts.wrong += 1 }
                        report(name, verdict.outcome.rawValue, verdict.reasons)
                    }
                }
            } else {
                try await NodeClient.with { client in
                    var expected: Int64 = 1
                    try await client.auditBatches { batch in
                        let (number, name) = (batch["number"]?.integer ?? 0, batch["name"]?.string ?? "")
                        if number != expected {
                            counts.wrong += 1
                            report(name, "altered", ["batch \(expected) is missing"])
                        }
                        expected = number + 1
                        let answer = try await client.send(.GET, client.web + "/admin/v1/audit/batches/\(number)")
                        guard answer.status == .ok else { throw NodeClient.failure(answer) }
                        // What the retention rule has removed cannot be compared any more.
                        guard !answer.bytes.isEmpty else {
                            counts.gone += 1
                            return
                        }
                        let verdict = try await client.verdict(onAudit: name, answer.bytes, vkey: vkey)
                        if verdict.outcome == .genuine { counts.genuine += 1 } else { counts.wrong += 1 }
                        report(name, verdict.outcome.rawValue, verdict.reasons)
                    }
                }
            }
            if !json {
                Console.write(
                    "\(counts.genuine) genuine, \(counts.wrong) altered or unknown, \(counts.gone) no longer kept")
            }
            guard counts.wrong == 0 else { throw Failure(.notAsItShouldBe, "") }
        }
    }
}

extension NodeClient {
    /// All sealed stretches, one after the other.
    func auditBatches(_ body: (JSONValue) async throws -> Void) async throws {
        var after: Int64 = 0
        while true {
            let page = try await json(.GET, "/admin/v1/audit/batches?after=\(after)")["batches"]?.array ?? []
            for batch in page { try await body(batch) }
            guard page.count == 1000, let last = page.last?["number"]?.integer else { return }
            after = last
        }
    }

    fileprivate func verdict(onAudit name: String, _ bytes: [UInt8], vkey: String?) async throws -> TraceVerdict {
        let hasher = BLAKE3()
        bytes.withUnsafeBytes { hasher.update($0) }
        return try await verdict(
            on: TraceSubject(name: name, hashes: [.blake3: Hex.encode(hasher.finish())]), vkey: vkey)
    }
}
