import ArgumentParser
import NIOHTTP1
import Wire

struct QuotaCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quota", abstract: "Quotas: how much a collection or a space may hold.",
        discussion: """
            Example: martlet quota set eo --bytes 500GiB --objects 1000000
            """,
        subcommands: [List.self, Show.self, Set.self, Delete.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists quotas and what they leave.")
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.pages("/admin/v1/quotas", member: "quotas", by: "collection") { page in
                    for quota in page.array ?? [] { QuotaCommand.show(quota, json: json) }
                }
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows one quota and what is used of it.")
        @OptionGroup var scope: Scope
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                QuotaCommand.show(try await client.json(.GET, scope.path), json: json)
            }
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sets a quota, in place of the one before.",
            discussion: "What is there already stays, even if it is more than the quota.")
        @OptionGroup var scope: Scope
        @Option(help: "Bytes of all versions together: a number, or one with KiB, MiB, GiB or TiB.") var bytes: Size?
        @Option(help: "Versions of objects.") var objects: Int64?
        @Flag(help: "Print JSON.") var json = false

        func validate() throws {
            guard bytes != nil || objects != nil else { throw ValidationError("give --bytes, --objects or both") }
        }

        func run() async throws {
            var members = JSONObject()
            if let bytes { members["bytesMax"] = .integer(bytes.bytes) }
            if let objects { members["objectsMax"] = .integer(objects) }
            let body = JSONValue.object(members)
            try await NodeClient.with { client in
                QuotaCommand.show(try await client.json(.PUT, scope.path, body: body), json: json)
            }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Takes a quota away.")
        @OptionGroup var scope: Scope
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.json(.DELETE, scope.path)
                Report.done("deleted", scope.name, json: json)
            }
        }
    }

    struct Scope: ParsableArguments {
        @Argument(help: "The collection's name, or the space's with --space.") var name: String
        @Flag(help: "Of a space (the one that there is: main), not of a collection.") var space = false

        var path: String {
            "/admin/v1/quotas/" + (space ? "spaces/" : "collections/") + PercentEncoding.encode(name)
        }
    }

    /// A number of bytes as people write it.
    struct Size: ExpressibleByArgument {
        var bytes: Int64

        init?(argument: String) {
            let digits = argument.prefix { $0.isASCII && $0.isNumber }
            guard let count = Int64(digits) else { return nil }
            let units = ["": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40]
            guard let shift = units[String(argument.dropFirst(digits.count))], count <= Int64.max >> shift else {
                return nil
            }
            bytes = count << shift
        }
    }

    private static func show(_ quota: JSONValue, json: Bool) {
        guard !json else { return Console.write(quota.text) }
        let name = quota["collection"]?.string ?? "space " + (quota["space"]?.string ?? "")
        func part(_ unit: String, _ limit: String) -> String {
            "\(quota[unit]?.integer ?? 0)" + (quota[limit]?.integer.map { " of \($0)" } ?? "") + " " + unit
        }
        Console.write("\(name.padded(32))  \(part("bytes", "bytesMax")), \(part("objects", "objectsMax"))")
    }
}
