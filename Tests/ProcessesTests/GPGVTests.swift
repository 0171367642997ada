import Glibc
import NIOPosix
import Testing
import TraceFormat

@testable import Processes

/// Signatures by keys that `gpg` has made.
@Suite(.serialized) struct GPGVTests {
    /// A folder with keys.
    private struct Keys {
        let home: String

        /// Runs `gpg` with its output as it comes.
        func gpg(_ arguments: String..., input: [UInt8] = []) async throws -> [UInt8] {
            let result = try await ChildProcess.run(
                executable: "/usr/bin/gpg",
                arguments: ["--homedir", home, "--batch", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""]
                    + arguments,
                environment: ["PATH=/usr/bin:/bin"], pool: .singleton, deadline: .seconds(60)
            ) { child in
                try await NIOThreadPool.singleton.blocking {
                    _ = input.withUnsafeBytes { child.send($0) }
                    let answer = child.receiveRest(limit: 1 << 20)
                    child.awaitEnd()
                    return answer
                }
            }
            guard case .exit(0) = result.ending, let answer = result.answer else { throw ProcessError(result.output) }
            return answer
        }

        func key(_ name: String) async throws -> OpenPGPKey { try OpenPGPKey(await gpg("--export", name)) }

        func sign(_ message: [UInt8], by name: String, _ options: String...) async throws -> [UInt8] {
            try await gpg("--local-user", name, options.first ?? "--armor", "--detach-sign", input: message)
        }
    }

    private func withKeys(_ body: (Keys) async throws -> Void) async throws {
        var template = Array("/tmp/martlet-gpg-test-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let home = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        do {
            try await body(Keys(home: home))
        } catch {
            remove(home)
            throw error
        }
        remove(home)
    }

    private func remove(_ home: String) {
        var arguments: [UnsafeMutablePointer<CChar>?] = (["rm", "-rf", home] as [String]).map { strdup($0) } + [nil]
        defer { for text in arguments { free(text) } }
        var pid: pid_t = 0
        if posix_spawn(&pid, "/bin/rm", nil, nil, &arguments, nil) == 0 { waitpid(pid, nil, 0) }
    }

    private var verifier: GPGV {
        get throws { GPGV(executable: try #require(GPGV.installed), pool: .singleton) }
    }

    private func fault(_ signature: [UInt8], _ message: [UInt8], _ key: OpenPGPKey) async throws -> String? {
        try await verifier.fault(of: signature, message: message, key: key.bytes, fingerprint: key.fingerprint)
    }

    private static let message = Array(#"{"hash":"00","name":"a","size":0,"event":"CREATE"}"#.utf8)

    @Test("a signature is good by its own key alone", arguments: ["rsa2048", "nistp256", "ed25519"])
    func signatures(algorithm: String) async throws {
        try await withKeys { keys in
            for name in ["ada@example.org", "eve@example.org"] {
                _ = try await keys.gpg("--quick-generate-key", name, algorithm, "sign", "never")
            }
            let (ada, eve) = (try await keys.key("ada@example.org"), try await keys.key("eve@example.org"))
            let listed = String(
                decoding: try await keys.gpg("--with-colons", "--list-keys", "ada@example.org"), as: UTF8.self)
            #expect(listed.contains("fpr:::::::::\(ada.fingerprint):") && ada.userID.contains("ada@example.org"))
            let armoured = try await keys.gpg("--armor", "--export", "ada@example.org")
            #expect(try OpenPGPKey(armoured) == ada && ada != eve)
            for form in ["--armor", "--no-armor"] {
                let signature = try await keys.sign(Self.message, by: "ada@example.org", form)
                #expect(try await fault(signature, Self.message, ada) == nil)
                #expect(
                    try await fault(signature, Self.message + [32], ada)?.contains("not one of the message") == true)
                #expect(try await fault(signature, Self.message, eve) != nil)
            }
            // A keyring of two keys tells by whom it was signed.
            let signature = try await keys.sign(Self.message, by: "eve@example.org")
            let both = try await verifier.fault(
                of: signature, message: Self.message, key: ada.bytes + eve.bytes, fingerprint: ada.fingerprint)
            #expect(both == "another key has signed")
        }
    }

    @Test("what is not safe to believe is refused")
    func refusals() async throws {
        try await withKeys { keys in
            _ = try await keys.gpg("--quick-generate-key", "ada", "rsa2048", "sign", "never")
            let key = try await keys.key("ada")
            let sha1 = try await keys.gpg(
                "--local-user", "ada", "--digest-algo", "SHA1", "--detach-sign", input: Self.message)
            #expect(try await fault(sha1, Self.message, key) != nil)
            let text = try await keys.gpg("--local-user", "ada", "--textmode", "--detach-sign", input: Self.message)
            #expect(try await fault(text, Self.message, key)?.contains("--textmode") == true)
            let inline = try await keys.gpg("--local-user", "ada", "--sign", input: Self.message)
            for nonsense in [inline, [], Array("nonsense".utf8), [UInt8](repeating: 0x88, count: 5000)] {
                #expect(try await fault(nonsense, Self.message, key) != nil)
            }
            _ = try await keys.gpg("--quick-generate-key", "old", "rsa2048", "sign", "seconds=2")
            let signature = try await keys.sign(Self.message, by: "old")
            let old = try await keys.key("old")
            try await Task.sleep(for: .seconds(3))
            #expect(try await fault(signature, Self.message, old) == "the key has expired")
        }
    }

    @Test("a program that hangs, or says too much, is an error", arguments: ["sleep 60", "yes"])
    func hanging(script: String) async throws {
        try await withKeys { keys in
            let path = keys.home + "/gpgv"
            let text = Array("#!/bin/sh\nexec \(script)\n".utf8)
            let file = open(path, O_WRONLY | O_CREAT, 0o700)
            #expect(write(file, text, text.count) == text.count)
            close(file)
            let verifier = GPGV(executable: path, pool: .singleton, deadline: .seconds(2))
            let began = ContinuousClock.now
            await #expect(throws: ProcessError.self) {
                try await verifier.fault(of: [1], message: [2], key: [3], fingerprint: "")
            }
            #expect(ContinuousClock.now - began < .seconds(20))
        }
    }

    @Test("no file is left behind")
    func leftovers() async throws {
        try await withKeys { keys in
            setenv("TMPDIR", keys.home, 1)
            defer { unsetenv("TMPDIR") }
            _ = try await verifier.fault(of: [1], message: [2], key: [3], fingerprint: "")
            var names: [String] = []
            let entries = try #require(opendir(keys.home))
            while let entry = readdir(entries) {
                names.append(
                    withUnsafePointer(to: &entry.pointee.d_name) {
                        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                    })
            }
            closedir(entries)
            #expect(names.filter { $0.hasPrefix("martlet-gpgv") }.isEmpty)
        }
    }

    @Test("secret, weak, many and broken keys are none")
    func keys() async throws {
        try await withKeys { keys in
            for (name, algorithm) in [("ada", "rsa2048"), ("weak", "rsa1024")] {
                _ = try await keys.gpg("--quick-generate-key", name, algorithm, "sign", "never")
            }
            let good = try await keys.gpg("--export", "ada")
            let secret = try await keys.gpg("--export-secret-keys", "ada")
            let armour = try await keys.gpg("--armor", "--export", "ada")
            for wrong in [
                secret, try await keys.gpg("--export", "weak"), good + good, [], [1, 2, 3], Array(good.dropLast(7)),
                Array(good.dropFirst()), armour + armour, [UInt8](repeating: 0, count: OpenPGPKey.bytesMax + 1),
            ] {
                #expect(throws: TraceError.self, "\(wrong.count)") { try OpenPGPKey(wrong) }
            }
            // No prefix of it makes the reader run over its end.
            for count in 0..<good.count { _ = try? OpenPGPKey(Array(good.prefix(count))) }
        }
    }
}
