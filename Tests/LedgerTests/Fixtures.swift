import Certificates
import Database
import Identity
import Journal
import Ledger
import MerkleLog
import Synchronization
import TestSupport
import Testing
import TraceFormat
import Vault
import Wire

/// A ledger on a fresh database of either engine.
extension TestEngine {
    /// - Parameter body: may open the ledger again, as another node would.
    func withNode<T>(_ body: (Node) async throws -> T) async throws -> T {
        try await withFolder { folder in
            try await withDatabase(Journal.migrations + Identity.migrations + Ledger.migrations) { database in
                try await body(
                    Node(
                        database: database, journal: Journal(database: database, node: "test"),
                        master: try MasterKey.open(path: folder + "/key", creates: true),
                        authority: try CertificateAuthority.create(name: "Test authority")))
            }
        }
    }

    func withLedger<T>(_ body: (Ledger, Node) async throws -> T) async throws -> T {
        try await withNode { node in try await body(try await node.ledger(), node) }
    }
}

struct Node {
    let database: Database
    let journal: Journal
    let master: MasterKey
    let authority: CertificateAuthority

    func ledger(
        origin: String = "test.example/martlet", trust: (any SignerTrust)? = nil, policy: LogPolicy? = nil,
        partSize: Int64 = 1 << 16
    ) async throws -> Ledger {
        try await Ledger.open(
            journal: journal, identity: Identity(journal: journal, master: master), authority: authority,
            origin: origin, trust: trust, policy: policy, partSize: partSize)
    }

    /// What is wrong with the log, as far as it can be known from what is stored.
    func findings() async throws -> [Finding] {
        let found = Mutex<[Finding]>([])
        _ = try await Ledger.verify(journal: journal, identity: Identity(journal: journal, master: master)) { finding in
            found.withLock { $0.append(finding) }
        }
        return found.withLock { $0 }
    }
}

func digest(_ number: Int) -> String {
    let hex = String(number, radix: 16)
    return String(repeating: "0", count: 64 - hex.count) + hex
}

func draft(_ number: Int, contents: Int = 2, event: TraceEvent = .create) -> TraceDraft {
    TraceDraft(
        name: "product-\(number)", size: Int64(number), hash: digest(number),
        contents: (0..<contents).map {
            Trace.Content(path: "product-\(number)/file-\($0)", hash: digest(1_000_000 + 1000 * number + $0))
        },
        event: event, origin: "test@test.example", collection: 7, product: "eo/product-\(number)")
}

/// The checkpoint of a log, verified with its key.
func verified(_ note: [UInt8], _ vkey: String) throws -> Checkpoint {
    let note = try SignedNote(note)
    _ = try note.verify(with: [VerifierKey(vkey: vkey)])
    return try Checkpoint(text: note.text)
}

/// All entries of the log, from its bundles.
func entries(_ ledger: Ledger, size: UInt64) async throws -> [[UInt8]] {
    var entries: [[UInt8]] = []
    while entries.count < size {
        let tile = try #require(Tile.at(.entries, index: UInt64(entries.count) / 256, size: size))
        let bytes = try #require(try await ledger.tile(tile.path))
        entries += try EntryBundle.decode(bytes, width: tile.width).map { Array($0) }
    }
    return entries
}

extension Ledger {
    /// ``register(_:by:)``, and the traces that came of it.
    func traces(of drafts: [TraceDraft], by actor: String = "a") async throws -> [Trace] {
        var traces: [Trace] = []
        for id in try await register(drafts, by: actor) { traces.append(try #require(try await trace(id: id))) }
        return traces
    }
}
