import ArgumentParser
import NIOHTTP1
import Wire

struct AppPasswordCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "app-password", abstract: "Passwords for single programs, such as a WebDAV client.",
        subcommands: [List.self, Create.self, Delete.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists app passwords, without what they are.")
        @Option(help: "Of this account only.") var account: String?
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let query = account.map { "?account=" + PercentEncoding.encode($0) } ?? ""
                let page = try await client.json(.GET, "/admin/v1/app-passwords" + query)
                Console.list(page["appPasswords"], json: json) { password in
                    "\(password["id"]?.string ?? "")  \((password["account"]?.string ?? "").padded(20))  \(password["created"]?.string?.prefix(10) ?? "")  \(password["description"]?.string ?? "")\(password["ends"]?.string.map { "  ends \($0.prefix(10))" } ?? "")"
                }
            }
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes an app password. It is shown only now.",
            discussion: """
                Examples:

                    martlet app-password create --account ada --description 'davfs on the laptop'
                    martlet app-password create --account ada --description 'a guest at the beamline' --ends 2027-03-31
                """)
        @Option(help: "Whose it is.") var account: String
        @Option(help: "What it is for.") var description: String = ""
        @Option(help: "The day on which it opens nothing any more, such as 2027-03-31.") var ends: String?
        @Flag(help: "Print JSON: id, password.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                var body = JSONObject()
                body["account"] = .string(account)
                body["description"] = .string(description)
                if let ends { body["ends"] = .string(ends) }
                let made = try await client.json(.POST, "/admin/v1/app-passwords", body: .object(body))
                Console.write(json ? made.text : made["password"]?.string ?? "")
            }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Removes an app password; it opens nothing any more.")
        @Argument(help: "Its id.") var id: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.json(.DELETE, "/admin/v1/app-passwords/" + PercentEncoding.encode(id))
                Report.done("deleted", id, json: json)
            }
        }
    }
}
