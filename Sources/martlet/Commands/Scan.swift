import ArgumentParser
import NIOHTTP1
import Wire

struct ScanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scan", abstract: "What becomes of objects in which the virus scanner finds something.",
        discussion: """
            Example: martlet scan set eo --policy refuse
            """,
        subcommands: [Show.self, Set.self, Reset.self])

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows the policy of a collection.")
        @Argument(help: "The collection's name.") var name: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws { try await ScanCommand.call(.GET, name, nil, json: json) }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Gives a collection a policy of its own.")
        @Argument(help: "The collection's name.") var name: String
        @Option(help: "off, tag, quarantine, or refuse: then objects are scanned before they are visible.")
        var policy: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws { try await ScanCommand.call(.PUT, name, ["policy": .string(policy)], json: json) }
    }

    struct Reset: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lets the node's policy hold for a collection.")
        @Argument(help: "The collection's name.") var name: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws { try await ScanCommand.call(.DELETE, name, nil, json: json) }
    }

    private static func call(_ method: HTTPMethod, _ name: String, _ body: JSONValue?, json: Bool) async throws {
        try await NodeClient.with { client in
            let answer = try await client.json(method, "/admin/v1/scanning/" + PercentEncoding.encode(name), body: body)
            let text = "\(answer["policy"]?.string ?? "") (\(answer["own"]?.bool == true ? "its own" : "the node's"))"
            Console.write(json ? answer.text : text)
        }
    }
}
