import ArgumentParser
import Certificates
import NIOHTTP1
import TraceFormat
import Wire

extension TraceCommand {
    struct Key: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Asks that signatures by a key count, and answers that.",
            discussion: """
                martlet trace key request me             makes me.key here, and asks for a certificate of the node's authority
                martlet trace key list --pending         there: who waits
                martlet trace key approve 0197…          there: or refuse 0197… --reason "who are you?"
                martlet trace key fetch 0197… me         here: writes me.pem, for martlet trace register --key me.key --cert me.pem
                """,
            subcommands: [
                Request.self, List.self, Show.self, Fetch.self, Approve.self, Refuse.self, Withdraw.self,
                Registered.self,
            ])

        private static let path = "/traces/api/v1/key-requests"

        private static func line(_ request: JSONValue) -> String {
            func text(_ member: String) -> String { request[member]?.string ?? "" }
            let said = text("reason").isEmpty ? text("note") : text("reason")
            return "\(text("id"))  \(text("state").padded(8))  \(text("account").padded(20))  "
                + "\(text("kind").padded(19))  \(text("created").prefix(16))  \(said)"
        }

        private static func write(_ request: JSONValue, json: Bool) {
            Console.write(json ? request.text : line(request))
        }

        struct Request: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract:
                    "Makes a key here and asks for a certificate; or asks for one that there is to be registered.",
                discussion: """
                    Examples: martlet trace key request me --note "processor of the S2 ground segment"
                              martlet trace key request --certificate old.pem

                    The key leaves this machine never.
                    """)
            @Argument(help: "Where to write NAME.key.") var name: String?
            @Option(help: ArgumentHelp("A certificate of another authority (PEM).", valueName: "file"))
            var certificate: String?
            @Option(help: ArgumentHelp("An OpenPGP public key, as gpg --export --armor gives it.", valueName: "file"))
            var openpgp: String?
            @Option(help: "Why, for those who answer.") var note: String?
            @Flag(help: "Print JSON.") var json = false

            func validate() throws {
                guard [name, certificate, openpgp].count(where: { $0 != nil }) == 1 else {
                    throw ValidationError("give a name for a new key, --certificate or --openpgp")
                }
            }

            func run() async throws {
                var body = JSONObject()
                if let note { body["note"] = .string(note) }
                if let certificate {
                    let text = String(decoding: try File.read(certificate, limit: 64 << 10), as: UTF8.self)
                    body["certificate"] = .string(text)
                }
                if let openpgp {
                    let text = String(decoding: try File.read(openpgp, limit: OpenPGPKey.bytesMax), as: UTF8.self)
                    body["openpgp"] = .string(text)
                }
                if let name {
                    guard File.info(name + ".key") == nil else {
                        throw Failure(.failed, "\(name).key is there already: it is not replaced")
                    }
                    let last = name.split(separator: "/").last.map(String.init) ?? name
                    let made = try CertificateRequest.make(
                        commonName: String(last.prefix(64)), names: AlternativeNames())
                    // The key is here before anybody is asked.
                    try File.write(Array(made.key.utf8), to: name + ".key", mode: 0o600)
                    body["certificate-request"] = .string(made.request)
                }
                let document = JSONValue.object(body)
                try await NodeClient.with { client in
                    Key.write(try await client.json(.POST, Key.path, body: document), json: json)
                }
            }
        }

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Lists requests: your own, or all if you may answer them.")
            @Flag(help: "Those only that wait for an answer.") var pending = false
            @Flag(help: "Print a JSON object for each.") var json = false

            func run() async throws {
                try await NodeClient.with { client in
                    try await client.pages(Key.path, pending ? [("state", "pending")] : [], by: "id", limit: 100) {
                        Console.list($0, json: json, columns: Key.line)
                    }
                }
            }
        }

        struct Show: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Prints a request as JSON.")
            @Argument(help: "Its id.") var id: String
            @Flag(help: "Print JSON (it always does).") var json = false

            func run() async throws {
                try await NodeClient.with { client in
                    Console.write(try await client.json(.GET, Key.path + "/" + PercentEncoding.encode(id)).text)
                }
            }
        }

        struct Fetch: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Writes the certificate of a request that was approved to NAME.pem.")
            @Argument(help: "The request's id.") var id: String
            @Argument(help: "Where to write NAME.pem.") var name: String

            func run() async throws {
                try await NodeClient.with { client in
                    let request = try await client.json(.GET, Key.path + "/" + PercentEncoding.encode(id))
                    guard let certificate = request["certificate"]?.string else {
                        throw Failure(
                            .failed, "the request is \(request["state"]?.string ?? "unknown"): " + Key.line(request))
                    }
                    let facts = try CertificateFacts(pemOrDER: Array(certificate.utf8))
                    try File.write(Array(certificate.utf8), to: name + ".pem", mode: 0o644)
                    Console.write("\(name).pem: \(facts.subject), valid until \(facts.expires.rfc3339)")
                }
            }
        }

        struct Approve: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Approves a request: its certificate is issued, or registered.")
            @Argument(help: "The request's id.") var id: String
            @Option(help: "Days that a certificate that is issued is valid (default: 90).") var days: Int64?
            @Flag(help: "Print JSON.") var json = false

            func run() async throws {
                var body = JSONObject()
                if let days {
                    let (seconds, isTooLong) = days.multipliedReportingOverflow(by: 86_400)
                    guard days > 0, !isTooLong else { throw Failure(.failed, "--days is 1 or more, and not \(days)") }
                    body["seconds"] = .integer(seconds)
                }
                let document = JSONValue.object(body)
                try await NodeClient.with { client in
                    let path = Key.path + "/" + PercentEncoding.encode(id) + "/approve"
                    Key.write(try await client.json(.POST, path, body: document), json: json)
                }
            }
        }

        struct Refuse: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Refuses a request.")
            @Argument(help: "The request's id.") var id: String
            @Option(help: "Why, for who has asked.") var reason: String?
            @Flag(help: "Print JSON.") var json = false

            func run() async throws {
                let document: JSONValue = reason.map { ["reason": .string($0)] } ?? [:]
                try await NodeClient.with { client in
                    let path = Key.path + "/" + PercentEncoding.encode(id) + "/refuse"
                    Key.write(try await client.json(.POST, path, body: document), json: json)
                }
            }
        }

        struct Withdraw: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Takes your own request back, as long as nobody has answered it.")
            @Argument(help: "The request's id.") var id: String

            func run() async throws {
                try await NodeClient.with { client in
                    _ = try await client.json(.DELETE, Key.path + "/" + PercentEncoding.encode(id))
                }
            }
        }

        struct Registered: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Lists keys that are registered; 'martlet trace revoke' ends what one counts for.")
            @Flag(help: "Print a JSON object for each.") var json = false

            func run() async throws {
                try await NodeClient.with(login: false) { client in
                    try await client.pages("/traces/api/v1/keys", by: "certificate_sha256", limit: 100) { page in
                        Console.list(page, json: json) {
                            "\($0["certificate_sha256"]?.string ?? "")  "
                                + "\(($0["account"]?.string ?? "").padded(20))  \($0["subject"]?.string ?? "")"
                        }
                    }
                }
            }
        }
    }
}
