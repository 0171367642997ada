import ArgumentParser
import MerkleLog
import NIOHTTP1
import TraceFormat
import Wire

struct TraceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace", abstract: "Traces: signed statements about products, in a log that anyone can check.",
        discussion: """
            To say something of products:  martlet trace register ./S2A.SAFE.zip --key me.key --cert me.pem
            To believe something:          martlet trace verify ./S2A.SAFE.zip
            """,
        subcommands: [
            Verify.self, Check.self, Show.self, Search.self, Graph.self, Hash.self, Create.self, Register.self,
            Publish.self, Print.self, Revoke.self, Revocations.self, Registry.self, Key.self,
        ])

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Says whether a file or folder is genuine, altered or unknown.",
            discussion: """
                Example: martlet trace verify ./S2A_MSIL2A.SAFE

                The digest is computed here; the trace, its certificate, its proof and the log's signed checkpoint are
                checked here too. Only the log's key is believed: what --vkey gives, or else what the node says.
                Exit code 0: genuine. 2: altered or unknown.
                """)

        @Argument(help: "File or folder.") var path: String
        @Option(help: "The product's name, if the file has another one here.") var name: String?
        @Option(help: "The log's verifier key (NAME+ID+KEY), got over a way that you trust.") var vkey: String?
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let progress = Progress(total: ProductReader.size(of: [path]), isShown: !json)
            let product = try await ProductReader(progress: progress).product(path, name: name)
            progress.finish()
            let subject = TraceSubject(product)
            try await NodeClient.with(login: false) { client in
                let verdict = try await client.verdict(on: subject, vkey: vkey)
                if json {
                    Console.json {
                        $0.member("verdict", verdict.outcome.rawValue)
                        $0.member("name", subject.name)
                        if let hash = subject.hashes[.blake3] { $0.member("blake3", hash) }
                        $0.member("reasons", verdict.reasons)
                        if let trace = verdict.trace { $0.member("trace", trace.id.description) }
                        if let checkpoint = verdict.checkpoint { $0.member("logSize", checkpoint.size) }
                    }
                } else {
                    Console.write("\(subject.name): \(verdict.outcome.rawValue)")
                    for reason in verdict.reasons { Console.write("  " + reason) }
                }
                guard verdict.outcome == .genuine else { throw Failure(.notAsItShouldBe, "") }
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints the traces of a product or of a digest as JSON.",
            discussion: "Examples: martlet trace show S2A_MSIL2A.SAFE\n          martlet trace show --hash 9f86d08…")
        @Argument(help: "The product's name.") var name: String?
        @Option(help: "A digest of the product or of one of its files, in hexadecimal.") var hash: String?
        @Flag(help: "Print JSON (it always does).") var json = false

        func run() async throws {
            try await NodeClient.with(login: false) { client in
                let path: String
                switch (name, hash) {
                case (let name?, nil): path = "/traces/api/v1/traces/name/" + PercentEncoding.encode(name)
                case (nil, let hash?): path = "/traces/api/v1/traces/hash/" + PercentEncoding.encode(hash)
                default: throw Failure(.failed, "give a name or --hash, one of the two")
                }
                let traces = try await client.json(.GET, path)
                guard let list = traces.array, !list.isEmpty else {
                    throw Failure(.notFound, "there is no trace of it")
                }
                for trace in list { Console.write(trace.text) }
            }
        }
    }
}

extension NodeClient {
    /// Fetches what the node's log knows about a subject, and verifies it here.
    func verdict(on subject: TraceSubject, vkey: String?) async throws -> TraceVerdict {
        let key: VerifierKey
        if let vkey {
            key = try VerifierKey(vkey: vkey)
        } else {
            let answer = try await send(.GET, web + "/traces/log/vkey")
            guard answer.status == .ok else { throw Self.failure(answer) }
            let text = String(decoding: answer.bytes, as: UTF8.self).split(separator: "\n").first.map(String.init) ?? ""
            key = try VerifierKey(vkey: text)
        }
        var traces: [TraceID: Trace] = [:]
        var paths = ["/name/" + PercentEncoding.encode(subject.name)]
        if let hash = subject.hashes[.blake3] { paths.append("/hash/" + hash) }
        for path in paths {
            let answer = try await send(.GET, web + "/traces/api/v1/traces" + path)
            if answer.status == .notFound { continue }
            guard answer.status == .ok else { throw Self.failure(answer) }
            for trace in try Trace.parseList(answer.bytes) { traces[trace.id] = trace }
        }
        var evidence: [TraceEvidence] = []
        // The latest first: a product that was released again is judged by its newest trace.
        for trace in traces.values.sorted(by: { $0.timestamp > $1.timestamp }) {
            let answer = try await send(.GET, web + "/traces/api/v1/traces/\(trace.id)/proof")
            evidence.append(
                TraceEvidence(
                    trace: trace, proof: answer.status == .ok ? answer.bytes : nil,
                    signatureFaults: await trace.verifiedSignatureFaults()))
        }
        return TraceVerifier(key: key).verify(subject, by: evidence)
    }
}
