package import MerkleLog
import Wire

/// A file or folder about which the question is whether it is what its maker released.
package struct TraceSubject: Sendable {
    /// As traces name it: a product's name, or a file's path in its product, with the product's name before it or
    /// without.
    package var name: String
    /// Its digest by each algorithm that was computed, in hexadecimal digits; a folder's is
    /// ``ProductDigest/folder(_:)``.
    package var hashes: [TraceHashAlgorithm: String]
    /// The files of a folder with their BLAKE3, to say which of them is altered.
    package var contents: [Trace.Content]

    package init(name: String, hashes: [TraceHashAlgorithm: String], contents: [Trace.Content] = []) {
        self.name = name
        self.hashes = hashes
        self.contents = contents
    }
}

/// A trace with the proof that a log has it.
package struct TraceEvidence: Sendable {
    package var trace: Trace
    /// A `.tlog-proof` bundle; nil if there is none.
    package var proof: [UInt8]?
    /// What was found of its signature where another program was asked too; nil to look at it.
    package var signatureFaults: [TraceFault]?

    package init(trace: Trace, proof: [UInt8]?, signatureFaults: [TraceFault]? = nil) {
        self.trace = trace
        self.proof = proof
        self.signatureFaults = signatureFaults
    }
}

/// The answer to whether a file is genuine.
package struct TraceVerdict: Sendable {
    package enum Outcome: String, Sendable, Hashable {
        /// A trace that holds up has this digest.
        case genuine
        /// A trace that holds up has this name, and another digest; none has this digest.
        case altered
        /// No trace that holds up speaks of it.
        case unknown
    }

    package var outcome: Outcome
    /// Why, in sentences: for a person.
    package var reasons: [String]
    /// The trace that decided.
    package var trace: Trace?
    /// The signed state of the log that has the trace.
    package var checkpoint: Checkpoint?
}

/// Verifies files by their traces, offline: nothing that is handed in is believed but the log's key.
package struct TraceVerifier: Sendable {
    private let key: VerifierKey

    /// - Parameter key: of the log that is trusted; its name is the log's origin.
    package init(key: VerifierKey) { self.key = key }

    /// Decides about a subject by the traces that were found for its digest and its name.
    ///
    /// An OBSOLETE trace that holds up is told among the reasons: the file is genuine, though not recommended.
    package func verify(_ subject: TraceSubject, by evidence: [TraceEvidence]) -> TraceVerdict {
        var reasons: [String] = []
        var genuine: (Trace, Checkpoint)?
        var other: (Trace, Checkpoint)?
        var notes: [String] = []
        for item in evidence {
            let trace = item.trace
            let asked = subject.hashes[trace.hashAlgorithm]?.lowercased()
            let isSame = asked.map(trace.has(hash:)) ?? false
            guard isSame || trace.hash(named: subject.name) != nil else { continue }
            let (faults, checkpoint) = check(item)
            guard faults.isEmpty, let checkpoint else {
                reasons += faults.map { "trace \(trace.id) is not believed: \($0)" }
                continue
            }
            if isSame {
                if genuine == nil || trace.event == .create && genuine?.0.event != .create {
                    genuine = (trace, checkpoint)
                }
                if trace.event == .obsolete { notes.append(obsoleteNote(trace)) }
            } else if asked == nil {
                reasons.append("trace \(trace.id) has a \(trace.hashAlgorithm.rawValue) digest, which was not computed")
            } else if other == nil {
                other = (trace, checkpoint)
            }
        }
        if let (trace, checkpoint) = genuine {
            let found =
                "\(Self.named(trace)) has this \(trace.hashAlgorithm.rawValue) digest; it is signed, and the log "
                + "\(excerpt(checkpoint.origin)), now of size \(checkpoint.size), has it"
            return TraceVerdict(outcome: .genuine, reasons: [found] + notes, trace: trace, checkpoint: checkpoint)
        }
        if let (trace, checkpoint) = other {
            let found =
                "\(Self.named(trace)) has another \(trace.hashAlgorithm.rawValue) digest for \(excerpt(subject.name))"
            return TraceVerdict(
                outcome: .altered, reasons: [found] + differences(subject, trace) + reasons, trace: trace,
                checkpoint: checkpoint)
        }
        if reasons.isEmpty { reasons = ["no trace was found for this digest or for the name \(excerpt(subject.name))"] }
        return TraceVerdict(outcome: .unknown, reasons: reasons, trace: nil, checkpoint: nil)
    }

    /// What speaks against a trace: its signature's faults, and whether the log has it.
    /// - Returns: the checkpoint of the log that has it, nil if that is not shown.
    package func check(_ evidence: TraceEvidence) -> (faults: [TraceFault], checkpoint: Checkpoint?) {
        var faults = evidence.signatureFaults ?? evidence.trace.signatureFaults()
        guard let proof = evidence.proof else {
            faults.append(TraceFault(.notInLog, "there is no proof that the log \(excerpt(key.name)) has it"))
            return (faults, nil)
        }
        do {
            let leaf = Hash.leaf(try LogEntry(evidence.trace).bytes)
            return (faults, try InclusionBundle(proof).verify(leaf: leaf, origin: key.name, keys: [key]))
        } catch {
            faults.append(TraceFault(.notInLog, "it is not shown that the log \(excerpt(key.name)) has it: \(error)"))
            return (faults, nil)
        }
    }

    private static func named(_ trace: Trace) -> String {
        "trace \(trace.id) (\(trace.event.rawValue) at \(trace.timestamp.rfc3339))"
    }

    private func obsoleteNote(_ trace: Trace) -> String {
        "trace \(trace.id) says since \(trace.timestamp.rfc3339) that it is obsolete"
            + (trace.obsolescence.map { "; the reason, which is not signed: \(excerpt($0))" } ?? "")
    }

    /// The files that differ, at most 20 of them.
    private func differences(_ subject: TraceSubject, _ trace: Trace) -> [String] {
        guard let contents = trace.product.contents, !subject.contents.isEmpty, trace.hashAlgorithm == .blake3 else {
            return []
        }
        let listedMax = 20
        let traced = Dictionary(contents.map { ($0.path, $0.hash.lowercased()) }) { first, _ in first }
        let found = Dictionary(subject.contents.map { ($0.path, $0.hash.lowercased()) }) { first, _ in first }
        var lines = subject.contents.filter { traced[$0.path] != nil && traced[$0.path] != $0.hash.lowercased() }
            .map { "the file \(excerpt($0.path)) is altered" }
        lines += contents.filter { found[$0.path] == nil }.map { "the file \(excerpt($0.path)) is missing" }
        lines += subject.contents.filter { traced[$0.path] == nil }.map {
            "the file \(excerpt($0.path)) is not in the trace"
        }
        guard lines.count > listedMax else { return lines }
        return lines.prefix(listedMax) + ["and \(lines.count - listedMax) files more"]
    }
}

extension Trace {
    /// Whether the product, or one of its contents, has this hash (lower case).
    package func has(hash: String) -> Bool {
        product.hash.lowercased() == hash || product.contents?.contains { $0.hash.lowercased() == hash } ?? false
    }

    /// What it says is the hash of the product or content of this name; nil if it says nothing.
    func hash(named name: String) -> String? {
        if product.name == name { return product.hash }
        return product.contents?.first { $0.path == name || "\(product.name)/\($0.path)" == name }?.hash
    }
}
