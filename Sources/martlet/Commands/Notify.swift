import ArgumentParser
import NIOHTTP1
import Wire

struct NotifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "notify", abstract: "Who is told of traces, products, objects and rules.",
        discussion: """
            Example: what is traced from now on, as it happens; and every new Sentinel-2 product, posted to an address.

                martlet notify listen traces --filter "startswith(Name,'S2A') and Event eq 'CREATE'"
                martlet notify subscribe products --filter "Collection/Name eq 'sentinel-2'" --event created \\
                  --webhook https://ingest.example.org/new
                martlet notify dead-letters ID
                martlet notify retry ID
            """,
        subcommands: [
            Subscribe.self, List.self, Delete.self, Listen.self, DeadLetters.self, Retry.self, Discard.self,
        ])

    static let path = "/notifications/v1/subscriptions"

    struct What: ParsableArguments {
        @Argument(help: "traces, products, objects or rules.") var topic: String
        @Option(
            help: ArgumentHelp(
                "In the topic's language: OData for traces and products; collection=eo&prefix=S2A/&suffix=.jp2&event=s3:ObjectCreated:* for objects; kind=policy.*&subject=NAME for rules."
            ))
        var filter: String?
    }

    struct Subscribe: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Subscribes. Without --webhook and --mail, what happens waits to be read.",
            discussion: """
                --webhook is an address, https://…, or the name of a webhook of the node's operator. The key that signs
                what is posted (Standard Webhooks) is shown once.
                """)
        @OptionGroup var what: What
        @Option(help: "created, modified or deleted, of products; may be repeated (default: all).") var event:
            [String] =
                []
        @Option(help: "Where what happens is posted to.") var webhook: String?
        @Option(help: "Name for the address.") var username: String?
        @Option(help: "File with the password for the address.") var passwordFile: String?
        @Flag(help: "Write letters to the account's own address.") var mail = false
        @Option(help: "Seconds for which what happens is gathered into one letter (default 0).") var digest: Int64?
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            var body = JSONObject([.init(name: "topic", value: .string(what.topic))])
            if let filter = what.filter { body["filter"] = .string(filter) }
            if !event.isEmpty { body["events"] = .array(event.map { .string($0) }) }
            body["delivery"] = .object(try delivery())
            try await NodeClient.with { [body] client in
                let made = try await client.json(.POST, NotifyCommand.path, body: .object(body))
                guard !json else { return Console.write(made.text) }
                Console.write(made["id"]?.string ?? "")
                if let key = made["signingKey"]?.string { Console.write("Messages are signed with \(key)") }
            }
        }

        private func delivery() throws -> JSONObject {
            guard webhook == nil || !mail else { throw ValidationError("--webhook or --mail, not both") }
            var delivery = JSONObject()
            if let webhook {
                delivery["type"] = "webhook"
                delivery[webhook.contains("://") ? "url" : "webhook"] = .string(webhook)
                if let username { delivery["username"] = .string(username) }
                if let passwordFile {
                    let text = String(decoding: try File.read(passwordFile, limit: 4096), as: UTF8.self)
                    delivery["password"] = .string(text.filter { !$0.isNewline })
                }
            } else if mail {
                delivery["type"] = "mail"
                delivery["digestSeconds"] = .integer(digest ?? 0)
            } else {
                delivery["type"] = "pull"
            }
            return delivery
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists your subscriptions and how they stand.")
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                Console.list(try await client.json(.GET, NotifyCommand.path)["subscriptions"], json: json) { one in
                    let delivery = one["delivery"]
                    let target = delivery?["url"]?.string ?? delivery?["webhook"]?.string ?? ""
                    let name = "\(one["id"]?.string ?? "")  \((one["topic"]?.string ?? "").padded(8))"
                    let way = "\(delivery?["type"]?.string ?? "") \(target)"
                    let (waiting, dead) = (one["waiting"]?.integer ?? 0, one["deadLetters"]?.integer ?? 0)
                    let error = one["error"]?.string.map { ": " + $0 } ?? ""
                    return "\(name)  \(one["status"]?.string ?? "")  \(way)  \(waiting) waiting, \(dead) dead\(error)"
                }
            }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Ends a subscription, and forgets what waits for it.")
        @Argument var id: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.json(.DELETE, NotifyCommand.path(id))
                Report.done("deleted", id, json: json)
            }
        }
    }

    struct Listen: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints what happens from now on, one line of JSON each, until it is interrupted.")
        @OptionGroup var what: What
        @Option(help: "End after so many.") var count: Int?

        func run() async throws {
            let query = QueryItems([("topic", what.topic), ("filter", what.filter ?? "")]).encoded
            try await NodeClient.with { client in
                var seen = 0
                try await client.events("/notifications/v1/events?" + query) { event in
                    Console.write(event)
                    seen += 1
                    return seen != count
                }
            }
        }
    }

    /// A subscription's id, or a webhook of the operator.
    struct Whose: ParsableArguments {
        @Argument(help: "Id of a subscription, or with --destination the name of a webhook of the node's operator.")
        var id: String
        @Flag(help: "Of a webhook that events of buckets go to: its name, or its address.") var destination = false
        @Flag(help: "Print JSON.") var json = false

        var path: String {
            let name = PercentEncoding.encode(id)
            return destination
                ? "/notifications/v1/destinations/\(name)/dead-letters" : NotifyCommand.path + "/\(name)/dead-letters"
        }
    }

    struct DeadLetters: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "dead-letters", abstract: "Lists what was given up, and why.")
        @OptionGroup var whose: Whose

        func run() async throws {
            try await NodeClient.with { client in
                Console.list(try await client.json(.GET, whose.path)["deadLetters"], json: whose.json) { letter in
                    let what = letter["event"]?["subject"]?.string ?? ""
                    let (id, created) = (letter["id"]?.string ?? "", letter["created"]?.string ?? "")
                    return "\(id.padded(14))  \(created)  \(what)  \(letter["reason"]?.string ?? "")"
                }
            }
        }
    }

    struct Retry: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Tries dead letters for another day.")
        @OptionGroup var whose: Whose
        @Option(help: "Id of a dead letter; may be repeated (default: all).") var letter: [String] = []

        func run() async throws {
            let body: JSONValue? = letter.isEmpty ? nil : ["ids": .array(letter.map { .string($0) })]
            try await NodeClient.with { client in
                let answer = try await client.json(.POST, whose.path + "/retry", body: body)
                Console.write(whose.json ? answer.text : "\(answer["retried"]?.integer ?? 0) are tried again")
            }
        }
    }

    struct Discard: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Discards dead letters.")
        @OptionGroup var whose: Whose
        @Option(help: "Id of a dead letter; may be repeated.") var letter: [String] = []
        @Flag(help: "Discard all.") var all = false

        func run() async throws {
            guard all || !letter.isEmpty else { throw ValidationError("name letters with --letter, or say --all") }
            let query = QueryItems(letter.map { ("id", $0) }).encoded
            try await NodeClient.with { client in
                let answer = try await client.json(.DELETE, whose.path + (query.isEmpty ? "" : "?" + query))
                Console.write(whose.json ? answer.text : "\(answer["discarded"]?.integer ?? 0) are discarded")
            }
        }
    }

    static func path(_ id: String) -> String { path + "/" + PercentEncoding.encode(id) }
}
