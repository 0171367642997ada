import Certificates
import Crypto
import Glibc
import MerkleLog
import TraceFormat
import Wire

/// A file that the sessions share; nil where it is not on this machine.
func sharedData(_ name: String) -> [UInt8]? {
    let folder = getenv("MARTLET_SHARED").map { String(cString: $0) } ?? "/work/shared"
    guard let file = fopen("\(folder)/data/\(name)", "r") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = fread(&buffer, 1, buffer.count, file)
        if count == 0 { return bytes }
        bytes += buffer[..<count]
    }
}

/// Somebody who signs traces, and a log that has them.
struct Signer {
    let issued: IssuedCertificate
    let key: P256.Signing.PrivateKey
    let log: NoteSigner

    init(origin: String = "test.example/log") throws {
        issued = try CertificateAuthority.create(name: "Test").issueSigner(commonName: "Traces", days: 30)
        key = try P256.Signing.PrivateKey(rawRepresentation: issued.key)
        log = try NoteSigner(name: origin, privateKey: Curve25519.Signing.PrivateKey())
    }

    func trace(
        _ product: Trace.Product, event: TraceEvent = .create, at time: Timestamp = .now,
        algorithm: TraceHashAlgorithm = .blake3
    ) throws -> Trace {
        let message = product.message(event: event)
        return Trace(
            id: .make(), event: event, product: product, hashAlgorithm: algorithm,
            signature: Trace.Signature(
                signature: Base64.encode(Array(try key.signature(for: message).derRepresentation)),
                algorithm: "ECDSA-SHA256",
                certificate: Base64.encode(issued.certificate), message: String(decoding: message, as: UTF8.self)),
            timestamp: time, origin: "test")
    }

    /// Logs the traces, and gives each its proof.
    func evidence(_ traces: [Trace]) throws -> [TraceEvidence] {
        var frontier = Frontier()
        let stored = try frontier.append(traces.map { .leaf(try LogEntry($0).bytes) })
        let hashes = Dictionary(uniqueKeysWithValues: stored.map { ($0.subtree, $0.hash) })
        let checkpoint = try Checkpoint(origin: log.verifierKey.name, size: frontier.size, root: frontier.root)
            .signed(by: [log]).encoded
        return try traces.enumerated().map { index, trace in
            let proof = try MerkleTree.inclusionProof(index: UInt64(index), size: frontier.size) { level, index in
                hashes[Subtree(level: level, index: index)] ?? .emptyTree
            }
            return TraceEvidence(
                trace: trace, proof: InclusionBundle(index: UInt64(index), proof: proof, checkpoint: checkpoint).encoded
            )
        }
    }
}

func digest(_ number: Int) -> String {
    let hex = String(number, radix: 16)
    return String(repeating: "0", count: 64 - hex.count) + hex
}
