import ArgumentParser
import NIOHTTP1
import Wire

struct IssuerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "issuer", abstract: "Other issuers whose tokens open data here.",
        discussion: """
            Examples:

                martlet issuer trust https://iam.example.org --audience https://node.example.org --role visitors
                martlet issuer list
                martlet issuer forget https://iam.example.org

            What their tokens open is what the role may do, where its trust policy lets them in; docs/identity.md has
            one.
            """,
        subcommands: [List.self, Trust.self, Forget.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the issuers that are trusted.")
        @Flag(help: "Print JSON, an object a line.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let found = try await client.json(.GET, "/admin/v1/issuers")["issuers"]
                Console.list(found, json: json) { one in
                    let role = one["role"]?.string.map { "role \($0)" } ?? "by STS only"
                    return "\((one["issuer"]?.string ?? "").padded(40))  \(role)"
                }
            }
        }
    }

    struct Trust: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Takes an issuer's tokens from now on.")
        @Argument(help: "Its address: 'iss' of its tokens.") var issuer: String
        @Option(help: "For whom its tokens have to be meant ('aud'); may be given again.") var audience: [String]
        @Option(help: "The role in which its tokens are on every face (default: they are taken by STS only).")
        var role: String?
        @Option(help: "Below which path the capabilities in its tokens count: /COLLECTION/…") var path = "/"
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            var body = JSONObject()
            body["issuer"] = .string(issuer)
            body["audiences"] = .array(audience.map { .string($0) })
            if let role { body["role"] = .string(role) }
            body["path"] = .string(path)
            try await NodeClient.with { [body] client in
                let made = try await client.json(.POST, "/admin/v1/issuers", body: .object(body))
                Console.write(json ? made.text : "trusted \(made["issuer"]?.string ?? "")")
            }
        }
    }

    struct Forget: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes an issuer's tokens no longer; what they opened ends within a second.")
        @Argument(help: "Its address.") var issuer: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let plain = issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer
            let scheme = ["https://", "http://"].first { plain.hasPrefix($0) } ?? ""
            try await NodeClient.with { client in
                let name = PercentEncoding.encode(String(plain.dropFirst(scheme.count)))
                try await client.json(.DELETE, "/admin/v1/issuers/" + name)
                Report.done("forgotten", issuer, json: json)
            }
        }
    }
}
