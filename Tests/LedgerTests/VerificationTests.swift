import Database
import Identity
import Journal
import Ledger
import TestSupport
import Testing

private actor Findings {
    var all: [Finding] = []

    func add(_ finding: Finding) { all.append(finding) }
}

@Suite struct VerificationTests {
    private func findings(_ node: Node) async throws -> (size: Int, subjects: Set<String>) {
        let findings = Findings()
        let size = try await Ledger.verify(
            journal: node.journal, identity: Identity(journal: node.journal, master: node.master)
        ) { await findings.add($0) }
        return (size, Set(await findings.all.map(\.subject)))
    }

    @Test("a log that is as it was made has no findings, also an empty one and none", arguments: TestEngine.allCases)
    func sound(_ engine: TestEngine) async throws {
        try await engine.withNode { node in
            #expect(try await findings(node) == (0, []))
            let ledger = try await node.ledger()
            #expect(try await findings(node) == (0, []))
            _ = try await ledger.register((0..<300).map { draft($0) }, by: "test")
            _ = try await ledger.register((300..<310).map { draft($0) }, by: "test")
            #expect(try await findings(node) == (310, []))
        }
    }

    @Test(
        "what was altered in a log is found",
        arguments: [
            ("UPDATE traces SET size = size + 1 WHERE leaf = 5", "tree"),
            ("UPDATE traces SET signature = message_digest WHERE leaf = 5", "trace"),
            ("DELETE FROM traces WHERE leaf = 5", "leaf 5"),
            ("DELETE FROM traces WHERE leaf = 9", "state"),
            ("UPDATE log_tiles SET hashes = substr(hashes, 33) || substr(hashes, 1, 32) WHERE level = 0", "tree"),
            ("UPDATE log_head SET size = 8, edge = substr(edge, 1, 32)", "state"),
            (
                "UPDATE log_checkpoints SET checkpoint = (SELECT checkpoint FROM log_head) WHERE size = 4",
                "checkpoint of size 4"
            ),
        ])
    func altered(change: String, subject: String) async throws {
        try await TestEngine.sqlite.withLedger { ledger, node in
            _ = try await ledger.register((0..<4).map { draft($0) }, by: "test")
            _ = try await ledger.register((4..<10).map { draft($0) }, by: "test")
            try await node.database.write { try $0.run(change) }
            let subjects = try await findings(node).subjects
            #expect(subjects.contains { $0.hasPrefix(subject) }, "\(subjects)")
        }
    }
}
