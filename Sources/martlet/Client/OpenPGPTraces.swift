import Server
import TraceFormat
import Wire

extension Trace {
    /// What is wrong with the signature, OpenPGP's included, for which `gpgv` is asked.
    func verifiedSignatureFaults() async -> [TraceFault] {
        await signature.verified(signatureFaults())
    }
}

extension Trace.Signature {
    /// What was found of it, with what `gpgv` says in the place of that it was not asked.
    func verified(_ faults: [TraceFault]) async -> [TraceFault] {
        guard let place = faults.firstIndex(where: { $0.code == .notVerified }) else { return faults }
        var faults = faults
        do {
            guard let bytes = Base64.decode(signature), let key = certificateBytes else {
                throw TraceError(.malformed, "the signature and the OpenPGP key must be Base64")
            }
            let fault = try await OpenPGPSignatures().fault(
                of: bytes, message: Array(message.utf8), key: try OpenPGPKey(key))
            faults.remove(at: place)
            if let fault { faults.insert(TraceFault(.invalidSignature, fault), at: place) }
        } catch {
            faults[place] = TraceFault(.notVerified, "the OpenPGP signature cannot be verified: \(error)")
        }
        return faults
    }
}
