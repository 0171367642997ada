internal import Glibc
package import NIOPosix

/// Verifies OpenPGP signatures with GnuPG's `gpgv`, which reads what strangers made and so runs as a child, one for
/// each signature, with a keyring of one key in a folder that goes with it.
package struct GPGV: Sendable {
    private let executable: String
    private let pool: NIOThreadPool
    private let deadline: Duration

    private static let statusBytesMax = 64 << 10

    /// - Parameters:
    ///   - executable: the path of `gpgv`; see ``installed``.
    ///   - pool: where the node waits for it: one thread for each that runs.
    ///   - deadline: the longest that it may run.
    package init(executable: String, pool: NIOThreadPool, deadline: Duration = .seconds(10)) {
        self.executable = executable
        self.pool = pool
        self.deadline = deadline
    }

    /// Where `gpgv` is, by PATH; nil where it is not installed.
    package static var installed: String? {
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"
        return path.split(separator: ":").map { $0 + "/gpgv" }.first { access($0, X_OK) == 0 }
    }

    /// What is wrong with a detached signature, in a sentence; nil for one that is good: of a document (not of a text,
    /// which may differ from what was signed), by a key that has neither expired nor been revoked, with no digest that
    /// can be forged.
    ///
    /// - Parameters:
    ///   - signature: binary, or in ASCII armour.
    ///   - key: an OpenPGP certificate, binary.
    ///   - fingerprint: of its primary key, in hexadecimal digits.
    /// - Throws: ``ProcessError`` where `gpgv` cannot be asked, or takes too long; `CancellationError`.
    package func fault(
        of signature: [UInt8], message: [UInt8], key: [UInt8], fingerprint: String
    ) async throws -> String? {
        let folder = try await pool.blocking { try Self.folder() }
        let result: (answer: [UInt8]?, ending: ChildProcess.Ending, output: String)
        do {
            try await pool.blocking {
                for (name, bytes) in [("key.gpg", key), ("signature", signature), ("message", message)] {
                    try Self.write(bytes, to: folder + "/" + name)
                }
            }
            result = try await ChildProcess.run(
                executable: executable,
                arguments: [
                    "--homedir", folder, "--keyring", folder + "/key.gpg", "--weak-digest", "SHA1", "--weak-digest",
                    "RIPEMD160", "--status-fd", "1", folder + "/signature", folder + "/message",
                ],
                environment: ["LC_ALL=C"], pool: pool, deadline: deadline
            ) { [pool] child in
                try await pool.blocking {
                    let answer = child.receiveRest(limit: Self.statusBytesMax)
                    // One that says more than it should is not waited for.
                    if answer != nil { child.awaitEnd() }
                    return answer
                }
            }
        } catch {
            await remove(folder)
            throw error
        }
        await remove(folder)
        switch result.ending {
        case .overdue: throw ProcessError("gpgv took longer than \(deadline)")
        case .signal(let number): throw ProcessError("gpgv was ended by signal \(number): \(result.output)")
        case .exit(let code):
            guard let answer = result.answer else { throw ProcessError("gpgv says more than it should") }
            return Self.fault(status: String(decoding: answer, as: UTF8.self), code: code, fingerprint: fingerprint)
        }
    }

    /// What the lines of `--status-fd` say (GnuPG, doc/DETAILS).
    static func fault(status: String, code: Int32, fingerprint: String) -> String? {
        let lines = status.split(separator: "\n").filter { $0.hasPrefix("[GNUPG:] ") }
            .map { $0.split(separator: " ").dropFirst().map(String.init) }
        func has(_ keyword: String) -> Bool { lines.contains { $0.first == keyword } }
        if has("BADSIG") { return "the signature is not one of the message by the key" }
        if has("REVKEYSIG") { return "the key was revoked by its owner" }
        if has("EXPKEYSIG") { return "the key has expired" }
        if has("EXPSIG") { return "the signature has expired" }
        if has("NO_PUBKEY") { return "another key has signed" }
        let valid = lines.filter { $0.first == "VALIDSIG" }
        guard code == 0, has("GOODSIG"), valid.count == 1, let line = valid.first, line.count >= 11 else {
            return "gpgv does not accept it as a signature by this key, with a digest that is safe"
        }
        guard line[9] == "00" else { return "it signs a text, not a document: sign without --textmode" }
        guard line[10].lowercased() == fingerprint.lowercased() else { return "another key has signed" }
        return nil
    }

    // MARK: Files

    /// A new folder that nobody else can look into.
    private static func folder() throws -> String {
        let root = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array((root + "/martlet-gpgv-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw failure("no folder in \(root)") }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func write(_ bytes: [UInt8], to path: String) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw failure(path) }
        defer { close(file) }
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(file, $0.baseAddress.map { $0 + done }, bytes.count - done)
            }
            guard count > 0 || errno == EINTR else { throw failure(path) }
            done += max(0, count)
        }
    }

    private static func failure(_ what: String) -> ProcessError {
        ProcessError("gpgv cannot be asked: \(what): \(String(cString: strerror(errno)))")
    }

    /// Also what `gpgv` itself has put there.
    private func remove(_ folder: String) async {
        _ = try? await pool.blocking {
            if let entries = opendir(folder) {
                while let entry = readdir(entries) {
                    let name = withUnsafePointer(to: &entry.pointee.d_name) {
                        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                    }
                    if name != ".", name != ".." { unlink(folder + "/" + name) }
                }
                closedir(entries)
            }
            rmdir(folder)
        }
    }
}
