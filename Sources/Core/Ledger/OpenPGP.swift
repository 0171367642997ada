import TraceFormat
import Wire

/// Signatures of traces by OpenPGP, for those who have signed so for years. They count where the key is registered, and
/// are refused otherwise: no authority vouches for such keys, and what is worth nothing need not be kept.
extension Ledger {
    /// Signatures of one batch that are verified at once.
    private static let atOnce = 4

    /// What came of those traces of a batch that are signed by OpenPGP, by their places in it.
    func examineOpenPGP(_ batch: [TraceSubmission]) async throws -> [Int: Result<ExaminedTrace, LedgerError>] {
        let places = batch.indices.filter { batch[$0].signature.algorithm == Trace.Signature.openPGP }
        var results: [Int: Result<ExaminedTrace, LedgerError>] = [:]
        for start in stride(from: 0, to: places.count, by: Self.atOnce) {
            try await withThrowingTaskGroup(of: (Int, Result<ExaminedTrace, LedgerError>).self) { group in
                for place in places[start..<min(start + Self.atOnce, places.count)] {
                    group.addTask { (place, try await self.examineOpenPGP(batch[place])) }
                }
                for try await (place, result) in group { results[place] = result }
            }
        }
        return results
    }

    private func examineOpenPGP(_ submission: TraceSubmission) async throws -> Result<ExaminedTrace, LedgerError> {
        func refuse(_ why: String) -> Result<ExaminedTrace, LedgerError> {
            .failure(LedgerError(.invalidSignature, why))
        }
        let signature = submission.signature
        guard let bytes = Base64.decode(signature.signature), let certificate = Base64.decode(signature.certificate)
        else { return refuse("the signature and the OpenPGP key must be Base64") }
        let key: OpenPGPKey
        do {
            key = try OpenPGPKey(certificate)
        } catch {
            return refuse(error.message)
        }
        // What came with the trace only says which key it is.
        guard let registered = try await registeredKey(fingerprint: key.fingerprint) else {
            return refuse("the OpenPGP key \(key.fingerprint) is not registered: ask for that with a key request")
        }
        if let revocation = try await revocation(of: registered.digest) {
            let why = revocation.reason.isEmpty ? "" : ": \(revocation.reason)"
            return refuse("the key that signed it was revoked\(why)")
        }
        let message = TraceMessage(signature, of: submission.product, event: submission.event)
        let faults = signature.faults(
            of: submission.product, event: submission.event, service: submission.service, at: .now, signer: nil,
            message: message
        ).filter { $0.code != .notVerified }
        guard faults.isEmpty else { return refuse(faults.map { "\($0)" }.joined(separator: "; ")) }
        guard let trust = signers.trust else { return refuse("this node verifies no OpenPGP signatures") }
        let fault = try await trust.fault(
            ofOpenPGP: bytes, message: message.bytes, key: try OpenPGPKey(registered.key))
        if let fault { return refuse(fault) }
        return .success(
            ExaminedTrace(
                submission: submission, status: .trusted, signer: SignerKey(registered), message: message))
    }
}
