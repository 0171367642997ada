import Ciphers
import Database
import Journal
import Objects
import TestSupport
import Testing
import Vault
import Wire

@Suite struct RootKeysTests {
    private static let table = Migration(
        module: "test", number: 1, ["CREATE TABLE secrets (name TEXT PRIMARY KEY, sealed BLOB NOT NULL)"])
    private static let columns =
        Objects.sealedColumns + [SealedColumn(table: "secrets", id: "name", column: "sealed") { "secret \($0)" }]

    private func source(_ folder: String, _ name: String = "master.key") throws -> any MasterSource {
        try MasterKeySetting.open("\(folder)/\(name)", creates: true, credentials: nil)
    }

    private func withJournal(_ engine: TestEngine, _ body: (Journal, String) async throws -> Void) async throws {
        try await withFolder { folder in
            try await engine.withDatabase(Journal.migrations + Objects.migrations + [Self.table]) { database in
                try await body(Journal(database: database, node: "test"), folder)
            }
        }
    }

    private func store(_ master: MasterKey, _ name: String, in journal: Journal) async throws {
        let sealed = try master.seal(Array(name.utf8), label: "secret \(name)")
        try await journal.database.write {
            try $0.run("INSERT INTO secrets (name, sealed) VALUES (?, ?)", .init(name), .init(sealed))
        }
    }

    private func secret(_ master: MasterKey, _ name: String, in journal: Journal) async throws -> String {
        let sealed = try await journal.read { reader in
            try reader.first("SELECT sealed FROM secrets WHERE name = ?", .init(name)) { $0.blob(0) }
        }
        return String(decoding: try master.open(try #require(sealed), label: "secret \(name)"), as: UTF8.self)
    }

    private func open(_ journal: Journal, _ source: any MasterSource) async throws -> RootKeys {
        try await RootKeys.open(journal: journal, source: source, columns: Self.columns)
    }

    @Test("a rotation rewraps every secret and removes the old generation", arguments: TestEngine.allCases)
    func rotate(engine: TestEngine) async throws {
        try await withJournal(engine) { journal, folder in
            let source = try source(folder)
            // One is from the time when the master key sealed directly.
            try await store(MasterKey(direct: source.direct), "old", in: journal)
            let roots = try await open(journal, source)
            #expect(roots.master.generation == 1)
            for number in 0..<450 { try await store(roots.master, "s\(number)", in: journal) }
            while try await roots.rewrapStep(settleSeconds: 0) {}
            #expect(try await roots.status().generations.map(\.sealed) == [451])
            // Another node that has not heard of it yet seals under the old one.
            let other = try await open(journal, source)
            #expect(try await roots.rotate(by: "ada", settleSeconds: 0) == 2)
            await #expect(throws: KeysError.self) { _ = try await roots.rotate(by: "ada") }
            try await store(other.master, "late", in: journal)
            while try await roots.rewrapStep(settleSeconds: 0) {}
            #expect(try await roots.status().generations.map(\.generation) == [2])
            #expect(try await roots.status().generations.map(\.sealed) == [452])
            for name in ["old", "s7", "late"] { #expect(try await secret(roots.master, name, in: journal) == name) }
            try await other.refresh()
            #expect(other.master.generations == [2])
            #expect(try await secret(other.master, "s7", in: journal) == "s7")
            let again = try await open(journal, source)
            #expect(try await secret(again.master, "s8", in: journal) == "s8")
            let events = try await journal.events(of: "master", limit: 10)
            #expect(events.map(\.kind) == [.keyRemoved, .keyRotated])
        }
    }

    @Test("a new generation seals only when every node has had time to load it")
    func waits() async throws {
        try await withJournal(.sqlite) { journal, folder in
            let roots = try await open(journal, source(folder))
            try await store(roots.master, "a", in: journal)
            _ = try await roots.rotate(by: "ada", settleSeconds: 60)
            #expect(roots.master.generations == [1, 2])
            #expect(roots.master.generation == 1)
            #expect(try await roots.rewrapStep(settleSeconds: 0) == false)
            #expect(try await roots.status().generations.map(\.sealed) == [1, 0])
        }
    }

    @Test("another master key opens nothing; moving to it needs the old one", arguments: TestEngine.allCases)
    func move(engine: TestEngine) async throws {
        try await withJournal(engine) { journal, folder in
            let (old, new) = (try source(folder), try source(folder, "new.key"))
            let roots = try await open(journal, old)
            try await store(roots.master, "a", in: journal)
            await #expect(throws: VaultError.self) { _ = try await open(journal, new) }
            await #expect(throws: VaultError.self) {
                _ = try await RootKeys.move(journal: journal, from: new, to: new, columns: Self.columns)
            }
            #expect(try await RootKeys.move(journal: journal, from: old, to: new, columns: Self.columns) == 1)
            #expect(try await secret(open(journal, new).master, "a", in: journal) == "a")
            await #expect(throws: VaultError.self) { _ = try await open(journal, old) }
            try await store(MasterKey(direct: new.direct), "direct", in: journal)
            await #expect(throws: KeysError.self) {
                _ = try await RootKeys.move(journal: journal, from: new, to: old, columns: Self.columns)
            }
        }
    }
}
