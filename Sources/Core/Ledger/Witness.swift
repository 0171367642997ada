import Crypto
import Database
package import Identity
package import Journal
package import MerkleLog
import Wire

/// The node as a witness of others' logs (C2SP tlog-witness): it cosigns a log's checkpoint when this is consistent
/// with the one before, so that nobody can be shown another log than everybody else.
package final class Witness: Sendable {
    /// Why a checkpoint is not cosigned.
    package enum Refusal: Error, Sendable, Hashable {
        case malformed(String)
        case unknownLog(String)
        /// No known key of the log has signed it.
        case forbidden(String)
        /// Another size was cosigned last.
        case conflict(latest: UInt64)
        /// The proof does not show that the log only grew.
        case inconsistent(String)
    }

    /// What others verify the cosignatures with.
    package var vkey: String { cosigner.verifierKey.vkey }

    private let journal: Journal
    private let cosigner: Cosigner
    private let logs: [VerifierKey]

    /// - Parameters:
    ///   - name: of the witness's key, 1 to 1024 bytes without spaces and '+'.
    ///   - logs: the keys of the logs that are witnessed; each key's name is its log's origin.
    package static func open(
        journal: Journal, identity: Identity, name: String, logs: [VerifierKey]
    ) async throws -> Witness {
        let stored = try await identity.nodeKey("witness") {
            (Array(Curve25519.Signing.PrivateKey().rawRepresentation), nil)
        }
        let key = try Curve25519.Signing.PrivateKey(rawRepresentation: stored.key)
        return Witness(journal: journal, cosigner: try Cosigner(name: name, privateKey: key), logs: logs)
    }

    private init(journal: Journal, cosigner: Cosigner, logs: [VerifierKey]) {
        self.journal = journal
        self.cosigner = cosigner
        self.logs = logs
    }

    /// Checks a log's checkpoint and cosigns it. When this returns, the checkpoint is stored: nothing that contradicts
    /// it will be cosigned.
    ///
    /// - Parameter body: of the request.
    /// - Returns: the cosignature's line.
    /// - Throws: ``Refusal``.
    package func add(_ body: [UInt8]) async throws -> [UInt8] {
        let request: WitnessRequest
        let checkpoint: Checkpoint
        do {
            request = try WitnessRequest(body)
            checkpoint = try Checkpoint(text: request.note.text)
        } catch let error as MerkleLogError {
            throw Refusal.malformed(error.message)
        }
        let keys = logs.filter { $0.name.utf8.elementsEqual(checkpoint.origin.utf8) }
        guard !keys.isEmpty else { throw Refusal.unknownLog("this witness does not know the log") }
        do {
            _ = try request.note.verify(with: keys)
        } catch let error as MerkleLogError {
            throw Refusal.forbidden(error.message)
        }
        guard request.oldSize <= checkpoint.size, let size = Int64(exactly: checkpoint.size) else {
            throw Refusal.malformed("the old size \(request.oldSize) is more than the checkpoint's \(checkpoint.size)")
        }
        let digest = Self.digest(origin: checkpoint.origin)
        let line = try await journal.write { [cosigner] transaction, _ -> [UInt8] in
            // One after the other for each log: what is compared is what is replaced.
            try transaction.lock("witness \(Hex.encode(digest))")
            let known = try transaction.first(
                "SELECT checkpoint FROM witnessed_logs WHERE origin_digest = ?", .init(digest)
            ) { try Checkpoint(text: SignedNote($0.blob(0)).text) }
            guard request.oldSize == known?.size ?? 0 else { throw Refusal.conflict(latest: known?.size ?? 0) }
            do {
                // The same checkpoint again needs no proof, another of its size has none.
                try MerkleTree.verifyConsistency(
                    oldSize: request.oldSize, oldRoot: known?.root ?? .emptyTree, newSize: checkpoint.size,
                    newRoot: checkpoint.root, proof: request.proof)
            } catch let error as MerkleLogError {
                throw Refusal.inconsistent(error.message)
            }
            var note = try SignedNote(text: request.note.text)
            for signature in request.note.signatures(by: keys) { try note.add(signature) }
            let cosignature = try cosigner.cosign(note, time: UInt64(max(1, Timestamp.now.seconds)))
            try note.add(cosignature)
            try transaction.run(
                """
                INSERT INTO witnessed_logs (origin_digest, origin, size, checkpoint) VALUES (?, ?, ?, ?)
                ON CONFLICT (origin_digest) DO UPDATE SET size = excluded.size, checkpoint = excluded.checkpoint
                """,
                .init(digest), .init(checkpoint.origin), .init(size), .init(note.encoded))
            return Array(cosignature.line.utf8)
        }
        journal.note(.use(ofKey: "witness key", for: "cosign checkpoint"))
        return line
    }

    /// The checkpoint of a log that was cosigned last, with the log's signature and this witness's; nil if there is
    /// none.
    ///
    /// - Parameter originDigest: SHA-256 of the log's origin.
    package func checkpoint(originDigest: [UInt8]) async throws -> [UInt8]? {
        try await journal.find { reader in
            try reader.first(
                "SELECT checkpoint FROM witnessed_logs WHERE origin_digest = ?", .init(originDigest)
            ) { $0.blob(0) }
        }
    }

    private static func digest(origin: String) -> [UInt8] { Array(SHA256.hash(data: Array(origin.utf8))) }
}
