package import Certificates
import Crypto
import Journal
import Synchronization
package import TraceFormat
import Wire

/// Whose signatures are believed, beside the node's own.
package protocol SignerTrust: Sendable {
    /// The authorities that signers' certificates have to lead to.
    func anchors() async throws -> TrustAnchors
    /// Whether a certificate was revoked.
    ///
    /// - Parameter fingerprint: SHA-256 of its DER.
    func isRevoked(_ fingerprint: [UInt8]) async throws -> Bool
    /// What is wrong with a detached OpenPGP signature, in a sentence; nil for one that is good.
    func fault(ofOpenPGP signature: [UInt8], message: [UInt8], key: OpenPGPKey) async throws -> String?
    /// Has the node's authority sign a certificate for a key of an account.
    ///
    /// - Parameters:
    ///   - account: its name.
    ///   - seconds: how long it is valid.
    ///   - how: what the journal says of how it came about.
    func certificate(
        for request: CertificateRequest, account: String, seconds: Int64, how: String, by actor: String
    ) async throws -> PreparedCertificate
}

/// A trace that was handed in, and is unsigned or has a valid signature.
package struct ExaminedTrace: Sendable {
    package let submission: TraceSubmission
    package let status: SignatureStatus
    /// Nil where nobody signed it.
    let signer: SignerKey?
    let message: TraceMessage
}

/// What a signature was made with, as it is kept.
struct SignerKey: Sendable {
    /// A certificate in DER, or an OpenPGP key.
    let bytes: [UInt8]
    /// SHA-256 of them.
    let digest: [UInt8]
    /// The last moment at which a certificate is valid; nil where that was asked already.
    let expires: Timestamp?

    init(_ certificate: SignerCertificate) {
        (bytes, digest, expires) = (certificate.der, certificate.digest, certificate.expires)
    }

    init(_ key: RegisteredKey) { (bytes, digest, expires) = (key.key, key.digest, nil) }
}

extension Ledger {
    /// Verifies the signatures of traces that were handed in, over their messages as given, by the time that it is now.
    ///
    /// - Returns: for each, what may be registered, or what is wrong with it.
    package func examine(_ batch: [TraceSubmission]) async throws -> [Result<ExaminedTrace, LedgerError>] {
        let now = Timestamp.now
        var known = try await signers.standings(
            of: Set(
                batch.map(\.signature).filter { !$0.isEmpty && $0.algorithm != Trace.Signature.openPGP }.map(
                    \.certificate)),
            now: now)
        for (text, standing) in known {
            guard let digest = standing.certificate?.digest, let revocation = try await revocation(of: digest) else {
                continue
            }
            let why = revocation.reason.isEmpty ? "" : ": \(revocation.reason)"
            known[text] = .refused("the certificate that signed it was revoked\(why)")
        }
        let services = try await serviceFaults(of: batch)
        let byOpenPGP = try await examineOpenPGP(batch)
        return try await Self.onAllCores(Array(batch.indices)) { [known] index in
            let submission = batch[index]
            if let fault = services[index] { return .failure(LedgerError(.invalidService, fault)) }
            if let examined = byOpenPGP[index] { return examined }
            return Self.examine(submission, known[submission.signature.certificate], now)
        }
    }

    /// Signatures and digests of a trace take a tenth of a millisecond: not on the loop that serves a connection, and
    /// on all cores.
    ///
    /// - Parameter priority: a higher one for what comes later in a registration. Otherwise the second step of a batch
    ///   would wait for the first one of all others, and all batches would come to the log at the same time.
    static func onAllCores<T: Sendable, R: Sendable>(
        _ items: [T], priority: TaskPriority? = nil, _ body: @escaping @Sendable (T) throws -> R
    ) async throws -> [R] {
        try await withThrowingTaskGroup(of: (Int, [R]).self) { group in
            for start in stride(from: 0, to: items.count, by: atOnce) {
                let part = items[start..<min(start + atOnce, items.count)]
                group.addTask(executorPreference: globalConcurrentExecutor, priority: priority) {
                    (start, try part.map(body))
                }
            }
            var parts: [Int: [R]] = [:]
            for try await (start, results) in group { parts[start] = results }
            return parts.sorted { $0.key < $1.key }.flatMap(\.value)
        }
    }

    private static let atOnce = 10

    private static func examine(
        _ submission: TraceSubmission, _ standing: SignerStanding?, _ now: Timestamp
    ) -> Result<ExaminedTrace, LedgerError> {
        let message = TraceMessage(submission.signature, of: submission.product, event: submission.event)
        guard !submission.signature.isEmpty else {
            return .success(ExaminedTrace(submission: submission, status: .unsigned, signer: nil, message: message))
        }
        if case .refused(let why) = standing { return .failure(LedgerError(.invalidSignature, why)) }
        let signer = standing?.certificate
        let faults = submission.signature.faults(
            of: submission.product, event: submission.event, service: submission.service, at: now, signer: signer,
            message: message)
        guard faults.isEmpty else {
            return .failure(LedgerError(.invalidSignature, faults.map { "\($0)" }.joined(separator: "; ")))
        }
        let status = if case .trusted = standing { SignatureStatus.trusted } else { SignatureStatus.unknown }
        return .success(
            ExaminedTrace(
                submission: submission, status: status, signer: signer.map(SignerKey.init), message: message))
    }

    /// Registers traces that were examined and whose registration policy allows: when this returns, they and the
    /// checkpoint that covers them are durable. All of them, or none; one that its origin has handed in before is
    /// registered once.
    ///
    /// - Parameter origin: in whose name; it stands in the trace, not in the log.
    /// - Returns: the ids, and whether each is new, in the order of the traces.
    /// - Throws: ``LedgerError``: `.tooMany`, `.expired`, `.invalidDraft`.
    package func register(
        _ examined: [ExaminedTrace], by actor: String, origin: String
    ) async throws -> [(id: TraceID, isNew: Bool)] {
        guard examined.count <= Limits.batchMax else {
            throw LedgerError(
                .tooMany, "\(examined.count) traces in one call; at most \(Limits.batchMax) are registered together")
        }
        try Limits.check(origin: origin)
        guard !examined.isEmpty else { return [] }
        let prepared = try await Self.onAllCores(examined, priority: .high) { try PreparedTrace($0, origin: origin) }
        return try await append(prepared, by: actor).map { ($0.id, $0.isNew) }
    }
}

/// What is thought of a signer's certificate.
enum SignerStanding: Sendable {
    case trusted(SignerCertificate)
    /// It vouches for itself.
    case unknown(SignerCertificate)
    case refused(String)

    var certificate: SignerCertificate? {
        switch self {
        case .trusted(let certificate), .unknown(let certificate): certificate
        case .refused: nil
        }
    }
}

/// What was found out about signers' certificates: few sign many traces.
final class Signers: Sendable {
    let trust: (any SignerTrust)?
    private let isRegistered: @Sendable ([UInt8]) async throws -> Bool
    private let known = Mutex<[[UInt8]: (standing: SignerStanding, until: Timestamp)]>([:])

    /// Certificates remembered at once, and for how many seconds where one is not believed: whom a node trusts may
    /// change.
    private static let knownMax = 1_000
    private static let doubtSeconds: Int64 = 30
    private static let certificateBytesMax = 16 << 10

    /// - Parameters:
    ///   - trust: nil where no authority is trusted.
    ///   - isRegistered: whether a certificate counts by itself, by its SHA-256.
    init(trust: (any SignerTrust)?, isRegistered: @escaping @Sendable ([UInt8]) async throws -> Bool) {
        self.trust = trust
        self.isRegistered = isRegistered
    }

    /// Has everything looked at again.
    func forget() { known.withLock { $0 = [:] } }

    /// - Parameter texts: Base64 of certificates in DER.
    func standings(of texts: Set<String>, now: Timestamp) async throws -> [String: SignerStanding] {
        var standings: [String: SignerStanding] = [:]
        var anchors: TrustAnchors?
        for text in texts { standings[text] = try await standing(of: text, now: now, &anchors) }
        return standings
    }

    /// - Parameter anchors: fetched where they are needed first.
    private func standing(
        of text: String, now: Timestamp, _ anchors: inout TrustAnchors?
    ) async throws -> SignerStanding {
        let noCertificate = SignerStanding.refused(
            "the certificate must be the Base64 of one in DER (X.509) of at most \(Self.certificateBytesMax) bytes")
        guard let der = Base64.decode(text), der.count <= Self.certificateBytesMax else { return noCertificate }
        let digest = Array(SHA256.hash(data: der))
        if let trust, try await trust.isRevoked(digest) {
            return .refused("the certificate that signed it was revoked")
        }
        if let (standing, until) = known.withLock({ $0[digest] }), now <= until { return standing }
        guard let certificate = SignerCertificate(der: der) else { return noCertificate }
        let isRegistered = try await isRegistered(digest)
        var standing = SignerStanding.unknown(certificate)
        var until = now.adding(seconds: Self.doubtSeconds)
        // Whether it is valid now is told with its signature, in the same words whoever issued it.
        if let trust, certificate.validityFault(at: now) == nil {
            let known = if let anchors { anchors } else { try await trust.anchors() }
            anchors = known
            switch await known.verify(PresentedCertificate(der: der), for: .signature, now: now) {
            case .trusted(_, _, let end): (standing, until) = (.trusted(certificate), end)
            case .refused(let why): standing = .refused(why)
            case .unknown: if isRegistered { standing = .trusted(certificate) }
            }
        }
        known.withLock { known in
            if known.count >= Self.knownMax { known = [:] }
            known[digest] = (standing, until)
        }
        return standing
    }
}
