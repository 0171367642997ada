import ArgumentParser
import NIOHTTP1
import Wire

struct GroupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "group", abstract: "Groups of accounts.",
        subcommands: [
            List.self, Create.self, Show.self, Set.self, Add.self, Remove.self, Manager.self, Requests.self,
            Approve.self, Reject.self, Delete.self,
        ])

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
        static let configuration = CommandConfiguration(abstract: "Shows a group's members, managers and attributes.")
        @Argument var name: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let group = try await client.json(.GET, GroupCommand.path(name))
                if json { return Console.write(group.text) }
                for account in group["accounts"]?.array ?? [] { Console.write("user:\(account.string ?? "")") }
                for child in group["groups"]?.array ?? [] { Console.write("group:\(child.string ?? "")") }
                for manager in group["managers"]?.array ?? [] { Console.write("manager:\(manager.string ?? "")") }
                for member in group["attributes"]?.object?.members ?? [] {
                    Console.write("\(member.name)=\(member.value.string ?? "")")
                }
            }
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Changes what is known of a group.",
            discussion: """
                Example: martlet group set scientists --description 'Who works with the data' --open

                People see an open group at /groups, and may ask to become members.
                """)
        @Argument var name: String
        @Option(help: "What it is for.") var description: String?
        @Flag(inversion: .prefixedNo, help: "Whether people may ask to become members.") var open: Bool?
        @Option(help: "NAME=VALUE, or NAME for a label; may be repeated.") var attribute: [String] = []
        @Option(help: "Removes an attribute; may be repeated.") var removeAttribute: [String] = []
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            var body = JSONObject()
            if let description { body["description"] = .string(description) }
            if let open { body["open"] = .bool(open) }
            body["attributes"] = Attributes.changes(attribute, removing: removeAttribute)
            try await NodeClient.with { client in
                let group = try await client.json(.PATCH, GroupCommand.path(name), body: .object(body))
                if json { Console.write(group.text) } else { Report.done("changed", name, json: false) }
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
        static let configuration = CommandConfiguration(
            abstract: "Takes an account, or the members of a group, out of a group.")
        @Argument(help: "The group.") var name: String
        @Argument(help: "The account.") var account: String?
        @Option(help: "The group whose members are taken out.") var group: String?
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                switch (account, group) {
                case (let account?, nil):
                    try await client.json(
                        .DELETE, GroupCommand.path(name) + "/members/" + PercentEncoding.encode(account))
                case (nil, let group?):
                    try await client.json(.DELETE, GroupCommand.path(name) + "/groups/" + PercentEncoding.encode(group))
                default: throw Failure(.failed, "name an account or --group, one of the two")
                }
                Report.done("removed", account ?? group ?? "", json: json)
            }
        }
    }

    struct Manager: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes an account a manager of a group, or with --remove no longer.",
            discussion: """
                Example: martlet group manager scientists ada

                Managers add and remove members and answer requests to join, of the group and of those within it.
                """)
        @Argument(help: "The group.") var name: String
        @Argument(help: "The account.") var account: String
        @Flag(help: "It manages the group no longer.") var remove = false
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let path = GroupCommand.path(name) + "/managers/" + PercentEncoding.encode(account)
                try await client.json(remove ? .DELETE : .PUT, path)
                Report.done(remove ? "removed" : "added", account, json: json)
            }
        }
    }

    struct Requests: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists who has asked to join a group.")
        @Argument(help: "The group.") var name: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let page = try await client.json(.GET, GroupCommand.path(name) + "/requests")
                Console.list(page["requests"], json: json) { request in
                    "\((request["account"]?.string ?? "").padded(24))  \(request["created"]?.string?.prefix(10) ?? "")  \(request["note"]?.string ?? "")"
                }
            }
        }
    }

    struct Approve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lets somebody join who has asked to.")
        @Argument(help: "The group.") var name: String
        @Argument(help: "The account.") var account: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws { try await GroupCommand.answer(name, account, true, json) }
    }

    struct Reject: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Declines somebody's request to join.")
        @Argument(help: "The group.") var name: String
        @Argument(help: "The account.") var account: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws { try await GroupCommand.answer(name, account, false, json) }
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

    private static func answer(_ name: String, _ account: String, _ isApproved: Bool, _ json: Bool) async throws {
        try await NodeClient.with { client in
            let path = GroupCommand.path(name) + "/requests/" + PercentEncoding.encode(account)
            try await client.json(.POST, path, body: ["approve": .bool(isApproved)])
            Report.done(isApproved ? "approved" : "rejected", account, json: json)
        }
    }

    private static func path(_ name: String) -> String { "/admin/v1/groups/" + PercentEncoding.encode(name) }
}
