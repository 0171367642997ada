package import Certificates
import Crypto
import Database
package import Identity
package import Journal
package import MerkleLog
import Wire

/// The node's traces and the transparency log that proves them (C2SP tlog-tiles, RFC 6962).
///
/// A trace, its log entry and the checkpoint that covers it commit in one transaction under one lock. So no checkpoint
/// is ever seen that the stored tree does not have, and none contradicts an earlier one, whenever the power fails.
package final class Ledger: Sendable {
    let journal: Journal
    let signer: TraceSigner
    let signers: Signers
    let logKey: NoteSigner
    let receiptSigner: ReceiptSigner
    /// The witnesses that are asked, and how many of them a checkpoint needs; nil for none.
    let policy: LogPolicy?
    var hasWitnesses: Bool { policy?.witnesses.isEmpty == false }

    /// Leaves of one part of the index of words: see ``TraceWords``.
    let partSize: Int64

    /// The log's identity: the first line of its checkpoints and the name of its key.
    package let origin: String

    /// What others verify the log's checkpoints with: `NAME+ID+KEY` (C2SP signed-note).
    package var vkey: String { logKey.verifierKey.vkey }

    /// The lock of everything that appends.
    static let lockName = "ledger"

    /// Opens the ledger; makes its keys and signs the checkpoint of the empty log where there is none.
    ///
    /// - Parameters:
    ///   - authority: issues the certificate of the key that signs traces, when it is made.
    ///   - origin: the name of a new log, such as `host.example.org/martlet`, 1 to 1024 bytes without spaces and '+'. A
    ///     log that exists keeps the name it began with, which its verifiers know.
    ///   - trust: whose signatures of traces that are handed in count; nil for nobody's.
    ///   - policy: with the witnesses that have to cosign a checkpoint before it is given out; nil for none.
    ///   - partSize: traces of one part of the index of words. A log keeps the one that it began with.
    /// - Throws: `MerkleLogError` for a name that no log can have, `LedgerError` `.damaged`, and the errors of the key
    ///   store.
    package static func open(
        journal: Journal, identity: Identity, authority: CertificateAuthority, origin: String,
        trust: (any SignerTrust)? = nil, policy: LogPolicy? = nil, partSize: Int64 = 1 << 16
    ) async throws -> Ledger {
        let stored = try await identity.nodeKey("log") {
            (Array(Curve25519.Signing.PrivateKey().rawRepresentation), nil)
        }
        let key = try Curve25519.Signing.PrivateKey(rawRepresentation: stored.key)
        let receipts = try await identity.nodeKey("receipts") {
            (Array(Curve25519.Signing.PrivateKey().rawRepresentation), nil)
        }
        let receiptKey = try Curve25519.Signing.PrivateKey(rawRepresentation: receipts.key)
        let signer = try await TraceSigner.load(identity, authority: authority)
        let head = try await journal.database.write { transaction in
            try transaction.lock(lockName)
            if var head = try LogHead.read(transaction) {
                // Witnesses that are not asked any more hold nothing back.
                if policy?.witnesses.isEmpty != false, head.published.size < head.frontier.size {
                    head.publish()
                    try head.update(transaction, isNew: false)
                }
                return head
            }
            let head = try LogHead(origin: origin, signer: NoteSigner(name: origin, privateKey: key))
            try head.insert(transaction)
            return head
        }
        return Ledger(
            journal: journal, signer: signer,
            signers: Signers(trust: trust) { try await Self.isRegistered($0, in: journal) },
            logKey: try NoteSigner(name: head.origin, privateKey: key),
            receiptSigner: ReceiptSigner(key: receiptKey), policy: policy, origin: head.origin,
            partSize: partSize)
    }

    private init(
        journal: Journal, signer: TraceSigner, signers: Signers, logKey: NoteSigner, receiptSigner: ReceiptSigner,
        policy: LogPolicy?, origin: String, partSize: Int64
    ) {
        self.partSize = partSize
        self.receiptSigner = receiptSigner
        self.policy = policy
        self.journal = journal
        self.signer = signer
        self.signers = signers
        self.logKey = logKey
        self.origin = origin
    }
}
