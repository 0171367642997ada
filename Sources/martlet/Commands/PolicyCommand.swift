import ArgumentParser
import NIOHTTP1
import Wire

struct PolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "Policies: who may do what.",
        discussion: """
            A policy is a document in the grammar of AWS IAM. Example: everybody who is logged in may read 'eo'.

                cat > read-eo.json <<END
                {"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
                  "Action": ["s3:GetObject", "s3:ListBucket", "stac:*"],
                  "Resource": ["arn:aws:s3:::eo", "arn:aws:s3:::eo/*", "arn:martlet:stac:::eo", "arn:martlet:stac:::eo/*"]}]}
                END
                martlet policy put read-eo read-eo.json
                martlet policy attach read-eo --to authenticated
            """,
        subcommands: [
            List.self, Show.self, Put.self, Attach.self, Detach.self, Delete.self, BoundaryCommand.self, Simulate.self,
            Import.self,
        ])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists policies and to whom they are attached.")
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                Console.list(try await client.json(.GET, "/admin/v1/policies")["policies"], json: json) { policy in
                    let to = (policy["attachments"]?.array ?? []).compactMap(\.string).joined(separator: ", ")
                    return "\((policy["name"]?.string ?? "").padded(32))  \(to)"
                }
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Prints a policy's document.")
        @Argument var name: String
        @Flag(help: "Print JSON with its attachments.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let policy = try await client.json(.GET, PolicyCommand.path(name))
                Console.write(json ? policy.text : (policy["document"] ?? .null).text)
            }
        }
    }

    struct Put: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Stores a policy under a name.")
        @Argument var name: String
        @Argument(help: "File with the document.") var file: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let document = try File.read(file, limit: 64 << 10)
            try await NodeClient.with { client in
                try await client.json(.PUT, PolicyCommand.path(name), raw: document)
                Report.done("stored", name, json: json)
            }
        }
    }

    struct Attach: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Makes a policy apply to somebody.")
        @Argument var name: String
        @Option(help: "user:NAME, group:NAME, role:NAME, authenticated or everyone.") var to: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.json(.PUT, PolicyCommand.path(name) + "/attachments/" + PercentEncoding.encode(to))
                Report.done("attached", name, json: json)
            }
        }
    }

    struct Detach: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Makes a policy no longer apply to somebody.")
        @Argument var name: String
        @Option(help: "user:NAME, group:NAME, role:NAME, authenticated or everyone.") var from: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.json(
                    .DELETE, PolicyCommand.path(name) + "/attachments/" + PercentEncoding.encode(from))
                Report.done("detached", name, json: json)
            }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Removes a policy.")
        @Argument var name: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.json(.DELETE, PolicyCommand.path(name))
                Report.done("deleted", name, json: json)
            }
        }
    }

    static func path(_ name: String) -> String { "/admin/v1/policies/" + PercentEncoding.encode(name) }
}
