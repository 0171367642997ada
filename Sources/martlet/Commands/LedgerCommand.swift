import ArgumentParser
import Certificates
import Crypto
import MerkleLog
import Server
import TraceFormat
import Wire

struct LedgerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ledger", abstract: "The log of traces: its key, its replay, and watching others' logs.",
        subcommands: [VKey.self, Verify.self, LedgerMonitor.self, VerifyProof.self, VerifyTimestamp.self])

    struct VKey: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "vkey", abstract: "Prints the key by which a node's log is verified.",
            discussion: """
                Example: martlet ledger vkey > martlet.vkey

                Give it to those who verify, over a way that they trust: a key from the node itself proves only that the
                log is one.
                """)
        @Argument(help: "Address of the node, or of its log (default: MARTLET_URL).") var url: String?
        @Flag(help: "Print the key by which the node cosigns others' logs.") var witness = false

        func run() async throws {
            guard let url = url ?? Environment.all["MARTLET_URL"] else {
                throw Failure(.failed, "no node is named: give its address, or set MARTLET_URL")
            }
            try await LogClient.with(url) { client in
                guard witness else { return Console.write(try await client.key().vkey) }
                guard client.prefix.hasSuffix("/traces/log"),
                    let bytes = try await client.fetch(client.prefix.dropLast("/traces/log".count) + "/witness/vkey")
                else { throw Failure(.notFound, "\(url) is not the address of a node") }
                Console.raw(bytes)
            }
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Replays a whole log, and says the first place that is wrong.",
            discussion: """
                Examples: martlet ledger verify https://data.example.org --vkey "$(cat martlet.vkey)"
                          martlet ledger verify --data /srv/martlet

                With an address it reads a log over HTTP as anyone can: the checkpoint's signature, every entry, every
                hash of every tile, and whether each trace that the node gives out is the one that its log has. Without
                one it reads the folder of a node that is stopped, with the same settings as `serve`: also every
                checkpoint that was ever signed.
                Exit code 0: all is well. 2: something is wrong. 1: the log could not be read.
                """)

        @Argument(help: "Address of a node, or of any log of C2SP tlog-tiles.") var url: String?
        @OptionGroup var trust: LogTrust
        @Flag(help: "Do not ask the node for each trace.") var logOnly = false
        @OptionGroup var settings: NodeSettings
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            guard let url else { return try await verifyFolder() }
            let (key, policy) = try trust.read()
            do {
                let verified = try await LogClient.with(url) { client in
                    let known = if key == nil && policy?.logs.isEmpty != false { try await client.key() } else { key }
                    return try await replay(client, key: known, policy)
                }
                report(verified)
            } catch let fault as LogFault {
                LedgerCommand.report(fault, json: json)
                throw Failure(.notAsItShouldBe, "")
            }
        }

        private func replay(
            _ client: LogClient, key: VerifierKey?, _ policy: LogPolicy?
        ) async throws -> LogPolicy.Verified {
            let verified = try LogTrust.verify(try await client.checkpoint(), key: key, policy: policy)
            let progress = Progress(total: Int64(clamping: verified.checkpoint.size), isShown: !json, unit: "entries")
            defer { progress.finish() }
            var replay = LogReplay(client, to: verified.checkpoint)
            while let entries = try await replay.next() {
                if !logOnly { try await compare(entries, from: replay.size - UInt64(entries.count), client) }
                progress.add(Int64(entries.count), label: verified.checkpoint.origin)
            }
            return verified
        }

        /// Compares entries with the traces that the node gives out for them.
        private func compare(_ entries: [[UInt8]], from first: UInt64, _ client: LogClient) async throws {
            guard client.prefix.hasSuffix("/log") else {
                throw Failure(
                    .failed, "\(client.prefix) is not a node's log: its entries alone are read with --log-only")
            }
            let base = client.prefix.dropLast("/log".count) + "/api/v1/traces/"
            let atOnce = 16
            for start in stride(from: 0, to: entries.count, by: atOnce) {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for index in start..<min(start + atOnce, entries.count) {
                        group.addTask {
                            let place = "entry \(first + UInt64(index))"
                            guard let id = try? JSONValue(parsing: entries[index])["id"]?.string else {
                                throw LogFault(place, "it names no trace")
                            }
                            guard let document = try await client.fetch(base + PercentEncoding.encode(id)) else {
                                throw LogFault(place, "the node does not have its trace \(id.prefix(40))")
                            }
                            try Self.compare(document, entries[index], place)
                        }
                    }
                    try await group.waitForAll()
                }
            }
        }

        private static func compare(_ document: [UInt8], _ entry: [UInt8], _ place: String) throws {
            do {
                let trace = try Trace.parse(document)
                guard try LogEntry(trace).bytes == entry else {
                    throw LogFault(place, "the trace \(trace.id) is another than the log has")
                }
                // That nobody signed it, or a stranger, is what the log says of it.
                if let fault = trace.signatureFaults().first(where: { ![.unsigned, .unknownSigner].contains($0.code) })
                {
                    throw LogFault(place, "the trace \(trace.id): \(fault)")
                }
            } catch let error as TraceError {
                throw LogFault(place, "its trace cannot be read: \(error)")
            }
        }

        private func report(_ verified: LogPolicy.Verified) {
            let state = verified.checkpoint
            if json {
                Console.json {
                    $0.member("origin", state.origin)
                    $0.member("size", state.size)
                    $0.member("root", state.root.base64)
                    $0.member("witnesses", verified.witnesses.map(\.name))
                }
            } else {
                Console.write("\(state.origin), size \(state.size): all is well")
                if !verified.witnesses.isEmpty {
                    Console.write("cosigned by \(verified.witnesses.map(\.name).joined(separator: ", "))")
                }
            }
        }

        private func verifyFolder() async throws {
            let progress = Progress(total: 0, isShown: !json, unit: "entries")
            let summary = try await Verification(try settings.configuration()).run(
                part: .log,
                found: { [json] _, subject, problem in
                    progress.finish()
                    LedgerCommand.report(LogFault(subject, problem), json: json)
                },
                total: { progress.expect($0) }, progress: { progress.add($0, label: $1) })
            progress.finish()
            if json {
                Console.json {
                    $0.member("size", summary.traces)
                    $0.member("findings", summary.findings)
                }
            } else if summary.findings == 0 {
                Console.write("\(summary.traces) traces in the log: all is well")
            }
            guard summary.findings == 0 else { throw Failure(.notAsItShouldBe, "") }
        }
    }

    struct VerifyProof: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify-proof",
            abstract: "Verifies offline that a log has an entry, by a .tlog-proof bundle.",
            discussion: """
                Example: martlet ledger verify-proof a.tlog-proof --trace a.json --vkey "$(cat martlet.vkey)"

                Nothing is asked over the network. With --policy the checkpoint in the bundle must have the cosignatures
                of a quorum of witnesses.
                Exit code 0: the log has it. 2: that is not shown.
                """)

        @Argument(help: "File with the bundle, as …/traces/ID/proof gives it.") var proof: String
        @Option(help: "File with the trace, as …/traces/ID gives it.") var trace: String?
        @Option(help: "File with the log's entry, as …/traces/ID/entry gives it.") var entry: String?
        @OptionGroup var trust: LogTrust
        @Flag(help: "Print JSON.") var json = false

        private static let traceBytesMax = 256 << 20

        func run() async throws {
            let (key, policy) = try trust.read()
            guard key != nil || policy?.logs.isEmpty == false else {
                throw Failure(.failed, "give the log's key with --vkey, or a policy that names the log")
            }
            let bundle = try File.read(proof, limit: InclusionBundle.maxLength)
            do {
                let (verified, index) = try check(bundle, try entryBytes(), key, policy)
                if json {
                    Console.json {
                        $0.member("origin", verified.checkpoint.origin)
                        $0.member("index", index)
                        $0.member("size", verified.checkpoint.size)
                        $0.member("witnesses", verified.witnesses.map(\.name))
                    }
                } else {
                    Console.write("entry \(index) of \(verified.checkpoint.origin), size \(verified.checkpoint.size)")
                    for witness in verified.witnesses { Console.write("cosigned by \(witness.name)") }
                }
            } catch let error as MerkleLogError {
                LedgerCommand.report(LogFault("proof", error.message), json: json)
                throw Failure(.notAsItShouldBe, "")
            } catch let fault as LogFault {
                LedgerCommand.report(fault, json: json)
                throw Failure(.notAsItShouldBe, "")
            }
        }

        private func entryBytes() throws -> [UInt8] {
            switch (trace, entry) {
            case (let file?, nil):
                do {
                    return try LogEntry(try Trace.parse(try File.read(file, limit: Self.traceBytesMax))).bytes
                } catch let error as TraceError {
                    throw LogFault("trace", "\(error)")
                }
            case (nil, let file?): return try File.read(file, limit: EntryBundle.maxEntryLength)
            default: throw Failure(.failed, "give the trace or the entry that it is about, one of the two")
            }
        }

        private func check(
            _ bytes: [UInt8], _ entry: [UInt8], _ key: VerifierKey?, _ policy: LogPolicy?
        ) throws -> (LogPolicy.Verified, UInt64) {
            let bundle = try InclusionBundle(bytes)
            let verified = try LogTrust.verify(bundle.checkpoint, key: key, policy: policy)
            let state = verified.checkpoint
            try MerkleTree.verifyInclusion(
                leaf: .leaf(entry), index: bundle.index, size: state.size, root: state.root, proof: bundle.proof)
            return (verified, bundle.index)
        }
    }

    struct VerifyTimestamp: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify-timestamp",
            abstract: "Verifies offline when a checkpoint was there, by an authority's answer (RFC 3161).",
            discussion: """
                Example: martlet ledger verify-timestamp checkpoint.note checkpoint.tsr --authorities tsa-ca.pem

                The files are what /traces/log/checkpoint/SIZE and /traces/log/timestamp/SIZE give.
                Exit code 0: it was there at that time. 2: that is not shown.
                """)

        @Argument(help: "File with the signed checkpoint.") var checkpoint: String
        @Argument(help: "File with the authority's answer.") var token: String
        @Option(help: "File with the certificates of authorities (PEM) that are trusted.") var authorities: String
        @OptionGroup var trust: LogTrust
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let (key, policy) = try trust.read()
            guard key != nil || policy?.logs.isEmpty == false else {
                throw Failure(.failed, "give the log's key with --vkey, or a policy that names the log")
            }
            let pem = String(decoding: try File.read(authorities, limit: 1 << 20), as: UTF8.self)
            let anchors = try TrustAnchors(roots: TrustAnchors.roots(pem: pem))
            let note = try File.read(checkpoint, limit: SignedNote.maxLength)
            let answer = try File.read(token, limit: TimestampToken.bytesMax)
            do {
                let state = try LogTrust.verify(note, key: key, policy: policy).checkpoint
                let token: TimestampToken
                do {
                    token = try TimestampToken(response: answer)
                } catch {
                    throw LogFault("timestamp", error.message)
                }
                guard token.digest == Array(SHA256.hash(data: Array(try SignedNote(note).text.utf8))) else {
                    throw LogFault("timestamp", "it is of something else than the checkpoint")
                }
                switch await token.verify(by: anchors) {
                case .trusted: break
                case .refused(let why): throw LogFault("timestamp", why)
                case .unknown: throw LogFault("timestamp", "nobody who is trusted has issued its certificate")
                }
                if json {
                    Console.json {
                        $0.member("origin", state.origin)
                        $0.member("size", state.size)
                        $0.member("time", token.time.rfc3339)
                    }
                } else {
                    Console.write("\(state.origin), size \(state.size), was there at \(token.time.rfc3339)")
                }
            } catch let fault as LogFault {
                LedgerCommand.report(fault, json: json)
                throw Failure(.notAsItShouldBe, "")
            }
        }
    }

    static func report(_ fault: LogFault, json: Bool) {
        if json {
            Console.json {
                $0.member("place", fault.place)
                $0.member("problem", fault.problem)
            }
        } else {
            Console.write("\(fault)")
        }
    }
}
