import ArgumentParser
import NIOHTTP1
import Wire

struct LDAPCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ldap", abstract: "Applications that log people in over the LDAP directory.",
        subcommands: [Connect.self])

    /// Whoever it is attached to may search the whole directory.
    private static let policy = "directory-reader"
    private static let document = """
        {"Version": "2012-10-17", "Statement": [{"Sid": "ReadTheDirectory", "Effect": "Allow",
          "Action": "ldap:Search", "Resource": "arn:martlet:directory:::*"}]}
        """

    struct Connect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Makes a service account that may search the directory, and shows what to enter in an application.",
            discussion: """
                Example: martlet ldap connect redmine

                It is three commands in one: `account create NAME --kind service`, `policy attach \(policy)`, which it
                stores first where it is missing, and `app-password create`. The password is shown only now; the same
                command makes a further one. To take all of it back: `martlet account delete NAME`.
                """)
        @Argument(help: "Name of the service account: that of the application.") var name: String
        @Flag(help: "Print JSON: urls, base, bindDN, password.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                let node = try await client.json(.GET, "/.well-known/martlet")
                guard let urls = node["ldap"]?.array?.compactMap(\.string), let base = node["ldapBase"]?.string else {
                    throw Failure(.failed, "this node serves no directory: start it with --ldap or --ldaps")
                }
                try await makeAccount(client)
                try await attachPolicy(client)
                let made = try await client.json(
                    .POST, "/admin/v1/app-passwords",
                    body: ["account": .string(name), "description": .string("LDAP directory")])
                let (dn, password) = ("uid=\(name),ou=services,\(base)", made["password"]?.string ?? "")
                guard !json else {
                    return Console.json {
                        $0.member("urls", urls)
                        $0.member("base", base)
                        $0.member("bindDN", dn)
                        $0.member("password", password)
                    }
                }
                Console.write(
                    """
                    Server:    \(urls.joined(separator: "  "))
                    Base:      \(base)
                    Bind DN:   \(dn)
                    Password:  \(password)  (shown only now)
                    People:    base ou=people,\(base), filter (uid=NAME), e-mail in mail, groups in memberOf
                    Groups:    base ou=groups,\(base), members in member
                    """)
            }
        }

        private func makeAccount(_ client: NodeClient) async throws {
            let path = "/admin/v1/accounts/" + PercentEncoding.encode(name)
            do {
                let account = try await client.json(.GET, path)
                guard account["kind"]?.string != "person" else {
                    throw Failure(.failed, "'\(name)' is a person: give the application an account of its own")
                }
            } catch let failure as Failure where failure.code == .notFound {
                try await client.json(
                    .POST, "/admin/v1/accounts", body: ["name": .string(name), "kind": .string("service")])
            }
        }

        private func attachPolicy(_ client: NodeClient) async throws {
            let path = "/admin/v1/policies/\(LDAPCommand.policy)"
            do {
                try await client.json(.GET, path)
            } catch let failure as Failure where failure.code == .notFound {
                try await client.json(.PUT, path, raw: Array(LDAPCommand.document.utf8))
            }
            try await client.json(.PUT, path + "/attachments/" + PercentEncoding.encode("user:\(name)"))
        }
    }
}
