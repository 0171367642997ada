import ArgumentParser
import Certificates
import NIOHTTP1
import Wire

extension CACommand {
    struct Issuer: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The authority below the root, which issues certificates.",
            discussion: """
                With a root whose key is kept on a machine that is not on the network:

                    martlet ca issuer request > issuer.csr            on the node
                    martlet ca init /media/root --name 'Example root' there, once
                    martlet ca sign /media/root issuer.csr > issuer.pem
                    martlet ca issuer import issuer.pem               on the node
                """,
            subcommands: [List.self, New.self, Request.self, Import.self])

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Lists the authorities, the newest first.")
            @Flag(help: "Print JSON, one line each.") var json = false

            func run() async throws {
                try await NodeClient.with { client in
                    let page = try await client.json(.GET, "/admin/v1/certificates/issuers")
                    for one in page["issuers"]?.array ?? [] {
                        guard !json else {
                            Console.write(one.text)
                            continue
                        }
                        let state = one["active"]?.bool == true ? "active" : one["expires"] == nil ? "requested" : ""
                        let domains = (one["domains"]?.array ?? []).compactMap(\.string).joined(separator: ",")
                        Console.write(
                            "\(one["id"]?.integer ?? 0)  \(state.padded(9))  until \(one["expires"]?.string?.prefix(10) ?? "-")  \(one["name"]?.string ?? "")  \(domains)"
                        )
                    }
                }
            }
        }

        struct New: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Makes another one below the node's own root, which issues from now on.")
            @Option(
                name: .customLong("permit"),
                help: "Domain that it may issue certificates for, with all below (default: any); may be repeated.")
            var domains: [String] = []

            func run() async throws {
                try await NodeClient.with { client in
                    _ = try await client.json(
                        .POST, "/admin/v1/certificates/issuers",
                        body: ["domains": .array(domains.map { .string($0) })])
                }
            }
        }

        struct Request: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Makes a key on the node, and prints the request for somebody else's root to sign.")

            func run() async throws {
                try await NodeClient.with { client in
                    let made = try await client.json(.POST, "/admin/v1/certificates/issuers/request")
                    Console.write((made["request"]?.string ?? "").trimmedEnd)
                }
            }
        }

        struct Import: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Takes the certificate that was asked for, with those above it; it issues from now on.")
            @Argument(help: "File with the certificates (PEM), the root last.") var file: String

            func run() async throws {
                let text = String(decoding: try File.read(file, limit: 64 << 10), as: UTF8.self)
                try await NodeClient.with { client in
                    _ = try await client.json(
                        .POST, "/admin/v1/certificates/issuers/import", body: ["certificates": .string(text)])
                }
            }
        }
    }

    struct Init: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a root on this machine. Needs no node and no network.",
            discussion: """
                Writes FOLDER/root.key, which only its owner can read, and FOLDER/root.pem. Keep the folder where no
                network reaches it.
                """)
        @Argument(help: "Where to keep it.") var folder: String
        @Option(help: "Common name of the root.") var name = "Root"

        func run() throws {
            guard File.info(folder + "/root.key") == nil else {
                throw Failure(.failed, "\(folder) has a root already, which is never written over")
            }
            let root = try CertificateAuthority.create(name: name)
            try File.write(Array(root.keyPEM.utf8), to: folder + "/root.key", mode: 0o600)
            try File.write(Array(root.certificatePEM.utf8), to: folder + "/root.pem", mode: 0o644)
            Console.write("\(folder)/root.pem: valid until \(root.expires.rfc3339)")
        }
    }

    struct Sign: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Signs a node's request with a root that is kept here, and prints the chain. Needs no network.")
        @Argument(help: "Where the root is kept.") var folder: String
        @Argument(help: "What `martlet ca issuer request` printed.") var request: String
        @Option(help: "Common name of the authority.") var name = "Issuing authority"
        @Option(help: "Days that it is valid.") var days = 730
        @Option(
            name: .customLong("permit"),
            help: "Domain that it may issue certificates for, with all below (default: any); may be repeated.")
        var domains: [String] = []

        func run() throws {
            func text(_ path: String) throws -> String {
                String(decoding: try File.read(path, limit: 64 << 10), as: UTF8.self)
            }
            let root = try CertificateAuthority(
                keyPEM: try text(folder + "/root.key"), certificatePEM: try text(folder + "/root.pem"))
            let certificate = try root.issueAuthority(
                try CertificateRequest(pemOrDER: try File.read(request, limit: 64 << 10)), commonName: name,
                permissions: NamePermissions(domains: domains), days: days, crlURL: nil)
            Console.write((try CertificateChain.pem(certificate) + root.certificatePEM).trimmedEnd)
        }
    }
}

extension String {
    /// Without line breaks at the end: the console writes one.
    var trimmedEnd: String {
        var text = self[...]
        while text.last?.isNewline == true { text.removeLast() }
        return String(text)
    }
}
