import ArgumentParser
import AsyncHTTPClient
import MerkleLog
import NIOCore
import NIOHTTP1
import Wire

struct LedgerMonitor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "monitor", abstract: "Watches a log: that it only grows, and that all see the same.",
        discussion: """
            Example: martlet ledger monitor https://data.example.org --state example.log --interval 300

            Each time it reads the checkpoint and what is new: the signatures, the quorum of witnesses where --policy wants
            one, each new entry, and that the tree before is the beginning of the tree now. The state file keeps the last
            checkpoint that was good, and the log's key: the first one seen, where --vkey and --policy name none. A
            checkpoint that contradicts it is kept beside it, STATE.refused: both together prove what the log has done.
            Exit code 2: the log forked, went back, was altered, or has no quorum. A log that does not answer is asked
            again, or with --once exit code 1.
            """)

    @Argument(help: "Address of a node, or of any log of C2SP tlog-tiles.") var url: String
    @Option(help: "File in which the last checkpoint is kept.") var state: String
    @OptionGroup var trust: LogTrust
    @Option(help: "Seconds between two looks (default 60).") var interval: Int64 = 60
    @Flag(help: "Look once.") var once = false
    @Flag(help: "Read the whole log each time, not only what is new.") var all = false
    @Option(help: "Address to which what is found wrong is posted as JSON.") var webhook: String?
    @Flag(help: "Print JSON.") var json = false

    /// What is remembered between two looks.
    private struct State {
        var key: VerifierKey
        var note: [UInt8]
    }

    func run() async throws {
        guard (1...86_400).contains(interval) else { throw Failure(.failed, "--interval is 1 to 86400 seconds") }
        let (key, policy) = try trust.read()
        while true {
            do {
                try await LogClient.with(url) { client in
                    do {
                        try await look(client, key, policy)
                    } catch let fault as LogFault {
                        LedgerCommand.report(fault, json: json)
                        if let webhook { await post(fault, to: webhook, client.http) }
                        throw Failure(.notAsItShouldBe, "")
                    }
                }
            } catch let failure as Failure where failure.code == .notAsItShouldBe {
                throw failure
            } catch  where !once {
                Console.error("\(error)")
            }
            if once { return }
            try await Task.sleep(for: .seconds(interval))
        }
    }

    private func look(_ client: LogClient, _ key: VerifierKey?, _ policy: LogPolicy?) async throws {
        let before = try readState()
        let note = try await client.checkpoint()
        var key = key ?? before?.key
        if key == nil, policy?.logs.isEmpty != false { key = try await client.key() }
        let verified = try LogTrust.verify(note, key: key, policy: policy)
        let now = verified.checkpoint
        do {
            let last = try before.map { try LogTrust.verify($0.note, key: $0.key, policy: nil).checkpoint }
            if let last, last.origin != now.origin {
                throw LogFault("checkpoint", "it is of the log \(now.origin), and \(state) of \(last.origin)")
            }
            var replay =
                if let last { try await LogReplay(client, from: last, to: now) } else { LogReplay(client, to: now) }
            if all { replay = LogReplay(client, to: now) }
            let progress = Progress(total: Int64(clamping: now.size - replay.size), isShown: !json, unit: "entries")
            defer { progress.finish() }
            while let entries = try await replay.next() { progress.add(Int64(entries.count), label: now.origin) }
            try writeState(State(key: verified.log, note: note))
            report(verified, new: now.size - (last?.size ?? 0))
        } catch let fault as LogFault {
            try File.write(note, to: state + ".refused", mode: 0o644)
            throw fault
        }
    }

    private func report(_ verified: LogPolicy.Verified, new: UInt64) {
        if json {
            Console.json {
                $0.member("origin", verified.checkpoint.origin)
                $0.member("size", verified.checkpoint.size)
                $0.member("new", new)
                $0.member("witnesses", verified.witnesses.map(\.name))
            }
        } else {
            let time = Timestamp.now.rfc3339
            Console.write(
                "\(time)  \(verified.checkpoint.origin), size \(verified.checkpoint.size), \(new) new: all is well")
        }
    }

    // A line with the key, then the note.

    private func readState() throws -> State? {
        guard File.info(state) != nil else { return nil }
        let bytes = try File.read(state, limit: SignedNote.maxLength + 4096)
        guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")),
            let key = try? VerifierKey(vkey: String(decoding: bytes[..<end], as: UTF8.self))
        else { throw Failure(.failed, "\(state) is not the state of a monitor") }
        return State(key: key, note: Array(bytes[(end + 1)...]))
    }

    private func writeState(_ new: State) throws {
        try File.write(Array((new.key.vkey + "\n").utf8) + new.note, to: state, mode: 0o644)
    }

    private func post(_ fault: LogFault, to webhook: String, _ http: HTTPClient) async {
        var json = JSONWriter()
        json.object {
            $0.member("log", url)
            $0.member("place", fault.place)
            $0.member("problem", fault.problem)
        }
        var request = HTTPClientRequest(url: webhook)
        request.method = .POST
        request.headers = ["Content-Type": "application/json"]
        request.body = .bytes(ByteBuffer(bytes: json.bytes))
        do {
            let response = try await http.execute(request, timeout: .seconds(10))
            if !(200..<300).contains(response.status.code) {
                Console.error("\(webhook) answers \(response.status.code)")
            }
        } catch {
            Console.error("\(webhook) does not answer: \(error)")
        }
    }
}
