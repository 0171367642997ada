import ArgumentParser
import NIOHTTP1
import Wire

struct WebhookCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "webhook", abstract: "Where events of buckets are posted to.",
        discussion: """
            Example: what is new in the bucket 'eo' is posted to a service in the node's own network.

                martlet webhook put ingest http://10.0.0.7:8000/events --secret-file ingest.token
                aws s3api put-bucket-notification-configuration --bucket eo --notification-configuration \\
                  '{"QueueConfigurations": [{"QueueArn": "arn:martlet:webhook:::ingest", "Events": ["s3:ObjectCreated:*"]}]}'
            """,
        subcommands: [List.self, Put.self, Delete.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists webhooks, how many messages wait for each, and why.")
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                Console.list(try await client.json(.GET, "/admin/v1/webhooks")["webhooks"], json: json) { webhook in
                    let (name, url) = ((webhook["name"]?.string ?? "").padded(20), webhook["url"]?.string ?? "")
                    let error = webhook["error"]?.string.map { ": " + $0 } ?? ""
                    return "\(name)  \(url)  \(webhook["waiting"]?.integer ?? 0) waiting\(error)"
                }
            }
        }
    }

    struct Put: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Names an address, or changes what a name means.")
        @Argument(help: "Letters, digits, '-' and '_'.") var name: String
        @Argument(help: "http://… or https://…, also in the node's own network.") var url: String
        @Option(help: "File with a secret that is sent as a bearer token.") var secretFile: String?
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            var body = JSONObject([.init(name: "url", value: .string(url))])
            if let secretFile {
                let secret = String(decoding: try File.read(secretFile, limit: 64 << 10), as: UTF8.self)
                body["secret"] = .string(secret.filter { !$0.isNewline })
            }
            try await NodeClient.with { [body] client in
                try await client.json(.PUT, WebhookCommand.path(name), body: .object(body))
                Report.done("stored", name, json: json)
            }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Forgets a webhook, and what waits for it.")
        @Argument var name: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.json(.DELETE, WebhookCommand.path(name))
                Report.done("deleted", name, json: json)
            }
        }
    }

    private static func path(_ name: String) -> String { "/admin/v1/webhooks/" + PercentEncoding.encode(name) }
}
