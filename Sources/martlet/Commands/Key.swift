import ArgumentParser
import NIOHTTP1
import Wire

struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "S3 access keys: with which accounts sign requests. (Encryption keys: keys.)",
        subcommands: [List.self, Create.self, Delete.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists access keys, without their secrets.")
        @Option(help: "Of this account only.") var account: String?
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let query = account.map { "?account=" + PercentEncoding.encode($0) } ?? ""
                let page = try await client.json(.GET, "/admin/v1/keys" + query)
                Console.list(page["keys"], json: json) { key in
                    "\(key["accessKeyId"]?.string ?? "")  \((key["account"]?.string ?? "").padded(20))  \(key["created"]?.string?.prefix(10) ?? "")  \(key["description"]?.string ?? "")"
                }
            }
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes an access key. Its secret is shown only now.",
            discussion: "Example: martlet key create --account ada --json")
        @Option(help: "Whose key it is.") var account: String
        @Option(help: "What it is for.") var description: String = ""
        @Flag(help: "Print JSON: accessKeyId, secretAccessKey.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let key = try await client.json(
                    .POST, "/admin/v1/keys", body: ["account": .string(account), "description": .string(description)])
                if json {
                    Console.write(key.text)
                } else {
                    Console.write("AWS_ACCESS_KEY_ID=\(key["accessKeyId"]?.string ?? "")")
                    Console.write("AWS_SECRET_ACCESS_KEY=\(key["secretAccessKey"]?.string ?? "")")
                    Console.write("AWS_ENDPOINT_URL=\(client.s3)")
                }
            }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Removes an access key; it opens nothing any more.")
        @Argument(help: "The key's id.") var id: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.json(.DELETE, "/admin/v1/keys/" + PercentEncoding.encode(id))
                Report.done("deleted", id, json: json)
            }
        }
    }
}
