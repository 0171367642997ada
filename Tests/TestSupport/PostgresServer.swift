import CLibPQ
import Glibc
import Synchronization

/// A private PostgreSQL for one test run: on a Unix socket in a folder of its own, unreachable from elsewhere.
///
/// A small shell owns it and waits on a pipe that this process holds open; when the process ends, in whatever way,
/// the shell stops the server by its pid and removes the folder. PostgreSQL refuses to run as root, so a test that
/// does runs it as the user `postgres`.
package final class PostgresServer: Sendable {
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    private static let once = Mutex<PostgresServer?>(nil)

    /// The folder that holds the socket; connect with `host=` set to it.
    package let folder: String
    private let created = Atomic(0)
    /// Closing this end stops the server.
    private let lifeline: Int32

    /// The server of this test run, started when first asked for.
    package static func shared() throws -> PostgresServer {
        try once.withLock { server in
            if let server { return server }
            let fresh = try PostgresServer()
            server = fresh
            return fresh
        }
    }

    private init(binaries: String = "/usr/lib/postgresql/15/bin") throws {
        guard access(binaries + "/initdb", X_OK) == 0 else {
            throw Failure(description: "no PostgreSQL in \(binaries); install Debian's postgresql-15")
        }
        folder = try Self.makeFolder()
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw Failure(description: "pipe: errno \(errno)") }
        // Another child that inherited the pipe would keep the server alive.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        lifeline = ends[1]
        defer { close(ends[0]) }
        // ICU's English order differs from byte order, so that a missing COLLATE "C" shows.
        let script = """
            cd "$1" || exit 1
            "$0/initdb" -D data -U postgres -A trust -E UTF8 --locale=C --locale-provider=icu --icu-locale=en-US \
                >log 2>&1 || exit 1
            "$0/postgres" -D "$1/data" -k "$1" -c listen_addresses= -c max_connections=600 -c shared_buffers=64MB \
                </dev/null >>log 2>&1 &
            server=$!
            read -r _
            kill -INT $server
            wait $server
            rm -rf "$1"
            """
        let shell = ["/bin/sh", "-c", script, binaries, folder]
        try Self.spawn(getuid() == 0 ? ["/usr/sbin/runuser", "-u", "postgres", "--"] + shell : shell, input: ends[0])
        try waitUntilReady()
    }

    /// A new, empty database: its URL.
    package func createDatabase() throws -> String {
        let name = "test_\(created.add(1, ordering: .relaxed).newValue)"
        let connection = PQconnectdb(url("postgres"))
        defer { PQfinish(connection) }
        let result = PQexec(connection, "CREATE DATABASE \(name)")
        defer { PQclear(result) }
        guard PQresultStatus(result) == PGRES_COMMAND_OK else {
            throw Failure(
                description: "CREATE DATABASE: \(PQerrorMessage(connection).map { String(cString: $0) } ?? "")")
        }
        return url(name)
    }

    private func url(_ database: String) -> String { "postgres://postgres@/\(database)?host=\(folder)" }

    private func waitUntilReady() throws {
        for _ in 0..<600 {
            let connection = PQconnectdb(url("postgres"))
            defer { PQfinish(connection) }
            if PQstatus(connection) == CONNECTION_OK { return }
            usleep(100_000)
        }
        close(lifeline)
        throw Failure(description: "PostgreSQL did not start within a minute; see \(folder)/log")
    }

    private static func makeFolder() throws -> String {
        var template = Array("/tmp/martlet-postgres-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure(description: "mkdtemp: errno \(errno)") }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        if getuid() == 0 {
            guard let user = getpwnam("postgres"), chown(folder, user.pointee.pw_uid, user.pointee.pw_gid) == 0 else {
                throw Failure(description: "cannot give \(folder) to the user postgres")
            }
        }
        return folder
    }

    /// Starts a program with `input` as its standard input. It is not waited for: it outlives this process a little.
    private static func spawn(_ arguments: [String], input: Int32) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        // A pipe as standard output would stay open with the server and keep the reader of a test's output waiting.
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A group of its own: an interrupt typed at the tests reaches the shell through the pipe, in order.
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        let copies = arguments.map { strdup($0) }
        let environment = [strdup("PATH=/usr/bin:/bin:/usr/sbin:/sbin"), strdup("LC_ALL=C"), nil]
        defer { for copy in copies + environment { free(copy) } }
        var process = pid_t()
        let outcome = posix_spawn(&process, arguments[0], &actions, &attributes, copies + [nil], environment)
        guard outcome == 0 else { throw Failure(description: "cannot start \(arguments[0]): errno \(outcome)") }
    }
}
