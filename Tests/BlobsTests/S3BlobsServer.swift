import Glibc
import NIOCore
import NIOHTTP1
import SigV4
import Synchronization

@testable import Blobs

/// A real S3 server process: Python's `moto_server`, on a port of its own, everything in its memory.
///
/// A small shell owns it and waits on a pipe that this process holds open, so that it ends with the test run.
final class MotoServer: Sendable {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    let port: Int
    /// Closing this end stops the server.
    private let lifeline: Mutex<Int32>
    /// The server of this test run, started when first asked for.
    private static let once = Task { try await MotoServer() }
    private static let command = path(of: "moto_server")

    static var isInstalled: Bool { command != nil }

    static func shared() async throws -> MotoServer { try await once.value }

    init() async throws {
        guard let command = Self.command else {
            throw Failure(description: "there is no moto_server (pip install moto[server])")
        }
        port = try freePort()
        lifeline = Mutex(try Self.spawn(command, port))
        for _ in 0..<600 where !isListening(port) { try await Task.sleep(for: .milliseconds(50)) }
        guard isListening(port) else { throw Failure(description: "moto_server does not answer on port \(port)") }
    }

    /// Starts the server: the descriptor whose closing ends it.
    private static func spawn(_ command: String, _ port: Int) throws -> Int32 {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw Failure(description: "pipe: errno \(errno)") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { Glibc.close(ends[0]) }
        // KILL, not TERM: tests end the server in the middle of its work.
        let script = #""$0" -H 127.0.0.1 -p "$1" </dev/null >/dev/null 2>&1 & read -r _; kill -9 $!"#
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
        let texts: [String] = ["/bin/sh", "-c", script, command, String(port)]
        var arguments: [UnsafeMutablePointer<CChar>?] = texts.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var process = pid_t()
        guard posix_spawn(&process, "/bin/sh", &actions, nil, &arguments, environ) == 0 else {
            Glibc.close(ends[1])
            throw Failure(description: "cannot start /bin/sh")
        }
        return ends[1]
    }

    /// Ends the server's process, and waits until nobody listens any more.
    func stop() async throws {
        lifeline.withLock { end in
            if end >= 0 { Glibc.close(end) }
            end = -1
        }
        for _ in 0..<200 where isListening(port) { try await Task.sleep(for: .milliseconds(10)) }
    }

    func location(_ bucket: String, port other: Int? = nil) throws -> S3Location {
        try S3Location("s3://test:se%2Fcret@127.0.0.1:\(other ?? port)/\(bucket)/a%20pre+fix/b?tls=0")
    }

    /// A location in a new, empty bucket.
    func createBucket() async throws -> S3Location {
        let location = try location("b\(BlobID.random())")
        try await withClient(location) { _ = try await $0.send(S3Call(method: .PUT), "cannot create the bucket") }
        return location
    }

    private static func path(of command: String) -> String? {
        let folders = getenv("PATH").map { String(cString: $0) } ?? ""
        return folders.split(separator: ":").map { "\($0)/\(command)" }.first { access($0, X_OK) == 0 }
    }
}

/// Runs `body` with a store in a new bucket of the shared server.
func withS3Blobs(_ body: (S3Blobs, S3Location) async throws -> Void) async throws {
    let location = try await MotoServer.shared().createBucket()
    try await withS3Blobs(location) { try await body($0, location) }
}

func withS3Blobs(_ location: S3Location, callSecondsMax: Int = 60, _ body: (S3Blobs) async throws -> Void) async throws
{
    let store = try await S3Blobs.open(location, callSecondsMax: callSecondsMax)
    do {
        try await body(store)
    } catch {
        await store.close()
        throw error
    }
    await store.close()
}

/// Runs `body` with a client for calls of the test's own.
func withClient<Result>(_ location: S3Location, _ body: (S3Client) async throws -> Result) async throws -> Result {
    let client = S3Client(location, try await S3Blobs.configuration(location), callTime: .seconds(20))
    do {
        let result = try await body(client)
        await client.close()
        return result
    } catch {
        await client.close()
        throw error
    }
}

/// The ids of the multipart uploads that are under way in the bucket.
func uploads(_ location: S3Location) async throws -> Int {
    try await withClient(location) { client in
        let call = S3Call(method: .GET, query: [("uploads", nil)])
        let text = String(buffer: try await client.send(call, "cannot list uploads").body)
        return text.split(separator: "<UploadId>").count - 1
    }
}

private func withSocket<Result>(_ port: Int, _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) throws -> Result)
    rethrows -> Result
{
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { Glibc.close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    return try withUnsafePointer(to: &address) { pointer in
        try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            try body(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
}

private func isListening(_ port: Int) -> Bool {
    withSocket(port) { connect($0, $1, $2) == 0 }
}

/// A port that nobody listens on at the moment.
func freePort() throws -> Int {
    try withSocket(0) { descriptor, address, length in
        var bound = sockaddr_in()
        var boundLength = length
        let isBound = bind(descriptor, address, length) == 0
        let isKnown = withUnsafeMutablePointer(to: &bound) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &boundLength) == 0 }
        }
        guard isBound, isKnown else { throw MotoServer.Failure(description: "no free port: errno \(errno)") }
        return Int(in_port_t(bigEndian: bound.sin_port))
    }
}
