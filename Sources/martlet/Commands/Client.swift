import ArgumentParser
import NIOHTTP1
import Wire

struct ClientCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "client", abstract: "Applications that people log in to with this node (OpenID Connect).",
        discussion: """
            Examples:

                martlet client add wiki --redirect https://wiki.example.org/oauth/callback
                martlet client add harvester --grant client_credentials --scope storage.read:/eo
                martlet client add phone --public --redirect org.example.phone:/callback
                martlet client add mover --grant client_credentials --certificate dns:mover.example.org --bind-certificate

            What an application has to be told is at /.well-known/openid-configuration of the node; docs/identity.md has
            the settings of several.
            """,
        subcommands: [Add.self, List.self, Show.self, RotateSecret.self, Remove.self])

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Registers an application. Its secret is shown only now.")
        @Argument(help: "Its client_id.") var id: String
        @Option(help: "What people are shown.") var name: String?
        @Option(help: "Where answers may be sent, exactly; may be given again.") var redirect: [String] = []
        @Option(help: "A grant type; may be given again (default: authorization_code and refresh_token).")
        var grant: [String] = []
        @Option(help: "What it may ask for; may be given again (default: identity scopes and capabilities).")
        var scope: [String] = []
        @Option(help: "What its tokens have without its asking; 'martlet' is all that the account may.")
        var impliedScope: [String] = []
        @Option(help: "A service that its tokens may be for; may be given again; '*' for any.")
        var audience: [String] = []
        @Option(help: "The account as which it acts with client_credentials (default: a new one of its name).")
        var account: String?
        @Option(help: "Where people may be sent after their logout; may be given again.") var logoutRedirect: [String] =
            []
        @Option(help: "Where it hears that somebody's session has ended.") var backchannelLogout: String?
        @Option(help: "Algorithm of ID tokens: RS256 or ES256.") var idTokenAlgorithm = "RS256"
        @Option(help: "Algorithm of access tokens: ES256 or RS256.") var accessTokenAlgorithm = "ES256"
        @Option(help: "A file with its public keys as a JWK set: it proves itself by private_key_jwt.") var jwks:
            String?
        @Option(help: "Where it publishes them instead.") var jwksUri: String?
        @Option(
            help: """
                By which name in its certificate it is known: dn:CN=…, dns:HOST, uri:…, ip:… or email:… (with --jwks or \
                --jwks-uri and the word 'key': by the certificate's key, whoever issued it).
                """) var certificate: String?
        @Option(help: "A document with the redirect URIs of all that share its names for people.")
        var sectorIdentifier: String?
        @Flag(help: "Its tokens count only with the certificate that it got them with.") var bindCertificate = false
        @Flag(help: "It knows people by names that no other application has (pairwise subjects).") var pairwise = false
        @Flag(help: "It has to sign its authorization requests (RFC 9101).") var requireSigned = false
        @Flag(name: .customLong("public"), help: "It runs where it can keep no secret.") var isPublic = false
        @Flag(help: "People are not asked whether they agree.") var trusted = false
        @Flag(help: "It has to push its authorization requests (RFC 9126).") var requirePushed = false
        @Flag(help: "Its tokens are bound to its key (RFC 9449).") var requireDpop = false
        @Flag(help: "Print JSON.") var json = false

        /// How it proves who it is, and with which keys.
        private func authentication() throws -> [(String, JSONValue)] {
            var members: [(String, JSONValue)] = []
            if let jwks {
                members.append(
                    ("jwks", try JSONValue(parsing: Array(try File.read(jwks, limit: 64 << 10)), maximumDepth: 8)))
            }
            if let jwksUri { members.append(("jwks_uri", .string(jwksUri))) }
            let hasKeys = !members.isEmpty
            guard let certificate else {
                members.append(
                    (
                        "token_endpoint_auth_method",
                        isPublic ? "none" : hasKeys ? "private_key_jwt" : "client_secret_basic"
                    ))
                return members
            }
            guard certificate != "key" else {
                return members + [("token_endpoint_auth_method", "self_signed_tls_client_auth")]
            }
            let parts = certificate.split(separator: ":", maxSplits: 1).map(String.init)
            let kinds = ["dn": "subject_dn", "dns": "san_dns", "uri": "san_uri", "ip": "san_ip", "email": "san_email"]
            guard parts.count == 2, let kind = kinds[parts[0]] else {
                throw ValidationError("--certificate is dn:…, dns:…, uri:…, ip:…, email:… or key, not '\(certificate)'")
            }
            return members + [
                ("token_endpoint_auth_method", "tls_client_auth"), ("tls_client_auth_" + kind, .string(parts[1])),
            ]
        }

        func run() async throws {
            func list(_ names: [String]) -> JSONValue { .array(names.map { .string($0) }) }
            var body: [(String, JSONValue)] = [
                ("client_id", .string(id)), ("client_name", .string(name ?? id)), ("trusted", .bool(trusted)),
                ("redirect_uris", list(redirect)), ("audiences", list(audience)),
                ("post_logout_redirect_uris", list(logoutRedirect)),
                ("id_token_signed_response_alg", .string(idTokenAlgorithm)),
                ("access_token_signed_response_alg", .string(accessTokenAlgorithm)),
                ("require_pushed_authorization_requests", .bool(requirePushed)),
                ("require_signed_request_object", .bool(requireSigned)),
                ("dpop_bound_access_tokens", .bool(requireDpop)),
                ("tls_client_certificate_bound_access_tokens", .bool(bindCertificate)),
                ("subject_type", pairwise ? "pairwise" : "public"),
            ]
            body += try authentication()
            if let sectorIdentifier { body.append(("sector_identifier_uri", .string(sectorIdentifier))) }
            let isDevice = "urn:ietf:params:oauth:grant-type:device_code"
            let exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
            if !grant.isEmpty {
                body.append(
                    ("grant_types", list(grant.map { ["device": isDevice, "token-exchange": exchange][$0] ?? $0 })))
            }
            if !scope.isEmpty { body.append(("scope", .string(scope.joined(separator: " ")))) }
            if !impliedScope.isEmpty { body.append(("implied_scope", .string(impliedScope.joined(separator: " ")))) }
            if let account { body.append(("account", .string(account))) }
            if let backchannelLogout { body.append(("backchannel_logout_uri", .string(backchannelLogout))) }
            let value = JSONValue.object(JSONObject(body.map { JSONObject.Member(name: $0.0, value: $0.1) }))
            try await NodeClient.with { client in
                let made = try await client.json(.POST, "/admin/v1/clients", body: value)
                if json { return Console.write(made.text) }
                Console.write("client_id      \(made["client_id"]?.string ?? "")")
                if let secret = made["client_secret"]?.string { Console.write("client_secret  \(secret)") }
                Console.write("issuer         \(client.web)")
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists applications.")
        @Flag(help: "Print JSON, an object a line.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                var after = ""
                while true {
                    let path = "/admin/v1/clients?after=" + PercentEncoding.encode(after)
                    let page = try await client.json(.GET, path)["clients"]?.array ?? []
                    for found in page {
                        let id = found["client_id"]?.string ?? ""
                        if json {
                            Console.write(found.text)
                        } else {
                            let kind = found["token_endpoint_auth_method"]?.string == "none" ? "public" : "confidential"
                            Console.write(
                                "\(id.padded(30))  \(kind.padded(12))  \(found["client_name"]?.string ?? "")")
                        }
                    }
                    guard page.count >= 1000, let last = page.last?["client_id"]?.string else { return }
                    after = last
                }
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows how an application is registered, as JSON.")
        @Argument(help: "Its client_id.") var id: String
        @Flag(help: "Print JSON, as without it.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                Console.write(try await client.json(.GET, "/admin/v1/clients/" + PercentEncoding.encode(id)).text)
            }
        }
    }

    struct RotateSecret: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate-secret", abstract: "Gives an application another secret. The old one ends at once.")
        @Argument(help: "Its client_id.") var id: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let made = try await client.json(
                    .POST, "/admin/v1/clients/\(PercentEncoding.encode(id))/secret", body: [:])
                Console.write(json ? made.text : made["client_secret"]?.string ?? "")
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Removes an application, with all that people have let it do.")
        @Argument(help: "Its client_id.") var id: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                try await client.json(.DELETE, "/admin/v1/clients/" + PercentEncoding.encode(id))
                Report.done("removed", id, json: json)
            }
        }
    }
}

struct TokenKeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token-key", abstract: "The keys that sign tokens. (They change every 90 days by themselves.)",
        subcommands: [List.self, Rotate.self])

    static func show(_ answer: JSONValue, json: Bool) {
        Console.list(answer["keys"], json: json) { key in
            "\((key["kid"]?.string ?? "").padded(44))  \(key["algorithm"]?.string ?? "")  signs from \(key["active"]?.string ?? "")"
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the keys that are published.")
        @Flag(help: "Print JSON, an object a line.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                TokenKeyCommand.show(try await client.json(.GET, "/admin/v1/token-keys"), json: json)
            }
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lets the next key sign, as soon as it was published for a day.",
            discussion: """
                With --at-once it signs now, and everything that the key before has signed is refused: for a key that
                others may have got hold of. People log in again then, and services fetch the keys again.
                """)
        @Option(help: "ES256 or RS256.") var algorithm = "ES256"
        @Flag(help: "Now, ending all tokens.") var atOnce = false
        @Flag(help: "Print JSON, an object a line.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let answer = try await client.json(
                    .POST, "/admin/v1/token-keys",
                    body: ["algorithm": .string(algorithm), "atOnce": .bool(atOnce)])
                TokenKeyCommand.show(answer, json: json)
            }
        }
    }
}
