import ArgumentParser
import NIOHTTP1
import Wire

struct Restore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Brings a collection, or what is below a prefix, back to what it was.",
        discussion: """
            What was there then is there again, and what was not is deleted; no bytes are moved. 'martlet history' tells
            the TIDs. All is one transaction, as long as not more than 9,500 objects differ; beyond that there are several,
            one after the other.

            Examples:
                martlet restore s3://eo/2020/ --as-of 4711 --dry-run
                martlet restore s3://eo/2020/ --as-of 4711
                martlet restore s3://eo --as-of 4711 --to s3://eo-of-monday
            """)

    @Argument(help: "s3://COLLECTION[/PREFIX]") var place: String
    @Option(name: .customLong("as-of"), help: "The TID whose state is restored.") var asOf: Int64
    @Option(help: "s3://COLLECTION: restore into another one, in which nothing is deleted.") var to: String?
    @Flag(name: .customLong("dry-run"), help: "Only tell what would be done.") var dryRun = false
    @Flag(help: "Print a line of JSON for each object, and one at the end.") var json = false

    /// Objects up to which one transaction is used; a page more still fits into it.
    private static let writesMax = 9_500

    func run() async throws {
        guard
            case .remote(let collection, let prefix) = try Location(place.hasPrefix("s3://") ? place : "s3://" + place)
        else { return }
        var target: String?
        if let to {
            guard case .remote(let name, let key) = try Location(to.hasPrefix("s3://") ? to : "s3://" + to), key.isEmpty
            else { throw Failure(.failed, "--to is a collection: s3://COLLECTION, and keys stay the same") }
            target = name
        }
        try await NodeClient.with { client in
            let run = Run(client: client, collection: collection, prefix: prefix, target: target, asOf: asOf)
            try await dryRun ? look(run) : restore(run)
        }
    }

    private struct Run {
        var client: NodeClient
        var collection: String
        var prefix: String
        var target: String?
        var asOf: Int64

        func differences(after: String) async throws -> JSONValue {
            var query = QueryItems([("asOf", String(asOf)), ("prefix", prefix), ("after", after)])
            if let target { query.items.append(("to", target)) }
            return try await client.json(
                .GET, "/history/\(PercentEncoding.encode(collection))/differences?\(query.encoded)")
        }

        func restore(after: String, in transaction: String) async throws -> JSONValue {
            var body = JSONWriter()
            body.object {
                $0.member("collection", collection)
                $0.member("prefix", prefix)
                $0.member("asOf", asOf)
                $0.member("after", after)
                if let target { $0.member("to", target) }
            }
            return try await client.json(.POST, TransactionCommand.path(transaction) + "/restore", raw: body.bytes)
        }
    }

    private struct Counts {
        var restored = 0
        var deleted = 0
        var looked: Int64 = 0
        var tids: [Int64] = []
    }

    private func look(_ run: Run) async throws {
        var counts = Counts()
        var after = ""
        repeat {
            let page = try await run.differences(after: after)
            count(page, &counts, run)
            after = page["next"]?.string ?? ""
        } while !after.isEmpty
        summary(counts)
    }

    private func restore(_ run: Run) async throws {
        var counts = Counts()
        var after = ""
        repeat {
            guard let id = try await run.client.openTransaction(seconds: 86_400)["id"]?.string else {
                throw Failure(.failed, "the node opened no transaction")
            }
            do {
                var writes = 0
                repeat {
                    let page = try await run.restore(after: after, in: id)
                    writes += page["differences"]?.array?.count ?? 0
                    count(page, &counts, run)
                    after = page["next"]?.string ?? ""
                } while !after.isEmpty && writes < Self.writesMax
                if writes > 0 {
                    counts.tids.append(try await run.client.commitTransaction(id))
                } else {
                    try await run.client.json(.DELETE, TransactionCommand.path(id))
                }
            } catch {
                _ = try? await run.client.json(.DELETE, TransactionCommand.path(id))
                throw error
            }
        } while !after.isEmpty
        summary(counts)
    }

    private func count(_ page: JSONValue, _ counts: inout Counts, _ run: Run) {
        counts.looked += page["looked"]?.integer ?? 0
        for difference in page["differences"]?.array ?? [] {
            let isDeletion = difference["action"]?.string == "delete"
            if isDeletion { counts.deleted += 1 } else { counts.restored += 1 }
            if json {
                Console.write(difference.text)
            } else if dryRun {
                let place = "s3://\(run.target ?? run.collection)/\(difference["key"]?.string ?? "")"
                Console.write("\(isDeletion ? "delete " : "restore") \(place)")
            }
        }
        if !json, Console.isTerminal { Console.progress("\r\(counts.looked) objects compared\u{1B}[K") }
    }

    private func summary(_ counts: Counts) {
        if json {
            Console.json {
                $0.member("compared", counts.looked)
                $0.member("restored", counts.restored)
                $0.member("deleted", counts.deleted)
                $0.key("tids")
                $0.array { json in for tid in counts.tids { json.value(JSONValue(integerLiteral: tid)) } }
                $0.member("dryRun", dryRun)
            }
            return
        }
        if Console.isTerminal { Console.progress("\r\u{1B}[K") }
        let done = dryRun ? "to be " : ""
        let tids = counts.tids.isEmpty ? "" : ", as TID \(counts.tids.map(String.init).joined(separator: ", "))"
        Console.write(
            "\(counts.looked) compared, \(counts.restored) \(done)restored, \(counts.deleted) \(done)deleted\(tids)")
    }
}
