import ArgumentParser
import Certificates
import Glibc
import TraceFormat
import Wire

extension TraceCommand {
    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Asks a traceability service whether files are what somebody trusted released.",
            discussion: """
                Examples: martlet trace check *.SAFE.zip
                          martlet trace check S2A.SAFE.zip --url https://trace.dataspace.copernicus.eu/api --trust ca.crt

                A trace counts if its hash is the file's, its signature is one of what it says, its certificate was valid
                when it was registered, and somebody trusted vouches for that: the node says so, or --trust. An OBSOLETE
                trace that counts speaks against the product. 'martlet trace verify' also wants proof that it is logged.
                Exit code 0: all files are. 2: one is not.
                """)
        @Argument(help: "Files and folders.") var paths: [String]
        @Option(name: .shortAndLong, help: "BLAKE3, SHA3 or SHA256.") var algorithm = TraceHashAlgorithm.blake3
        @Option(help: ArgumentHelp("The file's hash, so that it is not read.", valueName: "hex")) var checksum: String?
        @Option(help: "The API of another service.") var url: String?
        @Option(help: ArgumentHelp("Certificates of authorities whose signers are trusted (PEM).", valueName: "file"))
        var trust: [String] = []
        @Flag(help: "Print a JSON object for each: name, ok, reasons.") var json = false

        func validate() throws {
            guard checksum == nil || paths.count == 1 else { throw ValidationError("--checksum is for one file") }
        }

        func run() async throws {
            let anchors = try trust.isEmpty ? nil : Self.anchors(trust)
            let reader = ProductReader(
                algorithm: algorithm, progress: Progress(total: ProductReader.size(of: paths), isShown: !json))
            let found = try await TraceServiceClient.with(url: url, login: false) { service in
                try await Parallel.map(paths) { try await check($0, reader, anchors, service) }
            }
            reader.progress.finish()
            for (path, verdict) in zip(paths, found) { show(path, verdict) }
            guard found.allSatisfy(\.isGood) else { throw Failure(.notAsItShouldBe, "") }
        }

        // On its own, not within the closures above: the compiler (6.3) crashes when it optimises these together.
        @inline(never)
        private func check(
            _ path: String, _ reader: ProductReader, _ anchors: TrustAnchors?, _ service: TraceServiceClient
        ) async throws -> TraceCheck.Verdict {
            let hash = if let checksum { checksum.lowercased() } else { try await reader.product(path).hash }
            let traces = try await service.traces(hash: hash)
            return await TraceCheck(hash: hash, algorithm: algorithm, anchors: anchors).verdict(on: traces)
        }

        private func show(_ path: String, _ verdict: TraceCheck.Verdict) {
            guard json else {
                Console.write("\(path): \(verdict.isGood ? "ok" : "not ok")")
                for reason in verdict.reasons { Console.write("  " + reason) }
                return
            }
            Console.json {
                $0.member("name", ProductReader.name(of: path))
                $0.member("ok", verdict.isGood)
                $0.member("reasons", verdict.reasons)
            }
        }

        private static func anchors(_ files: [String]) throws -> TrustAnchors {
            try TrustAnchors(
                roots: files.flatMap { file in
                    try TrustAnchors.roots(pem: String(decoding: File.read(file, limit: 1 << 20), as: UTF8.self))
                })
        }
    }

    struct Print: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints what traces in files say, for people, and verifies their signatures.",
            discussion: "Example: martlet trace print traces.jsonl; '-' is standard input. Needs no network.")
        @Argument(help: "Files with a trace, an array of traces, or a trace in each line.") var files: [String]
        @Flag(help: "Print all contents, not only how many there are.") var contents = false
        @Flag(help: "Print JSON: event, product, signer, faults.") var json = false

        func run() async throws {
            for file in files {
                for value in try TraceCommand.documents(in: file) {
                    let printed = try await PrintedTrace(value, file)
                    if json { printed.writeJSON() } else { printed.writeText(withContents: contents) }
                }
            }
        }
    }
}

/// Which traces count for a file, of those that a service gave.
struct TraceCheck: Sendable {
    /// Lower case.
    let hash: String
    let algorithm: TraceHashAlgorithm
    /// Nil where the service's own word counts.
    let anchors: TrustAnchors?

    /// Whether one counts and none that counts says OBSOLETE; and why, for people.
    typealias Verdict = (isGood: Bool, reasons: [String])

    func verdict(on traces: [Trace]) async -> Verdict {
        guard !traces.isEmpty else { return (false, ["the service has no trace of \(hash)"]) }
        var reasons: [String] = []
        var isTraced = false
        var isObsolete = false
        for trace in traces.sorted(by: { $0.timestamp > $1.timestamp }) {
            let faults = await faults(of: trace)
            let named = "\(trace.event.rawValue) \(trace.product.name) (\(trace.id), \(trace.timestamp.rfc3339))"
            guard faults.isEmpty else {
                reasons.append("does not count: \(named): \(faults.joined(separator: "; "))")
                continue
            }
            reasons.append("counts: \(named)" + (trace.obsolescence.map { ": \($0)" } ?? ""))
            if trace.event == .obsolete { isObsolete = true } else { isTraced = true }
        }
        return (isTraced && !isObsolete, reasons)
    }

    private func faults(of trace: Trace) async -> [String] {
        guard trace.hashAlgorithm == algorithm else { return ["its hashes are \(trace.hashAlgorithm.rawValue)"] }
        guard trace.has(hash: hash) else { return ["it has another hash"] }
        var faults = await trace.verifiedSignatureFaults()
        // Whom one trusts oneself need not be whom the service trusts.
        if anchors != nil { faults.removeAll { $0.code == .unknownSigner } }
        guard faults.isEmpty else { return faults.map { "\($0)" } }
        guard let anchors else {
            return trace.signatureStatus == .trusted
                ? [] : ["the service does not say who vouches for its certificate: name authorities with --trust"]
        }
        guard let der = trace.signature.certificateBytes else { return ["its certificate cannot be read"] }
        switch await anchors.verify(PresentedCertificate(der: der), for: .signature, now: trace.timestamp) {
        case .trusted: return []
        case .refused(let why): return [why]
        case .unknown: return ["its certificate leads to no authority that --trust names"]
        }
    }
}

/// A trace from a file, whether or not it was registered.
private struct PrintedTrace {
    private let event: TraceEvent
    private let product: Trace.Product
    private let algorithm: TraceHashAlgorithm
    private let obsolescence: String?
    private let service: Trace.Service?
    private let registered: Trace?
    private let signer: CertificateFacts?
    private let faults: [TraceFault]

    init(_ value: JSONValue, _ file: String) async throws {
        let signature: Trace.Signature
        let found: [TraceFault]
        do {
            if value["id"] != nil {
                let trace = try Trace(value)
                (event, product, algorithm) = (trace.event, trace.product, trace.hashAlgorithm)
                (obsolescence, registered, signature) = (trace.obsolescence, trace, trace.signature)
                service = trace.service
                found = trace.signatureFaults()
            } else {
                let trace = try TraceSubmission.parseBatch(Array("[\(value.text)]".utf8))[0]
                (event, product, algorithm) = (trace.event, trace.product, trace.hashAlgorithm)
                (obsolescence, registered, signature) = (trace.obsolescence, nil, trace.signature)
                service = trace.service
                let signer = signature.certificateBytes.flatMap { SignerCertificate(der: $0) }
                found = signature.faults(
                    of: product, event: event, service: trace.service, at: .now, signer: signer)
            }
        } catch {
            throw Failure(.failed, "\(file): \(error)")
        }
        faults = await signature.verified(found)
        signer = signature.certificateBytes.flatMap { try? CertificateFacts(der: $0) }
    }

    func writeText(withContents: Bool) {
        Console.write("\(event.rawValue) \(product.name)")
        Console.write("  size:       \(product.size) B")
        Console.write("  \(algorithm.rawValue):".padded(14) + product.hash)
        if let registered {
            Console.write("  registered: \(registered.timestamp.rfc3339) by \(registered.origin) as \(registered.id)")
        }
        if let obsolescence { Console.write("  obsolete:   \(obsolescence)") }
        if let service { Console.write("  service:    \(String(decoding: service.document, as: UTF8.self))") }
        if let signer {
            Console.write("  signed by:  \(signer.subject), for whom \(signer.issuer) vouches")
        }
        Console.write("  signature:  \(faults.isEmpty ? "valid" : faults.map { "\($0)" }.joined(separator: "; "))")
        for input in product.inputs ?? [] { Console.write("  made from:  \(input.name) \(input.hash)") }
        if let contents = product.contents {
            Console.write("  contents:   \(contents.count)")
            if withContents { for content in contents { Console.write("    \(content.hash)  \(content.path)") } }
        }
    }

    func writeJSON() {
        Console.json {
            $0.member("event", event.rawValue)
            $0.member("hash_algorithm", algorithm.rawValue)
            $0.key("product")
            product.write(to: &$0)
            if let obsolescence { $0.member("obsolescence", obsolescence) }
            if let service {
                $0.key("service")
                service.write(to: &$0)
            }
            if let registered { $0.member("id", registered.id.text) }
            if let signer { $0.member("signer", signer.subject) }
            $0.member("valid", faults.isEmpty)
            $0.member("faults", faults.map { "\($0)" })
        }
    }
}
