package import NIOPosix
import Processes
package import TraceFormat

/// Verifies OpenPGP signatures by `gpgv`, where it is installed.
package struct OpenPGPSignatures: Sendable {
    private let gpgv: GPGV?

    /// - Parameter pool: where is waited for it.
    package init(pool: NIOThreadPool = .singleton) {
        gpgv = GPGV.installed.map { GPGV(executable: $0, pool: pool) }
    }

    /// What is wrong with a detached signature, in a sentence; nil for one that is good.
    ///
    /// - Throws: `ProcessError` where `gpgv` does not answer.
    package func fault(of signature: [UInt8], message: [UInt8], key: OpenPGPKey) async throws -> String? {
        guard let gpgv else { return "OpenPGP signatures are verified by gpgv, which is not installed here" }
        return try await gpgv.fault(of: signature, message: message, key: key.bytes, fingerprint: key.fingerprint)
    }
}
