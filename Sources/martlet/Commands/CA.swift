import ArgumentParser
import NIOHTTP1
import Wire

struct CACommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ca", abstract: "Certificates: whose they are.",
        subcommands: [Link.self, Links.self, Unlink.self])

    struct Link: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Says whose a certificate of another authority is.",
            discussion: """
                Example: martlet ca link ada ada.pem

                The authority is one of those in --client-certificates. A renewal for the same name needs no link of its
                own.
                """)
        @Argument(help: "The account.") var account: String
        @Argument(help: "File with the certificate (PEM).") var certificate: String
        @Flag(help: "Print JSON: id, account, subject, issuer.") var json = false

        func run() async throws {
            let text = String(decoding: try File.read(certificate, limit: 64 << 10), as: UTF8.self)
            try await NodeClient.with { client in
                let made = try await client.json(
                    .POST, "/admin/v1/certificates/links",
                    body: ["account": .string(account), "certificate": .string(text)])
                Console.write(json ? made.text : made["id"]?.string ?? "")
            }
        }
    }

    struct Links: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists whose certificates of other authorities are.")
        @Option(help: "Of this account only.") var account: String?
        @Flag(help: "Print JSON, one line each.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let query = account.map { "?account=" + PercentEncoding.encode($0) } ?? ""
                let page = try await client.json(.GET, "/admin/v1/certificates/links" + query)
                for link in page["links"]?.array ?? [] {
                    if json {
                        Console.write(link.text)
                    } else {
                        Console.write(
                            "\(link["id"]?.string ?? "")  \((link["account"]?.string ?? "").padded(20))  \(link["subject"]?.string ?? "")"
                        )
                    }
                }
            }
        }
    }

    struct Unlink: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ends a link: the certificate opens nothing any more.")
        @Argument(help: "Its id.") var id: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.json(.DELETE, "/admin/v1/certificates/links/" + PercentEncoding.encode(id))
                Report.done("deleted", id, json: json)
            }
        }
    }
}
