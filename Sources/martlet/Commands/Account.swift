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
                var after = ""
                while true {
                    let page = try await client.json(.GET, "/admin/v1/accounts?after=\(PercentEncoding.encode(after))")
                    let accounts = page["accounts"]?.array ?? []
                    for account in accounts { AccountCommand.write(account, json: json) }
                    guard accounts.count >= 1000, let last = accounts.last?["name"]?.string else { return }
                    after = last
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
            discussion: "Example: martlet account set ada --display-name 'Ada Lovelace' --email ada@example.org")
        @Argument var name: String
        @Option(help: "Name for people to read.") var displayName: String?
        @Option(help: "E-mail address; '' for none.") var email: String?
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            var body = JSONObject()
            if let displayName { body["displayName"] = .string(displayName) }
            if let email { body["email"] = .string(email) }
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
        Console.write(
            "\((account["name"]?.string ?? "").padded(24))  \((account["kind"]?.string ?? "").padded(8))  \(account["displayName"]?.string ?? "")\(state)"
        )
    }
}

struct GroupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "group", abstract: "Groups of accounts.",
        subcommands: [List.self, Create.self, Show.self, Add.self, Remove.self, Delete.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists groups.")
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let page = try await client.json(.GET, "/admin/v1/groups")
                if json { return Console.write(page.text) }
                for group in page["groups"]?.array ?? [] { Console.write(group.string ?? "") }
            }
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Makes a group.")
        @Argument var name: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.json(.POST, "/admin/v1/groups", body: ["name": .string(name)])
                Report.done("created", name, json: json)
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows a group's members.")
        @Argument var name: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let group = try await client.json(.GET, GroupCommand.path(name))
                if json { return Console.write(group.text) }
                for account in group["accounts"]?.array ?? [] { Console.write("user:\(account.string ?? "")") }
                for child in group["groups"]?.array ?? [] { Console.write("group:\(child.string ?? "")") }
            }
        }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes an account, or all members of a group, members of a group.",
            discussion:
                "Example: martlet group add scientists ada\n         martlet group add everybody --group scientists")
        @Argument(help: "The group.") var name: String
        @Argument(help: "The account.") var account: String?
        @Option(help: "The group whose members become members.") var group: String?
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                switch (account, group) {
                case (let account?, nil):
                    try await client.json(.PUT, GroupCommand.path(name) + "/members/" + PercentEncoding.encode(account))
                case (nil, let group?):
                    try await client.json(.PUT, GroupCommand.path(name) + "/groups/" + PercentEncoding.encode(group))
                default: throw Failure(.failed, "name an account or --group, one of the two")
                }
                Report.done("added", account ?? group ?? "", json: json)
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Takes an account out of a group.")
        @Argument var name: String
        @Argument var account: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.json(.DELETE, GroupCommand.path(name) + "/members/" + PercentEncoding.encode(account))
                Report.done("removed", account, json: json)
            }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Removes a group.")
        @Argument var name: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.json(.DELETE, GroupCommand.path(name))
                Report.done("deleted", name, json: json)
            }
        }
    }

    private static func path(_ name: String) -> String { "/admin/v1/groups/" + PercentEncoding.encode(name) }
}

enum Report {
    /// One line about something that was done.
    static func done(_ what: String, _ name: String, json: Bool) {
        if json { Console.json { $0.member(what, name) } } else { Console.write("\(what) \(name)") }
    }
}
