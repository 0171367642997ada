import Database
import Journal
import MerkleLog
import Wire

/// Sends a request to a witness and gives the status and the body of its answer.
package typealias WitnessCall = @Sendable (_ url: String, _ body: [UInt8]) async throws -> (status: Int, body: [UInt8])

/// What came of asking the witnesses.
package struct WitnessRound: Sendable {
    /// The size of the checkpoint that they were asked about.
    package let size: UInt64
    /// Whether it is given out now.
    package let isPublished: Bool
    /// Why witnesses did not cosign it, each with its name.
    package let problems: [String]
}

extension Ledger {
    /// Asks the witnesses to cosign the latest checkpoint, and gives it out if enough of them have (C2SP tlog-witness).
    ///
    /// - Returns: nil where there is nothing to ask: the latest is given out, or there are no witnesses.
    package func askWitnesses(_ call: @escaping WitnessCall) async throws -> WitnessRound? {
        guard let policy, hasWitnesses, var note = try await unpublished(policy) else { return nil }
        let size = try Checkpoint(text: note.text).size
        let asked = note
        let answers = await withTaskGroup(of: Result<[SignedNote.Signature], WitnessError>.self) { group in
            for witness in policy.witnesses {
                group.addTask {
                    do {
                        return .success(try await self.cosignatures(by: witness, of: asked, size: size, call))
                    } catch {
                        return .failure(WitnessError(description: "\(witness.name): \(error)"))
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        var problems: [String] = []
        for answer in answers {
            switch answer {
            case .success(let signatures): for signature in signatures { try note.add(signature) }
            case .failure(let error): problems.append(error.description)
            }
        }
        let isEnough = policy.isMet(by: try policy.cosigners(of: note))
        if isEnough { try await publish(note, size: size) }
        return WitnessRound(size: size, isPublished: isEnough, problems: problems.sorted())
    }

    /// The latest checkpoint, if it is not given out yet or without the cosignatures that it needs.
    private func unpublished(_ policy: LogPolicy) async throws -> SignedNote? {
        let head = try await journal.read { try LogHead.require($0) }
        if head.published.size == head.frontier.size {
            let note = try SignedNote(head.published.note)
            if policy.isMet(by: try policy.cosigners(of: note)) { return nil }
        }
        return try SignedNote(head.checkpoint)
    }

    private func publish(_ note: SignedNote, size: UInt64) async throws {
        try await journal.database.write { transaction in
            // Another node on the same database may have been quicker with a later one.
            try transaction.run(
                "UPDATE log_head SET published_size = ?, published = ? WHERE id = 1 AND published_size <= ?",
                .init(Int64(size)), .init(note.encoded), .init(Int64(size)))
            try transaction.run(
                "UPDATE log_checkpoints SET checkpoint = ? WHERE size = ?", .init(note.encoded), .init(Int64(size)))
        }
    }

    /// The cosignatures of one witness, verified.
    private func cosignatures(
        by witness: LogPolicy.Witness, of note: SignedNote, size: UInt64, _ call: WitnessCall
    ) async throws -> [SignedNote.Signature] {
        guard let url = witness.url else { throw WitnessError(description: "the policy has no address of it") }
        var old =
            try await journal.read { reader in
                try reader.scalar("SELECT size FROM log_witnesses WHERE vkey = ?", .init(witness.key.vkey))
            }.map { UInt64(clamping: $0) } ?? 0
        var isLastTry = false
        while true {
            let request = WitnessRequest(
                oldSize: old, proof: old == 0 ? [] : try await consistency(from: old, to: size), note: note)
            let (status, body) = try await call(
                (url.hasSuffix("/") ? url : url + "/") + "add-checkpoint", request.encoded)
            switch status {
            case 200:
                var answered = note
                for signature in try SignedNote.signatures(body) { try answered.add(signature) }
                let signatures = answered.signatures(by: [witness.key])
                guard !signatures.isEmpty else {
                    throw WitnessError(description: "its answer has no cosignature by \(witness.key.name)")
                }
                try await remember(witness, size: size)
                return signatures
            case 409 where !isLastTry:
                // It has cosigned another size than was thought, of which it tells.
                guard let known = Self.size(body) else {
                    throw WitnessError(description: "its answer to an unexpected size has no size")
                }
                guard known <= size else {
                    throw WitnessError(
                        description: """
                            it has cosigned size \(known) of this log, which has only \(size): the log was set back, or \
                            another node has its name and key
                            """)
                }
                old = known
                isLastTry = true
            default: throw WitnessError(description: "it answers \(status)")
            }
        }
    }

    private static func size(_ body: [UInt8]) -> UInt64? {
        guard body.count <= 21, body.last == UInt8(ascii: "\n") else { return nil }
        return UInt64(String(decoding: body.dropLast(), as: UTF8.self))
    }

    private func remember(_ witness: LogPolicy.Witness, size: UInt64) async throws {
        try await journal.database.write { transaction in
            try transaction.run(
                """
                INSERT INTO log_witnesses (vkey, size) VALUES (?, ?)
                ON CONFLICT (vkey) DO UPDATE SET size = excluded.size
                """,
                .init(witness.key.vkey), .init(Int64(size)))
        }
    }
}

private struct WitnessError: Error, CustomStringConvertible {
    let description: String
}
