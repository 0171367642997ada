import ArgumentParser
import NIOHTTP1
import Wire

struct QuarantineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quarantine",
        abstract: "Objects that nobody gets to read: damaged, or with something found in them.",
        discussion: """
            Examples: martlet quarantine list
                      martlet quarantine release 4398046511104

            What is damaged is released by itself once it reads well again, for example after its blob was restored from
            a backup.
            """,
        subcommands: [List.self, Release.self, Delete.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists what is in quarantine: its number, since when, why, which object and version.")
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.pages("/admin/v1/quarantine", member: "versions", by: "number") { page in
                    for version in page.array ?? [] { write(version) }
                }
            }
        }

        private func write(_ version: JSONValue) {
            guard !json else { return Console.write(version.text) }
            func text(_ name: String) -> String { version[name]?.string ?? "" }
            let name = text("version") == "null" ? "" : "?versionId=" + text("version")
            Console.write(
                "\(text("number"))  \(text("since").prefix(19))  \(text("cause").padded(8))  s3://\(text("collection"))/\(text("key"))\(name)  \(text("reason"))"
            )
        }
    }

    struct Release: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lets an object be read again.",
            discussion: "What is still damaged is found to be so at its next reading, and is back.")
        @Argument(help: "Its number, as `martlet quarantine list` shows it.") var number: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.json(.POST, QuarantineCommand.path(number) + "/release")
                Report.done("released", number, json: json)
            }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Removes the version for good; one that is locked stays.")
        @Argument(help: "Its number, as `martlet quarantine list` shows it.") var number: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.json(.DELETE, QuarantineCommand.path(number))
                Report.done("deleted", number, json: json)
            }
        }
    }

    private static func path(_ number: String) -> String { "/admin/v1/quarantine/" + PercentEncoding.encode(number) }
}
