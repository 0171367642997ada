import Glibc

/// Another program, run to its end.
enum Subprocess {
    struct Result {
        var status: Int32
        var output: String
    }

    /// Where a program is, by PATH; nil if it is not installed.
    static func find(_ name: String) -> String? {
        for folder in (Environment.all["PATH"] ?? "").split(separator: ":") {
            let path = folder + "/" + name
            if access(path, X_OK) == 0 { return path }
        }
        return nil
    }

    /// Runs a program and takes what it prints on standard output, up to 1 MiB; its errors go where ours go.
    static func run(_ path: String, _ arguments: [String], environment: [String: String] = Environment.all) throws
        -> Result
    {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw File.failure("make a pipe for", path) }
        defer { close(ends[0]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_addclose(&actions, ends[0])
        var argv: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        var envp: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in argv + envp { free(text) } }
        var child: pid_t = 0
        let failed = posix_spawn(&child, path, &actions, nil, &argv, &envp)
        close(ends[1])
        guard failed == 0 else { throw Failure(.failed, "cannot run \(path): \(String(cString: strerror(failed)))") }
        var output: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = read(ends[0], &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { break }
            if output.count < 1 << 20 { output.append(contentsOf: buffer[..<count]) }
        }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        // The exit code, or 128 and the signal, as a shell says it.
        let code = status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
        return Result(status: code, output: String(decoding: output, as: UTF8.self))
    }
}
