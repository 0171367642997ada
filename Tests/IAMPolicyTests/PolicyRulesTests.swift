import IAMPolicy
import Testing

struct PolicyRulesTests {
    private func rules(_ text: String) throws -> [PolicyRules.Rule] { try PolicyRules(yaml: Array(text.utf8)).rules }

    @Test("rules of one person are joined, and become a policy that says the same")
    func joined() throws {
        let found = try rules(
            """
            rules:
              - user: ada
                collections: [eo]
              - group: all
                storages: [https://s3.example.org/shared/]
              - user: ada
                collections: [eo, sar]
                storages: ["s3://data/a/b"]
            """)
        #expect(found.map(\.subject) == ["user:ada", "group:all"])
        #expect(found[0].collections == ["eo", "sar"] && found[0].storages == ["data/a/b"])
        #expect(found[1].storages == ["shared"])
        for rule in found {
            for isReadOnly in [true, false] {
                _ = try PolicyDocument(parsing: rule.document(isReadOnly: isReadOnly))
            }
        }
        let document = try PolicyDocument(parsing: found[0].document(isReadOnly: true))
        func decides(_ action: String, _ resource: String) -> Bool {
            PolicyRequest(principal: "ada", action: action, resource: resource).evaluate([("rules", document)])
                .isAllowed
        }
        #expect(decides("s3:GetObject", "arn:aws:s3:::data/a/b/c"))
        #expect(!decides("s3:GetObject", "arn:aws:s3:::data/a/bc"))
        #expect(!decides("s3:PutObject", "arn:aws:s3:::data/a/b/c"))
    }

    @Test(
        "what is no rule is refused",
        arguments: [
            "", "rules: x", "other: []", "rules:\n  - collections: [a]", "rules:\n  - user: a\n    group: b",
            "rules:\n  - user: a\n    storages: [https://host]", "rules:\n  - user: a\n    storages: ['https://h/b*']",
            "rules:\n  - user: a\n    collections: ['${x}']", "rules:\n  - user: a\n    collections: b",
            "rules:\n  - user: a\n    rights: [x]",
        ])
    func refused(_ text: String) {
        #expect(throws: PolicyError.self) { try rules(text) }
    }

    @Test("changed rules are taken or refused, and what is taken is a policy")
    func fuzz() throws {
        let text = Array(
            """
            rules:
              - user: ada
                collections: [eo, 'sar']
                storages:
                  - https://h/b/c # d
              - group: all
                storages: []
            """
            .utf8)
        let pieces = [
            "\n", " ", "  - ", ":", "[", "]", "'", "\"", "#", "user", "${x}", "*", "\t", "&a", "|", "ü", "\u{0}",
        ]
        for _ in 0..<20_000 {
            var bytes = text
            for _ in 0..<Int.random(in: 1...5) {
                let place = Int.random(in: 0...bytes.count)
                let end = min(bytes.count, place + Int.random(in: 0...4))
                bytes.replaceSubrange(place..<end, with: Array((pieces.randomElement() ?? "").utf8))
            }
            guard let rules = try? PolicyRules(yaml: bytes).rules else { continue }
            for rule in rules where !rule.collections.isEmpty || !rule.storages.isEmpty {
                _ = try PolicyDocument(parsing: rule.document(isReadOnly: Bool.random()))
            }
        }
    }

    @Test("what would have allowed a request is told, where it is one thing")
    func nearMisses() throws {
        let document = try PolicyDocument(
            parsing: #"""
                {"Version": "2012-10-17", "Statement": [
                 {"Sid": "A", "Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*"},
                 {"Sid": "B", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::a/*"},
                 {"Sid": "C", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::a/*",
                  "Condition": {"Bool": {"aws:SecureTransport": "true"}}},
                 {"Sid": "D", "Effect": "Allow", "Action": "iam:*", "Resource": "x"},
                 {"Sid": "E", "Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::c/*"}]}
                """#)
        let request = PolicyRequest(principal: "ada", action: "s3:GetObject", resource: "arn:aws:s3:::a/x")
        let misses = request.nearMisses([("p", document)])
        #expect(misses.map { $0.statement.sid } == ["A", "B", "C"])
        #expect(
            misses.map(\.missing) == [
                .resource, .action, .condition(key: "aws:securetransport", isAbsent: true),
            ])
    }
}
