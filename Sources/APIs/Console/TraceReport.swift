import Ledger
import MerkleLog
import SwiftASN1
import TraceFormat
import Wire
import X509

/// A trace of a product, as the node finds it when it verifies it: as an outsider would, from the log's key alone.
struct TraceReport: Sendable {
    let trace: Trace
    /// What speaks against it; empty for one that holds up.
    let faults: [TraceFault]
    let checkpoint: Checkpoint?
    /// The entry's place in the log.
    let index: UInt64?
    /// The subject of the certificate that signed it.
    let signer: String?
    /// Files of the item whose digest the trace has, of those whose digest the catalogue knows.
    let matching: Int
    let known: Int

    var isVerified: Bool { faults.isEmpty && checkpoint != nil }

    /// Traces of one name that are looked at: a product has one or two.
    private static let countMax = 5

    /// The traces of an item's product, verified; the latest first.
    ///
    /// They are found by the product's name. One that shares no digest with the item is another product's of the same
    /// name.
    static func find(_ item: ItemView, in ledger: Ledger) async throws -> [TraceReport] {
        let verifier = TraceVerifier(key: try VerifierKey(vkey: ledger.vkey))
        let digests = Set(item.assets.compactMap { $0.digest?.hex })
        var ids: [TraceID] = []
        for name in names(of: item) where ids.isEmpty { ids = try await ledger.ids(name: name) }
        if ids.isEmpty, let first = item.assets.lazy.compactMap({ $0.digest?.hex }).first, let hash = Hex.decode(first)
        {
            ids = try await ledger.ids(hash: hash)
        }
        var reports: [TraceReport] = []
        for id in ids.prefix(countMax) {
            guard let trace = try await ledger.trace(id: id), let proof = try await ledger.proof(id) else { continue }
            let traced = Set([trace.product.hash] + (trace.product.contents ?? []).map(\.hash))
            let matching = digests.filter { traced.contains($0) }.count
            guard matching > 0 || digests.isEmpty || trace.product.contents == nil else { continue }
            let (faults, checkpoint) = verifier.check(TraceEvidence(trace: trace, proof: proof.bundle))
            reports.append(
                TraceReport(
                    trace: trace, faults: faults, checkpoint: checkpoint,
                    index: (try? InclusionBundle(proof.bundle))?.index,
                    signer: subject(of: trace), matching: matching, known: digests.count))
        }
        return reports
    }

    /// What the product's trace may be called: the folder's or file's name, or the item's id.
    private static func names(of item: ItemView) -> [String] {
        var names: [String] = []
        if let product = item.product, let last = product.split(separator: "/").last {
            names.append(String(last.hasSuffix("*") ? last.dropLast() : last))
        }
        names.append(item.id)
        return names
    }

    private static func subject(of trace: Trace) -> String? {
        guard let der = Base64.decode(trace.signature.certificate), let certificate = try? Certificate(derEncoded: der)
        else {
            return nil
        }
        return certificate.subject.description
    }
}
