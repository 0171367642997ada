import ArgumentParser
import IAMPolicy
import NIOHTTP1
import Wire

extension PolicyCommand {
    struct Simulate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Says whether somebody may do something, and why. Nothing is done, and nothing recorded.",
            discussion: """
                Example: martlet policy simulate ada s3:PutObject arn:aws:s3:::eo/a.tif --address 10.0.0.7

                Exit code 0: allowed; 2: refused.
                """)
        @Argument(help: "NAME of an account, role:NAME, or anonymous.") var principal: String
        @Argument(help: "Such as s3:GetObject.") var action: String
        @Argument(help: "Such as arn:aws:s3:::BUCKET/KEY.") var resource: String
        @Option(help: "From which address (default 192.0.2.1).") var address: String?
        @Option(help: "How they have logged in: password, certificate, token … (default token).") var method: String?
        @Option(
            name: .customLong("context"),
            help: "KEY=VALUE: a further condition key, such as s3:prefix=a/; may be repeated.")
        var context: [String] = []
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            var body = JSONObject()
            for (name, value) in [("principal", principal), ("action", action), ("resource", resource)] {
                body[name] = .string(value)
            }
            body["address"] = address.map { .string($0) }
            body["method"] = method.map { .string($0) }
            var values = JSONObject()
            for pair in context {
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                guard parts.count == 2 else { throw ValidationError("--context is KEY=VALUE, not '\(pair)'") }
                values[parts[0]] = .array((values[parts[0]]?.array ?? []) + [.string(parts[1])])
            }
            body["context"] = .object(values)
            try await NodeClient.with { [body] client in
                let answer = try await client.json(.POST, "/admin/v1/simulations", body: .object(body))
                let isAllowed = answer["allowed"]?.bool == true
                if json { Console.write(answer.text) } else { write(answer) }
                if !isAllowed { throw Failure(.notAsItShouldBe, "") }
            }
        }

        private func write(_ answer: JSONValue) {
            Console.write(answer["reason"]?.string ?? "")
            let from = (answer["from"]?.array ?? []).compactMap(\.string)
            if !from.isEmpty { Console.write("The policy is attached to \(from.joined(separator: ", ")).") }
            for miss in answer["missing"]?.array?.compactMap(\.string) ?? [] { Console.write("  \(miss)") }
            let asked = (answer["policies"]?.array ?? []).compactMap { $0["name"]?.string }
            Console.write("Asked: \(asked.isEmpty ? "no policy" : asked.joined(separator: ", "))")
        }
    }

    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes policies of a list of rules, as they are kept in a repository.",
            discussion: """
                The file is YAML:

                    rules:
                      - user: ada                          # or group: NAME
                        collections: [eo, climate]         # of the catalogue
                        storages:
                          - https://s3.example.org/eo/2026

                Each who is named has one policy, rules-user-NAME or rules-group-NAME. What the file does not say any more
                is taken back; other policies are left alone. --dry-run shows what would change.
                """)
        @Argument(help: "The file.") var file: String
        @Flag(help: "Change nothing; show what would change.") var dryRun = false
        @Flag(help: "Give rights to read only.") var readOnly = false

        private static let prefix = "rules-"

        func run() async throws {
            let rules: PolicyRules
            do {
                rules = try PolicyRules(yaml: try File.read(file, limit: YAML.bytesMax))
            } catch let error as PolicyError {
                throw Failure(.failed, "\(file): \(error.message)")
            }
            try await NodeClient.with { client in
                let present = try await Self.present(client)
                var wanted: Set<String> = []
                var changes = 0
                for rule in rules.rules where !rule.collections.isEmpty || !rule.storages.isEmpty {
                    let name = Self.prefix + rule.subject.replacing(":", with: "-")
                    wanted.insert(name)
                    let document = rule.document(isReadOnly: readOnly)
                    let known = present[name]
                    guard known?.document != document || known?.subjects != [rule.subject] else { continue }
                    changes += 1
                    Console.write("\(known == nil ? "+" : "~") \(name)  to \(rule.subject)")
                    Self.show(known?.document, document)
                    guard !dryRun else { continue }
                    try await client.json(.PUT, PolicyCommand.path(name), raw: Array(document.utf8))
                    try await client.json(
                        .PUT, PolicyCommand.path(name) + "/attachments/" + PercentEncoding.encode(rule.subject))
                }
                for name in present.keys.sorted() where !wanted.contains(name) {
                    changes += 1
                    Console.write("- \(name)")
                    if !dryRun { try await client.json(.DELETE, PolicyCommand.path(name)) }
                }
                Console.write(
                    changes == 0 ? "nothing to change" : "\(changes) \(dryRun ? "would change" : "changed")")
            }
        }

        /// What an import has made before.
        private static func present(
            _ client: NodeClient
        ) async throws -> [String: (document: String, subjects: [String])] {
            var out: [String: (document: String, subjects: [String])] = [:]
            var after = prefix
            while true {
                let page = try await client.json(.GET, "/admin/v1/policies?after=" + PercentEncoding.encode(after))
                let policies = page["policies"]?.array ?? []
                for policy in policies {
                    guard let name = policy["name"]?.string else { continue }
                    guard name.hasPrefix(prefix) else { return out }
                    out[name] = (
                        (policy["document"] ?? .null).text, (policy["attachments"]?.array ?? []).compactMap(\.string)
                    )
                }
                guard policies.count == 1000, let last = policies.last?["name"]?.string else { return out }
                after = last
            }
        }

        /// The resources that come and go.
        private static func show(_ old: String?, _ new: String) {
            let (before, after) = (resources(old ?? "{}"), resources(new))
            for one in before.subtracting(after).sorted() { Console.write("    - \(one)") }
            for one in after.subtracting(before).sorted() { Console.write("    + \(one)") }
        }

        private static func resources(_ document: String) -> Set<String> {
            guard let json = try? JSONValue(parsing: document) else { return [] }
            return Set(
                (json["Statement"]?.array ?? []).flatMap { statement in
                    let actions = (statement["Action"]?.array ?? []).compactMap(\.string).joined(separator: ",")
                    let resources = statement["Resource"]?.array?.compactMap(\.string)
                    return (resources ?? [statement["Resource"]?.string].compactMap(\.self)).map {
                        "\(actions) on \($0)"
                    }
                })
        }
    }
}
