import ArgumentParser
import NIOHTTP1
import Wire

extension TraceCommand {
    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Revokes a signer's certificate: traces by it count no longer.",
            discussion: """
                Examples: martlet trace revoke me.pem --reason "the computer was stolen"
                          martlet trace revoke me.pem --compromised 2026-11-01T00:00:00Z

                Traces that were registered before the key was in other hands go on to count; --compromised says since when it
                may have been (default: now). There is no way back.
                """)
        @Argument(help: "The certificate's file (PEM), or its SHA-256.") var certificate: String
        @Option(help: ArgumentHelp("Since when the key may have been in other hands.", valueName: "time"))
        var compromised: String?
        @Option(help: "Why, for people.") var reason: String?
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            var body = JSONObject()
            if certificate.utf8.count == 64, Hex.decode(certificate) != nil {
                body["certificate_sha256"] = JSONValue.string(certificate)
            } else {
                body["certificate"] = .string(
                    String(decoding: try File.read(certificate, limit: 64 << 10), as: UTF8.self))
            }
            if let compromised { body["compromised"] = .string(compromised) }
            if let reason { body["reason"] = .string(reason) }
            let document = JSONValue.object(body)
            try await NodeClient.with { client in
                let revocation = try await client.json(.POST, "/traces/api/v1/revocations", body: document)
                if json { return Console.write(revocation.text) }
                Console.write(TraceCommand.line(revocation))
            }
        }
    }

    struct Revocations: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the signers whose certificates were revoked.")
        @Flag(help: "Print a JSON object for each.") var json = false

        func run() async throws {
            try await NodeClient.with(login: false) { client in
                let list = try await client.json(.GET, "/traces/api/v1/revocations")
                Console.list(list, json: json, columns: TraceCommand.line)
            }
        }
    }

    private static func line(_ revocation: JSONValue) -> String {
        let since = revocation["compromised"]?.string ?? ""
        return
            "\(revocation["certificate_sha256"]?.string ?? "")  since \(since)  \(revocation["reason"]?.string ?? "")"
    }
}
