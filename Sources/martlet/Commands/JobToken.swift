import ArgumentParser
import AsyncHTTPClient
import Glibc
import NIOHTTP1
import Wire

struct JobTokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "job-token", abstract: "Tokens for jobs that wait in a queue and then run for long.",
        discussion: """
            At submission, with a login:

                export MARTLET_JOB_CLAIM=$(martlet job-token grant --scope storage.read:/eo --days 7)
                sbatch --export=MARTLET_URL,MARTLET_JOB_CLAIM job.sh

            In the job, before its work; the token file is kept fresh until the job ends:

                martlet job-token run -- python process.py

            The token is where programs look for it (WLCG bearer discovery): the file BEARER_TOKEN_FILE, or
            $XDG_RUNTIME_DIR/bt_u$UID, or /tmp/bt_u$UID. An array of jobs shares one grant, made with --count.
            """,
        subcommands: [Grant.self, Run.self, Claim.self, Renew.self, End.self, List.self, Revoke.self])

    struct Grant: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lets jobs do something, and prints the claim that they carry.")
        @Option(help: "What they may do; may be given again. As storage.read:/COLLECTION/PATH.") var scope: [String]
        @Option(help: "How many jobs: those of an array.") var count = 1
        @Option(help: "Days that they may wait and run, together.") var days = 1
        @Option(help: "A service that their tokens are for, instead of this node; may be given again.")
        var audience: [String] = []
        @Option(help: "What it is for.") var description = ""
        @Flag(help: "Print JSON: id, claim, expires.") var json = false

        func run() async throws {
            let form = QueryItems(
                [
                    ("scope", scope.joined(separator: " ")), ("count", String(count)),
                    ("seconds", String(days * 86_400)), ("description", description),
                ] + audience.map { ("audience", $0) })
            try await NodeClient.with { client in
                let made = try await client.job(.POST, "", form)
                Console.write(json ? made.text : made["claim"]?.string ?? "")
            }
        }
    }

    struct Claim: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Gets the first token of a job that starts, and puts it where programs look for it.")
        @Option(help: "The job's number in its array, from 0 (default SLURM_ARRAY_TASK_ID, or 0).") var index: Int?
        @Flag(help: "Print JSON: file, expires_in, renew_after.") var json = false

        func run() async throws {
            try await JobState.waitForTurn()
            try await JobTokenCommand.reach { client in
                JobTokenCommand.report(try await JobState.claim(client, index: index), json: json)
            }
        }
    }

    struct Renew: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Gets the next token of a job that runs.")
        @Flag(help: "Print JSON: file, expires_in, renew_after.") var json = false

        func run() async throws {
            try await JobTokenCommand.reach { client in
                JobTokenCommand.report(try await JobState.renew(client), json: json)
            }
        }
    }

    struct End: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Says that the job has ended: its token opens nothing any more.")
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await JobTokenCommand.reach { client in
                try await JobState.end(client)
                Report.done("ended", "job", json: json)
            }
        }
    }

    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Runs a command with a token that is kept fresh, and gives the token up when it has ended.",
            discussion: """
                Examples:

                    martlet job-token run -- python process.py
                    martlet job-token run --role readers -- python with_boto3.py

                With --role, libraries of AWS find the token, the role and the node by themselves (AWS_ROLE_ARN,
                AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ENDPOINT_URL).
                """)
        @Option(help: "The role in which libraries of AWS work with the token.") var role: String?
        @Option(help: "The job's number in its array, from 0 (default SLURM_ARRAY_TASK_ID, or 0).") var index: Int?
        @Argument(parsing: .captureForPassthrough, help: "The command with its arguments.") var command: [String]

        func run() async throws {
            let command = self.command.first == "--" ? Array(self.command.dropFirst()) : self.command
            guard !command.isEmpty else { throw ValidationError("a command is needed: job-token run -- COMMAND") }
            let index = index
            try await JobState.waitForTurn()
            let first = try await JobTokenCommand.reach { try await JobState.start($0, index: index) }
            setenv("BEARER_TOKEN_FILE", first.file, 1)
            if let role {
                let s3 = try await JobTokenCommand.reach { $0.s3 }
                setenv("AWS_ROLE_ARN", role.hasPrefix("arn:") ? role : "arn:aws:iam::martlet:role/" + role, 1)
                setenv("AWS_WEB_IDENTITY_TOKEN_FILE", first.file, 1)
                setenv("AWS_ROLE_SESSION_NAME", "job-\(getpid())", 0)
                setenv("AWS_ENDPOINT_URL", s3, 0)
                if let authority = Environment.all["MARTLET_CA"] { setenv("AWS_CA_BUNDLE", authority, 0) }
                setenv("AWS_DEFAULT_REGION", "us-east-1", 0)
            }
            let child = try ChildProcess(command)
            var renewal = ContinuousClock.now + .seconds(first.renewAfter)
            while true {
                if let status = child.poll() {
                    try? await NodeClient.with(login: false) { try await JobState.end($0) }
                    guard status == 0 else { throw ExitCode(status) }
                    return
                }
                try await Task.sleep(for: .milliseconds(200))
                guard ContinuousClock.now >= renewal else { continue }
                // A node that is away for a while is asked again; the token still counts for long.
                let next = try? await NodeClient.with(login: false) { try await JobState.renew($0) }
                renewal = ContinuousClock.now + .seconds(next?.renewAfter ?? 30)
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists what jobs were let do.")
        @Flag(help: "Print JSON, an object a line.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                Console.list(try await client.job(.GET, "", nil)["grants"], json: json) { grant in
                    func text(_ name: String) -> String { grant[name]?.string ?? "" }
                    let jobs = "\(grant["claimed"]?.integer ?? 0)/\(grant["count"]?.integer ?? 0)".padded(11)
                    let state = (grant["revoked"]?.bool == true ? "revoked" : text("expires")).padded(27)
                    return "\(text("id"))  \(jobs)  \(state)  \(text("scope"))  \(text("description"))"
                }
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes back what jobs were let do. Those that run lose it at once.")
        @Argument(help: "The grant's id.") var id: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await NodeClient.with { client in
                _ = try await client.job(.DELETE, "/" + PercentEncoding.encode(id), nil)
                Report.done("revoked", id, json: json)
            }
        }
    }

    /// Calls a node that may be away for some minutes: jobs start while nodes are restarted. Not all of an array ask
    /// again at once.
    static func reach<T>(_ body: (NodeClient) async throws -> T) async throws -> T {
        var pause = Duration.milliseconds(500)
        for _ in 1..<JobState.attemptsMax {
            do {
                return try await NodeClient.with(login: false, body)
            } catch let failure as Failure where failure.isUnreachable {
                try await Task.sleep(for: pause * Double.random(in: 0.5...1.5))
                pause = min(pause * 2, .seconds(30))
            }
        }
        return try await NodeClient.with(login: false, body)
    }

    static func report(_ state: JobState, json: Bool) {
        guard json else { return Console.write(state.file) }
        Console.json {
            $0.member("file", state.file)
            $0.member("expires_in", state.expiresIn)
            $0.member("renew_after", state.renewAfter)
        }
    }
}

/// Where a job's token is, and what it is renewed with.
struct JobState: Sendable {
    var file: String
    var expiresIn: Int64
    var renewAfter: Int64

    /// Where programs look for a token: WLCG Bearer Token Discovery 1.0, the places that are files.
    static var tokenFile: String {
        let environment = Environment.all
        if let file = environment["BEARER_TOKEN_FILE"], !file.isEmpty { return file }
        let name = "bt_u\(geteuid())"
        if let folder = environment["XDG_RUNTIME_DIR"], !folder.isEmpty { return folder + "/" + name }
        return "/tmp/" + name
    }

    /// Beside the token: what renews it.
    private static var renewalFile: String { tokenFile + ".renewal" }
    /// Beside the token: with what a claim is asked for again whose answer was lost.
    private static var nonceFile: String { tokenFile + ".nonce" }

    /// How often a node that is away is asked: for some two minutes.
    static let attemptsMax = 10

    /// Waits a moment where an array starts, so that some thousand of its jobs a second ask, and not all at once.
    static func waitForTurn() async throws {
        let count = Environment.all["SLURM_ARRAY_TASK_COUNT"].flatMap { Int($0) } ?? 1
        guard count > 100 else { return }
        try await Task.sleep(for: .milliseconds(Int.random(in: 0...min(count, 60_000))))
    }

    static func claim(_ client: NodeClient, index: Int?) async throws -> JobState {
        let environment = Environment.all
        guard let claim = environment["MARTLET_JOB_CLAIM"] else {
            throw Failure(.notAllowed, "MARTLET_JOB_CLAIM is not set: make a claim with 'martlet job-token grant'")
        }
        let number = index ?? environment["SLURM_ARRAY_TASK_ID"].flatMap { Int($0) } ?? 0
        let job = environment["SLURM_JOB_ID"] ?? environment["JOB_ID"] ?? ""
        return try await keep(
            client, "/claim",
            QueryItems([("claim", claim), ("index", String(number)), ("job", job), ("nonce", try nonce())]))
    }

    static func renew(_ client: NodeClient) async throws -> JobState {
        try await keep(client, "/renew", QueryItems([("renewal", try renewal())]))
    }

    /// Claims, or renews where the job was started again and has claimed already.
    static func start(_ client: NodeClient, index: Int?) async throws -> JobState {
        do {
            return try await claim(client, index: index)
        } catch let failure as Failure {
            guard failure.code == .failed, (try? renewal()) != nil else { throw failure }
            return try await renew(client)
        }
    }

    static func end(_ client: NodeClient) async throws {
        _ = try await client.job(.POST, "/end", QueryItems([("renewal", try renewal())]))
        unlink(tokenFile)
        unlink(renewalFile)
        unlink(nonceFile)
    }

    private static func renewal() throws -> String { try text(renewalFile) }

    private static func nonce() throws -> String {
        if let known = try? text(nonceFile), !known.isEmpty { return known }
        let made = (0..<4).map { _ in String(UInt64.random(in: .min ... .max), radix: 36) }.joined()
        try PrivateFile.replace(nonceFile, with: made)
        return made
    }

    private static func text(_ path: String) throws -> String {
        let bytes = try ReadableFile(path)
        return String(decoding: try bytes.read(at: 0, count: Int(bytes.size)), as: UTF8.self)
    }

    private static func keep(_ client: NodeClient, _ path: String, _ form: QueryItems) async throws -> JobState {
        let made = try await client.job(.POST, path, form)
        guard let token = made["access_token"]?.string, let renewal = made["renewal"]?.string else {
            throw Failure(.failed, "the node's answer has no token")
        }
        // First what renews it: a token can be had again with that.
        try PrivateFile.replace(renewalFile, with: renewal)
        try PrivateFile.replace(tokenFile, with: token)
        return JobState(
            file: tokenFile, expiresIn: made["expires_in"]?.integer ?? 0,
            renewAfter: made["renew_after"]?.integer ?? 60)
    }
}

/// Another program that runs beside this one, with the same input, output and environment.
struct ChildProcess {
    private let id: pid_t

    init(_ command: [String]) throws {
        guard let path = command[0].contains("/") ? command[0] : Subprocess.find(command[0]) else {
            throw Failure(.notFound, "there is no program '\(command[0])'")
        }
        var argv: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        defer { for text in argv { free(text) } }
        var child: pid_t = 0
        let failed = posix_spawn(&child, path, nil, nil, &argv, environ)
        guard failed == 0 else { throw Failure(.failed, "cannot run \(path): \(String(cString: strerror(failed)))") }
        id = child
    }

    /// Nil while it runs; then its exit code, or 128 and the signal, as a shell says it.
    func poll() -> Int32? {
        var status: Int32 = 0
        guard waitpid(id, &status, WNOHANG) != 0 else { return nil }
        return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
    }
}

/// A token of the environment that a program runs in (WLCG Bearer Token Discovery 1.0).
enum BearerToken {
    private static let bytesMax = 64 << 10

    /// What the environment names, if it does: BEARER_TOKEN, or the file BEARER_TOKEN_FILE.
    static var named: String? {
        let environment = Environment.all
        if let token = environment["BEARER_TOKEN"]?.filter({ !$0.isWhitespace }), !token.isEmpty { return token }
        return environment["BEARER_TOKEN_FILE"].flatMap(read)
    }

    /// What is in the usual place.
    static var usual: String? {
        let name = "bt_u\(geteuid())"
        return Environment.all["XDG_RUNTIME_DIR"].flatMap { read($0 + "/" + name) } ?? read("/tmp/" + name)
    }

    private static func read(_ path: String) -> String? {
        // In a folder that everybody writes to, a file of somebody else is no token of ours.
        var status = stat()
        guard stat(path, &status) == 0, status.st_uid == geteuid(),
            let bytes = try? File.read(path, limit: bytesMax)
        else { return nil }
        let token = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
        return token.isEmpty ? nil : token
    }
}

/// A file that only its owner reads, replaced as a whole: nobody ever reads half of it.
enum PrivateFile {
    static func replace(_ path: String, with text: String) throws {
        let temporary = "\(path).\(getpid())"
        unlink(temporary)
        let fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard fd >= 0 else { throw File.failure("write", temporary) }
        let bytes = Array(text.utf8)
        let isWritten = Glibc.write(fd, bytes, bytes.count) == bytes.count && fsync(fd) == 0
        close(fd)
        guard isWritten, rename(temporary, path) == 0 else {
            unlink(temporary)
            throw File.failure("write", path)
        }
    }
}

extension NodeClient {
    /// Asks the face for jobs' tokens.
    ///
    /// - Throws: ``Failure`` with the node's own words.
    func job(_ method: HTTPMethod, _ path: String, _ form: QueryItems?) async throws -> JSONValue {
        let headers: HTTPHeaders = form == nil ? [:] : ["Content-Type": "application/x-www-form-urlencoded"]
        let answer = try await send(
            method, web + "/oidc/jobs" + path, headers: headers, body: form.map { .bytes(Array($0.encoded.utf8)) })
        let json = (try? JSONValue(parsing: answer.bytes)) ?? .null
        guard (200..<300).contains(answer.status.code) else { throw Self.failure(answer) }
        return json
    }
}
