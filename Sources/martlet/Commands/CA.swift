import ArgumentParser
import AsyncHTTPClient
import Certificates
import NIOHTTP1
import Wire

struct CACommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ca", abstract: "The authority: certificates for people, computers, software and services.",
        discussion: """
            To give the computer 'reader' a certificate that it makes the key of itself:

                martlet ca token reader --host reader.example.org       here: prints a token
                martlet ca request reader --token mce_…                 there: writes reader.key and reader.pem
                martlet ca renew reader                                 there, once an hour: renews when it is time
            """,
        subcommands: [
            Root.self, Token.self, ACME.self, Request.self, Renew.self, List.self, Revoke.self, Link.self, Links.self,
            Unlink.self, Issuer.self, Init.self, Sign.self,
        ])

    struct Root: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints the certificate of the root: what others have to trust.")
        @Flag(help: "Print the intermediate certificates instead.") var chain = false

        func run() async throws {
            try await NodeClient.with(login: false) { client in
                let answer = try await client.send(.GET, client.web + (chain ? "/ca/chain.pem" : "/ca/root.pem"))
                guard answer.status == .ok else { throw NodeClient.failure(answer) }
                Console.write(String(decoding: answer.bytes, as: UTF8.self).trimmedEnd)
            }
        }
    }

    /// What somebody may get certificates for.
    struct Terms: ParsableArguments {
        @Argument(help: "The account that the certificate will be of.") var account: String
        @Option(
            name: .customLong("host"),
            help: "Host name or address that the certificate may have; *.NAME for any; may be repeated.")
        var hosts: [String] = []
        @Option(help: "Hours that certificates are valid (default: 168 for people and computers, 24 for others).")
        var hours: Int64?
        @Option(help: "Minutes within which it has to be used.") var within: Int64 = 60

        func body(acme: Bool) -> JSONValue {
            var body: JSONValue = [
                "account": .string(account), "hosts": .array(hosts.map { .string($0) }),
                "validSeconds": .integer(within * 60), "acme": .bool(acme),
            ]
            if let hours, var members = body.object {
                members["seconds"] = .integer(hours * 3600)
                body = .object(members)
            }
            return body
        }
    }

    struct Token: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a token for one certificate. It is shown only now.",
            discussion: "Example: martlet ca token reader --host reader.example.org")
        @OptionGroup var terms: Terms
        @Flag(help: "Print JSON: id, token.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let made = try await client.json(
                    .POST, "/admin/v1/certificates/tokens", body: terms.body(acme: false))
                Console.write(json ? made.text : made["token"]?.string ?? "")
            }
        }
    }

    struct ACME: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a key with which an ACME client registers. It is shown only now.",
            discussion: "Example: martlet ca acme www --host www.example.org, then certbot with what it prints.")
        @OptionGroup var terms: Terms
        @Flag(help: "Print JSON: id, key, directory.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let made = try await client.json(
                    .POST, "/admin/v1/certificates/tokens", body: terms.body(acme: true))
                guard !json else { return Console.write(made.text) }
                Console.write(
                    """
                    Server:    \(made["directory"]?.string ?? "")
                    Key id:    \(made["id"]?.string ?? "")  (--eab-kid)
                    Key:       \(made["key"]?.string ?? "")  (--eab-hmac-key; shown only now)
                    """)
            }
        }
    }

    struct Request: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a key here, and gets a certificate for it. The key leaves this machine never.",
            discussion:
                "Example: martlet ca request /etc/reader --token mce_… writes /etc/reader.key and /etc/reader.pem.")
        @Argument(help: "Where to write NAME.key and NAME.pem.") var name: String
        @Option(help: "What `martlet ca token` printed; or MARTLET_TOKEN.") var token: String?
        @Option(
            name: .customLong("host"),
            help: "Host for the certificate (default: all that the token allows); may be repeated.")
        var hosts: [String] = []

        func run() async throws {
            guard let token = token ?? Environment.all["MARTLET_TOKEN"] else {
                throw Failure(.failed, "a token is missing: --token, or MARTLET_TOKEN")
            }
            try await NodeClient.with(login: false) { client in
                try await Enrolment.get(name, hosts: hosts, client, headers: ["Authorization": "Token " + token])
            }
        }
    }

    struct Renew: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Renews a certificate, with a new key, when a third of its time is left.",
            discussion: "Example, in cron: 17 * * * * martlet ca renew /etc/reader && systemctl reload reader")
        @Argument(help: "Where NAME.key and NAME.pem are.") var name: String
        @Flag(help: "Renew now.") var force = false

        func run() async throws {
            let old = try CertificateFacts(pemOrDER: try File.read(name + ".pem", limit: 1 << 20))
            let life = old.expires.seconds - old.validFrom.seconds
            guard force || Timestamp.now.seconds > old.expires.seconds - life / 3 else {
                // A scheduler need not do anything either.
                throw Failure(.failed, "it is valid until \(old.expires.rfc3339), and not renewed before it is time")
            }
            try await NodeClient.with(login: false, certificate: (name + ".pem", name + ".key")) { client in
                try await Enrolment.get(name, hosts: old.dnsNames + old.addresses, client, headers: [:])
            }
        }
    }

    /// Gets a certificate for a key that is made here.
    enum Enrolment {
        static func get(_ name: String, hosts: [String], _ client: NodeClient, headers: HTTPHeaders) async throws {
            let last = name.split(separator: "/").last.map(String.init) ?? name
            let made = try CertificateRequest.make(
                commonName: String(last.prefix(64)), names: AlternativeNames(hosts: hosts))
            // The key is here before anybody says that it counts.
            try File.write(Array(made.key.utf8), to: name + ".key.next", mode: 0o600)
            let answer = try await client.send(
                .POST, client.web + "/ca/certificates", headers: headers, body: .bytes(Array(made.request.utf8)))
            guard answer.status == .created else { throw NodeClient.failure(answer) }
            let facts = try CertificateFacts(pemOrDER: answer.bytes)
            try File.write(answer.bytes, to: name + ".pem.next", mode: 0o644)
            try File.move(name + ".key.next", to: name + ".key")
            try File.move(name + ".pem.next", to: name + ".pem")
            Console.write("\(name).pem: \(facts.subject), valid until \(facts.expires.rfc3339)")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the certificates that the node has issued.")
        @Option(help: "Of this account only.") var account: String?
        @Flag(help: "Also those that have expired or are revoked.") var all = false
        @Flag(help: "Print JSON, one line each.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let query = account.map { [("account", Optional($0))] } ?? []
                try await client.pages("/admin/v1/certificates", query, member: "certificates", by: "serial") { page in
                    for one in page.array ?? [] { write(one) }
                }
            }
        }

        private func write(_ one: JSONValue) {
            let expires = one["expires"]?.string ?? ""
            let isOver = one["revoked"] != nil || expires < Timestamp.now.rfc3339
            guard all || !isOver else { return }
            guard !json else { return Console.write(one.text) }
            let hosts = (one["hosts"]?.array ?? []).compactMap(\.string).joined(separator: ",")
            let state = one["revoked"] == nil ? "" : "  revoked: \(one["reason"]?.string ?? "")"
            Console.write(
                "\(one["serial"]?.string ?? "")  \((one["account"]?.string ?? "").padded(20))  until \(expires.prefix(16))  \(hosts)\(state)"
            )
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Revokes a certificate, for good: it opens nothing any more.",
            discussion: "Example: martlet ca revoke 4f3c… --reason key-compromise")
        @Argument(help: "Its serial number, as `martlet ca list` tells it.") var serial: String
        @Option(
            help:
                "unspecified, key-compromise, affiliation-changed, superseded, cessation-of-operation or privilege-withdrawn."
        ) var reason = "unspecified"
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let path = PercentEncoding.encode(serial) + "?reason=" + PercentEncoding.encode(reason)
                try await client.json(.DELETE, "/admin/v1/certificates/" + path)
                Report.done("revoked", serial, json: json)
            }
        }
    }

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
                Console.list(page["links"], json: json) { link in
                    "\(link["id"]?.string ?? "")  \((link["account"]?.string ?? "").padded(20))  \(link["subject"]?.string ?? "")"
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
