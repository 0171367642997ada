import ArgumentParser
import NIOHTTP1
import Wire

struct QuarantineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quarantine", abstract: "Objects that nobody may read: infected or damaged ones.",
        discussion: """
            Example: martlet quarantine list
                     martlet quarantine release s3://eo/a.zip --version-id 0190f1…
            """,
        subcommands: [List.self, Add.self, Release.self, Delete.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists what is quarantined, and why.")
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                var after = ""
                while true {
                    let page = try await client.json(.GET, "/admin/v1/quarantine" + after)["quarantined"]?.array ?? []
                    for entry in page {
                        guard !json else {
                            Console.write(entry.text)
                            continue
                        }
                        let name = "s3://\(entry["collection"]?.string ?? "")/\(entry["key"]?.string ?? "")"
                        let version = entry["versionId"]?.string ?? ""
                        Console.write("\(name)  \(version)  \(entry["reason"]?.string ?? "")")
                    }
                    guard let last = page.last?["number"]?.integer else { return }
                    after = "?after=\(last)"
                }
            }
        }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lets nobody read an object any more.")
        @OptionGroup var object: Object
        @Option(help: "Which version; without it the current one.") var versionId: String?
        @Option(help: "What is wrong with it, for people.") var reason: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await object.call("", versionId, ["reason": .string(reason)], done: "quarantined", json: json)
        }
    }

    struct Release: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lets a version be read again.")
        @OptionGroup var object: Object
        @Option(help: "Which version, as 'list' shows it.") var versionId: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await object.call("/release", versionId, [:], done: "released", json: json)
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Removes a quarantined version for good.")
        @OptionGroup var object: Object
        @Option(help: "Which version, as 'list' shows it.") var versionId: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await object.call("/delete", versionId, [:], done: "deleted", json: json)
        }
    }

    struct Object: ParsableArguments {
        @Argument(help: "s3://COLLECTION/KEY") var address: String

        func call(
            _ path: String, _ version: String?, _ more: [String: JSONValue], done: String, json: Bool
        ) async throws {
            let rest = address.hasPrefix("s3://") ? address.dropFirst(5) : address[...]
            let parts = rest.split(separator: "/", maxSplits: 1)
            guard parts.count == 2 else { throw ValidationError("an object is s3://COLLECTION/KEY, not '\(address)'") }
            var body = JSONObject()
            body["collection"] = .string(String(parts[0]))
            body["key"] = .string(String(parts[1]))
            if let version { body["versionId"] = .string(version) }
            for (name, value) in more { body[name] = value }
            let value = JSONValue.object(body)
            try await NodeClient.with { client in
                try await client.json(.POST, "/admin/v1/quarantine" + path, body: value)
                Report.done(done, address, json: json)
            }
        }
    }
}

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
