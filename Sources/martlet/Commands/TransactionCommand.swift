import ArgumentParser
import NIOHTTP1
import Wire

struct TransactionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "transaction", abstract: "Several writes that become visible at once, or never.",
        discussion: """
            Example: two files replace the old ones together.

                ID=$(martlet transaction open)
                rclone copy --header "x-martlet-transaction: $ID" ./new node:eo/model
                martlet transaction show $ID
                martlet transaction commit $ID
            """,
        subcommands: [Open.self, List.self, Show.self, Commit.self, Abort.self, Drop.self])

    struct Open: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Opens a transaction and prints its id.")
        @Option(help: "Seconds until it is given up, at most 86400.") var seconds: Int?
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let answer = try await client.openTransaction(seconds: seconds)
                Console.write(json ? answer.text : answer["id"]?.string ?? "")
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists your transactions.")
        @Flag(help: "Print a line of JSON for each.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                for item in try await client.json(.GET, "/transactions")["transactions"]?.array ?? [] {
                    Console.write(json ? item.text : TransactionCommand.line(item))
                }
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows a transaction and what it writes.")
        @Argument var id: String
        @Flag(help: "Print JSON: the transaction, then a line for each write.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                var after = ""
                var isFirst = true
                repeat {
                    let path = TransactionCommand.path(id) + (after.isEmpty ? "" : "?after=\(after)")
                    let page = try await client.json(.GET, path)
                    if isFirst { Console.write(json ? page.text : TransactionCommand.line(page)) }
                    for staged in page["staged"]?.array ?? [] where !json || !isFirst {
                        let place = "\(staged["collection"]?.string ?? "")/\(staged["key"]?.string ?? "")"
                        let size = staged["size"]?.integer.map { Size.text($0) } ?? ""
                        Console.write(
                            json
                                ? staged.text
                                : "\((staged["action"]?.string ?? "").padded(7)) \(size.padded(9)) s3://\(place)")
                    }
                    isFirst = false
                    after = page["next"]?.string ?? ""
                } while !after.isEmpty
            }
        }
    }

    struct Commit: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes everything visible that a transaction writes, and prints the TID.")
        @Argument var id: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let tid = try await client.commitTransaction(id)
                if json {
                    Console.json {
                        $0.member("id", id)
                        $0.member("tid", tid)
                    }
                } else {
                    Console.write(String(tid))
                }
            }
        }
    }

    struct Abort: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Ends a transaction without any of its writes.")
        @Argument var id: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.json(.DELETE, TransactionCommand.path(id))
                Report.done("aborted", id, json: json)
            }
        }
    }

    struct Drop: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes one write out of a transaction again, for example one that is in conflict.")
        @Argument var id: String
        @Argument(help: "s3://COLLECTION/KEY") var place: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            guard case .remote(let collection, let key) = try Location(place) else {
                throw Failure(.failed, "'\(place)' is no object of a node: s3://COLLECTION/KEY")
            }
            try await NodeClient.with { client in
                let query = QueryItems([("collection", collection), ("key", key)]).encoded
                try await client.json(.DELETE, TransactionCommand.path(id) + "/writes?" + query)
                Report.done("dropped", place, json: json)
            }
        }
    }

    static func path(_ id: String) -> String { "/transactions/" + PercentEncoding.encode(id) }

    private static func line(_ item: JSONValue) -> String {
        let state = item["tid"]?.integer.map { "committed as TID \($0)" } ?? "open"
        return "\(item["id"]?.string ?? "")  \(state), \(item["writes"]?.integer ?? 0) writes, "
            + "expires \(item["expires"]?.string ?? "")"
    }
}

extension NodeClient {
    func openTransaction(seconds: Int? = nil) async throws -> JSONValue {
        var body = JSONWriter()
        body.object { if let seconds { $0.member("seconds", seconds) } }
        return try await json(.POST, "/transactions", raw: body.bytes)
    }

    /// - Throws: ``Failure`` that names the keys in conflict.
    func commitTransaction(_ id: String) async throws -> Int64 {
        let answer = try await send(.POST, web + TransactionCommand.path(id) + "/commit")
        guard answer.status == .ok, let tid = try JSONValue(parsing: answer.bytes)["tid"]?.integer else {
            guard answer.status == .conflict, let json = try? JSONValue(parsing: answer.bytes),
                let conflicts = json["conflicts"]?.array
            else { throw Self.failure(answer) }
            let places = conflicts.prefix(10).map {
                "s3://\($0["collection"]?.string ?? "")/\($0["key"]?.string ?? "")"
            }
            throw Failure(
                .failed, (json["detail"]?.string ?? "conflict") + "\n  " + places.joined(separator: "\n  "))
        }
        return tid
    }
}
