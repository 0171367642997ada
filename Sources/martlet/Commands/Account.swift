import ArgumentParser
import NIOHTTP1
import Wire

struct AccountCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "account", abstract: "Accounts of people, services, computers and software.",
        subcommands: [
            List.self, Create.self, Show.self, Set.self, Disable.self, Enable.self, Password.self, Delete.self,
        ])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists accounts.")
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.pages("/admin/v1/accounts", member: "accounts", by: "name") { page in
                    for account in page.array ?? [] { AccountCommand.write(account, json: json) }
                }
            }
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes an account.",
            discussion: """
                Example: martlet account create ada --password-from-stdin < password.txt

                Without a password the account can only use access keys.
                """)
        @Argument(help: "Name: letters, digits, '.', '_', '@' or '-'.") var name: String
        @Option(help: "person, service, computer or software.") var kind = "person"
        @Option(help: "Name for people to read.") var displayName: String?
        @Option(help: "E-mail address.") var email: String?
        @Flag(help: "Read the password from standard input.") var passwordFromStdin = false
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            var body: JSONObject = JSONObject()
            body["name"] = .string(name)
            body["kind"] = .string(kind)
            if let displayName { body["displayName"] = .string(displayName) }
            if let email { body["email"] = .string(email) }
            if passwordFromStdin { body["password"] = .string(readLine() ?? "") }
            try await NodeClient.with { client in
                let account = try await client.json(.POST, "/admin/v1/accounts", body: .object(body))
                AccountCommand.write(account, json: json)
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows an account.")
        @Argument var name: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                AccountCommand.write(try await client.json(.GET, AccountCommand.path(name)), json: json)
            }
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Changes what is known of an account.",
            discussion: """
                Examples: martlet account set ada --display-name 'Ada Lovelace' --email ada@example.org
                          martlet account set ada --ends 2027-03-31 --attribute orcid=0000-0002-1825-0097

                From the day on which it ends an account opens nothing; it is suspended, and removed after a while
                (--remove-days of the node).
                """)
        @Argument var name: String
        @Option(help: "Name for people to read.") var displayName: String?
        @Option(help: "E-mail address; '' for none.") var email: String?
        @Option(help: "The day on which it ends, such as 2027-03-31; '' for never.") var ends: String?
        @Option(help: "NAME=VALUE, or NAME for a label; may be repeated.") var attribute: [String] = []
        @Option(help: "Removes an attribute; may be repeated.") var removeAttribute: [String] = []
        @Flag(help: "Remove codes of an app: for somebody who has lost phone and backup codes.") var removeCodes = false
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            var body = JSONObject()
            if let displayName { body["displayName"] = .string(displayName) }
            if let email { body["email"] = .string(email) }
            if let ends { body["ends"] = ends.isEmpty ? .null : .string(ends) }
            body["attributes"] = Attributes.changes(attribute, removing: removeAttribute)
            if removeCodes { body["codes"] = false }
            try await AccountCommand.change(name, .object(body), json: json)
        }
    }

    struct Disable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Switches an account off: none of its credentials opens anything.")
        @Argument var name: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws { try await AccountCommand.change(name, ["disabled": true], json: json) }
    }

    struct Enable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Switches an account on again.")
        @Argument var name: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws { try await AccountCommand.change(name, ["disabled": false], json: json) }
    }

    struct Password: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sets an account's password, and ends the sessions that the old one opened.")
        @Argument var name: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let password = try Prompt.password("New password for \(name): ")
            try await AccountCommand.change(name, ["password": .string(password)], json: json)
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Removes an account with its credentials.")
        @Argument var name: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.json(.DELETE, AccountCommand.path(name))
                Report.done("deleted", name, json: json)
            }
        }
    }

    private static func path(_ name: String) -> String { "/admin/v1/accounts/" + PercentEncoding.encode(name) }

    private static func change(_ name: String, _ body: JSONValue, json: Bool) async throws {
        try await NodeClient.with { client in
            write(try await client.json(.PATCH, path(name), body: body), json: json)
        }
    }

    private static func write(_ account: JSONValue, json: Bool) {
        guard !json else { return Console.write(account.text) }
        let state = account["disabled"]?.bool == true ? "  disabled" : ""
        let ends = account["ends"]?.string.map { "  ends \($0.prefix(10))" } ?? ""
        Console.write(
            "\((account["name"]?.string ?? "").padded(24))  \((account["kind"]?.string ?? "").padded(8))  \(account["displayName"]?.string ?? "")\(state)\(ends)"
        )
        for member in account["attributes"]?.object?.members ?? [] {
            Console.write("    \(member.name)=\(member.value.string ?? "")")
        }
    }
}

enum Report {
    /// One line about something that was done.
    static func done(_ what: String, _ name: String, json: Bool) {
        if json { Console.json { $0.member(what, name) } } else { Console.write("\(what) \(name)") }
    }
}

/// Attributes as they are given on the command line.
enum Attributes {
    /// The member of a body that changes them; nil where nothing is to change.
    static func changes(_ set: [String], removing removed: [String]) -> JSONValue? {
        guard !set.isEmpty || !removed.isEmpty else { return nil }
        var out = JSONObject()
        for pair in set {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            out[String(parts[0])] = .string(parts.count > 1 ? String(parts[1]) : "")
        }
        for name in removed { out[name] = .null }
        return .object(out)
    }
}
