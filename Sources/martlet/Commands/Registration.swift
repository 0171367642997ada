import ArgumentParser
import Glibc
import NIOHTTP1
import Wire

struct RegistrationCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "registration", abstract: "People who have asked for an account (--registration of the node).",
        subcommands: [List.self, Approve.self, Reject.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists who waits for approval.",
            discussion: "Example: martlet registration list")
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let page = try await client.json(.GET, "/admin/v1/registrations")
                Console.list(page["registrations"], json: json) { one in
                    "\(one["id"]?.string ?? "")  \((one["name"]?.string ?? "").padded(20))  \(one["email"]?.string ?? "")  \(one["displayName"]?.string ?? "")  \(one["note"]?.string ?? "")"
                }
            }
        }
    }

    struct Approve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes the account that somebody has asked for, and writes to them.")
        @Argument(help: "The registration's id.") var id: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await RegistrationCommand.answer(id, ["approve": true])
            Report.done("approved", id, json: json)
        }
    }

    struct Reject: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Declines a registration, and writes so.",
            discussion: "Example: martlet registration reject 4f0c… --reason 'Please use your institute\'s address.'")
        @Argument(help: "The registration's id.") var id: String
        @Option(help: "Why, for the letter.") var reason = ""
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await RegistrationCommand.answer(id, ["approve": false, "reason": .string(reason)])
            Report.done("rejected", id, json: json)
        }
    }

    private static func answer(_ id: String, _ body: JSONValue) async throws {
        try await NodeClient.with { client in
            _ = try await client.json(.POST, "/admin/v1/registrations/" + PercentEncoding.encode(id), body: body)
        }
    }
}

struct Invite: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Invites somebody to make their own account.",
        discussion: """
            Example: martlet invite ada@example.org --group scientists

            Where the node sends letters (--smtp) one goes to the address; the address that it leads to is printed in
            any case, to be handed over. It counts for a week.
            """)
    @Argument(help: "E-mail address.") var email: String
    @Option(help: "A group that the account will be a member of; may be repeated.") var group: [String] = []
    @Flag(help: "Print JSON: email, link, sent.") var json = false

    func run() async throws {
        try await NodeClient.with { client in
            let made = try await client.json(
                .POST, "/admin/v1/invitations",
                body: ["email": .string(email), "groups": .array(group.map { .string($0) })])
            Console.write(json ? made.text : made["link"]?.string ?? "")
        }
    }
}

struct UsePolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "use-policy", abstract: "The acceptable-use policy that people have to sign.",
        subcommands: [Show.self, Publish.self, Withdraw.self])

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows the current version.")
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let policy = try await client.json(.GET, "/admin/v1/use-policy")
                Console.write(json ? policy.text : policy["text"]?.string ?? "")
            }
        }
    }

    struct Publish: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Publishes a version from standard input: until people have signed it they can do nothing else.",
            discussion: """
                Example: martlet use-policy publish --renew-days 365 < policy.txt

                Plain text; empty lines part paragraphs. Services, computers and software sign nothing. Who publishes
                it has signed it.
                """)
        @Option(help: "After how many days it has to be signed again (0: never).") var renewDays: Int64 = 0
        @Flag(help: "Print JSON: version.") var json = false

        func run() async throws {
            var lines: [String] = []
            while let line = readLine() { lines.append(line) }
            let text = lines.joined(separator: "\n")
            try await NodeClient.with { client in
                let made = try await client.json(
                    .PUT, "/admin/v1/use-policy", body: ["text": .string(text), "renewDays": .integer(renewDays)])
                if json { Console.write(made.text) } else { Console.write("version \(made["version"]?.integer ?? 0)") }
            }
        }
    }

    struct Withdraw: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Nobody has to sign anything any more.")
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.json(.DELETE, "/admin/v1/use-policy")
                Report.done("withdrawn", "use policy", json: json)
            }
        }
    }
}
