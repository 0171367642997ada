import ArgumentParser
import NIOHTTP1
import Wire

struct ProviderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "provider", abstract: "Other OpenID providers at which people log in.",
        subcommands: [List.self, Add.self, Remove.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists providers.")
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let page = try await client.json(.GET, "/admin/v1/providers")
                Console.list(page["providers"], json: json) { one in
                    "\((one["name"]?.string ?? "").padded(16))  \(one["issuer"]?.string ?? "")  \(one["title"]?.string ?? "")"
                }
            }
        }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lets people log in at another provider.",
            discussion: """
                Example: martlet provider add uni --title 'Example University' --issuer https://login.example.edu \\
                             --client-id martlet --secret-from-stdin < secret.txt

                Give the provider the redirect address that is printed. People add such a login to their account at
                /account; with --creates-accounts those whom nobody knows get an account.
                """)
        @Argument(help: "A short name, which is part of addresses.") var name: String
        @Option(help: "Address of the provider: 'iss' of its tokens.") var issuer: String
        @Option(help: "Who this node is there.") var clientId: String
        @Option(help: "What people call it.") var title = ""
        @Option(help: "What is asked for.") var scopes = "openid profile email"
        @Flag(help: "Read the client's secret from standard input.") var secretFromStdin = false
        @Flag(help: "Make accounts for people whom nobody knows.") var createsAccounts = false
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            var body = JSONObject()
            body["name"] = .string(name)
            body["issuer"] = .string(issuer)
            body["clientId"] = .string(clientId)
            body["title"] = .string(title)
            body["scopes"] = .string(scopes)
            body["createsAccounts"] = .bool(createsAccounts)
            if secretFromStdin { body["clientSecret"] = .string(readLine() ?? "") }
            try await NodeClient.with { [body] client in
                let made = try await client.json(.POST, "/admin/v1/providers", body: .object(body))
                Console.write(json ? made.text : "redirect address: \(made["redirectUri"]?.string ?? "")")
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "People log in there no longer.")
        @Argument var name: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.json(.DELETE, "/admin/v1/providers/" + PercentEncoding.encode(name))
                Report.done("removed", name, json: json)
            }
        }
    }
}
